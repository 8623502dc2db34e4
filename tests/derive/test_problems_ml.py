"""What is bad in training, serving, features and metrics."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.config import Metric
from services.problems.metrics import judge
from services.records import FeatureView, MetricPoint, Monitor, Ref, Step
from services.series import Series
from services.timestamps import to_millis
from services.vocabulary import RunState as S
from tests.builders import NOW, a_config, a_model, a_model_version, a_training, ago, an_endpoint
from tests.derive.conftest import Team

DAY = 86_400_000


def training(native_id: str, state: S, hours: float, **more):
    return a_training(native_id, state=state, created_at=ago(hours=hours), finished_at=ago(hours=hours - 0.5), **more)


def test_a_failed_run_names_its_first_failing_step_and_ends_with_the_next_good_run(team: Team):
    def task(native_id: str, name: str, hours: float, **more) -> Step:
        return Step(native_id=native_id, kind="task", run=Ref("pipeline-job", "t2"), name=name, state=S.FAILED,
                    state_raw="FAILED", finished_at=ago(hours=hours), message=f"{name} broke", **more)  # fmt: skip

    team.arrive(
        training("t1", S.SUCCEEDED, 30), training("t2", S.FAILED, 6), task("x1", "demand-forecast-training", 5),
        task("x2", "validate-data", 5.8, parent_step="x1"), task("x3", "train", 5.5, parent_step="x1"), family="vertex",
    )  # fmt: skip
    found = team.problem("ml-run-failed")
    assert found.title == "The run of demand-forecast-training failed in validate-data"
    assert (found.reason, found.last_good, found.environment) == ("validate-data broke", "t1", "prod")
    team.arrive(training("t3", S.SUCCEEDED, 1), family="vertex")
    assert not team.problems()


def test_a_custom_job_that_is_a_pipelines_task_is_no_problem_of_its_own(team: Team):
    task = Step(native_id="x1", kind="task", run=Ref("pipeline-job", "t1"), name="train", state=S.SUCCEEDED,
                state_raw="SUCCEEDED", downstream=Ref("custom-job", "j1"))  # fmt: skip
    team.arrive(
        training("t1", S.SUCCEEDED, 2),
        training("j1", S.FAILED, 2, kind="custom-job", name="train"),
        task,
        family="vertex",
    )
    assert not team.problems()


def test_a_run_that_took_everything_from_the_cache_trained_nothing_new(team: Team):
    team.arrive(training("t1", S.SUCCEEDED, 2, fully_cached=True), family="vertex")
    assert "trained nothing new" in team.problem("run-cached").title
    team.arrive(training("t2", S.SUCCEEDED, 1), family="vertex")
    assert not team.problems()


def test_one_pipeline_in_two_google_projects_is_two_things(team: Team):
    team.arrive(training("dev1", S.FAILED, 2, environment="dev"), family="vertex", instance="dev")
    team.arrive(training("prod1", S.SUCCEEDED, 1), family="vertex", instance="prod")
    assert team.problem("ml-run-failed").environment == "dev"


def test_a_model_in_use_with_newer_versions_that_waited_a_week_is_left_behind(team: Team):
    def version(number: str, days: float):
        return a_model_version(number, created_at=ago(days=days))

    team.arrive(a_model(), version("17", 20), version("18", 6), an_endpoint(), family="vertex")
    assert not team.problems()
    team.sweep(NOW + timedelta(days=2))
    assert team.problem("not-deployed").title == "demand-forecast: 1 newer version than the one that serves (17)"
    split = ({"deployed_id": "d2", "model": "projects/1/models/m1@18", "version": "18", "percent": 10},)
    team.arrive(an_endpoint(traffic=split), family="vertex")
    assert not team.problems()


def test_a_model_that_never_had_traffic_is_an_experiment(team: Team):
    team.arrive(a_model(), a_model_version("1", created_at=ago(days=90)), family="vertex")
    team.sweep()
    assert not team.problems()


def test_a_monitor_with_anomalies_is_bad_until_its_next_look_finds_none(team: Team):
    def monitor(*anomalies: dict) -> Monitor:
        return Monitor(native_id="w1", name="churn watch", environment="prod", state=S.SUCCEEDED, state_raw="OK",
                       checked_at=ago(hours=1), anomalies=anomalies)  # fmt: skip

    team.arrive(monitor({"feature": "tenure", "objective": "drift", "value": 0.4, "at": "2026-11-24T11:00:00+00:00"}))
    assert (team.problem("monitor-anomaly").title, team.problem("monitor-anomaly").severity) == (
        "churn watch: tenure is not as expected", "red",
    )  # fmt: skip
    team.arrive(monitor())
    assert not team.problems()


def test_features_are_stale_by_their_own_calendar_and_a_failed_sync_is_red(team: Team):
    def view(hours: float, state: S = S.SUCCEEDED) -> FeatureView:
        return FeatureView(native_id="v1", name="churn_view", cron="0 * * * *", synced_at=ago(hours=hours),
                           sync_state=state, sync_state_raw=str(state), updated_at=NOW)  # fmt: skip

    team.arrive(view(0.5))
    assert not team.problems()
    team.arrive(view(3))
    assert [row.kind for row in team.problems()] == ["feature-view-stale"]
    team.arrive(view(0.4, S.FAILED))
    assert {row.kind: row.severity for row in team.problems()} == {"feature-view-failed": "red"}


def metric(**more) -> Metric:
    return Metric(**{"product": "churn", "model": "churn", "name": "auc", "better": "higher", "table": "d.t"} | more)


def points(*values: float) -> list[tuple[int, float]]:
    return [(index * DAY // 2, value) for index, value in enumerate(values)]


USUAL = [0.80 + 0.01 * (index % 3) for index in range(24)]


@pytest.mark.parametrize(
    ("metric", "values", "bad"),
    [
        pytest.param(metric(threshold=0.78), [0.80, 0.77], True, id="below its threshold, at once"),
        pytest.param(metric(threshold=0.78), [0.77, 0.78], False, id="at its threshold again"),
        pytest.param(metric(threshold=0.2, better="lower"), [0.1, 0.3], True, id="above, where lower is better"),
        pytest.param(metric(), [*USUAL, 0.6, 0.6], True, id="far from usual twice running"),
        pytest.param(metric(), [*USUAL, 0.6], False, id="far from usual once"),
        pytest.param(metric(), [*USUAL, 0.6, 0.81], False, id="back to usual"),
        pytest.param(metric(), [*USUAL[:10], 0.6, 0.6], None, id="too few to say"),
        pytest.param(metric(), [0.8] * 30, None, id="never moved, so there is nothing to measure by"),
        pytest.param(metric(), [], None, id="no points"),
    ],
)
def test_a_metric_is_bad_past_its_threshold_or_far_from_its_own_two_weeks(metric, values, bad):
    assert judge(points(*values), metric).bad is bad


def test_an_unusual_value_in_the_better_direction_is_said_to_be_no_worse():
    assert not judge(points(*USUAL, 0.95, 0.95), metric()).worse
    assert judge(points(*USUAL, 0.60, 0.60), metric()).worse


def a_point(hours: float, value: float | None, **more) -> MetricPoint:
    values = {"metric": "churn/churn/auc", "model": "churn", "version": "3", "environment": "prod"}
    return MetricPoint(at=ago(hours=hours), value=value, **values | more)


def test_a_metric_past_its_threshold_opens_and_its_recovery_closes_with_an_event_each(team: Team):
    team.config = a_config(product=[{"name": "churn"}], metric=[metric(threshold=0.78).model_dump()])
    team.arrive(a_point(30, 0.83), a_point(20, 0.75), a_point(10, 0.71), family="bigquery")
    found = team.problem("metric-bad")
    assert found.title == "churn prod: auc is 0.71 (threshold 0.78)"
    assert (found.severity, found.product, found.opened_at) == ("red", "churn", to_millis(ago(hours=20)))
    assert found.subject_id == Series("churn/churn/auc", "churn", "prod", "").id
    team.arrive(a_point(2, 0.82), family="bigquery")
    assert not team.problems()
    assert [row.kind for row in team.events()] == ["metric-bad", "metric-recovered"]


def test_a_value_that_is_missing_and_a_metric_that_is_not_configured_say_nothing(team: Team):
    team.config = a_config(metric=[metric(product="demand-forecast", threshold=0.78).model_dump()])
    team.arrive(
        a_point(3, None, metric="demand-forecast/churn/auc"), a_point(2, 0.1, metric="x/y/z"), family="bigquery"
    )
    assert not team.problems()


def test_during_a_canary_the_version_with_most_answers_stands_for_the_metric(team: Team):
    team.config = a_config(product=[{"name": "churn"}], metric=[metric(threshold=0.78).model_dump()])
    team.arrive(a_point(2, 0.83, n=900), a_point(2, 0.60, n=100, version="4"), family="bigquery")
    assert not team.problems()


def test_a_metric_finds_the_version_it_is_of_only_in_its_own_environment(team: Team):
    for place in ("dev", "prod"):
        team.arrive(
            a_model(f"{place}/m1", "churn", environment=place), a_model_version("3", f"{place}/m1", of="churn"),
            family="vertex", instance=place,
        )  # fmt: skip
    team.arrive(a_point(2, 0.83), a_point(2, 0.83, environment=None), family="bigquery")
    assert sorted(str(row.broken) for row in team.links("metric-model-version")) == ["None", "ambiguous"]
