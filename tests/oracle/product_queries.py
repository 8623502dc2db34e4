"""The queries that the product itself sends, with answers counted here row by row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.cloud.bigquery import ScalarQueryParameter

from services.config import Metric
from services.sources.bigquery.sql import build_sql
from tests.oracle.queries import PROJECT, Asked, at, rows

FROM, TO = at(2026, 10, 3), at(2026, 10, 6)
PARAMETERS = (
    ScalarQueryParameter("from", "TIMESTAMP", FROM),
    ScalarQueryParameter("to", "TIMESTAMP", TO),
    ScalarQueryParameter("model", "STRING", "m1"),
)
BASE = {"product": "churn", "model": "m1", "name": "auc", "better": "higher"}
TABLE = {"table": "ml.metrics", "time": "ts", "value": "value"}

DAY: Callable[[datetime], datetime] = lambda t: t.replace(hour=0)  # noqa: E731 - named for the table below
HOUR: Callable[[datetime], datetime] = lambda t: t  # noqa: E731 - the rows lie on whole hours


def counted(
    window: Callable[[datetime], datetime], key: Callable[[dict[str, Any]], tuple[Any, ...]], model: str | None = "m1"
) -> list[tuple[Any, ...]]:
    """Mean and number of the known values by window and key, in order of both."""
    groups: dict[tuple[Any, ...], list[float | None]] = {}
    for row in rows():
        if FROM <= row["ts"] < TO and model in (None, row["model"]):
            groups.setdefault((window(row["ts"]), *key(row)), []).append(row["value"])
    answer = []
    for names, values in groups.items():
        known = [value for value in values if value is not None]
        answer.append((*names, sum(known) / len(known) if known else None, len(known)))
    return sorted(answer, key=lambda row: row[:-2])


OWN = """SELECT TIMESTAMP_TRUNC(ts, DAY) AS at, model AS environment, AVG(value) AS value, COUNT(value) AS n
         FROM `acme-ml-prod.ml.metrics` WHERE ts >= @from AND ts < @to GROUP BY at, environment"""

PRODUCT = [
    Asked(
        "a metric by day",
        build_sql(Metric(**BASE, **TABLE, where={"model": "@model"}), PROJECT),
        counted(DAY, lambda row: ()),
        PARAMETERS,
    ),
    Asked(
        "a metric by hour",
        build_sql(Metric(**BASE, **TABLE, where={"model": "m1"}, window="hour"), PROJECT),
        counted(HOUR, lambda row: ()),
        PARAMETERS,
    ),
    Asked(
        "a metric by version",
        build_sql(Metric(**BASE, **TABLE, where={"model": "@model"}, version="version"), PROJECT),
        counted(DAY, lambda row: (str(row["version"]),)),
        PARAMETERS,
    ),
    Asked(
        "a metric by the day of a DATE column",
        build_sql(Metric(**BASE, table="ml.metrics", time="day", where={"model": "@model"}), PROJECT, time_type="DATE"),
        counted(DAY, lambda row: ()),
        PARAMETERS,
    ),
    Asked(
        "a metric by SQL of its own, weighted by n",
        build_sql(Metric(**BASE, sql=OWN), PROJECT, columns=frozenset({"at", "environment", "value", "n"})),
        counted(DAY, lambda row: (row["model"],), None),
        PARAMETERS,
    ),
]


def in_order(answer: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """By window and key: the queries order by the window alone."""
    return sorted(answer, key=lambda row: tuple(str(value) for value in row[:-2]))
