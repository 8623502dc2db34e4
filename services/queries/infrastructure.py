"""What Terraform holds, when it was last checked against reality, and what an apply would do, by workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, select

from services.config import Config
from services.environments import resolve
from services.queries import rows as r
from services.queries.base import Answer, Filters, View, iso, to_millis
from services.queries.health import health
from services.queries.identity import find
from services.store import schema
from services.vocabulary import WorkspaceState

NEEDS = ("gitlab.states", "gitlab.state_versions", "gitlab.plans", "terraform.states", "terraform.plans")
CHECK_HOLDS = timedelta(hours=24)
"""A check that is older says nothing of today."""
APPLIED_AFTER = timedelta(minutes=1)
"""A state written so much later than a plan was made has moved on from it."""
MOST_WORKSPACES = 2000
MOST_RESOURCES = 1000
HISTORY = 50
ORDER = (
    WorkspaceState.ERRORED, WorkspaceState.PAUSED, WorkspaceState.DRIFTED, WorkspaceState.LOCKED,
    WorkspaceState.PENDING, WorkspaceState.STALE, WorkspaceState.NOT_CHECKED, WorkspaceState.IN_SYNC,
)  # fmt: skip
"""Worst first; the first that is true is the one word for a workspace."""

workspace, version, detail, plan = schema.workspace, schema.version, schema.state_detail, schema.plan
project, problem, resource = schema.project, schema.problem, schema.resource


def infrastructure(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Workspaces, worst first. *In sync* is never said without the time of its check."""
    sources = health(conn, config, now, NEEDS)
    rows = [row._mapping for row in conn.execute(_query(filters))]
    keys = [row["id"] for row in rows]
    latest, normal = _newest_plans(conn, keys), _newest_plans(conn, keys, "normal")
    paused = _paused(conn, keys)
    products = r.products_of(conn, "workspace", keys)
    shown = [
        _workspace(row, latest.get(row["id"]), normal.get(row["id"]), row["id"] in paused, config, now) for row in rows
    ]
    for one, key in zip(shown, keys, strict=True):
        one["products"] = products.get(key, [])
    wanted = [one for one in shown if filters.environment in (None, one["environment"])]
    wanted = [one for one in wanted if filters.state in (None, one["status"])]
    wanted.sort(key=lambda one: (ORDER.index(one["status"]), one["name"]))
    cut = wanted[filters.offset : filters.offset + filters.limit]
    return Answer(
        view="infrastructure",
        data={"workspaces": cut, "selected": _selected(conn, filters)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(cut),
        of=len(wanted),
        empty_because=None if cut else r.empty_reason(sources, filters, "Terraform workspaces"),
    )


def _query(filters: Filters) -> Any:
    """Workspaces with the counts of their newest serial, found by the identity `workspace#serial`."""
    newest = and_(
        version.c.source_id == workspace.c.source_id,
        version.c.kind == "state-version",
        version.c.native_id == workspace.c.native_id + "#" + cast(workspace.c.serial, Text),
    )
    counts = [column for column in detail.c if column.name not in ("version_id", "lineage")]
    query = r.identified(workspace).add_columns(project.c.path, version.c.author.label("applied_by"), *counts)
    query = query.outerjoin(project, project.c.id == workspace.c.project_id)
    query = query.outerjoin(version, newest).outerjoin(detail, detail.c.version_id == version.c.id)
    return (
        query.where(
            r.all_of(
                None if filters.project is None else project.c.path == filters.project,
                r.of_product(filters, "workspace", workspace.c.id),
                r.holds_text(filters, workspace.c.name, project.c.path),
            )
        )
        .order_by(workspace.c.name, workspace.c.id)
        .limit(MOST_WORKSPACES)
    )


def _newest_plans(conn: Connection, keys: Sequence[int], mode: str | None = None) -> dict[int, Any]:
    """Workspace key -> its newest plan (of that mode), by one index seek a workspace."""
    inner = plan.alias()
    newest = (
        select(inner.c.id)
        .where(inner.c.workspace_id == workspace.c.id, *([] if mode is None else [inner.c.mode == mode]))
        .order_by(inner.c.checked_at.desc(), inner.c.id.desc())
        .limit(1)
        .correlate(workspace)
        .scalar_subquery()
    )
    found: dict[int, Any] = {}
    for start in range(0, len(keys), 500):
        query = r.identified(plan).join(workspace, plan.c.id == newest)
        query = query.where(workspace.c.id.in_(list(keys[start : start + 500])))
        found |= {row.workspace_id: row._mapping for row in conn.execute(query)}
    return found


def _paused(conn: Connection, keys: Sequence[int]) -> set[int]:
    """Workspaces whose last apply failed: an open problem says so."""
    query = select(problem.c.subject_id).where(
        problem.c.subject_table == "workspace", problem.c.kind == "apply-failed", problem.c.closed_at.is_(None)
    )
    return set(conn.execute(query).scalars()) & set(keys)


def _workspace(row: Any, latest: Any, normal: Any, paused: bool, config: Config, now: datetime) -> dict[str, Any]:
    place = resolve(config, row["name"], None, labels=None, of="state")
    drift, pending = _drift(latest, now), _pending(normal, row, now)
    return {
        "id": r.id_of(row),
        "name": row["name"],
        "project": row["path"],
        "environment": row["environment"] or place.environment,
        "guess": row["environment"] is None and place.guess,
        "status": str(_status(row, drift, pending, paused)),
        "serial": row["serial"],
        "lineage": row["lineage"],
        "terraform_version": row["terraform_version"],
        **{name: row[name] for name in ("managed", "instances", "tainted", "deposed", "data_sources")},
        "modules": row["modules"] or [],
        "checks": {name: (row["checks"] or {}).get(name, 0) for name in ("pass", "fail", "error", "unknown")},
        "encrypted": bool(row["encrypted"]),
        "lock": _lock(row),
        "drift": drift,
        "pending": pending,
        "applied_by": row["applied_by"],
        "web_url": row["web_url"],
        **r.times(row, "updated_at", "observed_at", "gone_at"),
    }


def _lock(row: Any) -> dict[str, Any] | None:
    if row["locked_at"] is None and row["locked_by"] is None:
        return None
    return {"by": row["locked_by"], "at": iso(row["locked_at"]), "operation": row["lock_operation"]}


def _drift(latest: Any, now: datetime) -> dict[str, Any]:
    """Reality ≠ state, from the newest plan of either mode."""
    if latest is None:
        return {"status": str(WorkspaceState.NOT_CHECKED), "checked_at": None, "resources": [], "plan": None}
    stale = to_millis(now) - latest["checked_at"] > _ms(CHECK_HOLDS)
    resources = [
        {"address": entry.get("address"), "actions": entry.get("actions"), "attributes": entry.get("attributes", [])}
        for entry in latest["drift"] or ()
    ]
    if latest["errored"]:
        status = WorkspaceState.ERRORED
    elif resources:
        status = WorkspaceState.DRIFTED
    else:
        status = WorkspaceState.STALE if stale else WorkspaceState.IN_SYNC
    return {
        "status": str(status),
        "stale": stale,
        "checked_at": iso(latest["checked_at"]),
        "resources": resources,
        "plan": r.id_of(latest),
        "web_url": latest["web_url"],
    }


def _pending(normal: Any, row: Any, now: datetime) -> dict[str, Any]:
    """Code ≠ state, from the newest plan that compared them; one made before the last apply is *superseded*."""
    if normal is None:
        unknown = dict.fromkeys(("create", "update", "delete", "replace"))
        return {"status": str(WorkspaceState.NOT_CHECKED), "checked_at": None, **unknown, "changes": []}
    counts = {name: normal[name] for name in ("create", "update", "delete", "replace")}
    moved_on = row["updated_at"] is not None and row["updated_at"] > normal["checked_at"] + _ms(APPLIED_AFTER)
    if normal["errored"]:
        status = str(WorkspaceState.ERRORED)
    elif moved_on:
        status = "superseded"
    elif any(counts.values()):
        status = str(WorkspaceState.PENDING)
    else:
        stale = to_millis(now) - normal["checked_at"] > _ms(CHECK_HOLDS)
        status = str(WorkspaceState.STALE if stale else WorkspaceState.IN_SYNC)
    return {"status": status, "checked_at": iso(normal["checked_at"]), **counts, "changes": normal["changes"] or []}


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _status(row: Any, drift: dict[str, Any], pending: dict[str, Any], paused: bool) -> WorkspaceState:
    truths = {
        WorkspaceState.ERRORED: WorkspaceState.ERRORED in (drift["status"], pending["status"]),
        WorkspaceState.PAUSED: paused,
        WorkspaceState.DRIFTED: drift["status"] == WorkspaceState.DRIFTED,
        WorkspaceState.LOCKED: row["locked_at"] is not None or row["locked_by"] is not None,
        WorkspaceState.PENDING: pending["status"] == WorkspaceState.PENDING,
        WorkspaceState.STALE: drift["status"] == WorkspaceState.STALE,
        WorkspaceState.NOT_CHECKED: drift["status"] == WorkspaceState.NOT_CHECKED,
        WorkspaceState.IN_SYNC: True,
    }
    return next(state for state in ORDER if truths[state])


def _selected(conn: Connection, filters: Filters) -> dict[str, Any] | None:
    """The workspace that is opened: its resources now, its serials and its plans; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    if thing is None or thing[0] != "workspace":
        return None
    row = conn.execute(r.identified(workspace).where(workspace.c.id == thing[1])).one()._mapping
    held = select(resource).where(resource.c.workspace_id == thing[1], resource.c.serial_to.is_(None))
    held = held.order_by(resource.c.status.nulls_last(), resource.c.address).limit(MOST_RESOURCES)
    serials = r.identified(version).add_columns(detail.c.instances, detail.c.managed, detail.c.terraform_version)
    serials = serials.outerjoin(detail, detail.c.version_id == version.c.id).where(
        version.c.source_id == row["source_id"],
        version.c.kind == "state-version",
        version.c.native_id > row["native_id"] + "#",
        version.c.native_id < row["native_id"] + "$",
    )
    plans = r.identified(plan).where(plan.c.workspace_id == thing[1]).order_by(plan.c.checked_at.desc()).limit(HISTORY)
    return {
        "id": filters.selected,
        "name": row["name"],
        "web_url": row["web_url"],
        "resources": [_resource(found) for found in conn.execute(held)],
        "serials": [
            {"label": found.label, "author": found.author, "instances": found.instances, "managed": found.managed,
             "terraform_version": found.terraform_version, "created_at": iso(found.created_at),
             "web_url": found.web_url}
            for found in conn.execute(serials.order_by(version.c.created_at.desc()).limit(HISTORY))
        ],
        "plans": [
            {"checked_at": iso(found.checked_at), "mode": found.mode, "errored": found.errored,
             "drifted": len(found.drift or ()), "create": found.create, "update": found.update,
             "delete": found.delete, "replace": found.replace, "web_url": found.web_url}
            for found in conn.execute(plans)
        ],
    }  # fmt: skip


def _resource(row: Any) -> dict[str, Any]:
    names = ("address", "type", "mode", "module", "status", "attributes", "serial_from")
    return {name: getattr(row, name) for name in names}


VIEW = View("infrastructure", "Infrastructure", infrastructure, NEEDS)
