"""Which model metrics are bad: past their threshold or, where there is none, far from their own last two weeks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import select

from services.config import Metric
from services.environments import tier_named
from services.problems.episode import AMBER, RED, Bad, Judged, problem
from services.scene import Scene
from services.series import Series, series_of
from services.store import schema
from services.timestamps import iso
from services.vocabulary import RunState, Tier
from services.wording import DAY, number

point = schema.metric_point
BASELINE = 14 * DAY
LEAST = 20
"""Fewer points than this say nothing about what is usual: "too few"."""
FAR = 3 * 1.4826
"""Median absolute deviations: 1.4826 of them are a standard deviation where values are normal."""
SHOWN = 120 * DAY


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a series stands: None is "too few to say"."""

    bad: bool | None
    first_bad: int | None = None
    """Index of the first of the bad points in a row up to the newest."""
    usual: float | None = None
    worse: bool = True
    """False where it is unusual in the direction that is better."""


def judge(points: Sequence[tuple[int, float]], metric: Metric) -> Verdict:
    """Judge a series of (time, value), oldest first, by its newest points.

    With a threshold: past it is bad, at once. Without: |x − median| > 3 × 1.4826 × MAD over the 14 days before, n ≥ 20,
    for the newest two points. A series that never moved has no deviation to measure by, and is not judged.
    """
    if not points:
        return Verdict(None)
    lower = metric.better == "lower"
    if metric.threshold is not None:
        limit = metric.threshold
        flags = [value > limit if lower else value < limit for _, value in points]
        return Verdict(flags[-1], _streak(flags), limit)
    if len(points) < 2:
        return Verdict(None)
    newest = [_far(points, index) for index in (len(points) - 2, len(points) - 1)]
    if newest[-1] is None:
        return Verdict(None)
    usual = newest[-1][1]
    worse = points[-1][1] > usual if lower else points[-1][1] < usual
    if not all(one is not None and one[0] for one in newest):
        return Verdict(False, None, usual)
    flags = [bool(found and found[0]) for found in (_far(points, index) for index in range(len(points)))]
    return Verdict(True, _streak(flags), usual, worse)


def _streak(flags: Sequence[bool]) -> int | None:
    first = None
    for index in range(len(flags) - 1, -1, -1):
        if not flags[index]:
            break
        first = index
    return first


def _far(points: Sequence[tuple[int, float]], index: int) -> tuple[bool, float] | None:
    """(far from usual, what is usual) for one point by the 14 days before it; None where they are too few."""
    at, value = points[index]
    base = [old for when, old in points[:index] if at - BASELINE <= when < at]
    if len(base) < LEAST:
        return None
    middle = median(base)
    spread = median(abs(old - middle) for old in base)
    return (abs(value - middle) > FAR * spread, middle) if spread > 0 else None


def _touched(scene: Scene) -> set[Series]:
    if scene.whole:
        names = (point.c.metric, point.c.model, point.c.environment, point.c.slice)
        return {series_of(row._asdict()) for row in scene.conn.execute(select(*names).distinct())}
    return {series_of(moved.after) for moved in scene.of("metric_point")}


def _points(scene: Scene, wanted: set[Series]) -> dict[Series, list[tuple[int, float]]]:
    """Values by time; where several versions answer at once, the one with the most answers counts."""
    best: defaultdict[Series, dict[int, tuple[int, float]]] = defaultdict(dict)
    for metric, model in {(series.metric, series.model) for series in wanted}:
        query = select(point).where(
            point.c.metric == metric, point.c.model == model, point.c.value.is_not(None),
            point.c.at >= scene.at - SHOWN,
        )  # fmt: skip
        for row in scene.conn.execute(query):
            series = series_of(row._asdict())
            if series in wanted:
                held = best[series].get(row.at)
                if held is None or (row.n or 0) >= held[0]:
                    best[series][row.at] = (row.n or 0, row.value)
    return {series: [(at, value) for at, (_, value) in sorted(found.items())] for series, found in best.items()}


@problem("metric-bad", "metric_point", opens="metric-bad", closes="metric-recovered")
def metric_bad(scene: Scene) -> Judged:
    """A configured metric is bad by its threshold or by its own last two weeks; red in production, amber elsewhere."""
    configured = {metric.key: metric for metric in scene.config.metric}
    wanted = {series for series in _touched(scene) if series.metric in configured}
    found = _points(scene, wanted)
    sources = {series_of(moved.after): moved.after.get("source_id") for moved in scene.of("metric_point")}
    bad, well, judged = [], {}, set()
    for series, points in found.items():
        verdict = judge(points, configured[series.metric])
        subject = ("metric_point", series.id, series.place)
        if verdict.bad is None:
            continue
        judged.add(subject)
        if verdict.bad:
            bad.append(_bad(scene, series, points, configured[series.metric], verdict, sources.get(series)))
        else:
            well[subject] = points[-1][0]
    return Judged(tuple(bad), frozenset(judged), scene.whole, well)


def _bad(
    scene: Scene, series: Series, points: Sequence[tuple[int, float]], metric: Metric, verdict: Verdict, source: Any
) -> Bad:
    first = verdict.first_bad if verdict.first_bad is not None else len(points) - 1
    at, value = points[-1]
    ruled = metric.threshold is not None
    against = (
        f"threshold {number(metric.threshold)}"
        if metric.threshold is not None
        else f"usual {number(verdict.usual or 0)}"
    )
    where = " ".join(part for part in (series.model, series.environment) if part)
    part = f" for {series.slice}" if series.slice and series.slice != "all" else ""
    title = f"{where}: {metric.name}{part} is {number(value)} ({against})"
    red = verdict.worse and tier_named(scene.config, series.environment) is Tier.PRODUCTION
    facts = {"metric": series.metric, "model": series.model, "slice": series.slice, "value": value, "at": at,
             "threshold": metric.threshold, "usual": None if ruled else verdict.usual, "better": metric.better,
             "n": len(points)}  # fmt: skip
    return Bad(subject=("metric_point", series.id, series.place), severity=RED if red else AMBER, lane="metrics",
               state=RunState.WARNING, since=points[first][0], title=title, source_id=source,
               environment=series.environment or None, product=series.product, first_bad=iso(points[first][0]),
               last_good=iso(points[first - 1][0]) if first else None, facts=facts)  # fmt: skip
