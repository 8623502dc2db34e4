"""Which requests are open and what each waits for, and which of the merged ones are in production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from services.config import Config
from services.queries import rows as r
from services.queries.base import Answer, Filters, View, to_millis
from services.queries.health import health
from services.queries.identity import find
from services.queries.shipping import Shipping, shipping
from services.queries.windows import recent
from services.store import schema

NEEDS = ("gitlab.merge_requests", "gitlab.approvals", "gitlab.deployments", "gitlab.environments")
STATES = ("opened", "merged", "closed")
DEFAULT_HOURS = 7 * 24
PIPELINES = 20

change, project, run, problem = schema.change, schema.project, schema.run, schema.problem


def changes(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Open requests, oldest first, then those merged or closed in the window (seven days), newest first."""
    if filters.window is None:
        filters = replace(filters, window=recent(DEFAULT_HOURS, now))
    sources = health(conn, config, now, NEEDS)
    counts = _counts(conn, filters)
    found = conn.execute(_ordered(filters).limit(filters.limit).offset(filters.offset)).all()
    listed = _shown(conn, config, found, now)
    of = sum(counts[state] for state in STATES if filters.state in (None, state))
    return Answer(
        view="changes",
        data={
            "counts": counts,
            "waiting": _waiting(conn, filters),
            "changes": listed,
            "selected": _selected(conn, config, filters, now),
        },
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=of,
        empty_because=None if listed else r.empty_reason(sources, filters, "merge requests"),
    )


def _query() -> Any:
    query = r.identified(change).add_columns(project.c.path, project.c.default_branch)
    return query.outerjoin(project, project.c.id == change.c.project_id)


def _ordered(filters: Filters) -> Any:
    still_open = change.c.state == "opened"
    return (
        _query()
        .where(_where(filters))
        .order_by(
            case((still_open, 0), else_=1),
            case((still_open, change.c.created_at), else_=-func.coalesce(change.c.merged_at, change.c.closed_at)),
            change.c.id,
        )
    )


def _where(filters: Filters) -> ColumnElement[bool]:
    return r.all_of(
        _in_time(filters),
        change.c.gone_at.is_(None),
        None if filters.project is None else project.c.path == filters.project,
        r.of_product(filters, "project", change.c.project_id),
        r.holds_text(filters, change.c.title, change.c.source_branch, change.c.author, project.c.path, change.c.sha),
    )


def _in_time(filters: Filters) -> ColumnElement[bool]:
    """Open ones whatever their age; merged and closed ones of the window. Each part has an index of its own."""
    merged = r.in_window(filters, change.c.merged_at)
    closed = and_(change.c.state == "closed", r.all_of(r.in_window(filters, change.c.closed_at)))
    parts = {"opened": change.c.state == "opened", "merged": r.all_of(merged), "closed": closed}
    return parts[filters.state] if filters.state in parts else or_(*parts.values())


def _counts(conn: Connection, filters: Filters) -> dict[str, int]:
    """How many are in each state under the same filters, whatever state is asked for; drafts are counted apart too."""
    draft = func.sum(case((change.c.draft.is_(True), 1), else_=0))
    query = (
        select(change.c.state, func.count(), draft)
        .select_from(change.outerjoin(project, project.c.id == change.c.project_id))
        .where(_where(replace(filters, state=None)))
        .group_by(change.c.state)
    )
    found = {row[0]: (row[1], row[2]) for row in conn.execute(query)}
    counts = {state: int(found.get(state, (0, 0))[0]) for state in STATES}
    return {**counts, "drafts": int(found.get("opened", (0, 0))[1] or 0)}


def _waiting(conn: Connection, filters: Filters) -> dict[str, int]:
    """What waits for too long, by the open problems: requests for a review, merged ones for production."""
    query = select(problem.c.kind, problem.c.facts).where(
        problem.c.closed_at.is_(None),
        problem.c.kind.in_(("review-waiting", "unshipped")),
        r.all_of(None if filters.product is None else problem.c.product == filters.product),
    )
    found = conn.execute(query).all()
    return {
        "review": sum(row.kind == "review-waiting" for row in found),
        "production": sum((row.facts or {}).get("count", 0) for row in found if row.kind == "unshipped"),
    }


def _shown(conn: Connection, config: Config, rows: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    products = r.products_of(conn, "project", (row.project_id for row in rows if row.project_id))
    shipped = shipping(conn, config, rows)
    return [_listed(row._mapping, products, shipped.get(row.id), to_millis(now)) for row in rows]


def _listed(
    row: Mapping[str, Any], products: Mapping[int, list[str]], shipped: Shipping | None, now: int
) -> dict[str, Any]:
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
        **r.times(row, "created_at", "merged_at", "closed_at", "updated_at", "observed_at"),
        "open_seconds": None if since is None else max(0.0, (now - since) / 1000),
        "waits_for": _waits_for(row) or (shipped.waits_for if shipped else None),
        "production": None if shipped is None else shipped.shown(),
    }


def _waits_for(row: Mapping[str, Any]) -> str | None:
    """What an open request waits for, in words; None where it is not open."""
    if row["state"] != "opened":
        return None
    if row["draft"]:
        return "its author: it is a draft"
    approved, required = row["approved_by"], row["approvals_required"]
    if approved is None:
        return "not known: its approvals were not read"
    missing = max(0, (required or 0) - len(approved))
    if missing:
        who = ", ".join(row["reviewers"] or ()) or "a reviewer, none is asked"
        return f"{missing} more approval{'s' if missing > 1 else ''}, from {who}"
    return "a merge: it is approved" if approved else "a merge: no approval is required"


def _selected(conn: Connection, config: Config, filters: Filters, now: datetime) -> dict[str, Any] | None:
    """The request that is opened, with the pipelines of its commits; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    if thing is None or thing[0] != "change":
        return None
    row = conn.execute(_query().where(change.c.id == thing[1])).one()
    shown = _shown(conn, config, [row], now)[0]
    heads = [sha for sha in (row.sha, row.merge_sha) if sha]
    runs = r.identified(run).where(run.c.sha.in_(heads), run.c.project_id == row.project_id, run.c.parent_id.is_(None))
    runs = runs.order_by(run.c.created_at.desc()).limit(PIPELINES)
    shown["pipelines"] = [
        {"id": r.id_of(found._mapping), "ref": found.ref, "sha": found.sha, "state": found.state,
         "state_raw": found.state_raw, "web_url": found.web_url, **r.times(found._mapping, "created_at", "finished_at")}
        for found in conn.execute(runs)
    ]  # fmt: skip
    return shown


VIEW = View("changes", "Changes", changes, NEEDS)
