"""Which query is asked for a metric, and which metrics are refused before anything is asked."""

from __future__ import annotations

import pytest

from services.config import Metric
from services.sources.bigquery import BadMetric, build_sql


def a_metric(**more) -> Metric:
    known = {"product": "churn", "model": "churn-classifier", "name": "auc", "better": "higher"}
    if "sql" not in more:
        known["table"] = "ml.metrics"
    return Metric.model_validate(known | more)


def test_a_table_is_aggregated_by_window_version_environment_and_slice():
    metric = a_metric(version="version", environment="env", slice="seg.name", where={"metric": "auc"}, window="hour")
    assert build_sql(metric, "acme") == (
        "SELECT TIMESTAMP_TRUNC(t, HOUR) AS window_start, version, environment, slice, "
        "AVG(IF(ABS(v) < 1e300, v, NULL)) AS value, COUNT(IF(ABS(v) < 1e300, 1, NULL)) AS n\n"
        "FROM (SELECT `at` AS t, CAST(`value` AS FLOAT64) AS v, CAST(`version` AS STRING) AS version, "
        "CAST(`env` AS STRING) AS environment, CAST(`seg`.`name` AS STRING) AS slice "
        "FROM `acme.ml.metrics` WHERE `at` >= @from AND `at` < @to AND CAST(`metric` AS STRING) = 'auc')\n"
        "GROUP BY window_start, version, environment, slice\nORDER BY window_start\nLIMIT 50001"
    )


def test_a_constant_environment_is_no_part_of_the_query():
    assert "environment" not in build_sql(a_metric(environment="=prod"), "acme")


def test_a_table_of_another_project_keeps_it():
    assert "FROM `other.ml.metrics`" in build_sql(a_metric(table="other.ml.metrics"), "acme")


def test_the_model_can_be_a_parameter():
    assert "CAST(`m` AS STRING) = @model" in build_sql(a_metric(where={"m": "@model"}), "acme")


@pytest.mark.parametrize(("kind", "bound"), [("DATE", "CAST(@from AS DATE)"), ("DATETIME", "CAST(@from AS DATETIME)")])
def test_bounds_are_of_the_time_columns_own_type_so_that_partitions_are_left_out(kind, bound):
    sql = build_sql(a_metric(time="day"), "acme", time_type=kind)
    assert f"`day` >= {bound}" in sql
    assert "CAST(`day` AS TIMESTAMP) AS t" in sql


def test_a_value_is_never_read_as_sql():
    sql = build_sql(a_metric(where={"metric": "x' OR '1'='1\\"}), "acme")
    assert "= 'x\\' OR \\'1\\'=\\'1\\\\'" in sql


@pytest.mark.parametrize(
    "more",
    [{"table": "ml.x` WHERE true --"}, {"table": "justone"}, {"time": "at; DROP"}, {"value": "1+1"}, {"slice": "a b"},
     {"where": {"a = 1 OR b": "x"}},
     {"sql": "DELETE FROM x WHERE true"}, {"sql": "SELECT 1 AS at, 2 AS value; DROP TABLE x"}, {"sql": ""},
     {"sql": "SELECT at, value FROM t WHERE day > @since"}],
)  # fmt: skip
def test_what_is_no_plain_metric_is_refused(more):
    with pytest.raises(BadMetric):
        build_sql(a_metric(**more), "acme")


def test_own_sql_is_wrapped_with_the_columns_that_it_gives():
    metric = a_metric(
        sql="-- daily; as agreed\nWITH x AS (SELECT ';' AS y) SELECT at, value, n FROM x WHERE at >= @from;"
    )
    sql = build_sql(metric, "acme", columns=frozenset({"at", "value", "n", "y"}))
    assert "SUM(IF(ABS(v) < 1e300, v * w, NULL)) / NULLIF" in sql
    assert "version" not in sql
    with pytest.raises(BadMetric, match="no column value"):
        build_sql(metric, "acme", columns=frozenset({"at"}))
