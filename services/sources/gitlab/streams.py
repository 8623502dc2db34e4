"""What is read from GitLab: each stream with its rhythm, what it needs, and how to grant it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from services.records import (
    Change,
    Deployment,
    Environment,
    Incident,
    Plan,
    Project,
    Run,
    Schedule,
    StateContents,
    Step,
    Version,
    Workspace,
)
from services.sources.base import Batch, Collect, Pull, Source, Stream
from services.sources.gitlab import (
    changes,
    deployments,
    jobs,
    plans,
    projects,
    registry,
    rota,
    schedules,
    states,
    sweep,
)
from services.sources.gitlab.client import GRANT, connect
from services.sources.gitlab.words import DEPLOYMENT_STATES, PIPELINE_STATES

second, minute, hour = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
REPORTER = "a token with the scope read_api and the role Reporter in the group"
DEVELOPER = "a token with the scope read_api and the role Developer in the group"


def _told_the_time(collect: Collect) -> Collect:
    """Pauses that GitLab asks for are reckoned by the collector's clock."""

    def aligned(pull: Pull) -> Iterator[Batch]:
        pull.client.align(pull.now)
        yield from collect(pull)

    return aligned


def _stream(name: str, title: str, yields: tuple[type, ...], collect: Collect, check: Any, **more: Any) -> Stream:
    more.setdefault("needs", REPORTER)
    return Stream(
        name=name, title=title, yields=yields, collect=_told_the_time(collect), check=check, grant=GRANT, **more
    )


STREAMS = (
    _stream(
        "projects", "Projects", (Project,), projects.collect, projects.check,
        every=rota.EVERY, stale_after=10 * minute,
    ),
    _stream(
        "pipelines", "Pipelines and jobs", (Run, Step, Version), sweep.collect, sweep.check,
        every=sweep.EVERY, stale_after=5 * minute, overlap=sweep.OVERLAP, states=PIPELINE_STATES,
    ),
    _stream(
        "merge_requests", "Merge requests", (Change,), changes.requests, changes.check_requests,
        every=minute, stale_after=10 * minute,
    ),
    _stream(
        "environments", "Environments", (Environment,), deployments.environments, deployments.check_environments,
        every=10 * minute, stale_after=6 * hour, detail=True,
    ),
    _stream(
        "deployments", "Deployments", (Deployment,), deployments.deployments, deployments.check_deployments,
        every=minute, stale_after=10 * minute, detail=True, states=DEPLOYMENT_STATES,
    ),
    _stream(
        "schedules", "Pipeline schedules", (Schedule,), schedules.collect, schedules.check,
        every=schedules.EVERY, stale_after=2 * hour,
    ),
    _stream(
        "states", "Terraform states and locks", (Workspace,), states.states, states.check_states,
        every=states.EVERY, stale_after=10 * minute, needs=DEVELOPER,
    ),
    _stream(
        "incidents", "Incidents", (Incident,), changes.incidents, changes.check_incidents,
        every=2 * minute, stale_after=15 * minute,
    ),
    _stream(
        "releases", "Releases", (Version,), registry.releases, registry.check_releases,
        every=10 * minute, stale_after=hour,
    ),
    _stream(
        "jobs", "Long pipelines, and those long not seen", (Run, Step, Version), jobs.collect, sweep.check,
        every=jobs.EVERY, stale_after=hour, detail=True, states=PIPELINE_STATES, reconciles=("pipeline",),
    ),
    _stream(
        "state_versions", "Terraform state contents", (Version, StateContents), states.state_versions,
        states.check_versions, every=10 * minute, stale_after=hour, detail=True, needs=DEVELOPER,
    ),
    _stream(
        "plans", "Terraform plans and drift", (Plan,), plans.collect, plans.check,
        every=10 * minute, stale_after=hour, detail=True,
    ),
    _stream(
        "approvals", "Approvals", (Change,), changes.approvals, changes.check_requests,
        every=10 * minute, stale_after=hour, detail=True,
    ),
    _stream(
        "registry", "Container images", (Version,), registry.images, registry.check_images,
        every=10 * minute, stale_after=6 * hour, detail=True,
    ),
)  # fmt: skip
"""In the order of a first fill's turns: what the first page shows comes first."""


def hooks(kind: str, ids: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """What a verified webhook asks to fetch; one that names no project, or a kind not used, asks for nothing."""
    project, pipeline = ids.get("project"), ids.get("pipeline")
    if project is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    if pipeline is not None and kind in ("pipeline", "build", "job"):
        found["jobs"] = (f"{project}/{pipeline}",)
    if kind == "deployment":
        found["deployments"] = (str(project),)
    if kind == "merge_request" and ids.get("merge_request") is not None:
        found["approvals"] = (f"{project}/{ids['merge_request']}",)
    return found


def _instance(client: Any, entry: Any) -> str:
    return str(client.instance)


SOURCE = Source(
    family="gitlab",
    title="GitLab",
    connect=connect,
    instance=_instance,
    scopes=projects.scopes,
    streams=STREAMS,
    hooks=hooks,
)
