"""What happened in CI: pipelines that failed, were fixed or succeeded; what was deployed, blocked or rolled back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Select, func, select

from services.environments import resolve
from services.events.telling import Fact, native, tells
from services.scene import Scene
from services.store import schema
from services.vocabulary import RunState
from services.watching import GOOD, first_failures, is_default, is_watched, previous_state, top_level
from services.wording import project_name, short

run, project, deployment = schema.run, schema.project, schema.deployment


@cache
def _ended() -> Select[Any]:
    return (
        select(run, project.c.path, project.c.default_branch, project.c.protected_branches,
               previous_state(run).label("before"))
        .outerjoin(project, project.c.id == run.c.project_id)
        .where(run.c.kind == "pipeline", top_level(run),
               run.c.state.in_((RunState.FAILED, RunState.SUCCEEDED, RunState.WARNING)))
    )  # fmt: skip


@tells("run", "step")
def pipelines(scene: Scene) -> Iterable[Fact]:
    """Ends of pipelines of watched branches, tags and schedules; child pipelines speak through their parent."""
    rows = [row for row in scene.rows(_ended(), run.c.id, scene.ids("run")) if _counts(row)]
    why = first_failures(scene.conn, [row.id for row in rows if row.state == RunState.FAILED])
    for row in rows:
        fact = _pipeline(row, why.get(row.id), project_name(row.path, scene.config))
        if fact is not None:
            yield fact


def _counts(row: Any) -> bool:
    scheduled = row.trigger == "schedule"
    return bool(row.is_tag or scheduled or is_watched(row.ref, row.default_branch, row.protected_branches))


def _pipeline(row: Any, why: dict[str, Any] | None, where: str) -> Fact | None:
    what = f"The scheduled pipeline of {where}" if row.trigger == "schedule" else f"The pipeline of {where}"
    at = row.finished_at or row.updated_at
    if row.state == RunState.FAILED:
        reason = (
            f" in the job {why['name']}" if why else " in a pipeline that it started" if row.own_state in GOOD else ""
        )
        kind, title = "pipeline-failed", f"{what} on {row.ref} failed{reason}"
    elif row.before in (RunState.FAILED, RunState.FAILING):
        kind, title = "pipeline-fixed", f"{what} on {row.ref} succeeds again"
    elif is_default(row.ref, row.default_branch) and row.trigger != "schedule":
        kind, title = "pipeline-succeeded", f"{what} on {row.ref} succeeded"
    else:
        return None
    facts = {"ref": row.ref, "sha": row.sha, "state_raw": row.state_raw, "first_failing_step": why,
             "duration_seconds": row.duration_seconds}  # fmt: skip
    return Fact(lane="ci", kind=kind, at=at, subject=("run", row.id), source_id=row.source_id, native=native(row),
                version=at or "", title=title, state=row.state, label=short(row.sha),
                told_as=None if row.state == RunState.FAILED else "succeeded", actor=row.author,
                web_url=row.web_url, facts=facts)  # fmt: skip


def _earlier(column: Any, *where: Any) -> Any:
    """A column of the last successful deployment before this one at the same place of the same project."""
    before = schema.deployment.alias("before_it")
    return (
        select(before.c[column])
        .where(before.c.kind == deployment.c.kind, before.c.place == deployment.c.place,
               before.c.project_id == deployment.c.project_id, before.c.created_at < deployment.c.created_at,
               before.c.state == RunState.SUCCEEDED, *(condition(before) for condition in where))
        .order_by(before.c.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )  # fmt: skip


@cache
def _deployed() -> Select[Any]:
    return (
        select(deployment, project.c.path, _earlier("sha").label("sha_before"),
               _earlier("id", lambda before: before.c.sha == deployment.c.sha).label("same_before"))
        .outerjoin(project, project.c.id == deployment.c.project_id)
        .where(deployment.c.kind == "deployment", deployment.c.state.is_not(None))
    )  # fmt: skip


@tells("deployment")
def deployments(scene: Scene) -> Iterable[Fact]:
    """GitLab deployments, by their own id and finish; the same commit deployed again in a row is no news."""
    for row in scene.rows(_deployed(), deployment.c.id, scene.ids("deployment")):
        kind, title = _deployment(row, project_name(row.path, scene.config))
        if kind is None:
            continue
        place = resolve(scene.config, row.environment or row.place, row.tier)
        facts = {"place": row.place, "sha": row.sha, "before": row.sha_before, "ref": row.ref,
                 "state_raw": row.state_raw, "tier": place.tier, "environment_by": place.rule}  # fmt: skip
        yield Fact(lane="ci", kind=kind, at=row.finished_at or row.updated_at or row.created_at,
                   subject=("deployment", row.id), source_id=row.source_id, native=native(row), version=row.state,
                   title=title, environment=place.environment, state=row.state, label=row.label, actor=row.author,
                   web_url=row.web_url, facts=facts)  # fmt: skip


def _deployment(row: Any, where: str) -> tuple[str | None, str]:
    what = short(row.sha) if row.sha else row.label
    if row.state == RunState.FAILED:
        return "deployment-failed", f"Deploying {where} {what} to {row.place} failed"
    if row.state == RunState.WAITING:
        return "deployment-waiting", f"{where} {what} waits for somebody to let it into {row.place}"
    if row.state != RunState.SUCCEEDED or (row.sha is not None and row.sha == row.sha_before):
        return None, ""
    if row.same_before is not None:
        return "rolled-back", f"{where} in {row.place} went back to {what} (from {short(row.sha_before)})"
    return "deployed", f"{where} {what} was deployed to {row.place}"


@tells("deployment")
def served(scene: Scene) -> Iterable[Fact]:
    """A model version put on an endpoint, at the time that the endpoint tells."""
    query = select(deployment).where(deployment.c.kind == "traffic", deployment.c.state.is_not(None))
    for row in scene.rows(query, deployment.c.id, scene.ids("deployment")):
        title = f"Model version {row.label} was put on the endpoint {row.place}"
        facts = {"place": row.place, "traffic": row.traffic}
        yield Fact(lane="endpoint", kind="model-deployed", at=row.created_at, subject=("deployment", row.id),
                   source_id=row.source_id, native=native(row), version="put", title=title,
                   environment=row.environment, state=row.state, label=row.label, actor=row.author,
                   web_url=row.web_url, facts=facts)  # fmt: skip


@tells("incident")
def incidents(scene: Scene) -> Iterable[Fact]:
    """Incidents opened and closed."""
    table = schema.incident
    query = (
        select(table, func.coalesce(project.c.path, "").label("path"))
        .outerjoin(project, project.c.id == table.c.project_id)
        .where(table.c.state.is_not(None))
    )
    for row in scene.rows(query, table.c.id, scene.ids("incident")):
        named = f"Incident #{row.iid} of {project_name(row.path, scene.config)}, “{row.title}”,"
        ends = [("incident-opened", row.created_at, "was opened"), ("incident-closed", row.closed_at, "was closed")]
        for kind, at, verb in ends:
            yield Fact(lane="incident", kind=kind, at=at, subject=("incident", row.id), source_id=row.source_id,
                       native=native(row), version=at or "", title=f"{named} {verb}", label=f"#{row.iid}",
                       actor=row.author, web_url=row.web_url,
                       facts={"severity": row.severity, "labels": row.labels})  # fmt: skip
