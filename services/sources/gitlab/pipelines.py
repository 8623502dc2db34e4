"""What one GraphQL pipeline is in our words: its run, its steps with their retries, and the commit it ran on."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Any

from services.records import Record, Ref, Run, Step, Version
from services.sources.base import AccessDenied, Notes
from services.sources.gitlab.client import GitLabClient, Json, at_project
from services.sources.gitlab.projects import Known
from services.sources.gitlab.reading import (
    clean,
    flag,
    ident,
    kept,
    names,
    next_page,
    nodes,
    number,
    part,
    required,
    text,
    when,
)
from services.sources.gitlab.words import FINISHED, job_state, pipeline_state, raw_word

JOBS_FIRST = 50
JOB = """id kind name status allowFailure manualJob retried failureMessage createdAt startedAt finishedAt duration
 queuedDuration stage{name} downstreamPipeline{id} needs(first:50){nodes{name}}"""
RUN = """id iid status name ref type sha source createdAt updatedAt startedAt finishedAt duration queuedDuration
 coverage failureReason yamlErrorMessages warnings user{username} commit{title authorName authoredDate} upstream{id}
 stages(first:50){nodes{name}}"""
PIPELINE = f"{RUN} jobs(first:{JOBS_FIRST}){{pageInfo{{hasNextPage endCursor}} nodes{{{JOB}}}}}"
"""Jobs are asked for with their retried attempts and bridges: without `retried` GitLab gives all of them."""
REASON_PAGES = 20


def records_of(notes: Notes, project: Known, item: Json, reasons: dict[str, str]) -> list[Record]:
    """The commit, the run and the steps of a pipeline; malformed jobs are kept aside. Raises Malformed."""
    run_id = ident(item)
    jobs = nodes(item.get("jobs"))
    order = {str(node.get("name")): place for place, node in enumerate(nodes(item.get("stages")))}
    run = _run(notes, project, item, jobs)
    steps = [kept(notes, "job", job, _step_maker(notes, project, run_id, order, reasons)) for job in jobs]
    commit = commit_of(project, item)
    return [*([commit] if commit else []), run, *(step for step in steps if step is not None)]


def _run(notes: Notes, project: Known, item: Json, jobs: list[Json]) -> Run:
    raw = raw_word(item.get("status"))
    failed = any(
        raw_word(job.get("status")) == "failed" and not flag(job, "allowFailure") and not flag(job, "retried")
        for job in jobs
    )
    upstream = part(item, "upstream")
    run_id = ident(item)
    return Run(
        native_id=run_id,
        kind="pipeline",
        project=Ref("project", str(project.id)),
        name=project.path,
        title=text(item, "name") or text(part(item, "commit"), "title"),
        state=pipeline_state(notes, raw, failed, flag(item, "warnings")),
        state_raw=raw,
        trigger=text(item, "source"),
        ref=text(item, "ref"),
        is_tag=item.get("type") == "tag",
        sha=text(item, "sha"),
        created_at=when(item, "createdAt"),
        started_at=when(item, "startedAt"),
        finished_at=when(item, "finishedAt"),
        updated_at=when(item, "updatedAt"),
        duration_seconds=number(item, "duration"),
        queued_seconds=number(item, "queuedDuration"),
        coverage=number(item, "coverage"),
        failure_reason=text(item, "failureReason"),
        failure_message=text(item, "yamlErrorMessages"),
        author=part(item, "user").get("username"),
        parent=Ref("pipeline", ident(upstream)) if upstream else None,
        labels={"iid": str(item["iid"])} if item.get("iid") else {},
        web_url=_link(project, "pipelines", run_id),
        final=raw in FINISHED,
    )


def _step_maker(
    notes: Notes, project: Known, run_id: str, order: dict[str, int], reasons: dict[str, str]
) -> Callable[[Json], Step]:
    def make(job: Json) -> Step:
        raw, step_id = raw_word(job.get("status")), ident(job)
        bridge = job.get("kind") == "BRIDGE"
        downstream = part(job, "downstreamPipeline")
        stage = part(job, "stage")
        return Step(
            native_id=step_id,
            kind="bridge" if bridge else "job",
            run=Ref("pipeline", run_id),
            name=required(job, "name"),
            stage=text(stage, "name"),
            ordinal=order.get(str(stage.get("name"))),
            state=job_state(notes, raw, flag(job, "allowFailure")),
            state_raw=raw,
            allow_failure=flag(job, "allowFailure"),
            manual=flag(job, "manualJob"),
            retried=flag(job, "retried"),
            parents=tuple(shown for name in names(job, "needs", "name") if (shown := clean(name))),
            created_at=when(job, "createdAt"),
            started_at=when(job, "startedAt"),
            finished_at=when(job, "finishedAt"),
            duration_seconds=number(job, "duration"),
            queued_seconds=number(job, "queuedDuration"),
            failure_reason=reasons.get(step_id),
            message=text(job, "failureMessage"),
            downstream=Ref("pipeline", ident(downstream)) if downstream else None,
            web_url=None if bridge else _link(project, "jobs", step_id),
            final=raw in FINISHED,
        )

    return make


def commit_of(project: Known, item: Json) -> Version | None:
    """The commit that a pipeline ran on; None where GitLab does not tell it. Raises Malformed."""
    sha, commit = text(item, "sha"), part(item, "commit")
    if sha is None or not commit:
        return None
    return Version(
        native_id=sha,
        kind="commit",
        project=Ref("project", str(project.id)),
        of=project.path,
        label=sha[:8],
        title=text(commit, "title"),
        sha=sha,
        author=text(commit, "authorName"),
        created_at=when(commit, "authoredDate"),
        web_url=_link(project, "commit", sha),
    )


def _link(project: Known, what: str, which: str) -> str | None:
    return f"{project.web_url}/-/{what}/{which}" if project.web_url else None


def failed_jobs(pipelines: list[Json]) -> list[int]:
    """The ids of failed builds, whose reason GraphQL does not tell; bridges are not in REST's list of jobs."""
    found = []
    for item in pipelines:
        for job in nodes(item.get("jobs")):
            if raw_word(job.get("status")) == "failed" and job.get("kind") != "BRIDGE":
                last = str(job.get("id")).rpartition("/")[2]
                found += [int(last)] if last.isdecimal() else []
    return found


