"""How long each page takes on the server, as a ratio to an empty page: warm, uncached, p50 of 50 runs, in one run."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.client import Viewer
from bench.server import serving
from services.store import progress
from services.store.database import Store, open_store
from services.timestamps import utc_now
from ui.navigation import PAGES

RUNS = 50
WARM = 5
WITH_PLOTLY = frozenset({"models"})
LIMIT, LIMIT_WITH_PLOTLY = 3.0, 5.0
"""At most so many times the empty page: pages of HTML and SVG, and pages with plotly."""


@dataclass(frozen=True)
class Timed:
    """What one page took, in milliseconds, and its ratio to the empty page measured around it."""

    page: str
    p50: float
    ratio: float
    kilobytes: float
    limit: float


def measure(config: Path, store_url: str) -> list[Timed]:
    """Time every page; before each run the store moves, so that no answer is taken from a cache."""
    store = open_store(store_url)
    try:
        with serving("bench/empty_shell.py") as empty, serving("app.py", config, store_url) as full:
            return asyncio.run(_measure(empty, full, store))
    finally:
        store.close()


async def _measure(empty: str, full: str, store: Store) -> list[Timed]:
    timed = []
    for entry in PAGES:
        async with Viewer(empty, "today") as blank, Viewer(full, entry.path) as viewer:
            for _ in range(WARM):
                await blank.run()
                await viewer.run()
            floor, times = [], []
            before = viewer.received
            for _ in range(RUNS):
                floor.append(await blank.run())
                with store.write() as conn:
                    progress.set_meta(conn, {"bench": "moved"}, utc_now())
                times.append(await viewer.run())
            if viewer.exceptions:
                raise RuntimeError(f"{entry.title} failed: {viewer.exceptions[0]}")
            kilobytes = (viewer.received - before) / RUNS / 1024
        p50 = statistics.median(times) * 1000
        limit = LIMIT_WITH_PLOTLY if entry.path in WITH_PLOTLY else LIMIT
        timed.append(Timed(entry.title, p50, p50 / (statistics.median(floor) * 1000), kilobytes, limit))
    return timed


def report(title: str, timed: list[Timed]) -> bool:
    """Print the ratios; True where every page keeps its limit."""
    print(f"\n{title}: p50 of {RUNS} uncached runs, against an empty page")
    print(f"{'page':<16}{'ms':>8}{'ratio':>8}{'limit':>8}{'kB':>8}")
    for one in timed:
        print(f"{one.page:<16}{one.p50:>8.1f}{one.ratio:>8.2f}{one.limit:>8.1f}{one.kilobytes:>8.0f}")
    return all(one.ratio <= one.limit for one in timed)
