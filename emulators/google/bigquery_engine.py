"""What a query answers, and what it would cost: BigQuery's tables held in DuckDB, filled as the data grows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from emulators.data import BigQueryData, BigQueryTable
from emulators.google.answers import Refusal, refuse_in_the_old_way
from emulators.google.bigquery_macros import MACROS
from emulators.google.bigquery_schema import rows_of
from emulators.google.bigquery_sql import SchemaView, Setting, Translated, invalid, translate
from emulators.google.bigquery_types import arrow_schema, holds_nan, result_field, width

Json = dict[str, Any]
Key = tuple[str, str, str]

SMALLEST_BILL = 10 * 1024 * 1024
"""Each table that is read is billed for 10 MiB at least (cloud.google.com/bigquery/pricing)."""
EXACT = "NUMERIC"
JOBS_KEPT = 2_000
"""The newest jobs, with their rows; an older one is no longer found."""


@dataclass
class Job:
    """A query that was asked for: what it read, what it answered or why it failed."""

    id: str
    project: str
    location: str
    sql: str
    labels: dict[str, str]
    created: datetime
    dry: bool = False
    configuration: Json = field(default_factory=dict)
    fields: list[Json] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    tables: list[Key] = field(default_factory=list)
    bytes: int = 0
    error: Refusal | None = None

    @property
    def billed(self) -> int:
        return 0 if self.dry or self.error else max(self.bytes, SMALLEST_BILL * len(self.tables))


class Engine:
    """One DuckDB in memory for all of a server's tables; `jobs` remembers every query by its id."""

    def __init__(self, data: BigQueryData) -> None:
        self.data = data
        self.jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._loaded: dict[str, tuple[int, int]] = {}
        """Engine table -> (identity of its BigQueryTable, rows loaded)."""
        self._with_nan: set[str] = set()
        self._duck = duckdb.connect()
        self._duck.execute("SET TimeZone = 'UTC'")
        self._duck.execute(MACROS)

    def run(self, job: Job, setting: Setting, cap: int | None) -> Job:
        """Run the query, or only weigh it when `job.dry`. A failure is kept in the job, as BigQuery keeps it."""
        with self._lock:
            try:
                self._run(job, setting, cap)
            except Refusal as error:
                job.error = error
            except duckdb.Error as error:
                job.error = invalid(str(error).splitlines()[0])
            if not job.dry:
                self.jobs[job.id] = job
                if len(self.jobs) > JOBS_KEPT:
                    del self.jobs[next(iter(self.jobs))]
        return job

    def _run(self, job: Job, setting: Setting, cap: int | None) -> None:
        query = translate(job.sql, setting)
        tables = {name: self._table(key, job) for name, key in query.tables.items()}
        job.tables = list(query.tables.values())
        _check_exact(tables, query)
        job.bytes = sum(_weight(table, query.columns) for table in tables.values())
        for name, table in tables.items():
            self._load(name, table)
        nan = bool(self._with_nan & set(tables))
        if nan:
            query = translate(job.sql, replace(setting, nan=True))
        for name, view in query.views.items():
            self._admit(view)
            self._replace(name, rows_of(view, self.data, list(self.jobs.values())))
        if job.dry:
            result = self._duck.sql(f"SELECT * FROM ({query.sql}) LIMIT 0")
        elif cap is not None and max(job.bytes, SMALLEST_BILL * len(tables)) > cap:
            needed = max(job.bytes, SMALLEST_BILL * len(tables))
            message = f"Query exceeded limit for bytes billed: {cap}. {needed} or higher required."
            raise refuse_in_the_old_way(400, message, "bytesBilledLimitExceeded")
        else:
            result = self._duck.sql(query.sql)
        job.fields = [result_field(name, kind) for name, kind in zip(result.columns, result.types, strict=True)]
        _check_names(job.fields)
        if nan:
            _check_order(job.fields, query.ordered_by)
        answer = result.to_arrow_table()
        job.rows = list(zip(*(column.to_pylist() for column in answer.columns), strict=True))

    def _table(self, key: Key, job: Job) -> BigQueryTable:
        project, dataset, table = key
        name = f"{project}:{dataset}.{table}"
        status = self.data.denied.get((project, dataset))
        if status is not None:
            message = f"Access Denied: Table {name}: User does not have permission to query table {name}, "
            raise refuse_in_the_old_way(status, message + "or perhaps it does not exist.")
        if key not in self.data.tables:
            raise refuse_in_the_old_way(404, f"Not found: Table {name} was not found in location {job.location}")
        return self.data.tables[key]

    def _admit(self, view: SchemaView) -> None:
        if view.dataset is None:
            return
        name = f"{view.project}:{view.dataset}"
        status = self.data.denied.get((view.project, view.dataset))
        if status is not None:
            raise refuse_in_the_old_way(status, f"Access Denied: Dataset {name}: User does not have permission")
        if not any(key[:2] == (view.project, view.dataset) for key in self.data.tables):
            raise refuse_in_the_old_way(404, f"Not found: Dataset {name} was not found")

    def _load(self, name: str, table: BigQueryTable) -> None:
        identity, count = self._loaded.get(name, (0, 0))
        if identity == id(table) and count == len(table.rows):
            return
        quoted = exp.to_identifier(name, quoted=True).sql("duckdb")
        fresh = identity != id(table) or count > len(table.rows)
        new = table.rows if fresh else table.rows[count:]
        if fresh:
            self._with_nan.discard(name)
        if any(holds_nan(row) for row in new):
            self._with_nan.add(name)
        rows = pa.Table.from_pylist(new, schema=arrow_schema(table.schema))
        self._duck.register("incoming", rows)
        json_columns = ", ".join(
            f'CAST("{one["name"]}" AS JSON) AS "{one["name"]}"' for one in table.schema if one["type"] == "JSON"
        )
        chosen = f"* REPLACE ({json_columns})" if json_columns else "*"
        verb = f"CREATE OR REPLACE TABLE {quoted} AS" if fresh else f"INSERT INTO {quoted}"
        self._duck.execute(f"{verb} SELECT {chosen} FROM incoming")
        self._duck.unregister("incoming")
        self._loaded[name] = (id(table), len(table.rows))

    def _replace(self, name: str, rows: pa.Table) -> None:
        self._duck.register("incoming", rows)
        quoted = exp.to_identifier(name, quoted=True).sql("duckdb")
        self._duck.execute(f"CREATE OR REPLACE TABLE {quoted} AS SELECT * FROM incoming")
        self._duck.unregister("incoming")


