"""How good each version of a model is: by its evaluation, and by what was measured while it served."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, select

from services.config import Config, Metric
from services.queries.base import iso, to_millis
from services.store import schema

WHOLE = ("", "all", "overall", "total")
"""Names of the slice that is no slice."""
MOST_POINTS = 5000
SERIES_REACH = timedelta(days=90)
SAME = {
    "auc": "auroc", "rocauc": "auroc", "prauc": "auprc", "averageprecision": "auprc",
    "wape": "weightedabsolutepercentageerror", "mape": "meanabsolutepercentageerror",
    "rmse": "rootmeansquarederror", "mae": "meanabsoluteerror", "r2": "rsquared", "f1": "f1score",
}  # fmt: skip
"""Short names of metrics -> how Vertex AI's evaluations spell them, both without case and punctuation."""

evaluation, detail, point = schema.evaluation, schema.model_detail, schema.metric_point
version, model = schema.version, schema.model


def spelt(name: str) -> str:
    """A metric's name so that two spellings of it are equal: "pr_auc" and "auPrc"."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return SAME.get(plain, plain)


def primary(config: Config, name: str) -> Metric | None:
    """The metric by which versions of a model are compared: the first that the configuration names for it."""
    return next((metric for metric in config.metric if fnmatchcase(name, metric.model)), None)


def score(metrics: Mapping[str, Any] | None, metric: Metric) -> float | None:
    """The value of a metric in an evaluation, whichever way it is spelt; None where it has none."""
    for name, value in (metrics or {}).items():
        if spelt(name) == spelt(metric.name) and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def evaluations(conn: Connection, versions: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Version -> the metrics of its newest evaluation; one over all data comes before one of a slice."""
    found: dict[int, list[Any]] = defaultdict(list)
    for start in range(0, len(versions), 500):
        columns = (evaluation.c.version_id, evaluation.c.name, evaluation.c.metrics, evaluation.c.created_at)
        query = select(*columns).where(evaluation.c.version_id.in_(list(versions[start : start + 500])))
        for row in conn.execute(query):
            found[row.version_id].append(row)
    return {key: max(rows, key=lambda row: (_is_whole(row.name), row.created_at or 0)).metrics or {}
            for key, rows in found.items()}  # fmt: skip


def _is_whole(name: str | None) -> bool:
    """A slice is named by what it is cut by: "v58 channel=app"."""
    return "=" not in (name or "")


def best_of(conn: Connection, model_id: int, metric: Metric) -> tuple[int, float] | None:
    """(version, value) of the best evaluation of a model by its primary metric; None where no evaluation has it."""
    query = (
        select(evaluation.c.version_id, evaluation.c.name, evaluation.c.metrics)
        .join(detail, detail.c.version_id == evaluation.c.version_id)
        .where(detail.c.model_id == model_id)
    )
    scored = [(value, row.version_id) for row in conn.execute(query)
              if _is_whole(row.name) and (value := score(row.metrics, metric)) is not None]  # fmt: skip
    if not scored:
        return None
    pick = max if metric.better == "higher" else min
    value, key = pick(scored)
    return key, value


def measured(conn: Connection, metric: Metric, name: str, versions: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Version -> the newest value of a metric that was measured while it served, by one seek a version and slice."""
    at = (
        select(point.c.at)
        .where(
            point.c.metric == metric.key, point.c.model == name, point.c.version == version.c.label,
            point.c.environment == model.c.environment, point.c.slice.in_(WHOLE), point.c.value.is_not(None),
        )
        .order_by(point.c.at.desc())
        .limit(1)
        .correlate(version, model)
    )  # fmt: skip
    value = at.with_only_columns(point.c.value)
    query = (
        select(version.c.id, at.scalar_subquery().label("at"), value.scalar_subquery().label("value"))
        .select_from(version)
        .join(detail, detail.c.version_id == version.c.id)
        .join(model, model.c.id == detail.c.model_id)
        .where(version.c.id.in_(sorted(versions)))
    )
    return {row.id: {"value": row.value, "at": iso(row.at)} for row in conn.execute(query) if row.at is not None}


def series(conn: Connection, metric: Metric, name: str, now: datetime) -> dict[str, Any]:
    """One metric of a model over the last 90 days, oldest first, slices left out; the newest points where cut."""
    query = (
        select(point.c.version, point.c.environment, point.c.at, point.c.value, point.c.n)
        .where(
            point.c.metric == metric.key, point.c.model == name, point.c.slice.in_(WHOLE),
            point.c.at >= to_millis(now - SERIES_REACH),
        )
        .order_by(point.c.at.desc())
        .limit(MOST_POINTS)
    )  # fmt: skip
    rows = conn.execute(query).all()[::-1]
    return {
        "metric": metric.name,
        "better": metric.better,
        "threshold": metric.threshold,
        "points": [
            {"version": row.version or None, "environment": row.environment or None, "at": iso(row.at),
             "value": row.value, "n": row.n}
            for row in rows
        ],
    }  # fmt: skip
