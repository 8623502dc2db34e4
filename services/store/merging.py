"""What a row becomes when a newer, an older or a poorer copy of the same thing arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from services.store import identity, shapes

_REFERENCES = {
    table.name: frozenset(column.name for column in table.c if "target" in column.info)
    for table in (*shapes.TABLES.values(), *shapes.DETAILS.values())
}
_LASTING = {
    "run": frozenset({"created_at", "author", "title", "sha", "trigger", "definition"}),
    "change": frozenset({"created_at", "author", "approved_by", "approvals_required", "merge_sha"}),
}
"""Beside references: what does not become unknown again, so that a list, which leaves it out, does not erase it."""

_LISTED_POORER = frozenset({"run", "change", "deployment"})
"""Tables whose list answers leave out what the detail answer of the same version holds (durations, coverage …)."""


def empty(table: Table, key: int, source_id: int, kind: str, native_id: str, seen: int) -> dict[str, Any]:
    """A row of which nothing is known yet but who it is."""
    row: dict[str, Any] = dict.fromkeys(table.c.keys())
    return row | {
        "id": key, "source_id": source_id, "kind": kind, "native_id": native_id, "observed_at": seen,
        "first_seen_at": seen,
    }  # fmt: skip


def bare(row: Mapping[str, Any]) -> bool:
    """True where only a reference has named the thing so far."""
    return all(value is None for name, value in row.items() if name not in shapes.KEPT)


def differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """True where the content differs, or the thing is gone or came back; when we saw it does not count."""
    return {**before, "observed_at": None} != {**after, "observed_at": None}


def merge(table: str, current: Mapping[str, Any], incoming: dict[str, Any], seen: int) -> dict[str, Any]:
    """The row after this copy of the thing."""
    row = dict(current)
    row["observed_at"] = max(seen, row["observed_at"])
    row["gone_at"] = None
    if bare(current):
        row["first_seen_at"] = seen
    held, comes = current.get("updated_at"), incoming.get("updated_at")
    if held is not None and comes is not None and comes < held:
        return row
    same_version = held is not None and held == comes and table in _LISTED_POORER
    lasting = _REFERENCES[table] | _LASTING.get(table, frozenset())
    for name, value in incoming.items():
        if value is None and (same_version or name in lasting):
            continue
        row[name] = value
    if table == "run":
        _keep_effective_state(current, row)
    return row


def _keep_effective_state(current: Mapping[str, Any], row: dict[str, Any]) -> None:
    """`state` counts downstream runs too; it starts anew only where the run's own state has moved."""
    row["own_state"] = row["state"]
    if current["own_state"] == row["own_state"] and current["state"] is not None:
        row["state"] = current["state"]


def write_details(
    connection: Connection, table: Table, wanted: Mapping[int, dict[str, Any]]
) -> dict[int, tuple[dict[str, Any] | None, dict[str, Any]]]:
    """Write detail rows by version key; gives (before, after) of each."""
    stored: dict[int, dict[str, Any]] = {}
    for some in identity.chunks(wanted):
        statement = sa.select(table).where(table.c.version_id.in_(some))
        stored.update({row["version_id"]: dict(row) for row in connection.execute(statement).mappings()})
    told: dict[int, tuple[dict[str, Any] | None, dict[str, Any]]] = {}
    for key, row in wanted.items():
        before = stored.get(key)
        kept = {name: (before or {}).get(name) for name in _REFERENCES[table.name] if row[name] is None}
        told[key] = (before, {"version_id": key, **row, **kept})
    identity.insert(connection, table, [after for before, after in told.values() if before is None])
    identity.update(
        connection, table, "version_id",
        [after for before, after in told.values() if before is not None and before != after],
    )  # fmt: skip
    return told
