"""What a source yields: one frozen record a thing, in our words beside the upstream's own.

Times are aware UTC datetimes or None (never "now" for a missing one). Durations are seconds as the
upstream tells them, never finished − started. `native_id` is the source's own id as text; a `Ref`
names another thing of the same source by kind and native id, whether or not it was seen yet.
Every field that comes from upstream text has passed `services.redaction` before it is put in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from services.vocabulary import RunState, Tier


class Ref(NamedTuple):
    """Another thing of the same source instance, for example Ref("pipeline", "1078343570")."""

    kind: str
    native_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A GitLab project (repository). kind: "project"."""

    native_id: str
    kind: str = "project"
    path: str
    name: str
    web_url: str | None = None
    default_branch: str | None = None
    protected_branches: tuple[str, ...] | None = None
    topics: tuple[str, ...] = ()
    archived: bool = False
    last_activity_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A place to deploy to, as the source names it. kind: "environment"."""

    native_id: str
    kind: str = "environment"
    project: Ref | None = None
    name: str
    tier: Tier | None = None
    """The tier that the source itself states; None where it states none."""
    available: bool = True
    web_url: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of an orchestrator. kinds: "pipeline", "pipeline-job", "custom-job", "sync", "dag-run"."""

    native_id: str
    kind: str
    project: Ref | None = None
    name: str
    """What recurs: the pipeline's name or definition; for a GitLab pipeline its project's path."""
    title: str | None = None
    """What is particular to this run, for example the commit's title."""
    state: RunState
    state_raw: str
    trigger: str | None = None
    ref: str | None = None
    is_tag: bool = False
    sha: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    duration_seconds: float | None = None
    queued_seconds: float | None = None
    coverage: float | None = None
    failure_reason: str | None = None
    failure_message: str | None = None
    author: str | None = None
    parent: Ref | None = None
    schedule: Ref | None = None
    environment: str | None = None
    definition: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    web_url: str | None = None
    final: bool = False
    """True once nothing about it can change any more; what is not final is read again until it is."""
    fully_cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of a run. kinds: "job", "bridge", "task"."""

    native_id: str
    kind: str
    run: Ref
    name: str
    stage: str | None = None
    ordinal: int | None = None
    state: RunState
    state_raw: str
    allow_failure: bool = False
    manual: bool = False
    retried: bool = False
    """True where a newer attempt has replaced this one."""
    parents: tuple[str, ...] = ()
    """Names (GitLab) or ids (Vertex) of the steps of the same run that come before it."""
    parent_step: str | None = None
    """The id of the step that holds this one (a sub-pipeline's task)."""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_seconds: float | None = None
    queued_seconds: float | None = None
    failure_reason: str | None = None
    message: str | None = None
    downstream: Ref | None = None
    machine: str | None = None
    web_url: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDetail:
    """What one version of a Terraform state holds, in counts; the resources are records of their own."""

    lineage: str | None = None
    terraform_version: str | None = None
    managed: int | None = None
    instances: int | None = None
    tainted: int | None = None
    deposed: int | None = None
    data_sources: int | None = None
    modules: tuple[str, ...] = ()
    checks: Mapping[str, int] = field(default_factory=dict)
    """pass, fail, error, unknown -> how many."""
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetail:
    """What Vertex AI tells of one model version."""

    model: Ref
    aliases: tuple[str, ...] = ()
    run: Ref | None = None
    image_uri: str | None = None
    artifact_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetail:
    """A container image: identity is the digest; tags are pointers to it."""

    repository: str
    tags: tuple[str, ...] = ()
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of anything. kinds: "commit", "tag", "release", "image", "state-version", "model-version".

    native ids: commit = SHA; image = repository path @ digest; state-version = workspace id # serial
    (# lineage where it changed); model-version = resource name @ version; release = project id # tag.
    """

    native_id: str
    kind: str
    project: Ref | None = None
    of: str
    """What it is a version of: the project's path, the repository, the workspace's or the model's name."""
    label: str
    """The short name people use: short SHA, tag, serial, version."""
    title: str | None = None
    sha: str | None = None
    digest: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    run: Ref | None = None
    step: Ref | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    detail: StateDetail | ModelDetail | ImageDetail | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A version put somewhere. kinds: "deployment" (GitLab), "traffic" (a model version on an endpoint)."""

    native_id: str
    kind: str
    project: Ref | None = None
    place: str
    """The environment's full name, or the endpoint's name."""
    environment: str | None = None
    """The environment it counts for, where that is not the place itself (an endpoint's)."""
    tier: Tier | None = None
    version: Ref | None = None
    label: str
    sha: str | None = None
    ref: str | None = None
    state: RunState
    state_raw: str
    traffic: float | None = None
    """Share of the traffic, 0–1; None where traffic is not split."""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    author: str | None = None
    run: Ref | None = None
    step: Ref | None = None
    web_url: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A merge request. kind: "merge-request"."""

    native_id: str
    kind: str = "merge-request"
    project: Ref
    iid: str
    title: str
    state: str
    """opened, merged, closed, locked: the source's own word."""
    draft: bool = False
    author: str | None = None
    source_branch: str | None = None
    target_branch: str | None = None
    sha: str | None = None
    merge_sha: str | None = None
    created_at: datetime | None = None
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    updated_at: datetime | None = None
    reviewers: tuple[str, ...] = ()
    approved_by: tuple[str, ...] | None = None
    approvals_required: int | None = None
    labels: tuple[str, ...] = ()
    merge_status: str | None = None
    web_url: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An issue of the type incident. kind: "incident"."""

    native_id: str
    kind: str = "incident"
    project: Ref | None = None
    iid: str
    title: str
    state: str
    severity: str | None = None
    labels: tuple[str, ...] = ()
    author: str | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None
    updated_at: datetime | None = None
    web_url: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What should start runs by the calendar. kinds: "pipeline-schedule" (GitLab), "vertex-schedule"."""

    native_id: str
    kind: str
    project: Ref | None = None
    name: str
    cron: str | None = None
    time_zone: str | None = None
    active: bool = True
    state_raw: str
    ref: str | None = None
    owner: str | None = None
    owner_active: bool | None = None
    next_run_at: datetime | None = None
    last_run_at: datetime | None = None
    last_run: Ref | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    paused_at: datetime | None = None
    ended: bool = False
    allow_queueing: bool | None = None
    max_concurrent: int | None = None
    environment: str | None = None
    definition: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A Terraform state as a place with a history. kind: "workspace"."""

    native_id: str
    kind: str = "workspace"
    project: Ref | None = None
    name: str
    environment: str | None = None
    serial: int | None = None
    lineage: str | None = None
    locked_at: datetime | None = None
    locked_by: str | None = None
    lock_operation: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource instance in a state, as of one serial. kind: "resource"; native id = address (+ deposed key)."""

    native_id: str
    kind: str = "resource"
    workspace: Ref
    address: str
    type: str
    mode: str
    module: str | None = None
    provider: str | None = None
    status: str | None = None
    """"tainted", "deposed", or None."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Allow-listed plain attributes only."""
    fingerprint: str
    """A keyed hash over all attributes: says that something changed, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateContents:
    """All resources of one serial at once, so that what is gone is known to be gone. Not stored as such."""

    workspace: Ref
    serial: int
    lineage: str | None
    created_at: datetime | None
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The value-free summary of a Terraform plan. kind: "plan"."""

    native_id: str
    kind: str = "plan"
    workspace: Ref
    checked_at: datetime
    mode: str
    """"refresh-only" or "normal"."""
    errored: bool = False
    complete: bool | None = None
    drift: tuple[Mapping[str, Any], ...] = ()
    """{address, type, actions, attributes}; entries that are moved or no-op are left out by the source."""
    changes: tuple[Mapping[str, Any], ...] = ()
    """{address, type, actions, action_reason, replace_paths, attributes}, no-op and read left out."""
    create: int = 0
    update: int = 0
    delete: int = 0
    replace: int = 0
    checks: Mapping[str, int] = field(default_factory=dict)
    terraform_version: str | None = None
    run: Ref | None = None
    step: Ref | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model. kind: "model"."""

    native_id: str
    kind: str = "model"
    name: str
    environment: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model version scored, as the registry holds it. kind: "evaluation"."""

    native_id: str
    kind: str = "evaluation"
    version: Ref
    name: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    created_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers requests. kind: "endpoint"."""

    native_id: str
    kind: str = "endpoint"
    name: str
    environment: str | None = None
    traffic: tuple[Mapping[str, Any], ...] = ()
    """{deployed_id, model (native id @ version), version, percent, deployed_at (ISO 8601)}."""
    labels: Mapping[str, str] = field(default_factory=dict)
    monitored: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """What serves features online, and how old they are. kind: "feature-view"."""

    native_id: str
    kind: str = "feature-view"
    name: str
    environment: str | None = None
    cron: str | None = None
    synced_at: datetime | None = None
    sync_state: RunState | None = None
    sync_state_raw: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    updated_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A job that watches an endpoint's inputs for skew and drift. kind: "monitor"."""

    native_id: str
    kind: str = "monitor"
    name: str
    endpoint: Ref | None = None
    environment: str | None = None
    state: RunState
    state_raw: str
    checked_at: datetime | None = None
    next_run_at: datetime | None = None
    anomalies: tuple[Mapping[str, Any], ...] = ()
    """{feature, objective (skew or drift), value, threshold, at (ISO 8601)}."""
    watched: tuple[str, ...] = ()
    unwatched: tuple[str, ...] = ()
    updated_at: datetime | None = None
    web_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One aggregated value of a model metric. The key is (metric, model, version, environment, slice, at)."""

    metric: str
    """The configured metric's key: product/model/name."""
    model: str
    version: str | None = None
    environment: str | None = None
    slice: str | None = None
    at: datetime
    value: float | None
    n: int | None = None


Record = (
    Project | Environment | Run | Step | Version | Deployment | Change | Incident | Schedule | Workspace
    | StateContents | Plan | Model | Evaluation | Endpoint | FeatureView | Monitor | MetricPoint
)  # fmt: skip
