"""Builds Vertex AI resources, as messages of Google's own types, in which one thing matters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types

from emulators.data import Upstreams
from tests.sources.reading import NOON

PROJECT, REGION = "acme-ml-prod", "europe-west4"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
PIPELINE, TASK = types.PipelineState, types.PipelineTaskDetail.State

SPEC = {
    "pipelineInfo": {"name": "churn-training"},
    "root": {"dag": {"tasks": {
        "extract": {"componentRef": {"name": "c"}},
        "train": {"componentRef": {"name": "c"}, "inputs": {"parameters": {"n": {
            "taskOutputParameter": {"producerTask": "extract", "outputParameterKey": "n"}}}}},
        "condition-1": {"componentRef": {"name": "if"}, "dependentTasks": ["train"]},
    }}},
    "components": {"if": {"dag": {"tasks": {
        "register": {"componentRef": {"name": "c"}},
        "deploy": {"componentRef": {"name": "c"}, "dependentTasks": ["register"]},
    }}}},
}  # fmt: skip
"""extract → train → if (register → deploy)."""


def ago(**by: float) -> datetime:
    return NOON - timedelta(**by)


def a_task(number: int, name: str, state: Any = TASK.SUCCEEDED, parent: int = 1, **more: Any) -> Any:
    return types.PipelineTaskDetail(
        task_id=number, parent_task_id=parent, task_name=name, state=state, create_time=ago(minutes=60 - number), **more
    )


def a_job(name: str = "run-1", *tasks: Any, state: Any = PIPELINE.PIPELINE_STATE_SUCCEEDED, **more: Any) -> Any:
    details = [a_task(1, "churn-training", parent=0), *tasks] if tasks else []
    known: dict[str, Any] = {
        "name": f"{PARENT}/pipelineJobs/{name}", "display_name": "churn-training", "state": state,
        "create_time": ago(hours=2), "update_time": ago(hours=1), "pipeline_spec": SPEC,
        "job_detail": types.PipelineJobDetail(task_details=details),
    }  # fmt: skip
    return types.PipelineJob(**(known | more))


def a_custom_job(name: str = "1", **more: Any) -> Any:
    known: dict[str, Any] = {
        "name": f"{PARENT}/customJobs/{name}", "display_name": "hand-made", "create_time": ago(hours=3),
        "state": types.JobState.JOB_STATE_SUCCEEDED,
    }  # fmt: skip
    return types.CustomJob(**(known | more))


def a_model(version: str = "1", name: str = "77", **more: Any) -> Any:
    known: dict[str, Any] = {
        "name": f"{PARENT}/models/{name}", "display_name": "churn-classifier", "version_id": version,
        "create_time": ago(days=9), "update_time": ago(days=2), "version_create_time": ago(days=2),
    }  # fmt: skip
    return types.Model(**(known | more))


def register(upstreams: Upstreams, *versions: Any) -> None:
    """Put versions of one model into the registry; the last is the default."""
    base = versions[-1].name.partition("@")[0]
    upstreams.vertex.items("models")[base] = versions[-1]
    for one in versions:
        upstreams.vertex.items("modelVersions")[f"{base}@{one.version_id}"] = one


def put(upstreams: Upstreams, collection: str, *resources: Any) -> None:
    for one in resources:
        upstreams.vertex.items(collection)[one.name] = one


def an_endpoint(split: dict[str, int], **more: Any) -> Any:
    """An endpoint; the split is by version, and a version's deployed id is "d" + version."""
    deployed = [
        types.DeployedModel(id=f"d{version}", model=f"{PARENT}/models/77@{version}", model_version_id=version,
                            create_time=ago(days=1))
        for version in split
    ]  # fmt: skip
    shares = {f"d{version}": share for version, share in split.items() if share}
    known: dict[str, Any] = {
        "name": f"{PARENT}/endpoints/5", "display_name": "churn-prod", "update_time": ago(hours=1),
        "deployed_models": deployed, "traffic_split": shares,
    }  # fmt: skip
    return types.Endpoint(**(known | more))
