"""What a Terraform state held at each serial, kept as one row a resource for as long as it stayed the same.

A row is true from `serial_from` until before `serial_to`; NULL is "still so at the newest serial read". Serials may be
read in any order: the rows always come out as if they had been read one after another. Contents of an earlier
lineage of the same state are not kept; those of a new lineage replace all that was there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from services.records import StateContents
from services.store import identity, schema, shapes

_TABLE, _READ = schema.resource, schema.state_serial
_CONTENT = ("address", "type", "mode", "module", "provider", "status", "attributes", "fingerprint")
Content = dict[str, Any]
Change = tuple[int, bool, dict[str, Any] | None, dict[str, Any]]
"""(row's key, new, before, after)"""


def write(connection: Connection, workspace_id: int, state: StateContents, seen: int) -> list[Change]:
    """Write the resources of one serial; gives the rows that are new, or begin or end elsewhere than before."""
    if not _present_lineage(connection, workspace_id, state):
        return []
    serials = _serials_with(connection, workspace_id, state, seen)
    held = {
        shapes.text(found.native_id): {name: shapes.plain(getattr(found, name)) for name in _CONTENT}
        for found in state.resources
    }
    stored = _as_of(connection, workspace_id, state.serial)
    moved = [name for name in {**stored, **held} if stored.get(name) != held.get(name)]
    changes: list[Change] = []
    rows = _rows_of(connection, workspace_id, moved)
    for name in moved:
        history = _history(rows[name], serials)
        history[state.serial] = held.get(name)
        changes += _reshape(workspace_id, name, rows[name], _spans(history))
    return _save(connection, changes)


def _present_lineage(connection: Connection, workspace_id: int, state: StateContents) -> bool:
    """False for contents of a lineage that another one has replaced; a newer lineage takes the place of the old."""
    read = connection.execute(
        sa.select(_READ.c.lineage, sa.func.max(_READ.c.created_at)).where(_READ.c.workspace_id == workspace_id)
        .group_by(_READ.c.lineage).order_by(_READ.c.lineage).limit(1)
    ).first()  # fmt: skip
    if read is None or state.lineage is None or read[0] is None or read[0] == state.lineage:
        return True
    told = connection.execute(
        sa.select(schema.workspace.c.lineage).where(schema.workspace.c.id == workspace_id)
    ).scalar_one()
    later = state.created_at is not None and read[1] is not None and shapes.millis(state.created_at) > read[1]
    if told == read[0] or not (told == state.lineage or later):
        return False
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.workspace_id == workspace_id))
    connection.execute(sa.delete(_READ).where(_READ.c.workspace_id == workspace_id))
    return True


def _serials_with(connection: Connection, workspace_id: int, state: StateContents, seen: int) -> list[int]:
    """All serials that were read, this one included, in order."""
    found = set(connection.execute(sa.select(_READ.c.serial).where(_READ.c.workspace_id == workspace_id)).scalars())
    if state.serial not in found:
        created = None if state.created_at is None else shapes.millis(state.created_at)
        row = {"workspace_id": workspace_id, "serial": state.serial, "lineage": state.lineage, "created_at": created}
        connection.execute(sa.insert(_READ), row | {"observed_at": seen})
    return sorted(found | {state.serial})


def _as_of(connection: Connection, workspace_id: int, serial: int) -> dict[str, Content]:
    statement = sa.select(_TABLE).where(
        _TABLE.c.workspace_id == workspace_id, _TABLE.c.serial_from <= serial,
        sa.or_(_TABLE.c.serial_to.is_(None), _TABLE.c.serial_to > serial),
    )  # fmt: skip
    rows = connection.execute(statement).mappings()
    return {row["native_id"]: {name: row[name] for name in _CONTENT} for row in rows}


def _rows_of(connection: Connection, workspace_id: int, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for some in identity.chunks(names):
        statement = sa.select(_TABLE).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.native_id.in_(some))
        for row in connection.execute(statement.order_by(_TABLE.c.serial_from)).mappings():
            found[row["native_id"]].append(dict(row))
    return found


def _history(rows: list[dict[str, Any]], serials: list[int]) -> dict[int, Content | None]:
    """What a resource was at each serial that was read; None where it was not there."""
    history: dict[int, Content | None] = dict.fromkeys(serials)
    for row in rows:
        content = {name: row[name] for name in _CONTENT}
        for serial in serials:
            if row["serial_from"] <= serial and (row["serial_to"] is None or serial < row["serial_to"]):
                history[serial] = content
    return history


def _spans(history: dict[int, Content | None]) -> dict[int, tuple[int | None, Content]]:
    """serial_from -> (serial_to, content), for each stretch of serials over which the resource stayed the same."""
    stretches = [(serials[0], content) for content, serials in _stretches(history)]
    ends = [after for (_, _), (after, _) in pairwise(stretches)] + [None]
    return {first: (end, content) for (first, content), end in zip(stretches, ends, strict=True) if content is not None}


def _stretches(history: dict[int, Content | None]) -> Iterable[tuple[Content | None, list[int]]]:
    for content, pairs in groupby(history.items(), key=lambda pair: pair[1]):
        yield content, [serial for serial, _ in pairs]


def _reshape(
    workspace_id: int, name: str, rows: list[dict[str, Any]], spans: dict[int, tuple[int | None, Content]]
) -> list[Change]:
    """Which rows to insert, to change or (an `after` without content) to delete."""
    stored = {row["serial_from"]: row for row in rows}
    changes: list[Change] = []
    for first, (end, content) in spans.items():
        before = stored.pop(first, None)
        after = {"workspace_id": workspace_id, "native_id": name, **content, "serial_from": first, "serial_to": end}
        if before is None:
            changes.append((0, True, None, after))
        elif before != (whole := {"id": before["id"], **after}):
            changes.append((before["id"], False, before, whole))
    return changes + [(row["id"], False, row, {}) for row in stored.values()]


def _save(connection: Connection, changes: list[Change]) -> list[Change]:
    for some in identity.chunks([key for key, _, before, after in changes if before and not after]):
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.id.in_(some)))
    identity.update(connection, _TABLE, "id", [after for _, new, _, after in changes if not new and after])
    inserted = [after for _, new, _, after in changes if new]
    keys = iter(identity.new_keys(connection, _TABLE, len(inserted)))
    written = [
        ({"id": next(keys), **after} if new else after, new, before) for _, new, before, after in changes if after
    ]
    identity.insert(connection, _TABLE, [after for after, new, _ in written if new])
    return [(after["id"], new, before, after) for after, new, before in written]
