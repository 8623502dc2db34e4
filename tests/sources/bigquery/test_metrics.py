"""What is read of metrics in BigQuery, what it may cost, and what happens when it is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from emulators.data import BigQueryTable
from emulators.faults import Fault
from services.config import BigQuerySource
from services.records import MetricPoint
from services.sources.base import AccessDenied, FeatureOff, Notes, Pull, RateLimited, Unreachable, Unreadable
from services.sources.bigquery import SOURCE
from tests.sources.reading import NOON, a_config, local_google, read

PROJECT = "acme-ml-prod"
FIELDS = {"at": "TIMESTAMP", "model": "STRING", "version": "INTEGER", "env": "STRING", "metric": "STRING",
          "value": "FLOAT", "slice": "STRING"}  # fmt: skip
SCHEMA = [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in FIELDS.items()]
A_METRIC = {"product": "churn", "model": "churn-classifier", "name": "auc", "better": "higher", "table": "ml.metrics",
            "version": "version", "environment": "env", "slice": "slice", "where": {"metric": "auc"}}  # fmt: skip


def a_row(value: float | None, at: datetime = NOON - timedelta(hours=30), **more) -> dict:
    known = {"at": at, "model": "churn-classifier", "version": 3, "env": "prod", "metric": "auc", "slice": "all"}
    return known | {"value": value} | more


def a_pull(client, source) -> Pull:
    return Pull(
        client=client, scope=SOURCE.scopes(client, source)[0], source=source, config=configured(), cursor={}, work=(),
        now=NOON, since=NOON - timedelta(days=120), notes=Notes({}),
    )  # fmt: skip


def configured(*metrics: dict):
    return a_config(metric=[A_METRIC | one for one in metrics] or [A_METRIC], product=[{"name": "churn"}])


@pytest.fixture
def google():
    with local_google() as found:
        yield found


@pytest.fixture
def bigquery(google):
    """(client, source)"""
    source = BigQuerySource(kind="bigquery", name="bq", project=PROJECT, anonymous=True, api_endpoint=google[2])
    client = SOURCE.connect(source, None)
    yield client, source
    client.close()


def fill(google, *rows: dict, table: str = "metrics", dataset: str = "ml", at: datetime = NOON) -> None:
    data = google[0].bigquery
    data.tables.setdefault((PROJECT, dataset, table), BigQueryTable(SCHEMA))
    data.insert(PROJECT, dataset, table, list(rows), at)


def test_values_are_averaged_by_window_where_they_lie(google, bigquery):
    day = NOON.replace(hour=0) - timedelta(days=1)
    fill(google, a_row(0.8, day + timedelta(hours=3)), a_row(0.9, day + timedelta(hours=9)))
    fill(google, a_row(0.5, NOON - timedelta(hours=1)), a_row(0.1, day, slice="eu"), a_row(9.9, day, metric="loss"))
    points = read(SOURCE, "metrics", *bigquery, config=configured()).of(MetricPoint)
    assert sorted((point.at, point.slice, round(point.value, 6), point.n) for point in points) == [
        (day, "all", 0.85, 2), (day, "eu", 0.1, 1), (day + timedelta(days=1), "all", 0.5, 1),
    ]  # fmt: skip
    assert {(p.metric, p.model, p.version, p.environment) for p in points} == {
        ("churn/churn-classifier/auc", "churn-classifier", "3", "prod")
    }


def test_none_is_not_zero(google, bigquery):
    fill(google, a_row(0.7), a_row(None), a_row(None, NOON - timedelta(hours=2)))
    points = read(SOURCE, "metrics", *bigquery, config=configured()).of(MetricPoint)
    assert [(point.value, point.n) for point in points] == [(0.7, 1), (None, 0)]


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_value_that_is_no_number_is_none(google, bigquery, word):
    fill(google, a_row(0.7))
    google[1].faults.add(Fault(replace=(b'"v":"0.7"', b'"v":"' + word + b'"')))
    points = read(SOURCE, "metrics", *bigquery, config=configured()).of(MetricPoint)
    assert [point.value for point in points] == [None]


def test_nothing_is_asked_while_the_table_did_not_change(google, bigquery):
    fill(google, a_row(0.7))
    first = read(SOURCE, "metrics", *bigquery, config=configured())
    google[1].calls.clear()
    again = read(SOURCE, "metrics", *bigquery, config=configured(), cursor=first.cursor)
    assert again.records == []
    assert google[1].calls.total == google[1].calls.count(method="GET") == 1


def test_only_the_last_days_are_read_again_and_in_whole_windows(google, bigquery):
    fill(google, *[a_row(0.7, NOON - timedelta(days=n)) for n in range(1, 20)])
    first = read(SOURCE, "metrics", *bigquery, config=configured())
    assert len(first.of(MetricPoint)) == 19
    fill(google, a_row(0.1, NOON - timedelta(days=2, hours=1)), at=NOON + timedelta(minutes=1))
    later = read(
        SOURCE, "metrics", *bigquery, config=configured(), cursor=first.cursor, now=NOON + timedelta(minutes=5)
    )
    assert len(later.of(MetricPoint)) == 4
    assert {round(point.value, 2) for point in later.of(MetricPoint)} == {0.4, 0.7}


def test_a_constant_environment_stands_in_every_point(google, bigquery):
    fill(google, a_row(0.7))
    config = configured({"environment": "=qa", "slice": None})
    assert [(p.environment, p.slice) for p in read(SOURCE, "metrics", *bigquery, config=config).of(MetricPoint)] == [
        ("qa", None)
    ]


def test_own_sql_is_asked_with_from_to_and_model(google, bigquery):
    fill(google, a_row(0.7), a_row(0.2, model="other"), a_row(0.9, NOON - timedelta(days=300)))
    sql = "SELECT at, value, version FROM ml.metrics WHERE model = @model AND at >= @from AND at < @to"
    own = {**A_METRIC, "table": None, "sql": sql, "where": {}, "version": None, "environment": None, "slice": None}
    config = a_config(metric=[own], product=[{"name": "churn"}])
    found = read(SOURCE, "metrics", *bigquery, config=config)
    assert [(point.value, point.version) for point in found.of(MetricPoint)] == [(0.7, "3")]
    assert read(SOURCE, "metrics", *bigquery, config=config, cursor=found.cursor).records == []


def test_a_dataset_that_is_denied_leaves_the_others(google, bigquery):
    fill(google, a_row(0.7))
    fill(google, a_row(0.7), dataset="private")
    google[0].bigquery.denied[PROJECT, "private"] = 403
    found = read(SOURCE, "metrics", *bigquery, config=configured({"name": "secret", "table": "private.metrics"}, {}))
    assert len(found.of(MetricPoint)) == 1
    assert "403" in found.parts["churn/churn-classifier/secret"]
    assert found.parts["churn/churn-classifier/auc"] is None


def test_a_bad_metric_and_a_missing_table_leave_the_others(google, bigquery):
    fill(google, a_row(0.7))
    config = configured(
        {"name": "a", "value": "no_such"}, {"name": "b", "table": "ml.gone"}, {"name": "c", "value": "1+1"}, {}
    )
    found = read(SOURCE, "metrics", *bigquery, config=config)
    assert len(found.of(MetricPoint)) == 1
    assert [found.parts[f"churn/churn-classifier/{name}"] is None for name in ("a", "b", "c", "auc")] == [
        False,
        False,
        False,
        True,
    ]


def test_a_query_that_is_too_dear_is_not_asked(google, bigquery):
    fill(google, *[a_row(0.7) for _ in range(2000)])
    client, source = bigquery
    poor = source.model_copy(update={"max_bytes_per_query": 1})
    found = read(SOURCE, "metrics", client, poor, config=configured())
    assert found.records == []
    assert "max_bytes_per_query" in found.parts["churn/churn-classifier/auc"]


def test_the_bytes_of_a_day_are_counted_and_capped_until_the_next(google, bigquery):
    fill(google, a_row(0.7))
    client, source = bigquery
    first = read(SOURCE, "metrics", client, source, config=configured())
    assert first.cursor["bytes"] > 0
    spent = source.model_copy(update={"max_bytes_per_day": first.cursor["bytes"]})
    fill(google, a_row(0.8), at=NOON + timedelta(minutes=1))
    second = read(SOURCE, "metrics", client, spent, config=configured(), cursor=first.cursor)
    assert second.records == []
    assert "max_bytes_per_day" in second.parts["churn/churn-classifier/auc"]
    tomorrow = read(
        SOURCE, "metrics", client, spent, config=configured(), cursor=second.cursor, now=NOON + timedelta(days=1)
    )
    assert len(tomorrow.of(MetricPoint)) == 1


def test_a_limit_that_bigquery_enforces_is_known_by_its_reason(google, bigquery):
    fill(google, a_row(0.7))
    error = {"error": {"code": 400, "message": "?", "errors": [{"reason": "bytesBilledLimitExceeded", "message": "?"}]}}
    google[1].faults.add(Fault(path="/jobs", method="POST", status=400, body=json.dumps(error).encode(), skip=1))
    found = read(SOURCE, "metrics", *bigquery, config=configured())
    assert "billed more than max_bytes_per_query" in found.parts["churn/churn-classifier/auc"]


def test_what_a_query_that_breaks_off_would_read_counts_against_the_day(google, bigquery):
    fill(google, a_row(0.7))
    google[1].faults.add(Fault(path="/queries/", method="GET", status=500, body=b"{}"))
    client, source = bigquery
    pull = a_pull(client, source)
    batches = SOURCE.streams[0].collect(pull)
    assert next(batches).cursor["bytes"] > 0
    with pytest.raises(Unreachable):
        next(batches)


def test_a_query_that_does_not_end_is_a_part_and_leaves_the_others(google, bigquery, monkeypatch):
    monkeypatch.setattr("services.sources.bigquery.metrics.QUERY_SECONDS", 0.3)
    fill(google, a_row(0.7))
    google[1].faults.add(Fault(path="/jobs", replace=(b'"DONE"', b'"RUNNING"')))
    found = read(SOURCE, "metrics", *bigquery, config=configured({"name": "a"}, {"name": "b"}))
    assert all("not done within" in (why or "") for why in found.parts.values()), found.parts
    assert len(found.parts) == 2
    assert found.cursor["bytes"] > 0


def test_jobs_carry_labels_and_the_cap(google, bigquery):
    fill(google, a_row(0.7))
    read(SOURCE, "metrics", *bigquery, config=configured())
    jobs = list(bigquery[0].google.list_jobs(retry=None, timeout=5))
    assert jobs[-1].labels == {"throughline": "metrics", "product": "churn", "metric": "auc"}
    assert {job.maximum_bytes_billed for job in jobs if not job.dry_run} == {1 << 30}


def test_a_metric_belongs_to_the_source_that_it_names(google, bigquery):
    fill(google, a_row(0.7))
    entry = {"kind": "bigquery", "project": PROJECT}
    gitlab = {"kind": "gitlab", "name": "g", "url": "https://x", "token": {"env": "T"}, "groups": ["x"]}
    two = [gitlab, entry | {"name": "bq"}, entry | {"name": "other"}]
    metrics = [
        A_METRIC | {"name": name, "source": source} for name, source in (("a", "bq"), ("b", "other"), ("c", None))
    ]
    found = read(SOURCE, "metrics", *bigquery, config=a_config(source=two, metric=metrics, product=[{"name": "churn"}]))
    assert set(found.parts) == {"churn/churn-classifier/a"}


DISABLED = {"error": {"code": 403, "message": "x", "errors": [{"reason": "accessNotConfigured"}]}}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=401, body=b"{}"), AccessDenied),
        (Fault(status=403, body=b"{}"), AccessDenied),
        (Fault(status=403, body=json.dumps(DISABLED).encode()), FeatureOff),
        (Fault(status=429, body=b"{}"), RateLimited),
        (Fault(status=500, body=b"{}"), Unreachable),
        (Fault(delay_seconds=3), Unreachable),
        (Fault(cut_after_bytes=30), Unreachable),
        (Fault(status=200, body=b'{"rows": ['), Unreadable),
    ],
)
def test_what_bigquery_answers_is_told_in_our_errors(google, bigquery, fault, error):
    fill(google, a_row(0.7))
    bigquery[0].timeout = 0.5
    google[1].faults.add(fault)
    with pytest.raises(error):
        SOURCE.streams[0].check(bigquery[0], SOURCE.scopes(*bigquery)[0])
    if error in (AccessDenied, Unreadable):
        assert read(SOURCE, "metrics", *bigquery, config=configured()).parts["churn/churn-classifier/auc"]
    else:
        with pytest.raises(error):
            read(SOURCE, "metrics", *bigquery, config=configured())


def test_the_check_is_a_dry_run_of_nothing(google, bigquery):
    SOURCE.streams[0].check(bigquery[0], SOURCE.scopes(*bigquery)[0])
    assert google[1].calls.total == bigquery[0].meter.calls == 1
