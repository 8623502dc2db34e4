"""What Terraform holds, when it was last checked against reality, and what an apply would do, by workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, case, cast, func, or_, select

from services.config import Config
from services.environments import resolve
from services.problems.infrastructure import is_moved
from services.queries import plans
from services.queries import rows as r
from services.queries.base import Answer, Filters, View, iso
from services.queries.health import health
from services.queries.identity import find
from services.store import schema

NEEDS = ("gitlab.states", "gitlab.state_versions", "gitlab.plans", "terraform.states", "terraform.plans")
MOST_WORKSPACES = 2000
MOST_RESOURCES = 1000
HISTORY = 50

workspace, version, detail, plan = schema.workspace, schema.version, schema.state_detail, schema.plan
project, problem, resource = schema.project, schema.problem, schema.resource


def infrastructure(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Workspaces, worst first. *In sync* is never said without the time of its check."""
    sources = health(conn, config, now, NEEDS)
    known = _known(conn, config, _query(filters), now)
    known = [one for one in known if filters.environment in (None, one["environment"])]
    wanted = [one for one in known if filters.state in (None, one["status"])]
    wanted.sort(key=_worst_first)
    cut = wanted[filters.offset : filters.offset + filters.limit]
    return Answer(
        view="infrastructure",
        data={"counts": _counts(known), "workspaces": cut, "selected": _selected(conn, config, filters, now)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(cut),
        of=len(wanted),
        empty_because=None if cut else r.empty_reason(sources, filters, "Terraform workspaces"),
    )


def _known(conn: Connection, config: Config, query: Any, now: datetime) -> list[dict[str, Any]]:
    """The workspaces that the query finds, each with all that is known of it."""
    rows = [row._mapping for row in conn.execute(query)]
    keys = [row["id"] for row in rows]
    checked, problems = plans.checked(conn, keys), _problems(conn, keys)
    products = r.products_of(conn, "workspace", keys)
    nothing = plans.Checked()
    return [
        {
            **_workspace(row, checked.get(row["id"], nothing), problems.get(row["id"], []), config, now),
            "products": products.get(row["id"], []),
        }
        for row in rows
    ]


def _worst_first(one: dict[str, Any]) -> tuple[bool, int, str]:
    """What would lose data comes before all else."""
    return not one["pending"]["destroys"], plans.ORDER.index(one["status"]), one["name"] or ""


def _counts(known: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many workspaces are in each state, worst first, those that would lose data beside them."""
    counts = {str(word): sum(one["status"] == word for one in known) for word in plans.ORDER}
    destroying = sum(bool(one["pending"]["destroys"]) for one in known)
    return {name: count for name, count in counts.items() if count} | {"destroying": destroying}


def _query(filters: Filters) -> Any:
    """Workspaces with the counts of their newest serial, found by the identity `workspace#serial`.

    A state that was replaced by one of another lineage counts its serials anew: `workspace#serial#lineage`, while the
    serial of that number of the lineage before keeps its identity, and is not taken for the newest.
    """
    other = version.alias("of_another_lineage")
    serial = workspace.c.native_id + "#" + cast(workspace.c.serial, Text)
    counts = [column for column in detail.c if column.name not in ("version_id", "lineage")]
    author = case((detail.c.version_id.is_not(None), func.coalesce(other.c.author, version.c.author)))
    query = r.identified(workspace).add_columns(project.c.path, author.label("applied_by"), *counts)
    query = query.outerjoin(project, project.c.id == workspace.c.project_id)
    query = query.outerjoin(version, _serial_of(version, serial))
    query = query.outerjoin(other, _serial_of(other, serial + "#" + workspace.c.lineage))
    same = or_(other.c.id.is_not(None), workspace.c.lineage.is_(None), detail.c.lineage == workspace.c.lineage)
    query = query.outerjoin(detail, and_(detail.c.version_id == func.coalesce(other.c.id, version.c.id), same))
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


def _serial_of(table: Any, native_id: Any) -> Any:
    return and_(
        table.c.source_id == workspace.c.source_id, table.c.kind == "state-version", table.c.native_id == native_id
    )


def _problems(conn: Connection, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Workspace -> its open problems, red before amber, each with its sentence."""
    query = (
        select(problem.c.subject_id, problem.c.kind, problem.c.severity, problem.c.title, problem.c.opened_at)
        .where(problem.c.subject_table == "workspace", problem.c.closed_at.is_(None))
        .order_by(problem.c.severity.desc(), problem.c.opened_at)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in conn.execute(query):
        if row.subject_id in keys:
            told = {"kind": row.kind, "severity": row.severity, "title": row.title, "since": iso(row.opened_at)}
            found.setdefault(row.subject_id, []).append(told)
    return found


def _workspace(
    row: Any, checked: plans.Checked, problems: list[dict[str, Any]], config: Config, now: datetime
) -> dict[str, Any]:
    place = resolve(config, row["name"], of="state")
    drift, pending = plans.drift(checked, now), plans.pending(checked, row["updated_at"], now)
    lock, paused = _lock(row), any(one["kind"] == "apply-failed" for one in problems)
    checks = row["checks"] or (checked.newest["checks"] if checked.newest else None) or {}
    return {
        "id": r.id_of(row),
        "name": row["name"],
        "project": row["path"],
        "environment": row["environment"] or place.environment,
        "guess": row["environment"] is None and place.guess,
        "status": str(plans.status(drift, pending, locked=lock is not None, paused=paused)),
        "serial": row["serial"],
        "lineage": row["lineage"],
        "terraform_version": row["terraform_version"],
        **{name: row[name] for name in ("managed", "instances", "tainted", "deposed", "data_sources")},
        "modules": row["modules"] or [],
        "checks": {name: checks.get(name, 0) for name in ("pass", "fail", "error", "unknown")},
        "encrypted": bool(row["encrypted"]),
        "lock": lock,
        "drift": drift,
        "pending": pending,
        "problems": problems,
        "applied_by": row["applied_by"],
        "web_url": row["web_url"],
        **r.times(row, "updated_at", "observed_at", "gone_at"),
    }


def _lock(row: Any) -> dict[str, Any] | None:
    if row["locked_at"] is None and row["locked_by"] is None:
        return None
    return {"by": row["locked_by"], "at": iso(row["locked_at"]), "operation": row["lock_operation"]}


def _selected(conn: Connection, config: Config, filters: Filters, now: datetime) -> dict[str, Any] | None:
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
    made = r.identified(plan).where(plan.c.workspace_id == thing[1]).order_by(plan.c.checked_at.desc()).limit(HISTORY)
    (shown,) = _known(conn, config, _query(Filters()).where(workspace.c.id == thing[1]), now)
    return {
        **shown,
        "resources": [_resource(found) for found in conn.execute(held)],
        "serials": [
            {"label": found.label, "author": found.author, "instances": found.instances, "managed": found.managed,
             "terraform_version": found.terraform_version, "created_at": iso(found.created_at),
             "web_url": found.web_url}
            for found in conn.execute(serials.order_by(version.c.created_at.desc()).limit(HISTORY))
        ],
        "plans": [
            {"checked_at": iso(found.checked_at), "mode": found.mode, "errored": found.errored,
             "drifted": sum(not is_moved(one) for one in found.drift or ()), "create": found.create,
             "update": found.update, "delete": found.delete, "replace": found.replace, "web_url": found.web_url}
            for found in conn.execute(made)
        ],
    }  # fmt: skip


def _resource(row: Any) -> dict[str, Any]:
    names = ("address", "type", "mode", "module", "status", "attributes", "serial_from")
    return {name: getattr(row, name) for name in names}


VIEW = View("infrastructure", "Infrastructure", infrastructure, NEEDS)
