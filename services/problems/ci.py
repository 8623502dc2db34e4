"""What is bad in CI: red branches, tags and schedules, and pipelines that wait for somebody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import FromClause, ScalarSelect, Select, and_, exists, func, select

from services.problems.episode import AMBER, RED, Bad, Judged, Subject, problem
from services.scene import Scene, among, is_among
from services.store import schema
from services.vocabulary import RunState
from services.watching import (
    BAD,
    DECISIVE,
    GOOD,
    first_failures,
    is_default,
    is_watched,
    newest_first,
    same_row,
    top_level,
)
from services.wording import project_name

run, project, deployment, step = schema.run, schema.project, schema.deployment, schema.step
TAGS = "tags"
"""The place of a project's release tags: the newest tag's pipeline supersedes those of the tags before it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest runs of one branch, of a project's tags, or of a schedule."""

    any: Any
    """A run of it, with its project's columns."""
    newest: Any
    decisive: Any
    first_bad: Any
    last_good: Any

    @property
    def subject(self) -> Subject:
        row = self.any
        if row.schedule_id is not None:
            return ("schedule", row.schedule_id, "")
        place = TAGS if row.is_tag else row.ref or ""
        return ("project", row.project_id, f"{place} (schedule)" if row.trigger == "schedule" else place)

    @property
    def watched(self) -> bool:
        """True where everybody must know; a scheduled run whose schedule is not told yet waits until it is."""
        row = self.any
        if row.trigger == "schedule":
            return row.schedule_id is not None or not row.has_schedules
        return bool(row.is_tag or is_watched(row.ref, row.default_branch, row.protected_branches))


def _row_of(one: FromClause, other: FromClause, tags: bool) -> Any:
    if not tags:
        return same_row(one, other)
    same = one.c.project_id == other.c.project_id
    return and_(same, one.c.is_tag.is_(True), one.c.kind == "pipeline", top_level(one))


def _of_row(name: str, tags: bool, *conditions: Any, oldest: bool = False) -> ScalarSelect[Any]:
    other = run.alias(name)
    order = (other.c.created_at.asc(),) if oldest else newest_first(other)
    where = [condition(other) for condition in conditions]
    return select(other.c.id).where(_row_of(other, run, tags), *where).order_by(*order).limit(1).scalar_subquery()


def heads(scene: Scene) -> list[Head]:
    """The heads of all rows that a touched run, or a run with a touched step or deployment, stands in."""
    return scene.once("heads", _all_heads)


def _all_heads(scene: Scene) -> list[Head]:
    ids = _touched_runs(scene)
    return [*_heads(scene, ids, tags=False), *_heads(scene, ids, tags=True)]


def _touched_runs(scene: Scene) -> set[int]:
    found = set(scene.ids("run"))
    for table in (step, deployment):
        query = select(table.c.run_id).where(table.c.run_id.is_not(None))
        found |= {row.run_id for row in among(scene.conn, query, table.c.id, scene.ids(table.name))}
    projects = among(
        scene.conn, select(schema.branch_head.c.run_id), schema.branch_head.c.project_id, scene.ids("project")
    )
    return found | {row.run_id for row in projects}


@cache
def _picks(tags: bool) -> Select[Any]:
    """One run for each branch, tag set or schedule that a run stands in."""
    flag = run.c.is_tag.is_(True) if tags else run.c.is_tag.is_not(True)
    group = (run.c.project_id,) if tags else (
        run.c.project_id, run.c.ref, func.coalesce(run.c.trigger, "") == "schedule", run.c.schedule_id)  # fmt: skip
    where = (run.c.kind == "pipeline", top_level(run), run.c.state.is_not(None), flag)
    return select(func.max(run.c.id).label("id")).where(*where).group_by(*group)


@cache
def _newest_of(tags: bool) -> Select[Any]:
    """For each of those, the newest run, the newest that says good or bad, and the newest good one."""
    return select(run.c.id, _of_row("newest", tags).label("newest"),
                  _of_row("decisive", tags, lambda one: one.c.state.in_(DECISIVE)).label("decisive"),
                  _of_row("good", tags, lambda one: one.c.state.in_(GOOD)).label("good"))  # fmt: skip


@cache
def _oldest_red(tags: bool) -> Select[Any]:
    """For each red run, the first red one of its row since the last good one."""
    good = run.alias("good_one")
    since = (
        select(func.max(good.c.created_at))
        .where(_row_of(good, run, tags), good.c.state.in_(GOOD), good.c.created_at < run.c.created_at)
        .correlate(run)
        .scalar_subquery()
    )
    oldest = _of_row("bad", tags, lambda one: one.c.state.in_(BAD),
                     lambda one: one.c.created_at > func.coalesce(since, 0), oldest=True)  # fmt: skip
    return select(run.c.id, oldest.label("first"))


