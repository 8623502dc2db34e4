"""The local BigQuery's REST API, through Google's own client: jobs, cost, paging, catalogue, refusals."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPICallError, NotFound
from google.cloud import bigquery

from emulators.data import BigQueryTable
from tests.emulators.bigquery_builders import ask, connect, upstreams_with_metrics
from tests.emulators.discovery import unknown_fields
from tests.emulators.local_google import NOON, PROJECT, serving
from tests.oracle.queries import SCHEMA, rows

METRICS = (PROJECT, "ml", "metrics")
CALL = {"retry": None, "timeout": 20}


@pytest.fixture
def upstreams():
    return upstreams_with_metrics()


@pytest.fixture
def url(upstreams):
    with serving(upstreams) as address:
        yield address


@pytest.fixture
def client(url):
    client = connect(url)
    yield client
    client.close()


def one_row(at=NOON):
    return rows()[0] | {"ts": at, "value": 7.5}


def test_rows_that_arrive_are_in_the_next_answer(upstreams, client):
    assert ask(client, "SELECT COUNT(*) FROM ml.metrics") == [(240,)]
    upstreams.bigquery.insert(*METRICS, [one_row()], NOON)
    assert ask(client, "SELECT COUNT(*), MAX(ts) FROM ml.metrics") == [(241, NOON)]


def test_a_table_that_was_made_anew_forgets_its_old_rows(upstreams, client):
    assert ask(client, "SELECT COUNT(*) FROM ml.metrics") == [(240,)]
    upstreams.bigquery.tables[METRICS] = BigQueryTable(SCHEMA, [one_row()], NOON)
    assert ask(client, "SELECT COUNT(*) FROM ml.metrics") == [(1,)]


def test_now_is_the_upstreams_clock(upstreams, client):
    upstreams.clock.advance(timedelta(hours=13))
    sql = "SELECT CURRENT_TIMESTAMP(), CURRENT_DATE(), CURRENT_DATE('America/New_York')"
    ((moment, day, day_there),) = ask(client, sql)
    assert moment == NOON + timedelta(hours=13)
    assert (day.isoformat(), day_there.isoformat()) == ("2026-11-24", "2026-11-23")


def test_a_dry_run_tells_bytes_and_columns_and_reads_nothing(client):
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    whole = client.query("SELECT * FROM ml.metrics", job_config=config, **CALL)
    narrow = client.query("SELECT MAX(ts) AS newest FROM ml.metrics", job_config=config, **CALL)
    assert narrow.total_bytes_processed == 240 * 8
    assert whole.total_bytes_processed > narrow.total_bytes_processed
    assert [(one.name, one.field_type) for one in narrow.schema] == [("newest", "TIMESTAMP")]
    assert list(client.list_jobs(max_results=5)) == []


def test_a_dry_run_of_a_wrong_query_is_a_bad_request(client):
    config = bigquery.QueryJobConfig(dry_run=True)
    with pytest.raises(BadRequest):
        client.query("SELECT nope FROM ml.metrics", job_config=config, **CALL)


@pytest.mark.parametrize("cap", [1, 10 * 1024 * 1024 - 1])
def test_a_query_above_its_byte_cap_is_not_run(client, cap):
    """The reason is what to test: the class of the client's error depends on the call (google-cloud-bigquery 3.47)."""
    with pytest.raises(GoogleAPICallError) as caught:
        ask(client, "SELECT * FROM ml.metrics", maximum_bytes_billed=cap)
    assert caught.value.errors[0]["reason"] == "bytesBilledLimitExceeded"


def test_a_query_within_its_byte_cap_is_answered_and_billed_at_the_minimum(client):
    config = bigquery.QueryJobConfig(maximum_bytes_billed=10 * 1024 * 1024)
    job = client.query("SELECT COUNT(model) FROM ml.metrics", job_config=config, **CALL)
    assert [tuple(row) for row in job.result(**CALL)] == [(240,)]
    assert job.total_bytes_billed == 10 * 1024 * 1024


def test_labels_stay_on_the_job(client):
    config = bigquery.QueryJobConfig(labels={"app": "throughline"})
    job = client.query("SELECT 1", job_config=config, **CALL)
    assert client.get_job(job.job_id, location=job.location).labels == {"app": "throughline"}


