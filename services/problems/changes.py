"""What waits too long on its way: merge requests without a review, and merged ones that production does not have."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Select, select

from services.environments import resolve
from services.problems.episode import AMBER, Bad, Judged, problem
from services.scene import Scene, among
from services.store import schema
from services.vocabulary import RunState, Tier
from services.watching import is_default
from services.wording import DAY, count, listed, project_name

change, project, deployment = schema.change, schema.project, schema.deployment
REVIEW_AFTER = 2 * DAY
SHIP_AFTER = DAY
OLDEST = 120 * DAY
"""Requests merged longer ago than this are history, not something that waits."""


@problem("review-waiting", "change", timed=True)
def review_waiting(scene: Scene) -> Judged:
    """An open request, no draft, that for two days has had fewer approvals than it needs, one at least.

    Where approvals were not read, nothing is said.
    """
    query = select(change, project.c.path).outerjoin(project, project.c.id == change.c.project_id)
    if scene.whole:
        query = query.where(change.c.state == "opened")
    rows = [row for row in scene.rows(query, change.c.id, scene.ids("change")) if row.state is not None]
    bad = []
    for row in rows:
        if not _lacks_review(row) or scene.at - row.created_at < REVIEW_AFTER:
            continue
        asked = f" ({listed(row.reviewers)} asked)" if row.reviewers else " (nobody is asked)"
        where = project_name(row.path, scene.config)
        bad.append(Bad(subject=("change", row.id, ""), severity=AMBER, state=RunState.WAITING, lane="code",
                       title=f"Merge request {where} !{row.iid} “{row.title}” waits for a review{asked}",
                       since=row.created_at + REVIEW_AFTER, source_id=row.source_id, web_url=row.web_url,
                       facts={"iid": row.iid, "author": row.author, "created_at": row.created_at,
                              "reviewers": row.reviewers, "approved_by": row.approved_by}))  # fmt: skip
    return Judged(tuple(bad), frozenset(("change", row.id, "") for row in rows), scene.whole)


def _lacks_review(row: Any) -> bool:
    if row.state != "opened" or row.draft or row.gone_at is not None or row.created_at is None:
        return False
    return row.approved_by is not None and len(row.approved_by) < max(row.approvals_required or 0, 1)


@problem("unshipped", "change", "deployment", timed=True)
def unshipped(scene: Scene) -> Judged:
    """Requests merged to the default branch over a day ago, of a project whose production runs an older pipeline.

    What production has is told by when the pipeline of its newest successful deployment began: what was merged after
    that is not in it, and after a rollback it is not in it any more. A project that never reached production has no
    such promise, and what was merged before the first deployment we know of is left out.
    """
    cuts = _production(scene)
    merged = (
        select(change, project.c.path, project.c.default_branch, project.c.web_url.label("project_url"))
        .join(project, project.c.id == change.c.project_id)
        .where(change.c.merged_at >= scene.at - OLDEST, change.c.merged_at < scene.at - SHIP_AFTER,
               project.c.gone_at.is_(None))
        .order_by(change.c.merged_at)
    )  # fmt: skip
    waiting: defaultdict[int, list[Any]] = defaultdict(list)
    for row in among(scene.conn, merged, change.c.project_id, cuts):
        cut, _ = cuts[row.project_id]
        if row.merged_at > cut and is_default(row.target_branch, row.default_branch):
            waiting[row.project_id].append(row)
    bad = tuple(_unshipped(scene, project_id, rows, cuts[project_id][1]) for project_id, rows in waiting.items())
    return Judged(bad, frozenset(("project", project_id, "unshipped") for project_id in cuts), scene.whole)


def _unshipped(scene: Scene, project_id: int, rows: list[Any], environment: str | None) -> Bad:
    rows.sort(key=lambda row: row.merged_at)
    first, where = rows[0], project_name(rows[0].path, scene.config)
    verb = "waits" if len(rows) == 1 else "wait"
    requests = [{"id": row.id, "iid": row.iid, "title": row.title, "merged_at": row.merged_at} for row in rows[:50]]
    return Bad(subject=("project", project_id, "unshipped"), severity=AMBER, state=RunState.WAITING, lane="code",
               title=f"{count(len(rows), 'merged request')} of {where} {verb} for production", environment=environment,
               since=first.merged_at + SHIP_AFTER, source_id=first.source_id, first_bad=f"!{first.iid}",
               web_url=first.project_url, facts={"count": len(rows), "requests": requests})  # fmt: skip


def _production(scene: Scene) -> dict[int, tuple[int, str | None]]:
    """project -> (when the pipeline that production runs began, the environment), for projects that have production."""
    place = schema.environment
    query = select(place.c.project_id, place.c.name, place.c.tier).where(
        place.c.name.is_not(None), place.c.gone_at.is_(None), place.c.project_id.is_not(None)
    )
    wanted: dict[tuple[int, str], str | None] = {}
    for row in scene.rows(query, place.c.project_id, _projects(scene)):
        told = resolve(scene.config, row.name, row.tier)
        if told.tier is Tier.PRODUCTION:
            wanted[row.project_id, row.name] = told.environment
    cuts: dict[int, tuple[int, str | None]] = {}
    for row in among(scene.conn, _newest(), schema.environment.c.project_id, {key for key, _ in wanted}):
        key = (row.project_id, row.name)
        if key in wanted and row.deployed is not None:
            began = row.deployed if row.began is None else row.began
            if row.project_id not in cuts or began > cuts[row.project_id][0]:
                cuts[row.project_id] = (began, wanted[key])
    return cuts


def _newest() -> Select[Any]:
    """Each environment with its newest successful deployment, and when the pipeline of that began."""
    place, run, one = schema.environment, schema.run, deployment.alias("one")
    newest = (
        select(one.c.id)
        .where(one.c.project_id == place.c.project_id, one.c.place == place.c.name, one.c.kind == "deployment",
               one.c.state == RunState.SUCCEEDED)
        .order_by(one.c.created_at.desc())
        .limit(1)
        .correlate(place)
        .scalar_subquery()
    )  # fmt: skip
    return (
        select(
            place.c.project_id, place.c.name, deployment.c.created_at.label("deployed"), run.c.created_at.label("began")
        )
        .select_from(place)
        .outerjoin(deployment, deployment.c.id == newest)
        .outerjoin(run, run.c.id == deployment.c.run_id)
    )


def _projects(scene: Scene) -> set[int]:
    found: set[int] = set()
    for table in (change, deployment):
        rows = among(scene.conn, select(table.c.project_id), table.c.id, scene.ids(table.name))
        found |= {row.project_id for row in rows if row.project_id is not None}
    return found
