"""Joins within GitLab: commits, pipelines, requests, deployments and schedules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import and_, or_, select

from services.links.rule import Key, Pair, direct, rule, target
from services.scene import Scene, among
from services.store import schema

SHORT = 8
"""The fewest digits of a SHA that are taken for one, and only within one project."""
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BY_CALENDAR = ("schedule", "parent_pipeline", "pipeline", "trigger", "api", "web")

version, run, step, change, deployment = schema.version, schema.run, schema.step, schema.change, schema.deployment


def full_sha(text: object) -> str | None:
    """A whole SHA, in lower case; None for anything shorter or else."""
    found = str(text or "").strip().lower()
    return found if _FULL.fullmatch(found) else None


def _versions(scene: Scene, *kinds: str) -> Iterator[Any]:
    query = select(version).where(version.c.kind.in_(kinds), version.c.of.is_not(None))
    return scene.rows(query, version.c.id, scene.ids("version"))


@target("commit", "version")
def commits(scene: Scene) -> Iterable[Key]:
    """A commit by its SHA within its source."""
    return (Key("version", row.id, f"{row.source_id}|{row.native_id}") for row in _versions(scene, "commit"))


@target("commit-anywhere", "version")
def commits_anywhere(scene: Scene) -> Iterable[Key]:
    """A commit by its whole SHA, for those that name it from another system."""
    return (Key("version", row.id, row.native_id) for row in _versions(scene, "commit") if full_sha(row.native_id))


@target("commit-of-project", "version")
def commits_of_project(scene: Scene) -> Iterable[Key]:
    """A commit by the first digits of its SHA within its project."""
    for row in _versions(scene, "commit"):
        if row.project_id is not None:
            yield Key("version", row.id, f"{row.project_id}|{row.native_id[:SHORT]}")


@target("pipeline-of-push", "run")
def pushed_pipelines(scene: Scene) -> Iterable[Key]:
    """A pipeline that a push started, by project, branch and SHA."""
    pushed = or_(run.c.trigger.is_(None), run.c.trigger.not_in(_BY_CALENDAR))
    query = select(run).where(run.c.kind == "pipeline", run.c.sha.is_not(None), run.c.parent_id.is_(None), pushed)
    for row in scene.rows(query, run.c.id, scene.ids("run")):
        yield Key("run", row.id, f"{row.project_id}|{row.ref}|{row.sha}")


@rule("run-commit", "run", version=1, evidence="declared", to="commit", sentence="GitLab ran the pipeline for {key}")
def run_commit(scene: Scene) -> Iterable[Key]:
    query = select(run.c.id, run.c.source_id, run.c.sha).where(run.c.kind == "pipeline", run.c.sha.is_not(None))
    for row in scene.rows(query, run.c.id, scene.ids("run")):
        yield Key("run", row.id, f"{row.source_id}|{row.sha}")


@rule("deployment-commit", "deployment", version=1, evidence="declared", to="commit",
      sentence="GitLab deployed {key}")  # fmt: skip
def deployment_commit(scene: Scene) -> Iterable[Key]:
    query = select(deployment.c.id, deployment.c.source_id, deployment.c.sha).where(
        deployment.c.kind == "deployment", deployment.c.sha.is_not(None)
    )
    for row in scene.rows(query, deployment.c.id, scene.ids("deployment")):
        yield Key("deployment", row.id, f"{row.source_id}|{row.sha}")


@rule("change-merge-commit", "change", version=1, evidence="declared", to="commit",
      sentence="GitLab merged the request as {key}")  # fmt: skip
def change_merge_commit(scene: Scene) -> Iterable[Key]:
    query = select(change.c.id, change.c.source_id, change.c.merge_sha).where(change.c.merge_sha.is_not(None))
    for row in scene.rows(query, change.c.id, scene.ids("change")):
        yield Key("change", row.id, f"{row.source_id}|{row.merge_sha}")


@rule("change-head-commit", "change", version=1, evidence="declared", to="commit",
      sentence="The request's newest commit is {key}")  # fmt: skip
def change_head_commit(scene: Scene) -> Iterable[Key]:
    query = select(change.c.id, change.c.source_id, change.c.sha).where(change.c.sha.is_not(None))
    for row in scene.rows(query, change.c.id, scene.ids("change")):
        yield Key("change", row.id, f"{row.source_id}|{row.sha}")


@rule("change-pipeline", "change", version=1, evidence="identical", to="pipeline-of-push",
      sentence="The request's merge commit {key} is what the pipeline of its target branch ran for")  # fmt: skip
def change_pipeline(scene: Scene) -> Iterable[Key]:
    query = select(change).where(change.c.merge_sha.is_not(None), change.c.target_branch.is_not(None))
    for row in scene.rows(query, change.c.id, scene.ids("change")):
        yield Key("change", row.id, f"{row.project_id}|{row.target_branch}|{row.merge_sha}")


@rule("version-commit", "version", version=1, evidence="declared", to="commit",
      sentence="It was made from {key}, as its own record says")  # fmt: skip
def version_commit(scene: Scene) -> Iterable[Key]:
    """A tag, a release, or an image whose record holds its SHA."""
    for row in _versions(scene, "tag", "release", "image"):
        if row.sha:
            yield Key("version", row.id, f"{row.source_id}|{row.sha}")


@direct("version-job", "version", version=1, sentence="Its record names the job that made it")
def version_job(scene: Scene) -> Iterable[Pair]:
    """A state version, an image or a model version whose own record names the job, or at least the run."""
    either = or_(version.c.step_id.is_not(None), and_(version.c.run_id.is_not(None), version.c.kind != "model-version"))
    query = select(version).where(either, version.c.kind.in_(("state-version", "image", "release", "tag")))
    for row in scene.rows(query, version.c.id, scene.ids("version")):
        to = ("step", row.step_id) if row.step_id is not None else ("run", row.run_id)
        yield Pair("version", row.id, *to, row.label)


@direct("deployment-run", "deployment", version=1, sentence="The deployment names its pipeline")
def deployment_run(scene: Scene) -> Iterable[Pair]:
    query = select(deployment).where(deployment.c.run_id.is_not(None))
    for row in scene.rows(query, deployment.c.id, scene.ids("deployment")):
        yield Pair("deployment", row.id, "run", row.run_id, row.label)


@direct("deployment-job", "deployment", version=1, sentence="The deployment names the job that did it")
def deployment_job(scene: Scene) -> Iterable[Pair]:
    query = select(deployment).where(deployment.c.step_id.is_not(None))
    for row in scene.rows(query, deployment.c.id, scene.ids("deployment")):
        yield Pair("deployment", row.id, "step", row.step_id, row.label)


@direct("run-schedule", "run", version=1, sentence="The run names the schedule that started it")
def run_schedule(scene: Scene) -> Iterable[Pair]:
    query = select(run.c.id, run.c.schedule_id).where(run.c.schedule_id.is_not(None), run.c.state.is_not(None))
    for row in scene.rows(query, run.c.id, scene.ids("run")):
        yield Pair("run", row.id, "schedule", row.schedule_id, str(row.schedule_id))


@direct("run-parent", "run", "step", version=1, sentence="One run started the other, as the upstream says")
def run_parent(scene: Scene) -> Iterable[Pair]:
    """A child pipeline to its parent, a custom job to the pipeline whose task it is."""
    query = select(run.c.id, run.c.parent_id).where(run.c.parent_id.is_not(None))
    for row in scene.rows(query, run.c.id, scene.ids("run")):
        yield Pair("run", row.id, "run", row.parent_id, str(row.parent_id))
    started = select(step.c.downstream_id, step.c.run_id).where(step.c.downstream_id.is_not(None))
    rows = list(scene.rows(started, step.c.id, scene.ids("step")))
    if not scene.whole:
        rows += list(among(scene.conn, started, step.c.downstream_id, scene.ids("run")))
        both = {row.downstream_id for row in rows} - scene.ids("run")
        for row in among(scene.conn, query, run.c.id, both):
            yield Pair("run", row.id, "run", row.parent_id, str(row.parent_id))
    for row in rows:
        yield Pair("run", row.downstream_id, "run", row.run_id, str(row.run_id))
