"""What the local upstreams hold: plain in-memory databases of *full* API objects.

Whoever fills them (the demo team, a replay folder, a generated fleet) is apart from whoever
serves them. A server decides what a list endpoint leaves out; the data never does.

Keys that start with an underscore are for the emulators alone and are never served.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.clock import Clock

Json = dict[str, Any]


@dataclass
class Token:
    """A GitLab access token: what it may do, whose it is, when it ends (ISO date, or None)."""

    value: str
    scopes: tuple[str, ...] = ("read_api",)
    username: str = "throughline-bot"
    expires_at: str | None = None
    active: bool = True


@dataclass
class TerraformState:
    """One GitLab-managed state: its versions by serial, and the lock that somebody holds."""

    project_id: int
    name: str
    created_at: str
    updated_at: str
    versions: dict[int, Json] = field(default_factory=dict)
    """serial -> {"data": bytes, "created_at": iso, "username": str|None, "job_id": int|None}"""
    lock: Json | None = None
    """The lock as Terraform sends it (ID, Operation, Who, Created …), with "_at" and "_username"."""


@dataclass
class Hook:
    """A webhook: either a plain secret token, or a signing token `whsec_<base64>`, or both."""

    project_id: int
    url: str
    token: str | None = None
    signing_token: str | None = None
    events: tuple[str, ...] = ("pipeline", "job", "deployment", "merge_request", "push", "release", "issue")
    failures: int = 0
    """Deliveries that failed in a row; 4 pause the hook, 40 disable it for good."""
    disabled_until: str | None = None


@dataclass
class GitLabData:
    """GitLab's objects as the detail endpoints give them, by project and collection.

    Collections (lists): pipelines, jobs, bridges, merge_requests, commits, environments,
    deployments, releases, tags, branches, pipeline_schedules, registry_repositories, issues,
    packages, protected_branches. A job holds its own `pipeline` object (`pipeline.id` ties it to its run),
    and has "_retried": true when a newer attempt replaced it, "_stage_index": int, "_needs": [names].
    GraphQL alone shows "_failure_reason" and "_stuck" of a pipeline, "_manual" and "_queued_at" of a job; a
    deployment may have "_finished_at" (else its job's), a project its old paths in "_redirects".
    A child pipeline has source "parent_pipeline"; the bridge holds `downstream_pipeline`.
    A registry repository has "tags": [{name, path, location, digest, revision, short_revision,
    total_size, created_at}]. An incident is an issue with `issue_type` "incident".
    """

    version: str = "18.9.0-ee"
    groups: list[Json] = field(default_factory=list)
    """Full group objects: id, name, path, full_path, web_url, parent_id."""
    users: dict[str, Json] = field(default_factory=dict)
    """username -> user object (id, username, name, state, web_url, avatar_url)."""
    projects: dict[int, Json] = field(default_factory=dict)
    collections: dict[tuple[int, str], list[Json]] = field(default_factory=dict)
    mappings: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    """merge_request_commits, merge_request_notes, merge_request_approvals, merge_request_diffs:
    iid (as text) -> answer; compare: "from...to" -> answer; test_report_summary: pipeline id -> answer;
    schedule_pipelines: schedule id -> list of pipelines."""
    traces: dict[int, str] = field(default_factory=dict)
    """job id -> the whole log."""
    artifacts: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """(job id, path inside the archive) -> bytes."""
    states: dict[tuple[int, str], TerraformState] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    """No token at all in here means that any token is taken (replay)."""
    denied: dict[tuple[int, str], int] = field(default_factory=dict)
    """(project id, collection or "*") -> the status to answer with, for example 403.

    Beside the collections and mappings: hooks, traces, terraform_states.
    """
    hooks: list[Hook] = field(default_factory=list)

    def items(self, project_id: int, collection: str) -> list[Json]:
        """The live list of a collection; made when it is first asked for."""
        return self.collections.setdefault((project_id, collection), [])

    def mapping(self, project_id: int, name: str) -> dict[str, Any]:
        """The live mapping of that name; made when it is first asked for."""
        return self.mappings.setdefault((project_id, name), {})


@dataclass
class VertexData:
    """Vertex AI's resources as messages of Google's own proto-plus types, by collection and full name.

    Collections: pipelineJobs, schedules, customJobs, models (the default version of each),
    modelVersions (key `…/models/ID@VERSION`), evaluations, endpoints, modelDeploymentMonitoringJobs,
    featureGroups, features, featureOnlineStores, featureViews, featureViewSyncs;
    and monitoringStats (name of a monitoring job -> list of its ModelMonitoringStatsAnomalies).
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    """Prefix of a resource name or a collection's name -> the status to answer with."""
    disabled: set[str] = field(default_factory=set)
    """Projects, by id or number, in which the Vertex AI API is not switched on: 403 SERVICE_DISABLED."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Project id -> project number, where resource names carry the number; requests may use either."""

    def items(self, collection: str) -> dict[str, Any]:
        return self.resources.setdefault(collection, {})


@dataclass
class ObjectVersion:
    """One generation of a Cloud Storage object."""

    generation: int
    data: bytes
    content_type: str
    created: datetime
    deleted: datetime | None = None


@dataclass
class StorageData:
    """Buckets, and every generation of every object, oldest first."""

    buckets: dict[str, Json] = field(default_factory=dict)
    objects: dict[tuple[str, str], list[ObjectVersion]] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    """Bucket -> the status to answer with."""

    def put(
        self, bucket: str, name: str, data: bytes, at: datetime, content_type: str = "application/json"
    ) -> ObjectVersion:
        """Write an object as a new generation; the one before becomes noncurrent."""
        versions = self.objects.setdefault((bucket, name), [])
        newest = versions[-1].generation if versions else 0
        if versions and versions[-1].deleted is None:
            versions[-1].deleted = at
        version = ObjectVersion(max(int(at.timestamp() * 1_000_000), newest + 1), data, content_type, at)
        versions.append(version)
        return version

    def delete(self, bucket: str, name: str, at: datetime) -> None:
        """Make the live generation noncurrent."""
        versions = self.objects.get((bucket, name), [])
        if versions and versions[-1].deleted is None:
            versions[-1].deleted = at


@dataclass
class BigQueryTable:
    """A table: BigQuery's own schema fields, and rows as JSON-like dicts (aware datetimes for TIMESTAMP)."""

    schema: list[Json]
    rows: list[Json] = field(default_factory=list)
    modified: datetime | None = None


@dataclass
class BigQueryData:
    """BigQuery tables by (project, dataset, table). The server loads new rows into its engine by count."""

    tables: dict[tuple[str, str, str], BigQueryTable] = field(default_factory=dict)
    denied: dict[tuple[str, str], int] = field(default_factory=dict)
    """(project, dataset) -> the status to answer with."""

    def insert(self, project: str, dataset: str, table: str, rows: list[Json], at: datetime) -> None:
        """Append rows; rows are never changed in place."""
        found = self.tables[(project, dataset, table)]
        found.rows.extend(rows)
        found.modified = at


@dataclass
class Upstreams:
    """Everything that is served, the clock it is served by, and who moves it on to the present."""

    clock: Clock
    gitlab: GitLabData = field(default_factory=GitLabData)
    vertex: VertexData = field(default_factory=VertexData)
    storage: StorageData = field(default_factory=StorageData)
    bigquery: BigQueryData = field(default_factory=BigQueryData)
    files: dict[str, bytes] = field(default_factory=dict)
    """Local Terraform states and plans, by file name; `python -m emulators` writes them to a folder."""
    airflow: dict[str, Any] = field(default_factory=dict)
    """Recorded answers of Airflow by `v1/ENDPOINT` or `v2/ENDPOINT`."""
    advance: Callable[[datetime], None] = lambda now: None
    """Plays everything that is due up to `now`, in place; called before each answer, cheap when nothing is due."""
    lock: Any = field(default_factory=threading.RLock)
    """Held while the data is moved on and while an answer is read from it."""

    def refresh(self) -> datetime:
        """Move the data on to the clock's present and return that time. Call with `lock` held."""
        now = self.clock.now()
        self.advance(now)
        return now
