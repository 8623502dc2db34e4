"""What stands around every page: the sources' health, the collector's heartbeat, and the products to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from services.config import Config
from services.queries.base import SourceHealth
from services.queries.health import Collector, collector, health
from services.store import schema

UNASSIGNED = "unassigned"


_PRODUCT = schema.membership.c.product


def _held() -> Select[Any]:
    """Products that have members, by one step in the index each: the table itself holds every ML run."""
    held = select(func.min(_PRODUCT).label("product")).cte("held", recursive=True)
    following = select(func.min(_PRODUCT)).where(held.c.product < _PRODUCT).scalar_subquery()
    held = held.union_all(select(following).where(held.c.product.is_not(None)))
    return select(held.c.product).where(held.c.product.is_not(None))


_HELD = _held()


@dataclass(frozen=True, slots=True)
class Frame:
    """Read once for every page."""

    health: tuple[SourceHealth, ...]
    collector: Collector
    products: tuple[str, ...]
    as_of: datetime


def products(conn: Connection, config: Config) -> tuple[str, ...]:
    """Configured products in the file's order, then guessed ones by name; last *unassigned*, never hidden."""
    configured = [product.name for product in config.product]
    held = {row.product for row in conn.execute(_HELD).all()}
    guessed = sorted(held - set(configured) - {UNASSIGNED})
    return (*configured, *guessed, UNASSIGNED)


def frame(conn: Connection, config: Config, now: datetime) -> Frame:
    """The frame's facts, by three small queries."""
    return Frame(health(conn, config, now), collector(conn, now), products(conn, config), now)
