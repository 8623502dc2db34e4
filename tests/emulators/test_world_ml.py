"""Vertex AI's and BigQuery's side of the demo team: runs, schedules, models, traffic, monitoring, features, metrics."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from statistics import median

import pytest
from google.cloud.aiplatform_v1.types import JobState, PipelineState, PipelineTaskDetail, Schedule
from google.protobuf import json_format

from tests.emulators.world_builders import EPOCH, a_moving_world, all_of, planted, read_only_world

TASK = PipelineTaskDetail.State
PROD = "projects/718203440339/locations/europe-west4"


@pytest.fixture(params=[7, 8])
def world(request):
    return read_only_world(request.param)


def tasks(run):
    return [detail for detail in run.job_detail.task_details if detail.parent_task_id]


def endpoint(world, display_name):
    return next(one for one in world.vertex.items("endpoints").values() if one.display_name == display_name)


def test_a_run_has_six_to_twelve_tasks_and_the_compiled_pipeline(world):
    for run in world.vertex.items("pipelineJobs").values():
        spec = json_format.MessageToDict(type(run).pb(run).pipeline_spec)
        inner = [one["dag"]["tasks"] for one in spec["components"].values() if "dag" in one]
        planned = {*spec["root"]["dag"]["tasks"], *(name for one in inner for name in one)}
        assert 6 <= len(planned) <= 12
        assert {detail.task_name for detail in tasks(run)} <= planned


def test_a_finished_run_has_finished_tasks_and_its_end_after_them(world):
    final = (PipelineState.PIPELINE_STATE_SUCCEEDED, PipelineState.PIPELINE_STATE_FAILED)
    for run in world.vertex.items("pipelineJobs").values():
        if run.state in final:
            assert all(detail.end_time <= run.end_time for detail in tasks(run)), run.name
            assert all(detail.state != TASK.RUNNING for detail in tasks(run)), run.name
        if run.state == PipelineState.PIPELINE_STATE_SUCCEEDED:
            assert all(detail.state != TASK.FAILED for detail in tasks(run))


def test_a_failed_run_names_its_first_failing_task(world):
    jobs = world.vertex.items("pipelineJobs")
    assert planted(world, "failed_run")
    for one in planted(world, "failed_run"):
        run = jobs[one["run"]]
        failed = [detail.task_name for detail in tasks(run) if detail.state == TASK.FAILED]
        assert failed == [one["task"]]
        assert run.error.message


def test_runs_are_cached_retried_and_stopped_by_a_condition(world):
    jobs = world.vertex.items("pipelineJobs")
    for one in planted(world, "fully_cached_run"):
        assert {detail.state for detail in tasks(jobs[one["run"]])} == {TASK.SKIPPED}
    for one in planted(world, "condition_not_triggered"):
        assert TASK.NOT_TRIGGERED in {detail.state for detail in tasks(jobs[one["run"]])}
    for one in planted(world, "retried_task"):
        (detail,) = (detail for detail in tasks(jobs[one["run"]]) if detail.task_name == one["task"])
        assert detail.pipeline_task_status
    assert all(planted(world, name) for name in ("fully_cached_run", "condition_not_triggered", "retried_task"))


def test_a_task_that_is_tried_again_shows_an_error_and_is_still_running():
    world, clock = a_moving_world(after=-timedelta(hours=9))
    for _ in range(60):
        for run in world.vertex.items("pipelineJobs").values():
            if any(detail.state == TASK.RUNNING and detail.error.code for detail in tasks(run)):
                assert run.state == PipelineState.PIPELINE_STATE_RUNNING
                return
        clock.advance(timedelta(minutes=5))
        world.refresh()
    pytest.fail("no task was tried again")


def test_the_forecast_is_late_and_another_schedule_is_paused(world):
    schedules = {one.display_name: one for one in world.vertex.items("schedules").values()}
    late = schedules["nightly-demand-forecast"]
    assert late.state == Schedule.State.ACTIVE
    assert late.next_run_time < EPOCH - timedelta(hours=20)
    assert schedules["churn-qa-weekly"].state == Schedule.State.PAUSED
    on_time = schedules["nightly-fraud"]
    assert on_time.next_run_time > EPOCH
    assert on_time.last_scheduled_run_response.run_response in world.vertex.items("pipelineJobs")


def test_a_firing_is_skipped_silently_when_the_run_before_still_goes_on(world):
    (name,) = {one["schedule"] for one in planted(world, "skipped_silently")}
    schedule = world.vertex.items("schedules")[name]
    assert not schedule.allow_queueing
    assert schedule.max_concurrent_run_count == 1


def test_the_late_training_comes_again_and_is_missed_again_a_week_later():
    world, clock = a_moving_world()
    (schedule,) = (
        one for one in world.vertex.items("schedules").values() if one.display_name == "nightly-demand-forecast"
    )
    late = []
    for _ in range(9):
        late.append(schedule.next_run_time < clock.now())
        clock.advance(timedelta(days=1))
        world.refresh()
    assert late[0]
    assert False in late
    assert True in late[late.index(False) :]


def test_a_run_that_ci_started_carries_a_commit_and_a_pipeline_that_exist(world):
    pipelines = {str(one["id"]): one for one in all_of(world, "pipelines")}
    runs = world.vertex.items("pipelineJobs").values()
    labelled = [run for run in runs if "git_sha" in run.labels]
    assert len(labelled) > 100
    for run in labelled:
        assert pipelines[run.labels["gitlab_pipeline_id"]]["sha"] == run.labels["git_sha"]
    assert any("git_sha" not in run.labels for run in runs)


def test_a_model_version_names_the_run_that_made_it(world):
    versions = world.vertex.items("modelVersions")
    assert versions
    for name, version in versions.items():
        run = world.vertex.items("pipelineJobs")[version.pipeline_job]
        assert run.state == PipelineState.PIPELINE_STATE_SUCCEEDED
        evaluations = [key for key in world.vertex.items("evaluations") if key.startswith(f"{name}/evaluations/")]
        assert len(evaluations) == 3


def test_the_default_version_is_the_newest_and_one_is_champion(world):
    for name, model in world.vertex.items("models").items():
        versions = [one for key, one in world.vertex.items("modelVersions").items() if key.startswith(f"{name}@")]
        assert int(model.version_id) == max(int(one.version_id) for one in versions)
        assert sum("default" in one.version_aliases for one in versions) == 1
        assert sum("champion" in one.version_aliases for one in versions) == 1


def test_a_canary_takes_a_tenth_of_the_traffic_and_is_rolled_back():
    world, clock = a_moving_world()
    fraud = endpoint(world, "fraud-scoring-prod")
    assert sorted(fraud.traffic_split.values()) == [10, 90]
    clock.advance(timedelta(hours=1, minutes=5))
    world.refresh()
    assert sorted(fraud.traffic_split.values()) == [100]
    assert planted(world, "canary_rolled_back")[-1]["endpoint"] == fraud.name


def test_traffic_adds_up_and_goes_to_deployed_versions(world):
    for one in world.vertex.items("endpoints").values():
        if one.deployed_models:
            assert sum(one.traffic_split.values()) == 100
            assert set(one.traffic_split) <= {deployed.id for deployed in one.deployed_models}


def test_the_newest_model_is_trained_and_not_deployed(world):
    waiting = 0
    for one in world.vertex.items("endpoints").values():
        if one.name.startswith(PROD) and one.deployed_models:
            base = one.deployed_models[0].model.partition("@")[0]
            newest = world.vertex.items("models")[base].version_id
            full = [deployed for deployed in one.deployed_models if one.traffic_split.get(deployed.id, 0) >= 90]
            waiting += full[0].model_version_id != newest
    assert waiting >= 2


def test_monitoring_has_an_anomaly_and_a_feature_without_threshold(world):
    anomalies = Counter()
    unwatched = set()
    for name, found in world.vertex.items("monitoringStats").items():
        assert name in world.vertex.items("modelDeploymentMonitoringJobs")
        for stats in found:
            anomalies[name] += stats.anomaly_count
            unwatched |= {one.feature_display_name for one in stats.feature_stats if not one.threshold.value}
    assert sum(anomalies.values()) > 0
    assert unwatched == {"velocity_1h"}


def test_a_feature_view_failed_to_sync_and_another_is_stale(world):
    syncs = world.vertex.items("featureViewSyncs")
    newest = {}
    for name, sync in syncs.items():
        newest[name.rsplit("/", 3)[1]] = sync
    assert newest["churn_view"].final_status.code == 9
    assert newest["fraud_view"].final_status.code == 0
    assert newest["stores_view"].create_time < EPOCH - timedelta(days=8)


def test_custom_jobs_are_queued_and_partially_done(world):
    states = Counter(one.state for one in world.vertex.items("customJobs").values())
    assert states[JobState.JOB_STATE_QUEUED]
    assert states[JobState.JOB_STATE_PARTIALLY_SUCCEEDED]
    assert states[JobState.JOB_STATE_SUCCEEDED]


def test_churn_sinks_below_its_threshold_before_the_epoch_and_recovers():
    world, clock = a_moving_world()
    assert _auc(world, clock.now()) < 0.78
    assert _auc(world, clock.now() - timedelta(days=3)) > 0.8
    clock.advance(timedelta(days=3))
    world.refresh()
    assert _auc(world, clock.now()) > 0.8


def _auc(world, at):
    rows = world.bigquery.tables["acme-ml-prod", "ml_metrics", "churn_metrics"].rows
    return median(
        row["value"]
        for row in rows
        if row["metric"] == "auc" and row["slice"] == "all" and at - timedelta(hours=9) < row["at"] <= at
    )


def test_metric_rows_fit_their_schema_and_one_table_has_too_few(world):
    for (_, dataset, name), table in world.bigquery.tables.items():
        fields = {field["name"] for field in table.schema}
        assert all(set(row) == fields for row in table.rows), (dataset, name)
    assert len(world.bigquery.tables["acme-ml-prod", "ml_metrics", "store_pilot_metrics"].rows) == 5
    assert world.bigquery.denied == {("acme-ml-prod", "fraud_private"): 403}
