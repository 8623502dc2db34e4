"""Whether production has what was merged: since when, no longer, or not yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from services.config import Config
from services.environments import resolve
from services.queries.base import iso
from services.store import schema
from services.vocabulary import RunState, Tier
from services.watching import is_default

deployment, environment, run = schema.deployment, schema.environment, schema.run


@dataclass(frozen=True, slots=True)
class Shipping:
    """How a merged request stands with production."""

    state: str
    """shipped, rolled back, not shipped"""
    at: int | None = None
    """When the first production deployment whose pipeline began after the merge finished, epoch milliseconds.

    None where it was merged before the first deployment we know of: an earlier one may have had it.
    """
    place: str | None = None
    sha: str | None = None

    @property
    def waits_for(self) -> str | None:
        """What it still waits for, in words."""
        return {
            "not shipped": "a deployment to production",
            "rolled back": "production again: it was rolled back",
        }.get(self.state)

    def shown(self) -> dict[str, Any]:
        """As the answer holds it."""
        return {"state": self.state, "at": iso(self.at), "place": self.place, "sha": self.sha}


def shipping(conn: Connection, config: Config, changes: Sequence[Any]) -> dict[int, Shipping]:
    """Change -> how it stands with production, for those merged to the default branch of a project that has one.

    A deployment contains what was merged before its pipeline began; where the pipeline is not known, before the
    deployment was made. Rows need `id`, `project_id`, `merged_at`, `target_branch` and `default_branch`.
    """
    merged = [
        row for row in changes
        if row.merged_at is not None and row.project_id and is_default(row.target_branch, row.default_branch)
    ]  # fmt: skip
    places = _production(conn, config, {row.project_id for row in merged})
    if not places:
        return {}
    made = _deployments(conn, places, min(row.merged_at for row in merged))
    found = {}
    for row in merged:
        if row.project_id in places:
            known = min((at for at in places[row.project_id].values() if at is not None), default=None)
            found[row.id] = _judged(row.merged_at, known, made.get(row.project_id, ()))
    return found


def _judged(merged_at: int, known: int | None, made: Sequence[Any]) -> Shipping:
    """`made` are the project's production deployments since the oldest merge, oldest first."""
    holding = [row for row in made if _began(row) >= merged_at]
    if not holding:
        return Shipping("not shipped")
    first = holding[0]
    newest = {row.place: row for row in made}
    if all(_began(row) < merged_at for row in newest.values()):
        return Shipping("rolled back", first.finished_at or first.created_at, first.place, first.sha)
    if known is None or merged_at < known:
        return Shipping("shipped")
    return Shipping("shipped", first.finished_at or first.created_at, first.place, first.sha)


def _began(row: Any) -> int:
    return int(row.began if row.began is not None else row.created_at)


def _production(conn: Connection, config: Config, projects: Iterable[int]) -> dict[int, dict[str, int | None]]:
    """Project -> its production environments by name, and when the first deployment that we hold of each was made."""
    first = (
        select(func.min(deployment.c.created_at))
        .where(deployment.c.project_id == environment.c.project_id, deployment.c.place == environment.c.name)
        .correlate(environment)
        .scalar_subquery()
    )
    query = select(environment.c.project_id, environment.c.name, environment.c.tier, first.label("first"))
    query = query.where(environment.c.project_id.in_(sorted(projects)), environment.c.name.is_not(None))
    found: defaultdict[int, dict[str, int | None]] = defaultdict(dict)
    for row in conn.execute(query):
        if resolve(config, row.name, row.tier).tier is Tier.PRODUCTION:
            found[row.project_id][row.name] = row.first
    return dict(found)


def _deployments(conn: Connection, places: Mapping[int, Mapping[str, Any]], since: int) -> dict[int, list[Any]]:
    """Project -> its successful production deployments made since then, oldest first, and when their pipeline began."""
    query = (
        select(
            deployment.c.project_id, deployment.c.place, deployment.c.sha, deployment.c.created_at,
            deployment.c.finished_at, run.c.created_at.label("began"),
        )
        .outerjoin(run, run.c.id == deployment.c.run_id)
        .where(
            deployment.c.project_id.in_(sorted(places)),
            deployment.c.place.in_(sorted(set[str]().union(*places.values()))),
            deployment.c.created_at >= since,
            deployment.c.kind.concat("") == "deployment",
            deployment.c.state == RunState.SUCCEEDED,
        )
        .order_by(deployment.c.created_at, deployment.c.id)
    )  # fmt: skip
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in conn.execute(query):
        if row.place in places[row.project_id]:
            found[row.project_id].append(row)
    return found