def test_results_come_in_pages(client):
    job = client.query("SELECT * FROM ml.metrics ORDER BY ts", **CALL)
    pages = [len(list(page)) for page in job.result(page_size=100, **CALL).pages]
    assert pages == [100, 100, 40]


def test_the_short_way_to_query_gives_the_same(client):
    (row,) = client.query_and_wait("SELECT MAX(ts) AS newest FROM ml.metrics", retry=None, job_retry=None)
    assert row.newest == datetime(2026, 10, 10, 23, tzinfo=UTC)


def test_every_type_comes_back_as_it_was_put_in(client):
    (row,) = client.query("SELECT * FROM ml.metrics ORDER BY ts DESC LIMIT 1", **CALL).result(**CALL)
    last = rows()[-1]
    assert dict(row) == last | {"slice": {"country": "DE", "n": 39}}


def test_rows_can_be_listed_without_a_query(client):
    listed = client.list_rows(f"{PROJECT}.ml.metrics", page_size=100, **CALL)
    pages = [list(page) for page in listed.pages]
    assert [len(page) for page in pages] == [100, 100, 40]
    assert pages[0][0]["ts"] == datetime(2026, 10, 1, tzinfo=UTC)


def test_datasets_and_tables_are_listed(client):
    assert [one.dataset_id for one in client.list_datasets()] == ["ml"]
    assert [one.table_id for one in client.list_tables("ml")] == ["metrics"]
    table = client.get_table(f"{PROJECT}.ml.metrics")
    assert (table.num_rows, table.modified) == (240, NOON)
    assert [one.name for one in table.schema][:3] == ["ts", "model", "version"]


def test_the_schema_views_tell_tables_columns_and_sizes(client):
    assert ask(client, "SELECT table_name, table_type FROM ml.INFORMATION_SCHEMA.TABLES") == [("metrics", "BASE TABLE")]
    columns = (
        "SELECT column_name, data_type FROM `acme-ml-prod.ml.INFORMATION_SCHEMA.COLUMNS` ORDER BY ordinal_position"
    )
    assert ask(client, columns)[0] == ("ts", "TIMESTAMP")
    assert ask(client, columns)[-2:] == [
        ("tags", "ARRAY<STRING>"),
        ("slice", "STRUCT<country STRING, n INT64>"),
    ]
    partitions = "SELECT partition_id, total_rows, last_modified_time FROM ml.INFORMATION_SCHEMA.PARTITIONS"
    assert ask(client, partitions) == [(None, 240, NOON)]
    assert ask(client, "SELECT row_count FROM ml.__TABLES__ WHERE table_id = 'metrics'") == [(240,)]


def test_the_jobs_of_a_region_tell_what_was_billed(client):
    ask(client, "SELECT COUNT(model) FROM ml.metrics", labels={"app": "throughline"})
    with pytest.raises(GoogleAPICallError):
        ask(client, "SELECT nope FROM ml.metrics")
    sql = """SELECT DATE(creation_time) AS d, error_result.reason, SUM(total_bytes_billed) FROM
             `region-eu`.INFORMATION_SCHEMA.JOBS WHERE job_type = 'QUERY' GROUP BY d, reason ORDER BY reason"""
    assert ask(client, sql) == [(NOON.date(), None, 10 * 1024 * 1024), (NOON.date(), "invalidQuery", 0)]
    labels = "SELECT l.value FROM `region-eu`.INFORMATION_SCHEMA.JOBS_BY_PROJECT AS j, UNNEST(j.labels) AS l"
    assert ask(client, labels) == [("throughline",)]


def test_a_denied_dataset_says_so_and_its_neighbour_answers(upstreams, client):
    upstreams.bigquery.tables[(PROJECT, "other", "t")] = BigQueryTable([{"name": "x", "type": "INTEGER"}], [{"x": 1}])
    upstreams.bigquery.denied[(PROJECT, "ml")] = 403
    with pytest.raises(Forbidden) as caught:
        ask(client, "SELECT COUNT(*) FROM ml.metrics")
    assert caught.value.errors[0]["reason"] == "accessDenied"
    with pytest.raises(Forbidden):
        ask(client, "SELECT table_name FROM ml.INFORMATION_SCHEMA.TABLES")
    with pytest.raises(Forbidden):
        client.get_dataset("ml")
    assert ask(client, "SELECT x FROM other.t") == [(1,)]


