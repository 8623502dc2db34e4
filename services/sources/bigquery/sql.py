"""The one query that is asked for a metric: its values in windows, aggregated where they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.config import Metric

PARAMETERS = ("from", "to", "model")
ROWS = 50_000
"""A query gives at most so many windows; one more says that there were more."""
_COLUMN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_TABLE = re.compile(r"(?:[A-Za-z0-9][\w.:\-]*\.)?[\w\-]+\.[\w\-$*]+")
_COMMENT = re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_KEYS = ("version", "environment", "slice")


class BadMetric(ValueError):
    """The configured metric cannot be asked for; says why and how to write it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table's full name."""

    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"


def table_of(metric: Metric, project: str) -> Table | None:
    """The table that a metric is read from, in `project` where it names none; None for one that has its own SQL."""
    if metric.table is None:
        return None
    if not _TABLE.fullmatch(metric.table):
        raise BadMetric(f"{metric.table!r} is no table; write dataset.table or project.dataset.table")
    head, _, table = metric.table.rpartition(".")
    owner, _, dataset = head.rpartition(".")
    return Table(owner or project, dataset, table)


def build_sql(
    metric: Metric, project: str, *, time_type: str = "TIMESTAMP", columns: frozenset[str] = frozenset()
) -> str:
    """The query for a metric, with @from, @to and @model as its only parameters.

    Windows are UTC hours or days; `value` is the mean of the finite values in one and `n` how many these are
    (weighted by n where the metric's own SQL gives n). `time_type` is the type of the time column (TIMESTAMP,
    DATETIME or DATE) and `columns` what the metric's own SQL gives, as a dry run tells it. A constant environment
    ("=prod") is no part of the query. Raises BadMetric.
    """
    inner, keys, weighted = (
        _own_sql(metric, columns) if metric.sql is not None else _table_sql(metric, project, time_type)
    )
    window = "HOUR" if metric.window == "hour" else "DAY"
    finite = "ABS(v) < 1e300"
    value = f"AVG(IF({finite}, v, NULL))"
    count = f"COUNT(IF({finite}, 1, NULL))"
    if weighted:
        value = f"SUM(IF({finite}, v * w, NULL)) / NULLIF(SUM(IF({finite}, w, 0)), 0)"
        count = f"SUM(IF({finite}, w, 0))"
    named = "".join(f", {key}" for key in keys)
    return (
        f"SELECT TIMESTAMP_TRUNC(t, {window}) AS window_start{named}, {value} AS value, {count} AS n\n"
        f"FROM ({inner})\n"
        f"GROUP BY window_start{named}\nORDER BY window_start\nLIMIT {ROWS + 1}"
    )


def _table_sql(metric: Metric, project: str, time_type: str) -> tuple[str, list[str], bool]:
    time = _column(metric.time, "time")
    keys = [key for key in _KEYS if _is_column(getattr(metric, key))]
    picked = [f"{_at(time, time_type)} AS t", f"CAST({_column(metric.value, 'value')} AS FLOAT64) AS v"]
    picked += [f"CAST({_column(getattr(metric, key), key)} AS STRING) AS {key}" for key in keys]
    wanted = [f"{time} >= {_bound('@from', time_type)}", f"{time} < {_bound('@to', time_type)}"]
    for name, value in metric.where.items():
        right = "@model" if value == "@model" else _text(value)
        wanted.append(f"CAST({_column(name, 'where')} AS STRING) = {right}")
    table = table_of(metric, project)
    return f"SELECT {', '.join(picked)} FROM `{table}` WHERE {' AND '.join(wanted)}", keys, False


def _own_sql(metric: Metric, columns: frozenset[str]) -> tuple[str, list[str], bool]:
    asked = own_sql(metric)
    if missing := {"at", "value"} - (columns or {"at", "value"}):
        raise BadMetric(f"the SQL of {metric.key} gives no column {' and no '.join(sorted(missing))}")
    keys = [key for key in _KEYS if key in columns]
    picked = ["CAST(at AS TIMESTAMP) AS t", "CAST(value AS FLOAT64) AS v"]
    picked += [f"CAST({key} AS STRING) AS {key}" for key in keys]
    weighted = "n" in columns
    if weighted:
        picked.append("CAST(n AS INT64) AS w")
    return f"SELECT {', '.join(picked)} FROM ({asked}) WHERE at IS NOT NULL", keys, weighted


def own_sql(metric: Metric) -> str:
    """A metric's own SQL as one SELECT. Raises BadMetric for anything else, and for other parameters."""
    asked = (metric.sql or "").strip().rstrip(";").strip()
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`", "''", _COMMENT.sub(" ", asked)).strip()
    if not re.match(r"(?i)(?:select|with)\b", bare) or ";" in bare:
        raise BadMetric(f"the SQL of {metric.key} must be one SELECT, without a semicolon inside")
    unknown = {name for name in re.findall(r"(?<!@)@(\w+)", bare) if name.lower() not in PARAMETERS}
    if unknown:
        names = ", ".join(f"@{name}" for name in sorted(unknown))
        raise BadMetric(f"the SQL of {metric.key} names {names}; only @from, @to and @model are given")
    return asked


def _is_column(given: str | None) -> bool:
    return given is not None and not given.startswith("=")


def constant(given: str | None) -> str | None:
    """The constant that "=prod" stands for; None for a column or for nothing."""
    return given[1:] if given is not None and given.startswith("=") else None


def _column(name: str | None, what: str) -> str:
    if name is None or not _COLUMN.fullmatch(name):
        raise BadMetric(f"{what} = {name!r} is no column name")
    return ".".join(f"`{part}`" for part in name.split("."))


def _at(column: str, time_type: str) -> str:
    return column if time_type == "TIMESTAMP" else f"CAST({column} AS TIMESTAMP)"


def _bound(parameter: str, time_type: str) -> str:
    """The bound in the column's own type, so that partitions are left out."""
    return {"DATE": f"CAST({parameter} AS DATE)", "DATETIME": f"CAST({parameter} AS DATETIME)"}.get(
        time_type, parameter
    )


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
