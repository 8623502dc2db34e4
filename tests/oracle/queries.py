"""Queries with the answers that BigQuery's documentation gives for them, over one small table.

The same list is asked of the local BigQuery (tests/emulators/test_bigquery_sql.py) and of bqemulator,
an implementation that nobody here wrote (tests/oracle/test_oracle.py).
"""

# ruff: noqa: E501 - a query reads best on one line

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

PROJECT = "acme-ml-prod"
DATASET = "ml"
SCHEMA = [
    {"name": "ts", "type": "TIMESTAMP", "mode": "REQUIRED"},
    {"name": "model", "type": "STRING"},
    {"name": "version", "type": "INTEGER"},
    {"name": "value", "type": "FLOAT"},
    {"name": "ok", "type": "BOOLEAN"},
    {"name": "day", "type": "DATE"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {
        "name": "slice",
        "type": "RECORD",
        "fields": [{"name": "country", "type": "STRING"}, {"name": "n", "type": "INTEGER"}],
    },
]
START = datetime(2026, 10, 1, tzinfo=UTC)


def rows() -> list[dict[str, Any]]:
    """240 hourly points over ten days, three models in turn; every fortieth value is missing."""
    return [
        {
            "ts": START + timedelta(hours=i),
            "model": f"m{i % 3}",
            "version": 1 + i // 120,
            "value": None if i % 40 == 39 else float(i),
            "ok": i % 2 == 1,
            "day": (START + timedelta(hours=i)).date(),
            "tags": ["a", "b"][: 1 + i % 2],
            "slice": {"country": "DE" if i % 2 else "FR", "n": i % 50},
        }
        for i in range(240)
    ]


@dataclass(frozen=True)
class Asked:
    """One query, its answer, and its parameters. `error`: BigQuery refuses it when it runs."""

    name: str
    sql: str
    answer: list[tuple[Any, ...]] = field(default_factory=list)
    parameters: tuple[Any, ...] = ()
    error: bool = False
    oracle_differs: str = ""
    """Why bqemulator is known to answer something else."""


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


MODEL = ScalarQueryParameter("model", "STRING", "m1")
SINCE = ScalarQueryParameter("since", "TIMESTAMP", at(2026, 10, 3))
UNTIL = ScalarQueryParameter("until", "TIMESTAMP", at(2026, 10, 5))
X = "(SELECT i AS x, MOD(i, 3) AS g, IF(MOD(i, 2) = 0, 'even', 'odd') AS s FROM UNNEST(GENERATE_ARRAY(1, 10)) AS i)"

QUERIES = [
    Asked(
        "daily aggregates of one model in a window",
        """SELECT TIMESTAMP_TRUNC(ts, DAY) AS bucket, COUNT(*) AS n, COUNT(value) AS known, AVG(value) AS mean,
                  MIN(value) AS low, MAX(value) AS high
           FROM `acme-ml-prod.ml.metrics`
           WHERE model = @model AND ts >= @since AND ts < @until GROUP BY bucket ORDER BY bucket""",
        [(at(2026, 10, 3), 8, 8, 59.5, 49.0, 70.0), (at(2026, 10, 4), 8, 7, 589 / 7, 73.0, 94.0)],
        (MODEL, SINCE, UNTIL),
    ),
    Asked("newest time a model", "SELECT model, MAX(ts) FROM ml.metrics GROUP BY model ORDER BY model LIMIT 1",
          [("m0", at(2026, 10, 10, 21))]),
    Asked("count of all", "SELECT COUNT(*) FROM ml.metrics", [(240,)]),
    Asked("nulls are not counted", "SELECT COUNT(value), COUNTIF(value IS NULL) FROM ml.metrics", [(234, 6)]),
    Asked("a list parameter", "SELECT COUNT(*) FROM ml.metrics WHERE model IN UNNEST(@models)", [(160,)],
          (ArrayQueryParameter("models", "STRING", ["m0", "m1"]),)),
    Asked("an empty list parameter", "SELECT COUNT(*) FROM ml.metrics WHERE model IN UNNEST(@models)", [(0,)],
          (ArrayQueryParameter("models", "STRING", []),)),
    Asked("a field of a record", "SELECT slice.country, SUM(slice.n) FROM ml.metrics GROUP BY slice.country ORDER BY 1",
          [("DE", 2900), ("FR", 2780)]),
    Asked("quantiles are members of the input",
          f"SELECT APPROX_QUANTILES(x, 4) FROM {X}", [([1, 3, 5, 8, 10],)]),
    Asked("the documented median", "SELECT APPROX_QUANTILES(x, 2) FROM UNNEST([1, 1, 1, 4, 5, 6, 7, 8, 9, 10]) AS x",
          [([1, 5, 10],)]),
    Asked("the documented 90th percentile",
          "SELECT APPROX_QUANTILES(x, 100)[OFFSET(90)] FROM UNNEST([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) AS x", [(9,)],
          oracle_differs="it takes the rank above; both are members of the input, and the function is approximate"),
    Asked("quantiles of nothing", f"SELECT APPROX_QUANTILES(x, 2) FROM {X} WHERE x > 99", [([],)]),
    Asked("a percentile over a window",
          f"SELECT DISTINCT g, PERCENTILE_CONT(x, 0.5) OVER (PARTITION BY g) FROM {X} ORDER BY g",
          [(0, 6.0), (1, 5.5), (2, 5.0)]),
    Asked("spread", f"SELECT ROUND(STDDEV(x), 4), ROUND(VAR_POP(x), 4), ROUND(STDDEV_POP(x), 4) FROM {X}",
          [(3.0277, 8.25, 2.8723)]),
    Asked("distinct", f"SELECT COUNT(DISTINCT s), APPROX_COUNT_DISTINCT(g), LOGICAL_OR(x > 9), LOGICAL_AND(x > 9) FROM {X}",
          [(2, 3, True, False)]),
    Asked("the value at the newest time", f"SELECT MAX_BY(s, x), MIN_BY(s, x) FROM {X}", [("even", "odd")]),
    Asked("a NULL at the newest time is NULL",
          "SELECT MAX_BY(v, k) FROM (SELECT 1 AS k, 5 AS v UNION ALL SELECT 2, NULL)", [(None,)],
          oracle_differs="it passes over a row whose value is NULL; BigQuery takes the row with the largest key"),
    Asked("newest row a group", f"SELECT g, x FROM {X} QUALIFY ROW_NUMBER() OVER (PARTITION BY g ORDER BY x DESC) = 1 ORDER BY g",
          [(0, 9), (1, 10), (2, 8)]),
    Asked("lag, lead, first and tiles",
          f"""SELECT x, LEAD(x, 1, -1) OVER (ORDER BY x), LAG(x) OVER (ORDER BY x), FIRST_VALUE(x) OVER (ORDER BY x DESC),
                     NTILE(2) OVER (ORDER BY x) FROM {X} ORDER BY x DESC LIMIT 1""", [(10, -1, 9, 10, 2)]),
    Asked("moving average",
          f"SELECT x, AVG(x) OVER (ORDER BY x ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM {X} ORDER BY x DESC LIMIT 2",
          [(10, 9.0), (9, 8.0)]),
    Asked("a named window", f"SELECT MAX(c) FROM (SELECT SUM(x) OVER w AS c FROM {X} WINDOW w AS (ORDER BY x))", [(55,)]),
    Asked("ranks with ties", "SELECT x, RANK() OVER (ORDER BY x), DENSE_RANK() OVER (ORDER BY x) FROM UNNEST([5, 5, 7]) AS x ORDER BY x DESC LIMIT 1",
          [(7, 3, 2)]),
    Asked("NULL sorts first, and last when descending",
          "SELECT ARRAY_LENGTH(l), l[OFFSET(0)] FROM (SELECT ARRAY_AGG(x ORDER BY x LIMIT 1) AS l FROM UNNEST([3, 1, 2]) AS x)",
          [(1, 1)]),
    Asked("NULLs in an order", "SELECT x FROM (SELECT 1 AS x UNION ALL SELECT NULL UNION ALL SELECT 2) ORDER BY x",
          [(None,), (1,), (2,)]),
    Asked("NULLs in a descending order", "SELECT x FROM (SELECT 1 AS x UNION ALL SELECT NULL UNION ALL SELECT 2) ORDER BY x DESC",
          [(2,), (1,), (None,)]),
    Asked("offsets count from zero",
          "SELECT x, o FROM UNNEST(['a', 'b', 'c']) AS x WITH OFFSET AS o ORDER BY o", [("a", 0), ("b", 1), ("c", 2)]),
    Asked("an offset without a name", "SELECT offset FROM UNNEST(['a', 'b']) AS x WITH OFFSET ORDER BY offset DESC LIMIT 1", [(1,)]),
    Asked("records in a list",
          """SELECT t.id, e.k FROM (SELECT 1 AS id, [STRUCT('a' AS k, 1 AS v), STRUCT('b' AS k, 2 AS v)] AS evts) AS t,
             UNNEST(t.evts) AS e WHERE e.v = 2""", [(1, "b")]),
    Asked("tags of each row", "SELECT tag, COUNT(*) FROM ml.metrics, UNNEST(tags) AS tag GROUP BY tag ORDER BY tag",
          [("a", 240), ("b", 120)]),
    Asked("an array place that is not there is an error", "SELECT [1, 2][OFFSET(5)]", error=True,
          oracle_differs="it answers NULL; BigQuery: Array index 5 is out of bounds"),
    Asked("an array place that may miss", "SELECT [1, 2][SAFE_OFFSET(5)], [1, 2][ORDINAL(2)], [1, 2][SAFE_OFFSET(1)]", [(None, 2, 2)]),
    Asked("a record with a list", "SELECT STRUCT(1 AS a, [1, 2] AS b, STRUCT('x' AS c) AS d) AS s",
          [({"a": 1, "b": [1, 2], "d": {"c": "x"}},)]),
    Asked("the two largest, as records",
          "SELECT ARRAY_AGG(STRUCT(value AS v, model AS m) ORDER BY value DESC LIMIT 2) FROM ml.metrics",
          [([{"v": 238.0, "m": "m1"}, {"v": 237.0, "m": "m0"}],)]),
    Asked("joined text", f"SELECT STRING_AGG(CAST(x AS STRING), ',' ORDER BY x DESC) FROM {X} WHERE x < 4", [("3,2,1",)]),
    Asked("milliseconds as a time", "SELECT TIMESTAMP_MILLIS(1790812800000), TIMESTAMP_SECONDS(1790812800), TIMESTAMP_MICROS(1790812800000001)",
          [(at(2026, 10, 1), at(2026, 10, 1), at(2026, 10, 1, 0, 0, 0, 1))]),
    Asked("a time as a number", "SELECT UNIX_SECONDS(TIMESTAMP '2026-10-01 00:00:00+00'), UNIX_MILLIS(TIMESTAMP '2026-10-01 00:00:00.9+00')",
          [(1790812800, 1790812800900)]),
    Asked("whole seconds are rounded down", "SELECT UNIX_SECONDS(TIMESTAMP '2026-10-01 00:00:00.9+00')", [(1790812800,)],
          oracle_differs="it rounds to the nearest second; BigQuery rounds down"),
    Asked("division by zero is an error", "SELECT 1 / 0", error=True),
    Asked("division of a column by zero is an error", f"SELECT SUM(x) / (COUNT(*) - 10) FROM {X}", error=True),
    Asked("remainder by zero is an error", f"SELECT MOD(x, 0) FROM {X}", error=True,
          oracle_differs="it answers NULL; BigQuery: division by zero"),
    Asked("division", "SELECT 7 / 2, DIV(7, 2), MOD(7, 2), DIV(-7, 2), MOD(-7, 2), SAFE_DIVIDE(1, 0), SAFE_DIVIDE(1, 4)",
          [(3.5, 3, 1, -3, -1, None, 0.25)]),
    Asked("a share", "SELECT COUNTIF(ok) / COUNT(*) FROM ml.metrics", [(0.5,)]),
    Asked("rounding", "SELECT ROUND(2.5), ROUND(-2.5), ROUND(1.25, 1), CAST(-1.5 AS INT64), FLOOR(1.7), CEIL(1.2)",
          [(3.0, -3.0, 1.3, -2, 1.0, 2.0)]),
    Asked("halves are cast away from zero", "SELECT CAST(2.5 AS INT64), CAST(-2.5 AS INT64)", [(3, -3)],
          oracle_differs="it rounds halves to the even number"),
    Asked("casts that may fail", "SELECT SAFE_CAST('a' AS INT64), SAFE_CAST('12' AS INT64), SAFE_CAST('1.5' AS FLOAT64), CAST('7' AS INT64)",
          [(None, 12, 1.5, 7)]),
    Asked("a fraction as text is no whole number", "SELECT SAFE_CAST('1.5' AS INT64)", [(None,)],
          oracle_differs="it rounds the text to 2"),
    Asked("a cast that fails is an error", "SELECT CAST('a' AS INT64)", error=True),
    Asked("NULLs", "SELECT IFNULL(NULL, 1), NULLIF(1, 1), COALESCE(NULL, 2, 3), GREATEST(1, NULL), LEAST(2, 1), CONCAT('a', NULL)",
          [(1, None, 2, None, 1, None)]),
    Asked("text", "SELECT LOWER('AB'), STARTS_WITH('abc', 'ab'), SUBSTR('abc', 2), SUBSTR('abc', 1, 2), LENGTH('äb'), 'a' || 'b', 'abc' LIKE 'a%'",
          [("ab", True, "bc", "ab", 2, "ab", True)]),
    Asked("patterns", r"SELECT REGEXP_EXTRACT('run-2026-x', r'run-(\d+)'), REGEXP_EXTRACT('run', r'\d+'), REGEXP_CONTAINS('abc', r'^a')",
          [("2026", None, True)]),
    Asked("values in JSON text", """SELECT JSON_VALUE('{"a":{"b":"x"}}', '$.a.b'), JSON_VALUE('{"a":{"b":1}}', '$.a'), JSON_VALUE('{"a":[7]}', '$.a[0]')""",
          [("x", None, "7")]),
    Asked("days", "SELECT DATE_TRUNC(DATE '2026-10-07', MONTH), DATE_TRUNC(DATE '2026-10-07', WEEK)",
          [(date(2026, 10, 1), date(2026, 10, 4))]),
    Asked("ISO weeks", "SELECT DATE_TRUNC(DATE '2026-10-07', ISOWEEK)", [(date(2026, 10, 5),)],
          oracle_differs="it does not know ISOWEEK here"),
    Asked("weeks that begin on Monday", "SELECT DATE_TRUNC(DATE '2026-11-24', WEEK(MONDAY))", [(date(2026, 11, 23),)],
          oracle_differs="it begins every week on Sunday"),
    Asked("a day elsewhere", "SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-10-07 23:30:00+00', DAY, 'Europe/Berlin'), DATE(TIMESTAMP '2026-10-07 23:30:00+00', 'Europe/Berlin')",
          [(at(2026, 10, 7, 22), date(2026, 10, 8))]),
    Asked("parts of a date", "SELECT EXTRACT(DAYOFWEEK FROM DATE '2026-10-04'), EXTRACT(ISOWEEK FROM DATE '2026-10-04'), EXTRACT(HOUR FROM TIMESTAMP '2026-10-04 07:00:00+00')",
          [(1, 40, 7)]),
    Asked("moving times", "SELECT TIMESTAMP_SUB(TIMESTAMP '2026-10-02 00:00:00+00', INTERVAL 1 DAY), TIMESTAMP_ADD(TIMESTAMP '2026-10-02 00:00:00+00', INTERVAL 90 MINUTE), DATE_SUB(DATE '2026-03-31', INTERVAL 1 MONTH), DATE_ADD(DATE '2026-10-01', INTERVAL 1 WEEK)",
          [(at(2026, 10, 1), at(2026, 10, 2, 1, 30), date(2026, 2, 28), date(2026, 10, 8))]),
    Asked("whole hours between", "SELECT TIMESTAMP_DIFF(TIMESTAMP '2026-10-02 02:00:00+00', TIMESTAMP '2026-10-01 23:00:00+00', HOUR), TIMESTAMP_DIFF(TIMESTAMP '2026-10-02 00:30:00+00', TIMESTAMP '2026-10-01 00:00:00+00', DAY)",
          [(3, 1)]),
    Asked("less than an hour is no hour", "SELECT TIMESTAMP_DIFF(TIMESTAMP '2026-10-02 00:30:00+00', TIMESTAMP '2026-10-01 23:45:00+00', HOUR)", [(0,)],
          oracle_differs="it counts the hours that were entered; BigQuery counts whole ones"),
    Asked("boundaries between days", "SELECT DATE_DIFF(DATE '2026-10-08', DATE '2026-10-01', WEEK), DATE_DIFF(DATE '2026-10-04', DATE '2026-10-03', WEEK), DATE_DIFF(DATE '2026-11-01', DATE '2026-10-31', MONTH), DATE_DIFF(DATE '2026-10-01', DATE '2026-10-03', DAY)",
          [(1, 1, 1, -2)]),
    Asked("weeks by Monday between days", "SELECT DATE_DIFF(DATE '2026-10-05', DATE '2026-10-04', WEEK(MONDAY)), DATE_DIFF(DATE '2026-10-05', DATE '2026-10-04', ISOWEEK)", [(1, 1)],
          oracle_differs="it begins every week on Sunday"),
    Asked("written times", "SELECT FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', TIMESTAMP '2026-10-01 07:05:00+00'), FORMAT_DATE('%F', DATE '2026-10-01')",
          [("2026-10-01 07:05", "2026-10-01")]),
    Asked("every day of a window", "SELECT d FROM UNNEST(GENERATE_DATE_ARRAY('2026-10-01', '2026-10-03')) AS d ORDER BY d",
          [(date(2026, 10, 1),), (date(2026, 10, 2),), (date(2026, 10, 3),)]),
    Asked("days without a point", """SELECT d, COUNT(m.ts) FROM UNNEST(GENERATE_DATE_ARRAY('2026-10-10', '2026-10-12')) AS d
          LEFT JOIN ml.metrics AS m ON m.day = d GROUP BY d ORDER BY d""",
          [(date(2026, 10, 10), 24), (date(2026, 10, 11), 0), (date(2026, 10, 12), 0)]),
    Asked("a join by name", "SELECT a.k, COALESCE(b.v, 0) FROM (SELECT 1 AS k UNION ALL SELECT 2) AS a LEFT JOIN (SELECT 1 AS k, 9 AS v) AS b USING (k) ORDER BY 1",
          [(1, 9), (2, 0)]),
    Asked("named parts", "WITH best AS (SELECT model, MAX(value) AS v FROM ml.metrics GROUP BY model) SELECT COUNT(*), MAX(v) FROM best", [(3, 238.0)]),
    Asked("sets", "SELECT x FROM UNNEST([1, 2, 3]) AS x EXCEPT DISTINCT SELECT 2 ORDER BY 1", [(1,), (3,)]),
    Asked("all but", f"SELECT * EXCEPT (s) REPLACE (x * 2 AS x) FROM {X} WHERE x = 1", [(2, 1)]),
    Asked("a subquery as a value", f"SELECT (SELECT MAX(x) FROM {X}) - 1, EXISTS(SELECT 1 FROM {X} WHERE x = 11)", [(9, False)]),
    Asked("groups that are large enough", f"SELECT g, COUNT(*) FROM {X} GROUP BY g HAVING COUNT(*) > 3", [(1, 4)]),
    Asked("cases", f"SELECT SUM(CASE WHEN s = 'odd' THEN x END), SUM(IF(s = 'even', x, 0)) FROM {X}", [(25, 30)]),
    Asked("a median absolute deviation",
          """SELECT ROUND(APPROX_QUANTILES(ABS(value - med), 100)[OFFSET(50)], 1)
             FROM (SELECT value, PERCENTILE_CONT(value, 0.5) OVER () AS med FROM ml.metrics WHERE model = 'm0')""", [(58.5,)],
          oracle_differs="it takes the rank above; both are members of the input, and the function is approximate"),
    Asked("a decimal is a float", "SELECT 0.1 + 0.2", [(0.30000000000000004,)]),
    Asked("numbers beyond 64 bits are an error", "SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x", error=True,
          oracle_differs="it answers a number that no INT64 holds"),
    Asked("records of a row", "SELECT (SELECT COUNT(*) FROM UNNEST(tags) AS t WHERE t = 'b') AS b FROM ml.metrics ORDER BY ts LIMIT 2", [(0,), (1,)]),
    Asked("a tag in a list", "SELECT COUNT(*) FROM ml.metrics WHERE 'b' IN UNNEST(tags)", [(120,)]),
    Asked("rows without such a tag stay", "SELECT COUNT(*) FROM ml.metrics AS m LEFT JOIN UNNEST(m.tags) AS t ON t = 'b'", [(240,)]),
    Asked("large products", "SELECT 100000 * x FROM UNNEST([100000]) AS x", [(10_000_000_000,)],
          oracle_differs="it multiplies in 32 bits"),
    Asked("truths", "SELECT 1 IN (2, NULL), NOT (NULL = 1), IF(NULL, 1, 2), CAST('true' AS BOOL), ANY_VALUE(x) FROM UNNEST([7]) AS x", [(None, None, 2, True, 7)]),
    Asked("the last value that is known",
          "SELECT LAST_VALUE(x IGNORE NULLS) OVER (ORDER BY o ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM UNNEST([1, NULL, 3]) AS x WITH OFFSET AS o ORDER BY o",
          [(1,), (1,), (3,)]),
    Asked("spread of one value", "SELECT STDDEV(x), VARIANCE(x) FROM UNNEST([5]) AS x", [(None, None)]),
    Asked("text as times", "SELECT COUNT(*) FROM ml.metrics WHERE ts BETWEEN TIMESTAMP '2026-10-01 00:00:00' AND '2026-10-01 05:00:00+00' AND DATE(ts) = '2026-10-01'", [(6,)]),
    Asked("a mean of nothing", "SELECT AVG(value), SUM(value) / NULLIF(COUNT(value), 0), COUNT(*) FROM ml.metrics WHERE model = 'none'", [(None, None, 0)]),
    Asked("a table that is not there", "SELECT * FROM ml.absent", error=True),
    Asked("a column that is not there", "SELECT nope FROM ml.metrics", error=True),
    Asked("no SQL at all", "SELEC 1", error=True),
]  # fmt: skip