def test_what_is_missing_is_not_found(client):
    for sql in ("SELECT * FROM ml.absent", "SELECT * FROM absent.INFORMATION_SCHEMA.TABLES"):
        with pytest.raises(NotFound):
            ask(client, sql)
    with pytest.raises(NotFound):
        client.get_table(f"{PROJECT}.ml.absent")
    with pytest.raises(NotFound):
        client.get_job("none", retry=None)


REFUSED = [
    "SELECT RANGE_BUCKET(25, [0, 10, 20, 30])",
    "SELECT IEEE_DIVIDE(1, 0)",
    "SELECT SAFE.PARSE_DATE('%Y', 'x')",
    "SELECT FARM_FINGERPRINT('a')",
    "SELECT TO_JSON_STRING(STRUCT(1 AS a))",
    "SELECT model, COUNT(*) FROM ml.metrics GROUP BY ROLLUP (model)",
    "SELECT COUNT(*) FROM `ml.metrics_*`",
    "SELECT * FROM ml.metrics TABLESAMPLE SYSTEM (10 PERCENT)",
    "SELECT * FROM ml.metrics FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
    "SELECT ANY_VALUE(model HAVING MAX ts) FROM ml.metrics",
    "SELECT EXTRACT(WEEK FROM DATE '2026-10-01')",
    "SELECT TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), MONTH)",
    "SELECT DATE_TRUNC(CURRENT_TIMESTAMP(), DAY)",
    "SELECT FORMAT_TIMESTAMP('%b', CURRENT_TIMESTAMP())",
    "SELECT SUBSTR('abc', -2)",
    "SELECT 'a_b' LIKE 'a\\\\_b'",
    "SELECT CAST(1.5 AS STRING)",
    "SELECT CAST(1 AS NUMERIC)",
    "SELECT STRUCT(1, 2)",
    "SELECT [1, 2][0]",
    "SELECT TIMESTAMP_TRUNC(ts, DAY) AS ts, COUNT(*) FROM ml.metrics GROUP BY ts",
    "SELECT SUM(value) AS value FROM ml.metrics HAVING value > 1",
    "SELECT * FROM (SELECT 1 AS x, 2 AS k) AS a JOIN (SELECT 3 AS y, 2 AS k) AS b USING (k)",
    "SELECT ARRAY_AGG(x) FROM (SELECT 1 AS x UNION ALL SELECT NULL)",
    "SELECT CAST('yes' AS BOOL)",
    "SELECT * FROM UNNEST([STRUCT(1 AS a)]) AS s",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT SUM(i) FROM n",
    "DECLARE n INT64 DEFAULT 5; SELECT n * 2",
    "SELECT 1; SELECT 2",
    "CREATE TABLE ml.t AS SELECT 1 AS a",
    "DELETE FROM ml.metrics WHERE TRUE",
    "INSERT INTO ml.metrics (model) VALUES ('x')",
    "SELECT * FROM ML.PREDICT(MODEL ml.m, (SELECT 1 AS x))",
    "SELECT creation_time FROM ml.INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM ml.INFORMATION_SCHEMA.VIEWS",
    "SELECT 1 AS a, 2 AS a",
    "SELECT model FROM metrics",
    "SELECT @missing",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_known_here_is_an_error_and_never_an_answer(client, sql):
    with pytest.raises(BadRequest) as caught:
        ask(client, sql)
    assert caught.value.errors[0]["reason"] == "invalidQuery"


@pytest.fixture
def with_nan(upstreams):
    values = [float("nan"), float("inf"), 1.0, None]
    upstreams.bigquery.tables[(PROJECT, "ml", "odd")] = BigQueryTable(
        [{"name": "v", "type": "FLOAT"}, {"name": "k", "type": "INTEGER"}],
        [{"v": value, "k": key} for key, value in enumerate(values)],
        NOON,
    )


@pytest.mark.parametrize(
    ("condition", "rows_left"),
    [("v > 0", 2), ("v < 2", 1), ("v = v", 2), ("v != v", 1), ("NOT v > 0", 1), ("ABS(v) < 1e300", 1), ("v <= 1", 1)],
)
def test_a_nan_compares_with_nothing(client, with_nan, condition, rows_left):
    assert ask(client, f"SELECT COUNT(*) FROM ml.odd WHERE {condition}") == [(rows_left,)]


def test_a_mean_can_leave_out_what_is_not_finite(client, with_nan):
    sql = "SELECT AVG(IF(ABS(v) < 1e300, v, NULL)) AS mean, COUNTIF(ABS(v) < 1e300) AS n FROM ml.odd GROUP BY k > 9"
    assert ask(client, sql + " ORDER BY n") == [(1.0, 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MAX(v) FROM ml.odd",
        "SELECT v FROM ml.odd ORDER BY v",
        "SELECT k FROM ml.odd ORDER BY v",
        "SELECT ARRAY_AGG(k ORDER BY v) FROM ml.odd",
        "SELECT APPROX_QUANTILES(v, 2) FROM ml.odd",
        "SELECT COUNT(*) FROM ml.odd WHERE v BETWEEN 0 AND 9",
        "SELECT RANK() OVER (ORDER BY v) FROM ml.odd",
    ],
)
def test_what_would_order_a_nan_is_refused(client, with_nan, sql):
    with pytest.raises(BadRequest):
        ask(client, sql)


def test_columns_of_civil_time_are_bounded_and_read_as_utc(upstreams, client):
    rows_ = [{"at": datetime(2026, 11, 23, hour), "v": 1.0} for hour in (1, 13)]  # noqa: DTZ001 - civil time
    schema = [{"name": "at", "type": "DATETIME"}, {"name": "v", "type": "FLOAT"}]
    upstreams.bigquery.tables[(PROJECT, "ml", "civil")] = BigQueryTable(schema, rows_, NOON)
    since = bigquery.ScalarQueryParameter("from", "TIMESTAMP", NOON)
    sql = "SELECT CAST(at AS TIMESTAMP) FROM ml.civil WHERE at >= CAST(@from AS DATETIME)"
    assert ask(client, sql, since) == [(datetime(2026, 11, 23, 13, tzinfo=UTC),)]


def test_exact_numbers_are_summed_exactly_and_not_computed_with(upstreams, client):
    schema = [{"name": "cost", "type": "NUMERIC"}]
    cents = [{"cost": value} for value in (0.1, 0.2)]
    from decimal import Decimal

    exact = [{"cost": Decimal(str(row["cost"]))} for row in cents]
    upstreams.bigquery.tables[(PROJECT, "ml", "bill")] = BigQueryTable(schema, exact, NOON)
    assert ask(client, "SELECT SUM(cost) FROM ml.bill") == [(Decimal("0.3"),)]
    with pytest.raises(BadRequest):
        ask(client, "SELECT AVG(cost) FROM ml.bill")


def test_legacy_sql_and_positional_parameters_are_refused(client):
    with pytest.raises(BadRequest):
        ask(client, "SELECT 1", use_legacy_sql=True)
    with pytest.raises(BadRequest):
        ask(client, "SELECT ?", bigquery.ScalarQueryParameter(None, "INT64", 1))


def test_times_are_seconds_unless_whole_microseconds_are_asked_for(client, url):
    job = client.query("SELECT TIMESTAMP '2026-10-01 00:00:00+00' AS t", **CALL)
    where = f"{url}/bigquery/v2/projects/{PROJECT}/queries/{job.job_id}"
    assert httpx.get(where, trust_env=False).json()["rows"][0]["f"][0]["v"] == "1790812800.0"
    exact = httpx.get(where, params={"formatOptions.useInt64Timestamp": "true"}, trust_env=False).json()
    assert exact["rows"][0]["f"][0]["v"] == "1790812800000000"


def test_answers_hold_no_field_that_google_does_not_have(client, url, shared_data):
    document = shared_data / "bigquery/discovery/bigquery.v2.json"
    job = client.query("SELECT model, tags FROM ml.metrics LIMIT 2", **CALL)
    where = f"{url}/bigquery/v2/projects/{PROJECT}"
    for path, schema in [
        (f"jobs/{job.job_id}", "Job"),
        (f"queries/{job.job_id}", "GetQueryResultsResponse"),
        ("datasets", "DatasetList"),
        ("datasets/ml", "Dataset"),
        ("datasets/ml/tables", "TableList"),
        ("datasets/ml/tables/metrics", "Table"),
        ("datasets/ml/tables/metrics/data", "TableDataList"),
        ("jobs", "JobList"),
    ]:
        answer = httpx.get(f"{where}/{path}", trust_env=False).json()
        assert unknown_fields(document, schema, answer) == [], path
