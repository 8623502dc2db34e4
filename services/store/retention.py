"""What is let go, and when: steps, points, counters and deliveries by age, in small batches, counted and logged.

Events, versions, deployments, links, problems and what people decided are kept for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from services.config import Config
from services.store import rollups, schema
from services.store.database import Store
from services.store.identity import CHUNK, chunks
from services.store.upsert import upsert
from services.timestamps import to_millis

LOG = logging.getLogger("throughline.store")

STEPS = timedelta(days=180)
"""Then their daily counts stay."""
POINTS = timedelta(days=400)
"""Then one value a day stays."""
CALLS = timedelta(days=30)
"""Call counters, and the notes of records that could not be read."""
DELIVERIES = timedelta(days=7)

_STEP, _RUN, _POINT = schema.step, schema.run, schema.metric_point
_SERIES = ("metric", "model", "version", "environment", "slice")


def prune(store: Store, now: datetime, config: Config) -> dict[str, int]:
    """Let go of what is older than is kept; gives how many rows went, by table. Safe to stop and to repeat."""
    counts = {
        "step": _steps(store, now, config),
        "metric_point": _points(store, to_millis(now - POINTS) // rollups.DAY),
        "call_count": _delete(store, schema.call_count, schema.call_count.c.minute < to_millis(now - CALLS) // 60_000),
        "rejected": _delete(store, schema.rejected, schema.rejected.c.at < to_millis(now - CALLS)),
        "inbox": _delete(
            store, schema.inbox,
            sa.and_(schema.inbox.c.taken_at.is_not(None), schema.inbox.c.received_at < to_millis(now - DELIVERIES)),
        ),
    }  # fmt: skip
    for table, count in counts.items():
        if count:
            LOG.info("let go of %d old rows of %s", count, table)
    return counts


def _delete(store: Store, table: sa.Table, old: Any) -> int:
    with store.write() as connection:
        return int(connection.execute(sa.delete(table).where(old)).rowcount)


def _steps(store: Store, now: datetime, config: Config) -> int:
    """Delete the steps of runs that ended and began before the first day that is kept; a longer history keeps more."""
    if config.history == "all":
        return 0
    first = to_millis(now - max(STEPS, config.history)) // rollups.DAY
    with store.read() as connection:
        done = rollups.steps_from(connection)
        oldest = connection.execute(sa.select(sa.func.min(_RUN.c.created_at))).scalar()
    if oldest is None or first <= done:
        return 0
    with store.write() as connection:
        # First, so that no count is ever made anew from steps that are half gone.
        upsert(connection, schema.meta, [{"key": rollups.STEPS_FROM, "value": str(first), "at": to_millis(now)}])
    count = 0
    for day in range(max(done, oldest // rollups.DAY), first):
        while ids := _some_steps(store, day):
            with store.write() as connection:
                for table in (schema.link_key, schema.membership):
                    gone = (table.c.thing_table == "step", table.c.thing_id.in_(ids))
                    connection.execute(sa.delete(table).where(*gone))
                connection.execute(sa.delete(_STEP).where(_STEP.c.id.in_(ids)))
            count += len(ids)
    return count


def _some_steps(store: Store, day: int) -> list[int]:
    started = (_RUN.c.created_at >= day * rollups.DAY, _RUN.c.created_at < (day + 1) * rollups.DAY)
    of_run = _STEP.join(_RUN, _RUN.c.id == _STEP.c.run_id)
    statement = sa.select(_STEP.c.id).select_from(of_run).where(*started, _RUN.c.final.is_(True)).limit(CHUNK)
    with store.read() as connection:
        return list(connection.execute(statement).scalars())


def _points(store: Store, first: int) -> int:
    """Replace the points of a day by their mean, weighted by n where every n is known."""
    count = 0
    for groups in chunks(_crowded_days(store, first), 200):
        with store.write() as connection:
            for group in groups:
                mean = _mean(group)
                key = [_POINT.c[name] == mean[name] for name in _SERIES]
                day = _POINT.c.at.between(mean["at"], mean["at"] + rollups.DAY - 1)
                connection.execute(sa.delete(_POINT).where(*key, day))
                connection.execute(sa.insert(_POINT), mean)
                count += len(group) - 1
    return count


def _crowded_days(store: Store, first: int) -> Iterator[list[dict[str, Any]]]:
    """The points of each series and day before `first` that has more than one."""
    columns = [_POINT.c[name] for name in (*_SERIES, "at")]
    with store.read() as connection:
        rows = connection.execute(sa.select(_POINT).where(_POINT.c.at < first * rollups.DAY).order_by(*columns))
        by_day = groupby(
            rows.mappings(), key=lambda row: (*(row[c.name] for c in columns[:-1]), row["at"] // rollups.DAY)
        )
        crowded = [found for _, group in by_day if len(found := [dict(row) for row in group]) > 1]
    yield from crowded


def _mean(points: list[dict[str, Any]]) -> dict[str, Any]:
    """One point at the day's start; its n is not known where that of a part is not known."""
    known = [point for point in points if point["value"] is not None] or points
    counts = [point["n"] for point in known]
    weights = counts if all(counts) else [1] * len(known)
    summed = sum((point["value"] or 0.0) * weight for point, weight in zip(known, weights, strict=True))
    return {
        **points[-1],
        "at": points[0]["at"] // rollups.DAY * rollups.DAY,
        "value": None if known[0]["value"] is None else summed / sum(weights),
        "n": None if None in counts else sum(counts),
    }
