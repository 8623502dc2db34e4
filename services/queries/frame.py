"""What stands around every page: the sources' health, the collector's heartbeat, and the products to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from services.config import Config
from services.queries.base import SourceHealth
from services.queries.health import Collector, collector, health
from services.store import schema

UNASSIGNED = "unassigned"


_PRODUCT = schema.membership.c.product
_NEXT = select(func.min(_PRODUCT)).where(bindparam("last") < _PRODUCT)


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
    held = set(_held(conn))
    guessed = sorted(held - set(configured) - {UNASSIGNED})
    return (*configured, *guessed, UNASSIGNED)


def _held(conn: Connection) -> Iterator[str]:
    """Products that have members, by one step in the index each: the table itself holds every ML run."""
    last = ""
    while True:
        found = conn.execute(_NEXT, {"last": last}).scalar()
        if found is None:
            return
        yield found
        last = found


def frame(conn: Connection, config: Config, now: datetime) -> Frame:
    """The frame's facts, by three small queries."""
    return Frame(health(conn, config, now), collector(conn, now), products(conn, config), now)
