"""A cell of the board: one thing with its status, version and age; and which things a product has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, exists, literal, or_, select

from services.queries.filters import UNASSIGNED
from services.queries.keys import among
from services.queries.threads import Thing
from services.store import schema
from services.vocabulary import RunState, rank

MEMBERS = ("project", "workspace", "model", "endpoint")
MOST_UNASSIGNED = 300


@dataclass(slots=True)
class Cell:
    """What stands in one column of one row, before it is written as JSON."""

    state: str
    thing: Thing | None = None
    """What a click leads to, and where its thread begins."""
    version: str | None = None
    at: int | None = None
    """Epoch milliseconds: since when, or of when."""
    title: str = ""
    shas: tuple[str, ...] = ()
    """SHAs that the thing itself names."""
    subject: str | None = None
    web_url: str | None = None
    note: str | None = None
    of: int = 1
    """How many things of this kind the product has here; the cell shows the worst, then the newest."""
    others: tuple[Thing, ...] = field(default_factory=tuple)
    """Other things of the cell whose threads are its own too: the versions that an endpoint serves."""


_LIKE = {"canary": RunState.RUNNING, "none": RunState.SKIPPED}
"""Words of endpoints, and the state that they rank like."""

Place = tuple[str, str]
"""(product, environment)."""
Cells = dict[Place, Cell]


_member = schema.membership
_MEMBERS = select(_member.c.thing_table, _member.c.thing_id, _member.c.product).where(
    among(_member.c.product, "products"), _member.c.thing_table.in_(MEMBERS)
)


def members(conn: Connection, products: Sequence[str]) -> dict[str, dict[int, list[str]]]:
    """Table -> key -> products, of all things that belong to these products; of *unassigned* those without any."""
    found: dict[str, dict[int, list[str]]] = {table: {} for table in MEMBERS}
    for table, key, product in conn.execute(_MEMBERS, {"products": products}).all():
        found[table].setdefault(key, []).append(product)
    if UNASSIGNED in products:
        for name in MEMBERS:
            for key in conn.execute(_WITHOUT_PRODUCT[name]).scalars():
                found[name].setdefault(key, []).append(UNASSIGNED)
    return found


def _without_product(name: str) -> Select[Any]:
    table = schema.METADATA.tables[name]
    belongs = exists().where(_member.c.thing_table == name, _member.c.thing_id == table.c.id)
    return select(table.c.id).where(~belongs, table.c.gone_at.is_(None)).order_by(table.c.id).limit(MOST_UNASSIGNED)


_WITHOUT_PRODUCT = {name: _without_product(name) for name in MEMBERS}
_ANY_UNASSIGNED = select(literal(1)).where(or_(*(exists(query.limit(1)) for query in _WITHOUT_PRODUCT.values())))


def any_unassigned(conn: Connection) -> bool:
    """Whether anything stands on no product's row."""
    return conn.execute(_ANY_UNASSIGNED).scalar() is not None


def fetch(conn: Connection, table: Table, keys: Iterable[int], *names: str) -> list[Row[Any]]:
    """Rows of a table by their keys; only the named columns where some are named, as wide rows are slow to read."""
    return by_keys(conn, _by_keys(table, names), keys)


def by_keys(conn: Connection, query: Select[Any], keys: Iterable[int], **more: Any) -> list[Row[Any]]:
    """The rows of a query that has `keys` as a parameter, asked in portions; `more` are its other parameters."""
    wanted = sorted(set(keys))
    rows: list[Row[Any]] = []
    for start in range(0, len(wanted), 800):
        rows += conn.execute(query, {"keys": wanted[start : start + 800], **more}).all()
    return rows


@cache
def _by_keys(table: Table, names: tuple[str, ...]) -> Select[Any]:
    """Kept, as building a statement costs more than running this one."""
    columns = [table.c[name] for name in names] or list(table.c)
    return select(*columns).where(among(table.c.id))


def lead(candidates: Mapping[Place, Sequence[Cell]]) -> Cells:
    """One cell a place: the worst, then the newest, knowing how many it stands for; what is empty comes last."""
    chosen: Cells = {}
    for place, cells in candidates.items():
        chosen[place] = replace(min(cells, key=_worst_then_newest), of=len(cells))
    return chosen


def _worst_then_newest(cell: Cell) -> tuple[bool, int, int]:
    return (cell.state == "none", rank(_LIKE.get(cell.state, cell.state)), -(cell.at or 0))


def short(sha: str | None) -> str | None:
    """The first eight digits of a SHA."""
    return sha[:8] if sha else None
