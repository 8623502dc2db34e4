"""What is bad where things are deployed to: the newest deployment of an environment failed, or waits for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect, Select, and_, exists, func, select

from services.environments import resolve
from services.problems.episode import AMBER, RED, Bad, Judged, Subject, problem
from services.scene import Scene, among
from services.store import schema
from services.vocabulary import RunState, Tier
from services.wording import project_name, short

run, project, deployment, step = schema.run, schema.project, schema.deployment, schema.step
OUTDATED = "forward_deployment_failure"
"""GitLab's word for a deployment that it stopped because a newer one was there first: good news."""


@dataclass(frozen=True, slots=True)
class Live:
    """The newest deployments of one environment of one project."""

    last: Any
    good: Any

    @property
    def subject(self) -> Subject:
        return ("project", self.last.project_id, self.last.place)


def _latest(name: str, *states: str) -> ScalarSelect[Any]:
    """The newest deployment in one of these states; one stopped because a newer was there first says nothing."""
    other = deployment.alias(name)
    outdated = exists().where(step.c.id == other.c.step_id, step.c.failure_reason == OUTDATED)
    return (
        select(other.c.id)
        .where(other.c.project_id == deployment.c.project_id, other.c.place == deployment.c.place,
               other.c.kind == "deployment", other.c.state.in_(states), ~outdated)
        .order_by(other.c.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )  # fmt: skip


def _live(scene: Scene) -> list[Live]:
    return scene.once("live", _all_live)


def _all_live(scene: Scene) -> list[Live]:
    ids = set(scene.ids("deployment")) | _outdated(scene)
    picks, newest, wide = _live_queries()
    chosen = {row.id for row in scene.rows(picks, deployment.c.id, ids)}
    pairs = [row for row in among(scene.conn, newest, deployment.c.id, chosen) if row.last is not None]
    keys = {row.last for row in pairs} | {row.good for row in pairs if row.good is not None}
    rows = {row.id: row for row in among(scene.conn, wide, deployment.c.id, keys)}
    return [Live(rows[pair.last], rows.get(pair.good)) for pair in pairs]


@cache
def _live_queries() -> tuple[Select[Any], Select[Any], Select[Any]]:
    """One deployment an environment; the newest that says something and the newest good one; their rows."""
    picks = (
        select(func.max(deployment.c.id).label("id"))
        .where(deployment.c.kind == "deployment", deployment.c.state.is_not(None), deployment.c.project_id.is_not(None))
        .group_by(deployment.c.project_id, deployment.c.place)
    )
    newest = select(
        deployment.c.id, _latest("last", RunState.SUCCEEDED, RunState.FAILED, RunState.WAITING).label("last"),
        _latest("good", RunState.SUCCEEDED).label("good"),
    )  # fmt: skip
    place = schema.environment
    on = and_(place.c.project_id == deployment.c.project_id, place.c.name == deployment.c.place)
    wide = select(deployment, project.c.path, place.c.available).outerjoin(place, on)
    return picks, newest, wide.outerjoin(project, project.c.id == deployment.c.project_id)


def _outdated(scene: Scene) -> set[int]:
    """Deployments whose job, just read, was stopped because a newer deployment was there first."""
    on = and_(deployment.c.sha == run.c.sha, deployment.c.step_id == step.c.id)
    query = (
        select(deployment.c.id)
        .select_from(step)
        .join(run, run.c.id == step.c.run_id)
        .join(deployment, on)
        .where(step.c.failure_reason == OUTDATED)
    )
    return {row.id for row in among(scene.conn, query, step.c.id, scene.ids("step"))}


def _deployments(scene: Scene, state: str, verb: str) -> Judged:
    """Environments whose newest decisive deployment is in a state; stopped and review environments are nobody's."""
    found, bad = _live(scene), []
    for live in found:
        last = live.last
        if last.state != state or last.available is False or last.place.startswith("review/"):
            continue
        place = resolve(scene.config, last.environment or last.place, last.tier)
        red = state == RunState.FAILED and place.tier in (Tier.PRODUCTION, Tier.STAGING)
        where = project_name(last.path, scene.config)
        bad.append(Bad(subject=live.subject, severity=RED if red else AMBER, state=state, lane="ci",
                       title=verb.format(where=where, what=short(last.sha), place=last.place),
                       since=last.finished_at or last.updated_at or last.created_at, source_id=last.source_id,
                       environment=place.environment, first_bad=last.sha,
                       last_good=live.good.sha if live.good else None,
                       web_url=last.web_url, facts={"thing": {"table": "deployment", "id": last.id}, "sha": last.sha,
                       "tier": place.tier, "state_raw": last.state_raw}))  # fmt: skip
    return Judged(tuple(bad), frozenset(live.subject for live in found), scene.whole)


@problem("deployment-failed", "deployment", "step")
def deployment_failed(scene: Scene) -> Judged:
    """The newest decisive deployment of an environment failed: red in production and staging, amber elsewhere."""
    return _deployments(scene, RunState.FAILED, "Deploying {where} {what} to {place} failed")


@problem("deployment-waiting", "deployment", "step")
def deployment_waiting(scene: Scene) -> Judged:
    """The newest decisive deployment of an environment waits for somebody to let it in."""
    return _deployments(scene, RunState.WAITING, "{where} {what} waits for somebody to let it into {place}")
