"""How records become rows: keys for references, what really changed, and no newer copy lost to an older one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from services.records import MetricPoint, Record, Ref, StateContents
from services.store import contents, identity, merging, points, schema, shapes

Thing = tuple[str, str, str]
"""(table, kind, native id)"""


@dataclass(frozen=True, slots=True)
class Touched:
    """A row that is new or whose content changed. `before` is None where it had no content yet.

    Both hold all columns as stored (times in epoch milliseconds, references as keys); a version also has "detail",
    the columns of its detail table. A metric point has no key of its own: its `id` is 0.
    """

    table: str
    id: int
    new: bool
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def source_key(connection: Connection, family: str, instance: str, name: str, now: datetime) -> int:
    """The key of a source instance; made at first contact. A new name in the configuration renames it."""
    source = schema.source
    found = connection.execute(
        sa.select(source.c.id, source.c.name).where(source.c.family == family, source.c.instance == instance)
    ).first()
    if found is None:
        (key,) = identity.new_keys(connection, source, 1)
        row = {"id": key, "family": family, "instance": instance, "name": name, "first_contact_at": shapes.millis(now)}
        connection.execute(sa.insert(source), row)
        return key
    if found.name != name:
        connection.execute(sa.update(source).where(source.c.id == found.id).values(name=name))
    return int(found.id)


def apply(connection: Connection, source_id: int, records: Iterable[Record], now: datetime) -> list[Touched]:
    """Write records of one source; gives what is new or changed. Call within `Store.write()`.

    A reference to something not seen yet makes a bare row, which the thing's own record completes later. Where both
    copies have the source's `updated_at`, an older one changes nothing. `observed_at` moves in any case.
    """
    everything = list(records)
    things = [record for record in everything if type(record) in shapes.TABLES]
    states = [record for record in everything if isinstance(record, StateContents)]
    stored, keys = _known(connection, source_id, things, states)
    bare = _give_keys(connection, things, keys)
    seen = shapes.millis(now)
    _insert_bare(connection, source_id, bare, seen)

    touched = []
    by_table: defaultdict[type, list[Any]] = defaultdict(list)
    for record in things:
        by_table[type(record)].append(record)
    for kind in shapes.TABLES:
        if by_table[kind]:
            touched += _write(connection, source_id, kind, by_table[kind], stored, keys, seen)
    for state in states:
        workspace_id = cast(int, keys["workspace", state.workspace.kind, state.workspace.native_id])
        touched += [Touched("resource", *change) for change in contents.write(connection, workspace_id, state, seen)]
    measured = [record for record in everything if isinstance(record, MetricPoint)]
    touched += [Touched("metric_point", 0, *change) for change in points.write(connection, source_id, measured, seen)]
    return touched


def mark_gone(
    connection: Connection, source_id: int, kind: str, present: frozenset[str], now: datetime
) -> list[Touched]:
    """Mark the rows of a kind that the source no longer has; `present` are all its native ids, over all its scopes.

    Nothing is deleted or closed. A record that comes again takes the mark away.
    """
    table = shapes.KINDS[kind]
    held = connection.execute(
        sa.select(table.c.native_id).where(
            table.c.source_id == source_id, table.c.kind == kind, table.c.gone_at.is_(None)
        )
    ).scalars()
    return mark_lost(connection, source_id, kind, [native_id for native_id in held if native_id not in present], now)


def mark_lost(
    connection: Connection, source_id: int, kind: str, native_ids: Iterable[str], now: datetime
) -> list[Touched]:
    """Mark these rows of a kind as gone; those that are so already keep their time."""
    table = shapes.KINDS[kind]
    lost = [(kind, native_id) for native_id in native_ids]
    found = identity.find(connection, table, source_id, lost, table.c).values()
    rows = [row for row in found if row["gone_at"] is None and not merging.bare(row)]
    at = shapes.millis(now)
    identity.update(connection, table, "id", [{"id": row["id"], "gone_at": at} for row in rows])
    return [Touched(table.name, row["id"], False, row, {**row, "gone_at": at}) for row in rows]


def _known(
    connection: Connection, source_id: int, things: list[Any], states: list[StateContents]
) -> tuple[dict[Thing, dict[str, Any]], dict[Thing, int | None]]:
    """Stored rows of the records, and keys of all that they refer to; None where there is no row yet."""
    own: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    named: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    for record in things:
        own[shapes.TABLES[type(record)].name][record.kind, record.native_id] = None
        for target, ref in shapes.references(record):
            named[target][ref.kind, ref.native_id] = None
    for state in states:
        named["workspace"][state.workspace.kind, state.workspace.native_id] = None
    stored: dict[Thing, dict[str, Any]] = {}
    keys: dict[Thing, int | None] = {}
    for name in {**own, **named}:
        table = schema.METADATA.tables[name]
        rows = identity.find(connection, table, source_id, own[name], table.c)
        stored.update({(name, *who): row for who, row in rows.items()})
        others = [who for who in named[name] if who not in own[name]]
        rows |= identity.find(connection, table, source_id, others, (table.c.id, table.c.native_id))
        keys.update({(name, *who): rows[who]["id"] if who in rows else None for who in (*own[name], *others)})
    return stored, keys


def _give_keys(connection: Connection, things: list[Any], keys: dict[Thing, int | None]) -> dict[Thing, int]:
    """Fill in keys of what has no row yet; gives those that only a reference names."""
    missing: defaultdict[str, list[Thing]] = defaultdict(list)
    for thing, key in keys.items():
        if key is None:
            missing[thing[0]].append(thing)
    for name, lacking in missing.items():
        fresh = identity.new_keys(connection, schema.METADATA.tables[name], len(lacking))
        keys.update(zip(lacking, fresh, strict=True))
    own = {(shapes.TABLES[type(record)].name, record.kind, record.native_id) for record in things}
    return {thing: cast(int, keys[thing]) for lacking in missing.values() for thing in lacking if thing not in own}


def _insert_bare(connection: Connection, source_id: int, bare: dict[Thing, int], seen: int) -> None:
    by_table: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for (name, kind, native_id), key in bare.items():
        by_table[name].append(
            {"id": key, "source_id": source_id, "kind": kind, "native_id": native_id, "observed_at": seen,
             "first_seen_at": seen}
        )  # fmt: skip
    for name, rows in by_table.items():
        identity.insert(connection, schema.METADATA.tables[name], rows)


def _write(
    connection: Connection, source_id: int, kind: type, records: list[Any], stored: Mapping[Thing, dict[str, Any]],
    keys: Mapping[Thing, int | None], seen: int,
) -> list[Touched]:  # fmt: skip
    """Insert, update or only re-date the rows of one table."""
    table = shapes.TABLES[kind]

    def resolve(target: str, ref: Ref) -> int:
        return cast(int, keys[target, ref.kind, ref.native_id])

    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        who = (record.kind, record.native_id)
        current = rows.get(who) or stored.get((table.name, *who))
        if current is None:
            key = keys[table.name, record.kind, record.native_id]
            current = merging.empty(table, cast(int, key), source_id, record.kind, record.native_id, seen)
        rows[who] = merging.merge(table.name, current, shapes.content(record, resolve), seen)
    found = []
    for who, after in rows.items():
        before = stored.get((table.name, *who))
        new = before is None or merging.bare(before)
        found.append(Touched(table.name, after["id"], new, None if new else before, after))
    _save(connection, table, found, stored, seen)
    if table is schema.version:
        found = _with_details(connection, records, found, resolve)
    return [change for change in found if change.new or merging.differs(change.before or {}, change.after)]


def _save(
    connection: Connection, table: Table, found: list[Touched], stored: Mapping[Thing, dict[str, Any]], seen: int
) -> None:
    inserted, changed, same = [], [], []
    for change in found:
        row = dict(change.after)
        if change.new and (table.name, row["kind"], row["native_id"]) not in stored:
            inserted.append(row)
        elif change.new or merging.differs(change.before or {}, row):
            changed.append(row)
        else:
            same.append(row["id"])
    identity.insert(connection, table, inserted)
    identity.update(connection, table, "id", changed)
    for some in identity.chunks(same):
        earlier = (table.c.id.in_(some), table.c.observed_at < seen)
        connection.execute(sa.update(table).where(*earlier).values(observed_at=seen))


def _with_details(
    connection: Connection, records: list[Any], found: list[Touched], resolve: shapes.Resolve
) -> list[Touched]:
    """Write what is special to a kind of version into its detail table, and tell it with the version."""
    details: dict[tuple[str, str], Any] = {
        (record.kind, record.native_id): record.detail for record in records if record.detail is not None
    }
    told: dict[int, tuple[dict[str, Any] | None, dict[str, Any]]] = {}
    for kind, table in shapes.DETAILS.items():
        wanted = {
            change.id: shapes.content(detail, resolve)
            for change in found
            if type(detail := details.get((change.after["kind"], change.after["native_id"]))) is kind
        }
        told |= merging.write_details(connection, table, wanted)
    return [
        Touched(
            change.table, change.id, change.new,
            None if change.before is None else {**change.before, "detail": told[change.id][0]},
            {**change.after, "detail": told[change.id][1]},
        ) if change.id in told else change
        for change in found
    ]  # fmt: skip
