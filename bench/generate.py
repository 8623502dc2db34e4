"""Fills an empty store with a large team's year in minutes: 200 projects, 200,000 pipelines, 1,000,000 jobs.

python -m bench.generate STORE [--pipelines 200000] [--projects 200] [--now 2026-11-24T09:00:00Z]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from bench import delivered, ml_fleet
from bench import fleet as made
from bench.fleet import COLUMNS, Fleet, Row, Size
from services.store import rollups, schema
from services.store.database import Store, open_store
from services.store.identity import chunks

BATCH = 5_000
STREAMS = {
    made.GITLAB: ("projects", "pipelines", "jobs", "merge_requests", "approvals", "deployments", "environments",
                  "schedules", "registry", "releases", "incidents", "states", "state_versions", "plans"),
    made.VERTEX: ("pipeline_jobs", "tasks", "schedules", "custom_jobs", "models", "evaluations", "endpoints",
                  "monitors", "feature_views"),
}  # fmt: skip


def fill(store: Store, size: Size) -> dict[str, int]:
    """Write everything into a migrated, empty store, its read models included; gives the rows by table."""
    fleet = made.make(size)
    written: dict[str, int] = {}
    with store.write() as connection:
        _sources(connection, size)
        indexes = [index for table in schema.METADATA.sorted_tables for index in table.indexes]
        for index in indexes:
            index.drop(connection)
        for name, rows in _parts(fleet):
            columns = COLUMNS.get(name) or ml_fleet.COLUMNS[name]
            written[name] = written.get(name, 0) + load(connection, schema.METADATA.tables[name], columns, rows)
        for index in indexes:
            index.create(connection)
        _move_sequences(connection)
        rollups.rebuild(connection)
        _memberships_and_problems(connection, size)
    if store.dialect == "postgresql":
        with store.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    store.checkpoint()
    return written


def _parts(fleet: Fleet) -> list[tuple[str, Iterable[Row]]]:
    size = fleet.size
    return [
        ("project", made.projects(size)), ("environment", made.environments(size)), ("run", made.runs(fleet)),
        ("step", made.steps(fleet)), ("version", delivered.versions(fleet)), ("change", delivered.changes(fleet)),
        ("deployment", delivered.deployments(fleet)), ("link", delivered.links(fleet)),
        ("event", delivered.events(fleet)),
        *ml_fleet.parts(size, len(delivered.mainline(fleet))),
    ]  # fmt: skip


def load(connection: Connection, table: Table, columns: tuple[str, ...], rows: Iterable[Row]) -> int:
    """Insert rows past SQLAlchemy: executemany on SQLite, COPY on PostgreSQL; documents come as JSON text."""
    quoted = ", ".join(f'"{name}"' for name in columns)
    cursor: Any = connection.connection.cursor()
    count = 0
    if connection.dialect.name == "postgresql":
        with cursor.copy(f'COPY "{table.name}" ({quoted}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    else:
        statement = f'INSERT INTO "{table.name}" ({quoted}) VALUES ({", ".join("?" * len(columns))})'
        for some in chunks(rows, BATCH):
            cursor.executemany(statement, some)
            count += len(some)
    cursor.close()
    return count


def _sources(connection: Connection, size: Size) -> None:
    families = {made.GITLAB: ("gitlab", "gitlab.example.com"), made.VERTEX: ("vertex", "aiplatform/1/europe-west4")}
    began = size.now - size.days * made.DAY
    for key, (family, instance) in families.items():
        row = {"id": key, "family": family, "instance": instance, "name": family, "first_contact_at": began}
        connection.execute(sa.insert(schema.source), row)
        states = [
            {
                "source_id": key, "scope": "all", "stream": stream, "scope_name": instance, "cursor": {}, "failures": 0,
                "tried_at": size.now, "good_at": size.now, "status": "ok", "filled_at": began, "every_ms": 60_000,
                "stale_after_ms": 300_000, "since": began, "rows_total": 0, "rejected": 0,
            }
            for stream in STREAMS[key]
        ]  # fmt: skip
        connection.execute(sa.insert(schema.stream_state), states)


def _move_sequences(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    for table in schema.METADATA.sorted_tables:
        if table.autoincrement_column is not None:
            highest = sa.select(sa.func.coalesce(sa.func.max(table.autoincrement_column), 1)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
            connection.execute(sa.select(sa.func.setval(sequence, highest)))


def _memberships_and_problems(connection: Connection, size: Size) -> None:
    """Each project's product, and a problem for each default branch whose newest pipeline failed."""
    members = [
        {"product": made.path(key).split("/")[1], "thing_table": "project", "thing_id": key, "rule": "subgroup",
         "evidence": made.path(key), "guess": True}
        for key in range(1, size.projects + 1)
    ]  # fmt: skip
    connection.execute(sa.insert(schema.membership), members)
    run, head = schema.run, schema.branch_head
    failed = sa.select(run).join(head, head.c.run_id == run.c.id).where(head.c.is_default, run.c.state == "failed")
    problems = [
        {
            "kind": "run-failed", "subject_table": "run", "subject_id": row.id, "place": row.ref,
            "source_id": row.source_id, "product": row.name.split("/")[1], "lane": "ci", "severity": "red",
            "state": "failed", "title": f"The pipeline of {row.name} on main failed", "reason": "script_failure",
            "facts": {}, "web_url": row.web_url, "opened_at": row.finished_at, "seen_at": row.finished_at,
            "updated_at": row.finished_at, "first_fill": False,
        }
        for row in connection.execute(failed)
    ]  # fmt: skip
    if problems:
        connection.execute(sa.insert(schema.problem), problems)


def main(arguments: list[str] | None = None) -> int:
    """Fill the store that is named on the command line, and say how many rows it took how long to write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", help="a new SQLite file, or the URL of an empty PostgreSQL database")
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--pipelines", type=int, default=200_000)
    parser.add_argument("--now", type=datetime.fromisoformat, default=None)
    options = parser.parse_args(arguments)
    now = options.now or datetime.now(UTC)
    store = open_store(options.store)
    store.migrate(now)
    began = time.perf_counter()
    size = Size(now=round(now.timestamp() * 1000), projects=options.projects, pipelines=options.pipelines)
    written = fill(store, size)
    seconds = time.perf_counter() - began
    store.close()
    sys.stdout.write("".join(f"{count:>9,} {name}\n" for name, count in written.items()))
    sys.stdout.write(f"{sum(written.values()):>9,} rows in {seconds:.1f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
