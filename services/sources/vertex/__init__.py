"""Vertex AI: pipeline runs and their tasks, schedules, custom jobs, models, endpoints, monitors, feature views."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.config import VertexSource
from services.records import Deployment, Endpoint, Evaluation, FeatureView, Model, Monitor, Run, Schedule, Step, Version
from services.sources import google
from services.sources.base import Collect, Scope, Source, Stream
from services.sources.vertex import catalog, jobs, tasks, watching
from services.sources.vertex.client import VertexClient
from services.sources.vertex.reading import RUN_STATES, scope_of

_ROLE = "roles/aiplatform.viewer"


def connect(source: VertexSource, secrets: Any) -> VertexClient:
    """The project's client; makes no call."""
    return VertexClient(source, google.credentials(source.credentials, secrets, source.anonymous))


def instance(client: Any, source: VertexSource) -> str:
    """aiplatform/PROJECT: by its number where that is configured, for the number never changes."""
    return f"aiplatform/{source.project_number or source.project}"


def scopes(client: Any, source: VertexSource) -> list[Scope]:
    """The regions."""
    return [scope_of(region) for region in source.regions]


def _stream(
    name: str,
    title: str,
    yields: tuple[type, ...],
    collect: Collect,
    check: Callable[[Any, Scope], None],
    seconds: int,
    permission: str,
    **more: Any,
) -> Stream:
    return Stream(
        name=name,
        title=title,
        yields=yields,
        collect=collect,
        check=check,
        every=timedelta(seconds=seconds),
        stale_after=timedelta(seconds=max(300, 4 * seconds)),
        states=RUN_STATES,
        needs=f"{permission} ({_ROLE})",
        grant=google.grant_on_project(_ROLE),
        **more,
    )


_list = watching.can_list

SOURCE = Source(
    family="vertex",
    title="Vertex AI",
    connect=connect,
    instance=instance,
    scopes=scopes,
    streams=(
        _stream("pipeline_jobs", "Pipeline runs", (Run,), jobs.pipeline_jobs, _list("pipelineJobs"), 30,
                "aiplatform.pipelineJobs.list", overlap=jobs.OVERLAP),
        _stream("endpoints", "Endpoints", (Endpoint, Deployment), catalog.endpoints, _list("endpoints"), 60,
                "aiplatform.endpoints.list"),
        _stream("schedules", "Schedules", (Schedule,), watching.schedules, _list("schedules"), 60,
                "aiplatform.schedules.list"),
        _stream("tasks", "Tasks of pipeline runs", (Run, Step), tasks.collect, _list("pipelineJobs"), 30,
                "aiplatform.pipelineJobs.get", detail=True, reconciles=("pipeline-job",)),
        _stream("models", "Models", (Model, Version), catalog.models, _list("models"), 120, "aiplatform.models.list"),
        _stream("custom_jobs", "Custom jobs", (Run,), jobs.custom_jobs, _list("customJobs"), 60,
                "aiplatform.customJobs.list"),
        _stream("evaluations", "Evaluations", (Evaluation,), catalog.evaluations, watching.can_evaluate, 120,
                "aiplatform.modelEvaluations.list", detail=True),
        _stream("monitors", "Model monitoring", (Monitor,), watching.monitors, _list("monitors"), 300,
                "aiplatform.modelDeploymentMonitoringJobs.list"),
        _stream("feature_views", "Feature views", (FeatureView,), watching.feature_views, _list("onlineStores"), 300,
                "aiplatform.featureViews.list"),
    ),
)  # fmt: skip