def _heads(scene: Scene, ids: Collection[int], tags: bool) -> Iterator[Head]:
    chosen = {row.id for row in scene.rows(_picks(tags), run.c.id, ids)}
    rows = {row.id: row for row in among(scene.conn, _newest_of(tags), run.c.id, chosen)}
    known = _runs(scene, {key for row in rows.values() for key in row if key is not None})
    red = {row.decisive for row in rows.values() if row.decisive is not None and known[row.decisive].state in BAD}
    first = {row.id: row.first for row in among(scene.conn, _oldest_red(tags), run.c.id, red)}
    known |= _runs(scene, set(first.values()) - known.keys() - {None})
    for row in rows.values():
        begin = known.get(first.get(row.decisive))
        yield Head(known[row.id], known[row.newest], known.get(row.decisive), begin, known.get(row.good))


@cache
def _with_project() -> Select[Any]:
    return select(
        run, project.c.path, project.c.default_branch, project.c.protected_branches,
        project.c.gone_at.label("project_gone"),
        exists().where(schema.schedule.c.project_id == run.c.project_id).label("has_schedules"),
    ).outerjoin(project, project.c.id == run.c.project_id)  # fmt: skip


def _runs(scene: Scene, ids: Collection[Any]) -> dict[Any, Any]:
    return {row.id: row for row in among(scene.conn, _with_project(), run.c.id, ids)}


@problem("run-failed", "run", "step", "project", "deployment")
def run_failed(scene: Scene) -> Judged:
    """The newest decisive pipeline of a watched branch, of the tags or of a schedule is red.

    A run that is still going on leaves the verdict of the one before it, unless it is sure to fail; a canceled or
    skipped one says nothing. A green run on another ref hides nothing, a newer green one on the same ref ends it.
    """
    found = heads(scene)
    why = first_failures(scene.conn, [head.decisive.id for head in found if head.decisive is not None])
    bad, well = [], {}
    for head in found:
        last = head.decisive
        if last is not None and last.state in BAD and head.watched and head.any.project_gone is None:
            bad.append(_red_run(scene, head, why.get(last.id)))
        elif last is not None and last.finished_at is not None:
            well[head.subject] = last.finished_at
    return Judged(tuple(bad), frozenset(head.subject for head in found), scene.whole, well)


def _red_run(scene: Scene, head: Head, why: dict[str, Any] | None) -> Bad:
    last, first = head.decisive, head.first_bad or head.decisive
    where = project_name(last.path, scene.config)
    what = f"The scheduled pipeline of {where}" if last.trigger == "schedule" else f"The pipeline of {where}"
    verb = "is failing" if last.state == RunState.FAILING else "failed"
    inside = f" in the job {why['name']}" if why else " in a pipeline that it started" if last.own_state in GOOD else ""
    facts = {"thing": {"table": "run", "id": last.id}, "first_bad_run": first.id, "first_failing_step": why,
             "last_good_run": head.last_good.id if head.last_good else None, "ref": last.ref, "sha": last.sha,
             "state_raw": last.state_raw}  # fmt: skip
    return Bad(subject=head.subject, severity=RED, state=last.state, lane="ci",
               since=first.finished_at or first.created_at, title=f"{what} on {last.ref} {verb}{inside}",
               source_id=last.source_id,
               reason=(why or {}).get("reason") or last.failure_reason, belongs=("project", last.project_id),
               first_bad=first.sha, last_good=head.last_good.sha if head.last_good else None,
               web_url=last.web_url, facts=facts)  # fmt: skip


@problem("waiting", "run", "step", "project", "deployment")
def waiting(scene: Scene) -> Judged:
    """The newest pipeline of a default branch or of the tags waits for a person; older ones are superseded.

    Where a deployment of that pipeline is blocked, the deployment says so, and this does not say it twice.
    """
    found = heads(scene)
    ids = [head.newest.id for head in found if head.newest.state == RunState.WAITING and _asks_somebody(head)]
    projects = {head.newest.project_id for head in found if head.newest.id in ids}
    blocked = select(deployment.c.run_id).where(
        deployment.c.state == RunState.WAITING, is_among(scene.conn, deployment.c.project_id, projects)
    )
    said = {row.run_id for row in among(scene.conn, blocked, deployment.c.run_id, ids)}
    jobs: dict[int, str] = {}
    manual = select(step.c.run_id, step.c.name).where(step.c.state == RunState.WAITING, step.c.retried.is_not(True))
    for row in among(scene.conn, manual.order_by(step.c.ordinal, step.c.id), step.c.run_id, ids):
        jobs.setdefault(row.run_id, row.name)
    bad = []
    for head in found:
        last = head.newest
        if last.id not in ids or last.id in said or head.any.project_gone is not None:
            continue
        job, where = jobs.get(last.id), project_name(last.path, scene.config)
        title = f"The pipeline of {where} on {last.ref} waits for somebody to start {job or 'its next step'}"
        bad.append(Bad(subject=head.subject, severity=AMBER, state=RunState.WAITING, lane="ci", title=title,
                       since=last.updated_at or last.created_at, source_id=last.source_id,
                       belongs=("project", last.project_id), web_url=last.web_url,
                       facts={"thing": {"table": "run", "id": last.id}, "job": job, "ref": last.ref,
                              "sha": last.sha}))  # fmt: skip
    return Judged(tuple(bad), frozenset(head.subject for head in found), scene.whole)


def _asks_somebody(head: Head) -> bool:
    row = head.any
    return bool(row.trigger != "schedule" and (row.is_tag or is_default(row.ref, row.default_branch)))
