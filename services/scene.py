"""What one refresh works on: the transaction, the rows that moved, and the time."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import ARRAY, ColumnElement, Connection, FromClause, Row, Select, any_, func, literal, select

from services.config import Config
from services.timestamps import to_millis

T = TypeVar("T")


class Moved(Protocol):
    """A row that is new or whose content changed, as the writer reports it."""

    @property
    def table(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def new(self) -> bool: ...
    @property
    def before(self) -> Mapping[str, Any] | None: ...
    @property
    def after(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """The rows to work on; with `whole`, everything in the store is."""

    conn: Connection
    config: Config
    now: datetime
    first_fill: bool = False
    moved: tuple[Moved, ...] = ()
    touched: Mapping[str, frozenset[int]] = field(default_factory=dict)
    whole: bool = False
    memo: dict[str, Any] = field(default_factory=dict)
    """What was worked out already for this scene, by name."""

    @property
    def at(self) -> int:
        """Now, in epoch milliseconds."""
        return to_millis(self.now)

    def ids(self, table: str) -> frozenset[int]:
        """Keys of the touched rows of a table; empty where the scene is the whole store."""
        return self.touched.get(table, frozenset())

    def concerns(self, *tables: str) -> bool:
        """True where one of these tables may hold something new."""
        return self.whole or any(self.touched.get(table) for table in tables)

    def once(self, name: str, make: Callable[[Scene], T]) -> T:
        """What `make` gives for this scene, worked out once."""
        if name not in self.memo:
            self.memo[name] = make(self)
        return cast(T, self.memo[name])

    def of(self, table: str) -> Iterator[Moved]:
        """The moved rows of a table, with what they were before."""
        return (row for row in self.moved if row.table == table)

    def rows(self, query: Select[Any], column: ColumnElement[Any], ids: Collection[Any]) -> Iterator[Row[Any]]:
        """Rows of a query whose column is among the ids; all of its rows where the scene is the whole store."""
        if self.whole:
            yield from self.conn.execute(query).all()
        else:
            yield from among(self.conn, query, column, ids)


def scene_of(
    conn: Connection, moved: Iterable[Moved], config: Config, now: datetime, first_fill: bool = False
) -> Scene:
    """A scene of the rows that the writer reports as new or changed."""
    listed = tuple(moved)
    touched: dict[str, set[int]] = {}
    for row in listed:
        touched.setdefault(row.table, set()).add(row.id)
    frozen = {table: frozenset(ids) for table, ids in touched.items()}
    return Scene(conn, config, now, first_fill, listed, frozen)


def among(conn: Connection, query: Select[Any], column: ColumnElement[Any], ids: Collection[Any]) -> Iterator[Row[Any]]:
    """Rows of a query whose column is among the ids; nothing is asked for none.

    The ids go as one parameter, so that the statement is compiled once whatever their number; all rows are fetched at
    once, so that a reader who stops early leaves no statement open on the writer's connection.
    """
    if ids:
        yield from conn.execute(query.where(is_among(conn, column, ids))).all()


def is_among(conn: Connection, column: ColumnElement[Any], ids: Collection[Any]) -> ColumnElement[bool]:
    """The condition that a column is one of the ids, in the words of the connection's dialect."""
    listed = [one for one in ids if one is not None]
    if conn.dialect.name == "postgresql":
        return column == any_(literal(listed, ARRAY(column.type)))
    each = func.json_each(json.dumps(listed)).table_valued("value")
    return column.in_(select(each.c.value))


def pick(table: FromClause, *names: str) -> Select[Any]:
    """A query for some columns of a table."""
    return select(*(table.c[name] for name in names))