class Reasons:
    """Why the jobs of one project failed, by job id, from the project's list of failed jobs (keyset, newest first)."""

    def __init__(self, client: GitLabClient, project_id: int) -> None:
        self._client, self._project_id = client, project_id
        self._known: dict[int, str | None] = {}
        self._older: Any = None
        self._lowest: int | None = None

    def of(self, wanted: list[int]) -> dict[str, str]:
        """The reasons of these jobs; one that cannot be read, or has none, is missing."""
        missing = [number for number in wanted if number not in self._known]
        if missing:
            newer = self._lowest is None or max(missing) > max(self._known, default=0)
            try:
                if newer or min(missing) < (self._lowest or 0):
                    self._read(min(missing), restart=newer)
            except AccessDenied:
                self._older = None
            self._known |= dict.fromkeys(set(missing) - self._known.keys())
        return {str(number): reason for number in wanted if (reason := self._known.get(number))}

    def _read(self, down_to: int, restart: bool) -> None:
        if restart or self._older is None:
            self._older = self._client.listed(
                at_project(self._project_id, "/jobs"),
                **{"scope[]": "failed", "pagination": "keyset", "order_by": "id", "sort": "desc"},
            )
        for read, job in enumerate(self._older):
            if not isinstance(job.get("id"), int):
                continue
            reason = job.get("failure_reason")
            self._known[job["id"]] = clean(reason) if isinstance(reason, str) else None
            self._lowest = min(job["id"], self._lowest or job["id"])
            if job["id"] <= down_to or read > REASON_PAGES * 100:
                return
        self._older = iter(())


def reasons_for(client: GitLabClient, project_id: int, pipelines: list[Json]) -> dict[str, str]:
    """Why the failed jobs of these pipelines of one project failed: a call for a hundred, and only for new ones."""
    wanted = failed_jobs(pipelines)
    if not wanted:
        return {}
    held: dict[int, Reasons] = client.memory.setdefault("reasons", {})
    return held.setdefault(project_id, Reasons(client, project_id)).of(wanted)


def plan_jobs(project: Known, item: Json, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """project/job/pipeline/finished/name of each finished job whose name says that it holds a plan.

    Only of scheduled runs and of the default branch: what a request would change is not what is pending.
    """
    if item.get("source") != "schedule" and item.get("ref") != project.default_branch:
        return ()
    found = []
    for job in nodes(item.get("jobs")):
        name, raw = str(job.get("name")), raw_word(job.get("status"))
        if raw in ("success", "failed") and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            finished = job.get("finishedAt") or job.get("createdAt") or ""
            found.append(f"{project.id}/{ident(job)}/{ident(item)}/{finished}/{text(job, 'name')}")
    return tuple(found)


def unfinished_jobs(project: Known, item: Json) -> str | None:
    """project/pipeline where it has more jobs than one page holds."""
    return f"{project.id}/{ident(item)}" if next_page(item.get("jobs")) else None


def print_of(item: Json) -> tuple[Any, ...]:
    """What changes when anything about a pipeline or its jobs does."""
    jobs = tuple((str(job.get("id")), str(job.get("status"))) for job in nodes(item.get("jobs")))
    return (str(item.get("updatedAt")), str(item.get("status")), jobs)
