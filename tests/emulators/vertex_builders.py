"""Vertex AI resources with harmless defaults, made from the clients' own types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types

from emulators.data import Upstreams
from tests.emulators.local_google import LOCATION, NOON

SPEC = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "churn-train"},
    "root": {"dag": {"tasks": {"train": {"taskInfo": {"name": "train"}, "componentRef": {"name": "comp-train"}}}}},
}


def put(upstreams: Upstreams, collection: str, message: Any, key: str | None = None) -> Any:
    upstreams.vertex.items(collection)[key or message.name] = message
    return message


def a_run(upstreams: Upstreams, name: str = "churn-1", *, age_hours: float = 1, state: str = "SUCCEEDED", **more):
    at = NOON - timedelta(hours=age_hours)
    details = types.PipelineJobDetail(
        pipeline_context=types.Context(name=f"{LOCATION}/metadataStores/default/contexts/churn-train"),
        task_details=[
            types.PipelineTaskDetail(task_id=1, task_name="train", state="SUCCEEDED", create_time=at, end_time=at)
        ],
    )
    fields = {
        "name": f"{LOCATION}/pipelineJobs/{name}",
        "display_name": name,
        "state": f"PIPELINE_STATE_{state}",
        "create_time": at,
        "start_time": at,
        "update_time": at,
        "end_time": None if state == "RUNNING" else at,
        "labels": {"env": "prod"},
        "pipeline_spec": SPEC,
        "runtime_config": {"gcs_output_directory": "gs://acme/out"},
        "job_detail": details,
    }
    return put(upstreams, "pipelineJobs", types.PipelineJob(fields | more))


def a_schedule(upstreams: Upstreams, name: str = "nightly", **more):
    fields = {
        "name": f"{LOCATION}/schedules/{name}",
        "display_name": name,
        "cron": "TZ=Europe/Berlin 0 3 * * *",
        "state": "ACTIVE",
        "create_time": NOON - timedelta(days=9),
        "next_run_time": NOON + timedelta(hours=9),
        "allow_queueing": False,
        "max_concurrent_run_count": 1,
        "create_pipeline_job_request": {"parent": LOCATION, "pipeline_job": {"display_name": "churn"}},
    }
    return put(upstreams, "schedules", types.Schedule(fields | more))


def a_custom_job(upstreams: Upstreams, name: str = "1", **more):
    fields = {
        "name": f"{LOCATION}/customJobs/{name}",
        "display_name": f"job-{name}",
        "state": "JOB_STATE_SUCCEEDED",
        "create_time": NOON,
        "job_spec": {"worker_pool_specs": [{"container_spec": {"image_uri": "acme/train@sha256:1"}}]},
    }
    return put(upstreams, "customJobs", types.CustomJob(fields | more))


def a_model(upstreams: Upstreams, name: str = "7", versions: int = 3, default: int = 2, **more):
    """A model with that many versions; the default one stands in `models` too."""
    for number in range(1, versions + 1):
        fields = {
            "name": f"{LOCATION}/models/{name}",
            "version_id": str(number),
            "version_aliases": ["default"] if number == default else [],
            "display_name": f"churn-{name}",
            "create_time": NOON - timedelta(days=9),
            "update_time": NOON + timedelta(minutes=number),
            "version_create_time": NOON + timedelta(minutes=number),
            "labels": {"git_sha": f"{number:040x}"},
        }
        model = put(upstreams, "modelVersions", types.Model(fields | more), f"{LOCATION}/models/{name}@{number}")
        if number == default:
            put(upstreams, "models", model)


def an_evaluation(upstreams: Upstreams, model: str = "7", name: str = "1", auc: float = 0.9):
    fields = {
        "name": f"{LOCATION}/models/{model}/evaluations/{name}",
        "display_name": "holdout",
        "metrics": {"auPrc": auc},
        "create_time": NOON,
        "slice_dimensions": ["country"],
    }
    return put(upstreams, "evaluations", types.ModelEvaluation(fields))


def an_endpoint(upstreams: Upstreams, name: str = "3", split: dict[str, int] | None = None):
    split = split or {"11": 90, "12": 10}
    fields = {
        "name": f"{LOCATION}/endpoints/{name}",
        "display_name": "churn",
        "create_time": NOON,
        "update_time": NOON,
        "traffic_split": split,
        "deployed_models": [
            {"id": key, "model": f"{LOCATION}/models/7", "model_version_id": key[-1], "create_time": NOON}
            for key in split
        ],
    }
    return put(upstreams, "endpoints", types.Endpoint(fields))


def a_monitor(upstreams: Upstreams, name: str = "5"):
    fields = {
        "name": f"{LOCATION}/modelDeploymentMonitoringJobs/{name}",
        "display_name": "churn-monitor",
        "endpoint": f"{LOCATION}/endpoints/3",
        "state": "JOB_STATE_RUNNING",
        "schedule_state": "RUNNING",
        "create_time": NOON,
    }
    job = put(upstreams, "modelDeploymentMonitoringJobs", types.ModelDeploymentMonitoringJob(fields))
    stats = [
        types.ModelMonitoringStatsAnomalies(
            objective=objective,
            deployed_model_id="11",
            anomaly_count=1,
            feature_stats=[
                {"feature_display_name": feature, "threshold": {"value": 0.3}, "prediction_stats": [{"score": 0.4}]}
                for feature in ("age", "plan")
            ],
        )
        for objective in ("RAW_FEATURE_DRIFT", "RAW_FEATURE_SKEW")
    ]
    upstreams.vertex.items("monitoringStats")[job.name] = stats
    return job


def a_feature_store(upstreams: Upstreams):
    """A feature group with a feature, an online store with a view, and two syncs of it."""
    group = f"{LOCATION}/featureGroups/customers"
    store = f"{LOCATION}/featureOnlineStores/online"
    view = f"{store}/featureViews/churn"
    times = {"create_time": NOON, "update_time": NOON}
    put(upstreams, "featureGroups", types.FeatureGroup({"name": group, **times}))
    put(upstreams, "features", types.Feature({"name": f"{group}/features/age", "value_type": "INT64", **times}))
    put(upstreams, "featureOnlineStores", types.FeatureOnlineStore({"name": store, "state": "STABLE", **times}))
    put(upstreams, "featureViews", types.FeatureView({"name": view, "sync_config": {"cron": "0 * * * *"}, **times}))
    for number in (1, 2):
        sync = {"name": f"{view}/featureViewSyncs/{number}", "create_time": NOON + timedelta(hours=number)}
        put(upstreams, "featureViewSyncs", types.FeatureViewSync(sync | {"sync_summary": {"row_synced": 10 * number}}))
    return view


def one_of_everything(upstreams: Upstreams) -> None:
    for build in (a_run, a_schedule, a_custom_job, a_model, an_evaluation, an_endpoint, a_monitor, a_feature_store):
        build(upstreams)
