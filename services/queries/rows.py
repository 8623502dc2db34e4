"""What list queries share: the product and text filters, worst-first order, times, and how a page is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, case, exists, func, not_, or_, select

from services.queries.base import Filters, iso, to_millis
from services.queries.frame import UNASSIGNED
from services.store import schema
from services.vocabulary import WORST_FIRST, RunState, rank


def worst_first(state: ColumnElement[Any]) -> ColumnElement[int]:
    """An expression that sorts states worst first; a word that is not ours ranks as unknown."""
    ranks = {str(word): place for place, word in enumerate(WORST_FIRST)}
    return case(ranks, value=state, else_=ranks["unknown"])


def of_product(filters: Filters, table: str, key: ColumnElement[Any]) -> ColumnElement[bool] | None:
    """True for things that belong to the product asked for; None where no product was."""
    if filters.product is None:
        return None
    member = schema.membership
    belongs = exists().where(member.c.thing_table == table, member.c.thing_id == key)
    if filters.product == UNASSIGNED:
        return or_(not_(belongs.where(member.c.product != UNASSIGNED)), belongs.where(member.c.product == UNASSIGNED))
    return belongs.where(member.c.product == filters.product)


def holds_text(filters: Filters, *columns: Column[Any]) -> ColumnElement[bool] | None:
    """True where all words asked for stand in one of the columns, whatever their case; None without words."""
    words = (filters.text or "").lower().split()
    if not words:
        return None
    return and_(*(or_(*(func.lower(column).contains(word, autoescape=True) for column in columns)) for word in words))


def all_of(*conditions: ColumnElement[bool] | None) -> ColumnElement[bool]:
    """All conditions that are there; true where none is."""
    return and_(True, *(condition for condition in conditions if condition is not None))


def in_window(filters: Filters, column: Column[Any]) -> ColumnElement[bool] | None:
    """True from the window's start up to its end, end excluded; None without a window."""
    if filters.window is None:
        return None
    return and_(column >= to_millis(filters.window.start), column < to_millis(filters.window.end))


def counted(conn: Connection, query: Select[Any], filters: Filters) -> tuple[Sequence[Any], int]:
    """One page of a query's rows, and how many there are in all."""
    total = conn.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
    return conn.execute(query.limit(filters.limit).offset(filters.offset)).all(), total


def by_key(conn: Connection, query: Select[Any], key: ColumnElement[Any], keys: Sequence[int]) -> list[Any]:
    """The query's rows with these keys, in the order of the keys; `id` is the rows' name for the key."""
    found: dict[int, Any] = {}
    for start in range(0, len(keys), 500):
        found |= {row.id: row for row in conn.execute(query.where(key.in_(list(keys[start : start + 500]))))}
    return [found[one] for one in keys if one in found]


def tally(states: Iterable[str | None]) -> dict[str, int]:
    """How many there are of each state, worst first; what has none is unknown."""
    counted = Counter(state or str(RunState.UNKNOWN) for state in states)
    return {state: counted[state] for state in sorted(counted, key=rank)}


def products_of(conn: Connection, table: str, keys: Iterable[int]) -> dict[int, list[str]]:
    """Key -> the products that the thing belongs to."""
    member = schema.membership
    wanted = sorted(set(keys))
    found: dict[int, list[str]] = {}
    for start in range(0, len(wanted), 500):
        rows = conn.execute(
            select(member.c.thing_id, member.c.product)
            .where(member.c.thing_table == table, member.c.thing_id.in_(wanted[start : start + 500]))
            .order_by(member.c.product)
        )
        for key, product in rows:
            found.setdefault(key, []).append(product)
    return found


def times(row: Any, *names: str) -> dict[str, str | None]:
    """The named times of a row, as ISO 8601."""
    return {name: iso(row[name]) for name in names}


def identified(table: Table) -> Select[Any]:
    """Rows of a table of things, with the instance that makes their text id."""
    instance = schema.source.c.instance.label("instance")
    return select(table, instance).join(schema.source, schema.source.c.id == table.c.source_id)


def id_of(row: Any) -> str:
    """The text id of a row that `identified` gave."""
    return f"{row['instance']}:{row['kind']}:{row['native_id']}"


def empty_reason(answer_rests_on: Sequence[Any], filters: Filters, what: str) -> str:
    """Why a list is empty, in words, and what would fill it."""
    unread = [health for health in answer_rests_on if health.as_of is None]
    if answer_rests_on and len(unread) == len(answer_rests_on):
        reasons = "; ".join(sorted({health.reason or "not read yet" for health in unread}))
        return f"No {what} known: {reasons}."
    narrowed = [
        name for name in ("product", "environment", "text", "state", "project", "kind") if getattr(filters, name)
    ]
    if narrowed:
        return f"No {what} for this {', '.join(narrowed)}; widen the filter to see more."
    if filters.window is not None:
        return f"No {what} {filters.window.why}; choose a longer window to see older ones."
    return f"The sources hold no {what}."
