"""What each Vertex AI collection is: its message, its list call, and what that call lets one filter and order by.

Taken from the request messages' own documentation in google-cloud-aiplatform 2.7.0; a page size that
the documentation does not limit is limited to 100 here, so that readers must follow the page tokens.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.google.filters import EQUAL, EXISTS, LABELS, TEXT, TIME

CHANGED = {"create_time": TIME, "update_time": TIME, "labels": LABELS}
JOB = {"display_name": TEXT, "state": EQUAL, "create_time": TIME, "labels": LABELS}


@dataclass(frozen=True)
class Collection:
    """One resource collection; `segments` are the collection ids on the way to it, below the location."""

    segments: tuple[str, ...]
    message: str
    listing: str
    rows: str
    fields: Mapping[str, frozenset[str]]
    orders: tuple[str, ...] = ()
    default_order: str = "create_time desc"
    page: int = 100
    getter: bool = True
    hidden_in_lists: tuple[tuple[str, str], ...] = field(default=())
    """(message field, field inside it) that a get shows and a list leaves out."""

    def type(self) -> Any:
        """The proto-plus type of one resource."""
        return _find(self.message)

    def request(self) -> Any:
        """The proto-plus type of the list request; its fields are the parameters that exist."""
        return _find(f"List{self.listing}Request")

    def response(self) -> Any:
        return _find(f"List{self.listing}Response")


def _find(name: str) -> Any:
    """Vertex AI's types by name; imported late, since the import takes most of a second."""
    return getattr(importlib.import_module("google.cloud.aiplatform_v1.types"), name)


COLLECTIONS: dict[str, Collection] = {
    "pipelineJobs": Collection(
        ("pipelineJobs",),
        "PipelineJob",
        "PipelineJobs",
        "pipeline_jobs",
        CHANGED
        | {
            "end_time": TIME,
            "state": EQUAL,
            "display_name": TEXT,
            "pipeline_name": EQUAL,
            "pipeline_job_user_id": TEXT,
            "template_uri": TEXT,
            "template_metadata.version": TEXT,
        },
        ("create_time", "update_time", "end_time", "start_time"),
        hidden_in_lists=(("job_detail", "task_details"),),
    ),
    "schedules": Collection(
        ("schedules",),
        "Schedule",
        "Schedules",
        "schedules",
        {
            "display_name": TEXT,
            "state": EQUAL,
            "create_pipeline_job_request": EXISTS,
            "create_time": TIME,
            "start_time": TIME,
            "end_time": TIME,
            "next_run_time": TIME,
        },
        ("create_time", "start_time", "end_time", "next_run_time"),
    ),
    "customJobs": Collection(("customJobs",), "CustomJob", "CustomJobs", "custom_jobs", JOB),
    "models": Collection(
        ("models",),
        "Model",
        "Models",
        "models",
        {"model": EQUAL, "display_name": EQUAL, "labels": LABELS, "base_model_name": frozenset({"="})},
        ("display_name", "create_time", "update_time"),
    ),
    "modelVersions": Collection(
        ("models",),
        "Model",
        "ModelVersions",
        "models",
        {"labels": LABELS},
        ("create_time", "update_time"),
        getter=False,
    ),
    "evaluations": Collection(
        ("models", "evaluations"), "ModelEvaluation", "ModelEvaluations", "model_evaluations", {}
    ),
    "endpoints": Collection(
        ("endpoints",),
        "Endpoint",
        "Endpoints",
        "endpoints",
        {"endpoint": EQUAL, "display_name": EQUAL, "labels": LABELS, "base_model_name": frozenset({"="})},
        ("display_name", "create_time", "update_time"),
    ),
    "modelDeploymentMonitoringJobs": Collection(
        ("modelDeploymentMonitoringJobs",),
        "ModelDeploymentMonitoringJob",
        "ModelDeploymentMonitoringJobs",
        "model_deployment_monitoring_jobs",
        JOB,
    ),
    "featureGroups": Collection(
        ("featureGroups",), "FeatureGroup", "FeatureGroups", "feature_groups", CHANGED, ("create_time", "update_time")
    ),
    "features": Collection(
        ("featureGroups", "features"),
        "Feature",
        "Features",
        "features",
        CHANGED | {"value_type": EQUAL},
        ("feature_id", "create_time", "update_time"),
        page=1000,
    ),
    "featureOnlineStores": Collection(
        ("featureOnlineStores",),
        "FeatureOnlineStore",
        "FeatureOnlineStores",
        "feature_online_stores",
        CHANGED,
        ("create_time", "update_time"),
    ),
    "featureViews": Collection(
        ("featureOnlineStores", "featureViews"),
        "FeatureView",
        "FeatureViews",
        "feature_views",
        CHANGED,
        ("feature_view_id", "create_time", "update_time"),
        page=1000,
    ),
    "featureViewSyncs": Collection(
        ("featureOnlineStores", "featureViews", "featureViewSyncs"),
        "FeatureViewSync",
        "FeatureViewSyncs",
        "feature_view_syncs",
        {"create_time": TIME},
        ("create_time",),
        page=1000,
    ),
}


def by_segments(segments: tuple[str, ...]) -> tuple[str, Collection] | None:
    """The collection that a resource path's collection ids name, or None when Vertex AI has none such here."""
    for name, found in COLLECTIONS.items():
        if found.segments == segments and found.getter:
            return name, found
    return None