def _check_exact(tables: dict[str, BigQueryTable], query: Translated) -> None:
    """NUMERIC stays exact in BigQuery; DuckDB turns it into a float as soon as one computes with it."""
    exact = {one["name"].lower() for table in tables.values() for one in table.schema if one["type"] == EXACT}
    if query.computes and (exact & query.columns or (exact and "*" in query.columns)):
        raise invalid("This local BigQuery does not serve computations with NUMERIC columns.")


def _check_order(fields: list[Json], names: list[str]) -> None:
    """Where a NaN may be in the column that the result is ordered by, its place would be DuckDB's."""
    known = {str(place): one for place, one in enumerate(fields, 1)} | {one["name"].lower(): one for one in fields}
    if any(name not in known or known[name]["type"] == "FLOAT" for name in names):
        raise invalid("This local BigQuery does not serve ORDER BY of numbers over a table that holds a NaN.")


def _check_names(fields: list[Json]) -> None:
    names = [one["name"].lower() for one in fields]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise invalid(f"Duplicate column names in the result are not supported. Found duplicate(s): {min(doubled)}")


def _weight(table: BigQueryTable, columns: set[str]) -> int:
    """Bytes that a scan of these columns reads: every row of each column that the query names."""
    wanted = [one for one in table.schema if "*" in columns or one["name"].lower() in columns]
    return len(table.rows) * sum(width(one) for one in wanted)


def table_bytes(table: BigQueryTable) -> int:
    return len(table.rows) * sum(width(one) for one in table.schema)
