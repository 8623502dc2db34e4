"""Which key a thing of an upstream has in the store, and new keys for those that have none yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Table

T = TypeVar("T")
CHUNK = 1000
"""Rows or keys a statement carries at most (store.md: bind limits)."""


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    held: list[T] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def find(
    connection: Connection, table: Table, source_id: int, identities: Iterable[tuple[str, str]], columns: Iterable[Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    """(kind, native id) -> the columns asked for, of those that the store holds."""
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for kind, native_id in identities:
        by_kind[kind].append(native_id)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, native_ids in by_kind.items():
        for some in chunks(native_ids):
            statement = sa.select(*columns).where(
                table.c.source_id == source_id, table.c.kind == kind, table.c.native_id.in_(some)
            )
            for row in connection.execute(statement).mappings():
                found[kind, row["native_id"]] = dict(row)
    return found


def new_keys(connection: Connection, table: Table, count: int) -> list[int]:
    """Keys for rows to be inserted in this write transaction; nobody else gets the same."""
    if count == 0:
        return []
    if connection.dialect.name == "postgresql":
        sequence = sa.func.nextval(sa.func.pg_get_serial_sequence(table.name, "id"))
        drawn = connection.execute(sa.select(sequence).select_from(sa.func.generate_series(1, count)))
        return [int(key) for key in drawn.scalars()]
    highest = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() or 0
    return list(range(highest + 1, highest + 1 + count))


def insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    for some in chunks(rows):
        connection.execute(sa.insert(table), some)


def update(connection: Connection, table: Table, key: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows that all have the same columns over those with the same key."""
    for some in chunks(rows):
        columns = {name: sa.bindparam(f"v_{name}", type_=table.c[name].type) for name in some[0] if name != key}
        statement = sa.update(table).where(table.c[key] == sa.bindparam(f"k_{key}")).values(columns)
        named = [{f"{'k' if name == key else 'v'}_{name}": value for name, value in row.items()} for row in some]
        connection.execute(statement, named)
