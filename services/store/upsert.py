"""INSERT … ON CONFLICT DO UPDATE in the words of either dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

CHUNK = 1000
"""Rows an executemany; below every driver's limit of bind parameters, which counts one row at a time."""


def insert_for(conn: Connection, table: Table) -> Any:
    """The dialect's own insert, which knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def upsert(conn: Connection, table: Table, rows: Iterable[Mapping[str, Any]], keep: Sequence[str] = ()) -> int:
    """Insert rows, or overwrite those with the same primary key; columns in `keep` stay as they were first written.

    All rows must have the same columns. Returns how many rows were given.
    """
    listed = list(rows)
    if not listed:
        return 0
    keys = [column.name for column in table.primary_key]
    statement = insert_for(conn, table)
    changed = {name: statement.excluded[name] for name in listed[0] if name not in keys and name not in keep}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    for start in range(0, len(listed), CHUNK):
        conn.execute(statement, listed[start : start + CHUNK])
    return len(listed)
