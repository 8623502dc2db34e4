"""Records with harmless defaults, so that a test names only what matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table

from services.records import Project, Record, Ref, Resource, Run, StateContents, Step
from services.store import writer
from services.store.database import Store
from services.store.writer import Touched
from services.vocabulary import RunState

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WORKSPACE = Ref("workspace", "7/prod")


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def a_project(native_id: str = "7", **fields: Any) -> Project:
    return Project(
        **{"native_id": native_id, "path": "ml/forecast", "name": "forecast", "default_branch": "main"} | fields
    )


def a_run(native_id: str = "1", state: RunState = RunState.SUCCEEDED, **fields: Any) -> Run:
    defaults = {
        "native_id": native_id, "kind": "pipeline", "project": Ref("project", "7"), "name": "ml/forecast",
        "state": state, "state_raw": str(state), "ref": "main", "created_at": ago(hours=1), "final": True,
    }  # fmt: skip
    return Run(**defaults | fields)


def a_step(native_id: str = "1", state: RunState = RunState.SUCCEEDED, **fields: Any) -> Step:
    defaults = {
        "native_id": native_id, "kind": "job", "run": Ref("pipeline", "1"), "name": "test", "state": state,
        "state_raw": str(state), "created_at": ago(hours=1), "final": True,
    }  # fmt: skip
    return Step(**defaults | fields)


def contents(
    serial: int, resources: Mapping[str, str], lineage: str | None = "L", at: datetime | None = None
) -> StateContents:
    """A state's serial: address -> fingerprint."""
    held = tuple(
        Resource(
            native_id=address, workspace=WORKSPACE, address=address, type="bucket", mode="managed",
            attributes={"mark": mark}, fingerprint=mark,
        )
        for address, mark in resources.items()
    )  # fmt: skip
    return StateContents(workspace=WORKSPACE, serial=serial, lineage=lineage, created_at=at, resources=held)


def put(store: Store, *records: Record, at: datetime = NOW, source: str = "gitlab.com") -> list[Touched]:
    """Write records as one batch of one source; what was touched."""
    with store.write() as connection:
        key = writer.source_key(connection, "gitlab", source, "team", at)
        return writer.apply(connection, key, records, at)


def rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """All rows of a table, by its key."""
    from sqlalchemy import select

    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def one(found: Iterable[Any]) -> Any:
    (only,) = found
    return only
