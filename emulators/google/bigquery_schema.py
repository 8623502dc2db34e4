"""What INFORMATION_SCHEMA tells: tables, columns, partitions, sizes, and the jobs that ran in a region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emulators.data import BigQueryData, BigQueryTable
from emulators.google.bigquery_sql import SchemaView
from emulators.google.bigquery_types import standard_type, width

if TYPE_CHECKING:
    from emulators.google.bigquery_engine import Job

Row = dict[str, Any]
MOMENT = pa.timestamp("us", tz="UTC")

PLACE = [("table_catalog", pa.string()), ("table_schema", pa.string()), ("table_name", pa.string())]
ERROR = pa.struct([("reason", pa.string()), ("message", pa.string())])
LABELS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))

SCHEMAS: dict[str, pa.Schema] = {
    "TABLES": pa.schema([*PLACE, ("table_type", pa.string())]),
    "COLUMNS": pa.schema(
        [*PLACE, ("column_name", pa.string()), ("ordinal_position", pa.int64()), ("is_nullable", pa.string()),
         ("data_type", pa.string()), ("is_partitioning_column", pa.string())]
    ),
    "PARTITIONS": pa.schema(
        [*PLACE, ("partition_id", pa.string()), ("total_rows", pa.int64()), ("total_logical_bytes", pa.int64()),
         ("last_modified_time", MOMENT)]
    ),
    "TABLE_STORAGE": pa.schema(
        [("project_id", pa.string()), *PLACE, ("total_rows", pa.int64()), ("total_logical_bytes", pa.int64())]
    ),
    "__TABLES__": pa.schema(
        [("project_id", pa.string()), ("dataset_id", pa.string()), ("table_id", pa.string()),
         ("last_modified_time", pa.int64()), ("row_count", pa.int64()), ("size_bytes", pa.int64()),
         ("type", pa.int64())]
    ),
    "JOBS": pa.schema(
        [("creation_time", MOMENT), ("project_id", pa.string()), ("user_email", pa.string()), ("job_id", pa.string()),
         ("job_type", pa.string()), ("statement_type", pa.string()), ("start_time", MOMENT), ("end_time", MOMENT),
         ("query", pa.string()), ("state", pa.string()), ("total_bytes_processed", pa.int64()),
         ("total_bytes_billed", pa.int64()), ("cache_hit", pa.bool_()), ("error_result", ERROR), ("labels", LABELS)]
    ),
}  # fmt: skip
"""The columns that this data can fill truly; any other column is an error when it is asked for."""

USER = "throughline-reader@local.iam.gserviceaccount.com"


def rows_of(view: SchemaView, data: BigQueryData, jobs: list[Job]) -> pa.Table:
    """The view's rows now, of one dataset or of all of the project's. Tables are unpartitioned."""
    name = "JOBS" if view.name.startswith("JOBS") else view.name
    if name == "JOBS":
        rows = [_job(job) for job in jobs if job.project == view.project]
    else:
        tables = {
            key: table
            for key, table in data.tables.items()
            if key[0] == view.project and view.dataset in (None, key[1]) and key[:2] not in data.denied
        }
        rows = [row for key, table in tables.items() for row in ROWS[name](key, table)]
    return pa.Table.from_pylist(rows, schema=SCHEMAS[name])


def _place(key: tuple[str, str, str]) -> Row:
    return {"table_catalog": key[0], "table_schema": key[1], "table_name": key[2], "project_id": key[0]}


def _size(table: BigQueryTable) -> int:
    return len(table.rows) * sum(width(one) for one in table.schema)


def _tables(key: tuple[str, str, str], table: BigQueryTable) -> Iterator[Row]:
    yield _place(key) | {"table_type": "BASE TABLE"}


def _columns(key: tuple[str, str, str], table: BigQueryTable) -> Iterator[Row]:
    for position, one in enumerate(table.schema, 1):
        nullable = "NO" if one.get("mode") == "REQUIRED" else "YES"
        kind = {"data_type": standard_type(one), "is_nullable": nullable, "is_partitioning_column": "NO"}
        yield _place(key) | {"column_name": one["name"], "ordinal_position": position} | kind


def _partitions(key: tuple[str, str, str], table: BigQueryTable) -> Iterator[Row]:
    size = {"total_rows": len(table.rows), "total_logical_bytes": _size(table)}
    yield _place(key) | {"partition_id": None, "last_modified_time": table.modified} | size


def _legacy(key: tuple[str, str, str], table: BigQueryTable) -> Iterator[Row]:
    modified = None if table.modified is None else int(table.modified.timestamp() * 1000)
    place = {"project_id": key[0], "dataset_id": key[1], "table_id": key[2], "type": 1}
    yield place | {"last_modified_time": modified, "row_count": len(table.rows), "size_bytes": _size(table)}


ROWS: dict[str, Callable[[tuple[str, str, str], BigQueryTable], Iterator[Row]]] = {
    "TABLES": _tables,
    "COLUMNS": _columns,
    "PARTITIONS": _partitions,
    "TABLE_STORAGE": _partitions,
    "__TABLES__": _legacy,
}


def _job(job: Job) -> Row:
    error = None if job.error is None else job.error.error["errors"][0]
    return {
        "creation_time": job.created,
        "start_time": job.created,
        "end_time": job.created,
        "project_id": job.project,
        "user_email": USER,
        "job_id": job.id,
        "job_type": "QUERY",
        "statement_type": "SELECT",
        "query": job.sql,
        "state": "DONE",
        "total_bytes_processed": 0 if job.error else job.bytes,
        "total_bytes_billed": job.billed,
        "cache_hit": False,
        "error_result": error and {"reason": error["reason"], "message": error["message"]},
        "labels": [{"key": key, "value": value} for key, value in job.labels.items()],
    }
