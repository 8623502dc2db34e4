"""How measured values of models are written: one row a metric, model, version, environment, slice and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from services.records import MetricPoint
from services.store import identity, schema, shapes

KEY = ("metric", "model", "version", "environment", "slice", "at")
_TABLE = schema.metric_point
Change = tuple[bool, dict[str, Any] | None, dict[str, Any]]
"""(new, before, after)"""


def write(connection: Connection, source_id: int, points: Sequence[MetricPoint], seen: int) -> list[Change]:
    """Insert or overwrite points; gives those that are new or have another value or count."""
    rows = {tuple(row[name] for name in KEY): row for row in (_row(point, source_id, seen) for point in points)}
    stored = _stored(connection, rows.values())
    new = [row for key, row in rows.items() if key not in stored]
    changed = [
        (stored[key], row)
        for key, row in rows.items()
        if key in stored and (stored[key]["value"], stored[key]["n"]) != (row["value"], row["n"])
    ]
    identity.insert(connection, _TABLE, new)
    _overwrite(connection, [row for key, row in rows.items() if key in stored])
    return [(True, None, row) for row in new] + [(False, before, after) for before, after in changed]


def _row(point: MetricPoint, source_id: int, seen: int) -> dict[str, Any]:
    return {
        "metric": shapes.text(point.metric), "model": shapes.text(point.model),
        "version": shapes.text(point.version or ""), "environment": shapes.text(point.environment or ""),
        "slice": shapes.text(point.slice or ""),
        "at": shapes.millis(point.at), "value": shapes.scalar(point.value), "n": point.n, "source_id": source_id,
        "observed_at": seen,
    }  # fmt: skip


def _stored(connection: Connection, rows: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The stored points of the same series between the first and the last time asked for."""
    spans: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        span = spans.setdefault((row["metric"], row["model"]), [row["at"], row["at"]])
        span[:] = [min(span[0], row["at"]), max(span[1], row["at"])]
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for (metric, model), (first, last) in spans.items():
        statement = sa.select(_TABLE).where(
            _TABLE.c.metric == metric, _TABLE.c.model == model, _TABLE.c.at.between(first, last)
        )
        for row in connection.execute(statement).mappings():
            found[tuple(row[name] for name in KEY)] = dict(row)
    return found


def _overwrite(connection: Connection, rows: list[dict[str, Any]]) -> None:
    others = [column.name for column in _TABLE.c if column.name not in KEY]
    statement = (
        sa.update(_TABLE)
        .where(*(_TABLE.c[name] == sa.bindparam(f"k_{name}") for name in KEY))
        .values({name: sa.bindparam(f"v_{name}", type_=_TABLE.c[name].type) for name in others})
    )
    for some in identity.chunks(rows):
        connection.execute(
            statement,
            [{f"k_{n}": row[n] for n in KEY} | {f"v_{n}": row[n] for n in others} for row in some],
        )
