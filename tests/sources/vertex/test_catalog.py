"""What is told of models, endpoints, schedules, monitors and feature views; and of refusals."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from google.cloud.aiplatform_v1 import types

from emulators.data import Upstreams
from emulators.faults import Fault
from services.config import VertexSource
from services.records import Deployment, Endpoint, Evaluation, FeatureView, Model, Monitor, Ref, Schedule, Version
from services.sources.base import AccessDenied, FeatureOff, RateLimited, Unreachable, Unreadable
from services.sources.vertex import SOURCE
from services.vocabulary import RunState
from tests.sources.reading import NOON, read, stream_of
from tests.sources.vertex.messages import PARENT, PROJECT, REGION, a_job, a_model, ago, an_endpoint, put, register

MODEL = f"{PARENT}/models/77"
RUN = f"{PARENT}/pipelineJobs/run-1"
DRIFT = types.ModelDeploymentMonitoringObjectiveType.RAW_FEATURE_DRIFT


def test_a_model_has_all_its_versions_with_what_made_them(google, vertex):
    image = "eu.gcr.io/x/serve@sha256:" + "ab" * 32
    made = {"pipeline_job": f"{PARENT}/pipelineJobs/run-1", "labels": {"git_sha": "3f2a9c1e"},
            "version_aliases": ["default", "prod"], "container_spec": {"image_uri": image}}  # fmt: skip
    register(google[0], a_model("1"), a_model("2", **made))
    found = read(SOURCE, "models", *vertex)
    assert [one.name for one in found.of(Model)] == ["churn-classifier"]
    versions = found.newest(Version)
    assert set(versions) == {f"{MODEL}@1", f"{MODEL}@2"}
    newest = versions[f"{MODEL}@2"]
    assert (newest.of, newest.label, newest.sha, newest.digest) == (
        "churn-classifier",
        "2",
        "3f2a9c1e",
        "sha256:" + "ab" * 32,
    )
    assert newest.run == Ref("pipeline-job", f"{PARENT}/pipelineJobs/run-1")
    assert (newest.detail.aliases, newest.detail.image_uri) == (("default", "prod"), image)
    assert found.touched["evaluations"] == set(versions)
    assert found.batches[-1].present == {"model": frozenset({MODEL})}


def test_a_version_registered_without_a_change_of_the_model_is_seen(google, vertex):
    register(google[0], a_model("1"))
    first = read(SOURCE, "models", *vertex)
    google[0].vertex.items("modelVersions")[f"{MODEL}@2"] = a_model("2", version_create_time=NOON)
    second = read(SOURCE, "models", *vertex, cursor=first.cursor, now=NOON + timedelta(minutes=2))
    assert f"{MODEL}@2" in second.newest(Version)


def test_evaluations_keep_numbers_and_nothing_else(google, vertex):
    register(google[0], a_model("1"))
    metrics = {
        "auRoc": 0.83,
        "nested": {"logLoss": 0.4},
        "confusionMatrix": {"rows": [[1, 2]]},
        "text": "x",
        "none": None,
    }
    put(
        google[0],
        "evaluations",
        types.ModelEvaluation(name=f"{MODEL}@1/evaluations/3", metrics=metrics, create_time=ago(days=1)),
    )
    found = read(SOURCE, "evaluations", *vertex, work=(f"{MODEL}@1", f"{PARENT}/models/99@1"))
    one = found.of(Evaluation)[0]
    assert one.metrics == {"auRoc": 0.83, "nested.logLoss": 0.4}
    assert one.version == Ref("model-version", f"{MODEL}@1")
    assert [done for batch in found.batches for done in batch.done] == [f"{MODEL}@1", f"{PARENT}/models/99@1"]
    assert len(found.notes.rejected) == 1


def test_evaluations_of_a_version_that_is_gone_are_done_and_a_refusal_is_one(google, vertex):
    gone = f"{PARENT}/models/99@1"
    assert read(SOURCE, "evaluations", *vertex, work=(gone,)).batches[0].done == (gone,)
    google[0].vertex.denied["evaluations"] = 403
    register(google[0], a_model("1"))
    with pytest.raises(AccessDenied):
        read(SOURCE, "evaluations", *vertex, work=(f"{MODEL}@1",))


def test_an_endpoint_tells_its_split_and_each_version_on_it(google, vertex):
    watched = {"model_deployment_monitoring_job": f"{PARENT}/modelDeploymentMonitoringJobs/4"}
    put(google[0], "endpoints", an_endpoint({"1": 90, "2": 10, "3": 0}, labels={"environment": "prod"}, **watched))
    found = read(SOURCE, "endpoints", *vertex)
    endpoint = found.of(Endpoint)[0]
    assert [(one["version"], one["percent"]) for one in endpoint.traffic] == [("1", 90.0), ("2", 10.0), ("3", 0.0)]
    assert (endpoint.environment, endpoint.monitored) == ("prod", True)
    deployments = {one.label: one for one in found.of(Deployment)}
    assert {label: one.traffic for label, one in deployments.items()} == {"1": 0.9, "2": 0.1, "3": 0.0}
    assert deployments["1"].version == Ref("model-version", f"{MODEL}@1")
    assert (deployments["1"].place, deployments["1"].environment, deployments["1"].kind) == (
        "churn-prod",
        "prod",
        "traffic",
    )
    assert found.batches[-1].present["traffic"] == frozenset(one.native_id for one in deployments.values())


def test_an_endpoint_without_a_model_is_empty_and_not_unknown(google, vertex):
    put(google[0], "endpoints", an_endpoint({}))
    found = read(SOURCE, "endpoints", *vertex)
    assert (found.of(Endpoint)[0].traffic, found.of(Endpoint)[0].monitored, found.of(Deployment)) == ((), False, [])


def test_nothing_is_gone_before_every_region_was_read(google):
    source = VertexSource(kind="vertex", name="v", project=PROJECT, regions=(REGION, "us-central1"), anonymous=True,
                          api_endpoint=google[2])  # fmt: skip
    client = SOURCE.connect(source, None)
    put(google[0], "endpoints", an_endpoint({"1": 100}))
    here, there = SOURCE.scopes(client, source)
    assert read(SOURCE, "endpoints", client, source, scope=here).batches[-1].present == {}
    both = read(SOURCE, "endpoints", client, source, scope=there).batches[-1].present
    assert both["endpoint"] == frozenset({f"{PARENT}/endpoints/5"})
    client.close()


def a_schedule(**more):
    known = {
        "name": f"{PARENT}/schedules/9", "display_name": "nightly-churn", "cron": "TZ=Europe/Amsterdam 0 5 * * *",
        "state": types.Schedule.State.ACTIVE, "next_run_time": NOON + timedelta(hours=17), "allow_queueing": False,
        "max_concurrent_run_count": 1,
        "create_pipeline_job_request": {"parent": PARENT, "pipeline_job": {"display_name": "churn-training"}},
        "last_scheduled_run_response": {"scheduled_run_time": ago(hours=7), "run_response": RUN},
    }  # fmt: skip
    return types.Schedule(**(known | more))


def test_a_schedule_tells_when_what_and_whether_it_waits(google, vertex):
    put(google[0], "schedules", a_schedule())
    one = read(SOURCE, "schedules", *vertex).of(Schedule)[0]
    assert (one.cron, one.time_zone, one.active, one.definition) == (
        "0 5 * * *",
        "Europe/Amsterdam",
        True,
        "churn-training",
    )
    assert (one.last_run, one.last_run_at) == (Ref("pipeline-job", f"{PARENT}/pipelineJobs/run-1"), ago(hours=7))
    assert (one.allow_queueing, one.max_concurrent, one.paused_at, one.ended) == (False, 1, None, False)


@pytest.mark.parametrize(("state", "paused", "ended"), [("PAUSED", True, False), ("COMPLETED", False, True)])
def test_a_paused_schedule_is_not_an_ended_one(google, vertex, state, paused, ended):
    put(
        google[0],
        "schedules",
        a_schedule(state=types.Schedule.State[state], last_pause_time=ago(days=2), cron="0 5 * * *"),
    )
    one = read(SOURCE, "schedules", *vertex).of(Schedule)[0]
    assert (one.active, one.paused_at == ago(days=2), one.ended, one.time_zone) == (False, paused, ended, "UTC")


def a_monitor(*watched: str):
    config = {"deployed_model_id": "d1", "objective_config": {"prediction_drift_detection_config": {
        "drift_thresholds": {feature: {"value": 0.3} for feature in watched}}}}  # fmt: skip
    return types.ModelDeploymentMonitoringJob(
        name=f"{PARENT}/modelDeploymentMonitoringJobs/4", display_name="churn-monitoring",
        endpoint=f"{PARENT}/endpoints/5",
        state=types.JobState.JOB_STATE_RUNNING, model_deployment_monitoring_objective_configs=[config],
        latest_monitoring_pipeline_metadata={"run_time": ago(hours=3)},
    )  # fmt: skip


def scores(upstreams: Upstreams, monitor, **by_feature: tuple[float, float]) -> None:
    features = [
        {"feature_display_name": name, "threshold": {"value": limit} if limit else None,
         "prediction_stats": [{"score": score, "distribution_deviation": score, "anomaly_detection_threshold": limit,
                               "end_time": ago(hours=3)}]}
        for name, (score, limit) in by_feature.items()
    ]  # fmt: skip
    stats = types.ModelMonitoringStatsAnomalies(objective=DRIFT, deployed_model_id="d1", feature_stats=features)
    upstreams.vertex.items("monitoringStats")[monitor.name] = [stats]


def test_a_monitor_tells_its_anomalies_and_what_nobody_watches(google, vertex):
    monitor = a_monitor("tenure", "calls")
    put(google[0], "modelDeploymentMonitoringJobs", monitor)
    scores(google[0], monitor, tenure=(0.44, 0.3), calls=(0.1, 0.3), velocity=(0.9, 0.0))
    one = read(SOURCE, "monitors", *vertex).of(Monitor)[0]
    assert [(a["feature"], a["objective"], a["value"], a["threshold"]) for a in one.anomalies] == [
        ("tenure", "drift", 0.44, 0.3)
    ]
    assert (one.watched, one.unwatched) == (("calls", "tenure"), ("velocity",))
    assert (one.state, one.endpoint, one.checked_at) == (
        RunState.RUNNING,
        Ref("endpoint", f"{PARENT}/endpoints/5"),
        ago(hours=3),
    )


def test_scores_that_may_not_be_read_leave_the_monitor(google, vertex):
    put(google[0], "modelDeploymentMonitoringJobs", a_monitor("tenure"))
    google[1].faults.add(Fault(path="searchModelDeploymentMonitoringStatsAnomalies", status=403, body=b"{}"))
    found = read(SOURCE, "monitors", *vertex)
    assert found.of(Monitor)[0].watched == ("tenure",)
    assert "403" in found.parts["4"]


STORE = f"{PARENT}/featureOnlineStores/main"
VIEW = f"{STORE}/featureViews/churn_view"


def a_sync(number: int, started: float, ended: float | None = None, code: int = 0):
    times = {"start_time": ago(hours=started)} | ({"end_time": ago(hours=ended)} if ended is not None else {})
    status = {"code": code, "message": "quota"} if code else {}
    name = f"{VIEW}/featureViewSyncs/{number}"
    return types.FeatureViewSync(name=name, create_time=ago(hours=started), run_time=times, final_status=status)


@pytest.mark.parametrize(
    ("syncs", "state", "raw", "synced"),
    [
        ([a_sync(1, 9, 8)], RunState.SUCCEEDED, "OK", ago(hours=8)),
        ([a_sync(1, 9, 8), a_sync(2, 3, 2, code=8)], RunState.FAILED, "RESOURCE_EXHAUSTED", ago(hours=8)),
        ([a_sync(1, 9, 8), a_sync(2, 1)], RunState.RUNNING, "RUNNING", ago(hours=8)),
        ([], None, None, None),
    ],
)
def test_a_feature_view_is_as_old_as_its_last_good_sync(google, vertex, syncs, state, raw, synced):
    put(google[0], "featureOnlineStores", types.FeatureOnlineStore(name=STORE))
    put(google[0], "featureViews", types.FeatureView(name=VIEW, sync_config={"cron": "0 */6 * * *"}))
    put(google[0], "featureViewSyncs", *syncs)
    one = read(SOURCE, "feature_views", *vertex).of(FeatureView)[0]
    assert (one.name, one.cron) == ("churn_view", "0 */6 * * *")
    assert (one.sync_state, one.sync_state_raw, one.synced_at) == (state, raw, synced)


LISTS = [stream.name for stream in SOURCE.streams if not stream.detail]
REASON = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com",
}  # fmt: skip
DISABLED = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "x", "details": [REASON]}}
FAULTS = [
    (Fault(status=401, body=b"{}"), AccessDenied),
    (Fault(status=403, body=b"{}"), AccessDenied),
    (Fault(status=403, body=json.dumps(DISABLED).encode()), FeatureOff),
    (Fault(status=404, body=b"{}"), AccessDenied),
    (Fault(status=429, body=b"{}"), RateLimited),
    (Fault(status=500, body=b"<html>oops</html>"), Unreachable),
    (Fault(delay_seconds=3), Unreachable),
    (Fault(status=200, body=b'{"pipelineJobs": ['), Unreadable),
]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_what_google_answers_is_told_in_our_errors(google, vertex, name, fault, error):
    vertex[0].timeout = 0.4
    google[1].faults.add(fault)
    for call in (
        lambda: read(SOURCE, name, *vertex),
        lambda: stream_of(SOURCE, name).check(vertex[0], SOURCE.scopes(*vertex)[0]),
    ):
        with pytest.raises(error) as caught:
            call()
        assert not isinstance(caught.value, AccessDenied | FeatureOff) or caught.value.mend


def test_a_body_that_is_cut_is_unreachable(google, vertex):
    put(google[0], "pipelineJobs", a_job())
    google[1].faults.add(Fault(cut_after_bytes=40))
    with pytest.raises(Unreachable):
        read(SOURCE, "pipeline_jobs", *vertex)


def test_a_refusal_names_the_role_and_a_disabled_api_the_command(google, vertex):
    google[0].vertex.denied["endpoints"] = 403
    with pytest.raises(AccessDenied) as denied:
        read(SOURCE, "endpoints", *vertex)
    assert "roles/aiplatform.viewer" in denied.value.mend
    google[0].vertex.disabled.add(PROJECT)
    with pytest.raises(FeatureOff) as off:
        read(SOURCE, "endpoints", *vertex)
    assert off.value.mend == f"gcloud services enable aiplatform.googleapis.com --project {PROJECT}"


def test_a_pause_is_as_long_as_google_asks(google, vertex):
    google[1].faults.add(Fault(status=429, body=b"{}", headers=(("Retry-After", "90"),)))
    with pytest.raises(RateLimited) as caught:
        read(SOURCE, "endpoints", *vertex)
    assert caught.value.resume_at == NOON + timedelta(seconds=90)


def test_a_call_is_made_once_and_counted(google, vertex):
    google[1].faults.add(Fault(status=503, body=b"{}"))
    with pytest.raises(Unreachable):
        read(SOURCE, "endpoints", *vertex)
    assert vertex[0].meter.calls == google[1].calls.total == 1


def test_every_stream_has_a_check_that_passes_where_all_is_well(google, vertex):
    register(google[0], a_model("1"))
    for stream in SOURCE.streams:
        stream.check(vertex[0], SOURCE.scopes(*vertex)[0])
        assert "roles/aiplatform.viewer" in stream.grant
    assert vertex[0].meter.calls == len(SOURCE.streams) + 1
