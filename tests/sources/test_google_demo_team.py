"""What the demo team's Google Cloud and states look like through our sources: all that was planted, and no secret."""

from __future__ import annotations

import base64
from datetime import timedelta
from urllib.parse import quote

import pytest

from emulators.clock import ManualClock
from emulators.world import make_world, story
from services.config import BigQuerySource, TerraformSource, VertexSource
from services.records import (
    Deployment,
    Endpoint,
    FeatureView,
    MetricPoint,
    Monitor,
    Plan,
    Run,
    Schedule,
    Step,
    Version,
    Workspace,
)
from services.sources import bigquery, terraform, vertex
from services.vocabulary import RunState
from tests.sources.reading import NOON, Read, a_config, local_google, read

METRICS = [
    {"product": "churn", "model": "churn-classifier", "name": "auc", "better": "higher", "where": {"metric": "auc"},
     "table": "ml_metrics.churn_metrics", "version": "version", "environment": "environment", "slice": "slice"},
    {"product": "churn", "model": "x", "name": "private", "better": "lower", "table": "fraud_private.labels",
     "time": "evaluated_at"},
]  # fmt: skip


@pytest.fixture(scope="module")
def team():
    """(what was planted, everything that was read by stream)"""
    upstreams = make_world(7, NOON, ManualClock(NOON))
    with local_google(upstreams) as (_, _, url):
        with upstreams.lock:
            upstreams.refresh()
        planted = story(upstreams).planted
        config = a_config(metric=METRICS, product=[{"name": "churn"}], environment=[{"name": "prod"}])
        everything: dict[str, Read] = {}
        local = {"anonymous": True, "api_endpoint": url}
        project = {"project": "acme-ml-prod", "regions": ("europe-west4",)}
        sources = (
            (terraform.SOURCE, TerraformSource(kind="terraform", name="t", bucket="acme-ml-terraform-state", **local)),
            (bigquery.SOURCE, BigQuerySource(kind="bigquery", name="b", project="acme-ml-prod", **local)),
            (vertex.SOURCE, VertexSource(kind="vertex", name="v", **project, **local)),
        )  # fmt: skip
        for source, entry in sources:
            client = source.connect(entry, None)
            for stream in source.streams:
                if stream.name != "evaluations":
                    work = wanted(planted) if stream.name == "tasks" else ()
                    everything[stream.name] = read(source, stream.name, client, entry, config=config, work=work)
            client.close()
    return planted, everything


def wanted(planted) -> tuple[str, ...]:
    """The newest runs of each planted kind."""
    kinds = ("failed_run", "fully_cached_run", "retried_task", "condition_not_triggered")
    return tuple(dict.fromkeys(in_prod(planted, kind)["run"] for kind in kinds))


def in_prod(planted, kind: str):
    return next(one for one in reversed(planted[kind]) if "/718203440339/" in str(one))


def test_no_planted_secret_is_in_any_record(team):
    planted, everything = team
    kept = repr([read_.records for read_ in everything.values()])
    secrets = [secret["value"] for secret in planted["canary_secret"]]
    assert len(secrets) > 20
    for secret in (*secrets, *(one["core"] for one in planted["canary_secret"])):
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            assert form not in kept, secret


def test_failed_cached_and_retried_runs_are_told_as_such(team):
    planted, everything = team
    runs, steps = everything["tasks"].newest(Run), everything["tasks"].of(Step)
    failed = in_prod(planted, "failed_run")
    assert runs[failed["run"]].state is RunState.FAILED
    assert [s.name for s in steps if s.run.native_id == failed["run"] and s.state is RunState.FAILED] == [
        failed["task"]
    ]
    cached = runs[in_prod(planted, "fully_cached_run")["run"]]
    assert (cached.fully_cached, cached.state) == (True, RunState.WARNING)
    conditional = in_prod(planted, "condition_not_triggered")["run"]
    assert RunState.SKIPPED in {step.state for step in steps if step.run.native_id == conditional}


def test_schedules_that_are_late_or_limited_can_be_told(team):
    planted, everything = team
    schedules = everything["schedules"].newest(Schedule)
    missed = schedules[planted["missed_schedule"][-1]["schedule"]]
    assert missed.active
    assert missed.next_run_at < NOON
    silent = schedules[planted["skipped_silently"][-1]["schedule"]]
    assert (silent.allow_queueing, silent.max_concurrent) == (False, 1)


def test_a_partial_success_is_a_warning(team):
    planted, everything = team
    jobs = everything["custom_jobs"].newest(Run)
    assert jobs[planted["custom_job_partially_succeeded"][-1]["job"]].state is RunState.WARNING
    assert jobs[planted["custom_job_queued"][-1]["job"]].state is RunState.QUEUED


def test_a_canary_shares_the_traffic(team):
    planted, everything = team
    canary = planted["canary"][-1]
    on_it = [
        one for one in everything["endpoints"].of(Deployment) if one.native_id.startswith(canary["endpoint"] + "/")
    ]
    assert canary["version"] in {one.label for one in on_it}
    assert sum(one.traffic for one in on_it) == pytest.approx(1.0)
    assert planted["unmanaged_endpoint"][-1]["endpoint"] in everything["endpoints"].newest(Endpoint)


def test_anomalies_and_stale_features_are_told(team):
    planted, everything = team
    monitor = everything["monitors"].newest(Monitor)[planted["monitoring_anomaly"][-1]["job"]]
    assert {anomaly["feature"] for anomaly in monitor.anomalies} == {"support_calls"}
    assert any(one.unwatched == ("velocity_1h",) for one in everything["monitors"].of(Monitor))
    views = everything["feature_views"].newest(FeatureView)
    stale = views[planted["feature_view_stale"][-1]["view"]]
    assert NOON - stale.synced_at > timedelta(days=5)
    failed = next(v for v in views.values() if planted["feature_view_sync_failed"][-1]["sync"].startswith(v.native_id))
    assert failed.sync_state is RunState.FAILED


def test_versions_lead_to_their_runs_and_commits(team):
    versions = team[1]["models"].of(Version)
    assert all(version.run for version in versions)
    traceable = [one for one in versions if one.of == "churn-classifier" and one.sha and one.digest]
    assert len(traceable) > 50
    assert any(one.sha is None for one in versions), "some are planted without a commit"


def test_a_moved_block_is_no_drift_in_the_bucket(team):
    planted, everything = team
    assert planted["moved_is_not_drift"][-1]["state"] == "fraud-prod"
    plans = [plan for plan in everything["plans"].of(Plan) if "prod" in plan.workspace.native_id]
    assert plans
    assert all(plan.drift == () for plan in plans)
    names = {one.name for one in everything["states"].newest(Workspace).values()}
    assert {"terraform/fraud-scoring-prod", "terraform/fraud-scoring-qa"} <= names


def test_metrics_are_read_and_the_denied_dataset_is_a_part(team):
    everything = team[1]
    points = everything["metrics"].of(MetricPoint)
    assert {point.slice for point in points} == {"all", "segment=consumer", "segment=business"}
    assert "403" in everything["metrics"].parts["churn/x/private"]
