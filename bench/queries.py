"""How long the queries behind each page take, p95 summed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from services.config import Config
from services.queries import discover
from services.queries.base import Filters, View
from services.queries.frame import frame
from services.queries.statistics import percentile
from services.store.database import Store
from services.timestamps import utc_now

RUNS = 30
WARM = 3
LIMIT_MS = {"sqlite": 15.0, "postgresql": 25.0}


@dataclass(frozen=True)
class Asked:
    """One view's queries together: how many, and the sum of their p95, in milliseconds."""

    view: str
    statements: int
    p95_sum: float


@contextmanager
def _timed(conn: Connection) -> Iterator[list[float]]:
    """Times from the sending of each statement until its first row can be fetched, in milliseconds."""
    took: list[float] = []

    def before(*_: Any) -> None:
        took.append(-time.perf_counter())

    def after(*_: Any) -> None:
        took[-1] = (took[-1] + time.perf_counter()) * 1000

    event.listen(conn, "before_cursor_execute", before)
    event.listen(conn, "after_cursor_execute", after)
    try:
        yield took
    finally:
        event.remove(conn, "before_cursor_execute", before)
        event.remove(conn, "after_cursor_execute", after)


def measure(store: Store, config: Config) -> list[Asked]:
    """Ask every view as its page does when it is opened without filters, with the frame's queries beside it."""
    return [_ask(store, config, name, view) for name, view in discover().items()]


def _ask(store: Store, config: Config, name: str, view: View) -> Asked:
    rounds: list[list[float]] = []
    for turn in range(WARM + RUNS):
        with store.read() as conn, _timed(conn) as took:
            began = time.perf_counter()
            view.ask(conn, config, Filters(), utc_now())
            frame(conn, config, utc_now())
            whole = (time.perf_counter() - began) * 1000
        if turn >= WARM:
            rounds.append([*took, max(0.0, whole - sum(took))])
    columns = zip(*(sorted(one)[-min(map(len, rounds)) :] for one in rounds), strict=True)
    return Asked(name, len(rounds[0]) - 1, sum(percentile(column, 0.95) or 0.0 for column in columns))


def report(title: str, dialect: str, asked: list[Asked]) -> bool:
    """Print the sums; True where every view keeps the limit. Fetching and shaping the rows is counted as well."""
    print(f"\n{title} ({dialect}): p95 of each query and of shaping its rows, summed; limit {LIMIT_MS[dialect]:.0f} ms")
    for one in asked:
        print(f"{one.view:<16}{one.statements:>4} queries{one.p95_sum:>9.1f} ms")
    return all(one.p95_sum <= LIMIT_MS[dialect] for one in asked)
