"""Which requests are open, waiting, merged and not yet shipped: every merge request with what it waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from services.config import Config
from services.queries import rows as r
from services.queries.base import Answer, Filters, View, to_millis
from services.queries.health import health
from services.queries.identity import find
from services.store import schema
from services.vocabulary import RunState, Tier

NEEDS = ("gitlab.merge_requests", "gitlab.approvals", "gitlab.deployments")
STATES = ("opened", "merged", "closed")

change, project, deployment = schema.change, schema.project, schema.deployment


def changes(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Open requests, oldest first, then those merged or closed in the window, newest first."""
    sources = health(conn, config, now, NEEDS)
    query = r.identified(change).add_columns(project.c.path, _shipped_at().label("shipped_at"))
    query = query.outerjoin(project, project.c.id == change.c.project_id).where(_where(filters))
    still_open = change.c.state == "opened"
    query = query.order_by(
        case((still_open, 0), else_=1),
        case((still_open, change.c.created_at), else_=-func.coalesce(change.c.merged_at, change.c.closed_at)),
        change.c.id,
    )
    found, total = r.counted(conn, query, filters)
    products = r.products_of(conn, "project", (row.project_id for row in found if row.project_id))
    listed = [_listed(row._mapping, products, to_millis(now)) for row in found]
    return Answer(
        view="changes",
        data={"counts": _counts(conn, filters), "changes": listed, "selected": _selected(conn, filters, now)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=total,
        empty_because=None if listed else r.empty_reason(sources, filters, "merge requests"),
    )


def _shipped_at() -> Any:
    """When the first production deployment of the merged SHA finished; the trace finds deployments that contain it."""
    return (
        select(func.min(deployment.c.finished_at))
        .where(
            deployment.c.sha == change.c.merge_sha,
            deployment.c.project_id == change.c.project_id,
            deployment.c.state == RunState.SUCCEEDED,
            deployment.c.tier == Tier.PRODUCTION,
        )
        .scalar_subquery()
    )


def _where(filters: Filters) -> ColumnElement[bool]:
    in_time = None
    if filters.window is not None:
        start, end = to_millis(filters.window.start), to_millis(filters.window.end)
        in_time = or_(
            change.c.state == "opened",
            and_(change.c.merged_at >= start, change.c.merged_at < end),
            and_(change.c.closed_at >= start, change.c.closed_at < end),
        )
    return r.all_of(
        in_time,
        None if filters.state is None else change.c.state == filters.state,
        None if filters.project is None else project.c.path == filters.project,
        r.of_product(filters, "project", change.c.project_id),
        r.holds_text(filters, change.c.title, change.c.source_branch, change.c.author, project.c.path, change.c.sha),
    )


def _counts(conn: Connection, filters: Filters) -> dict[str, int]:
    """How many are in each state under the same filters, whatever state is asked for."""
    query = (
        select(change.c.state, func.count())
        .select_from(change.outerjoin(project, project.c.id == change.c.project_id))
        .where(_where(replace(filters, state=None)))
        .group_by(change.c.state)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in conn.execute(query)}
    return {state: counts.get(state, 0) for state in STATES}


def _listed(row: Any, products: dict[int, list[str]], now: int) -> dict[str, Any]:
    names = (
        "iid", "title", "state", "draft", "author", "source_branch", "target_branch", "sha", "merge_sha", "reviewers",
        "approved_by", "approvals_required", "labels", "merge_status", "web_url",
    )  # fmt: skip
    since = row["created_at"] if row["state"] == "opened" else None
    return {
        "id": r.id_of(row),
        "project": row["path"],
        "products": products.get(row["project_id"], []),
        **{name: row[name] for name in names},
        **r.times(row, "created_at", "merged_at", "closed_at", "updated_at", "shipped_at", "observed_at"),
        "open_seconds": None if since is None else max(0.0, (now - since) / 1000),
        "waits_for": _waits_for(row),
    }


def _waits_for(row: Any) -> str | None:
    """What an open request waits for, in words; None where it is not open."""
    if row["state"] != "opened":
        return None
    if row["draft"]:
        return "its author: it is a draft"
    approved, required = row["approved_by"], row["approvals_required"]
    if approved is None:
        return "unknown: its approvals were not read"
    missing = max(0, (required or 0) - len(approved))
    if missing:
        who = ", ".join(row["reviewers"] or ()) or "a reviewer, none is asked"
        return f"{missing} more approval{'s' if missing > 1 else ''}, from {who}"
    return "a merge: it is approved" if approved or required else "a merge: no approval is required"


def _selected(conn: Connection, filters: Filters, now: datetime) -> dict[str, Any] | None:
    thing = find(conn, filters.selected) if filters.selected else None
    if thing is None or thing[0] != "change":
        return None
    query = r.identified(change).add_columns(project.c.path, _shipped_at().label("shipped_at"))
    query = query.outerjoin(project, project.c.id == change.c.project_id).where(change.c.id == thing[1])
    row = conn.execute(query).one()._mapping
    shown = _listed(row, r.products_of(conn, "project", [row["project_id"]]), to_millis(now))
    run = schema.run
    heads = [sha for sha in (row["sha"], row["merge_sha"]) if sha]
    runs = r.identified(run).where(
        run.c.sha.in_(heads), run.c.project_id == row["project_id"], run.c.parent_id.is_(None)
    )
    runs = runs.order_by(run.c.created_at.desc()).limit(20)
    shown["pipelines"] = [
        {"id": r.id_of(found._mapping), "ref": found.ref, "sha": found.sha, "state": found.state,
         "state_raw": found.state_raw, "web_url": found.web_url, **r.times(found._mapping, "created_at", "finished_at")}
        for found in conn.execute(runs)
    ]  # fmt: skip
    return shown


VIEW = View("changes", "Changes", changes, NEEDS)
