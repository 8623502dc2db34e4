"""Which pipelines ran, how they went, how long they took and waited, by project; and one of them in its steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from services.config import Config
from services.queries import rows as r
from services.queries.base import Answer, Filters, View
from services.queries.health import health
from services.queries.identity import find
from services.queries.run_details import opened
from services.queries.statistics import rate, spread
from services.queries.windows import standup_window
from services.store import schema
from services.vocabulary import RunState

NEEDS = ("gitlab.projects", "gitlab.pipelines", "gitlab.jobs")
KIND = "pipeline"

run, project = schema.run, schema.project


def pipelines(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Pipelines created in the window, worst first, then newest; figures by project over the same window."""
    if filters.window is None:
        filters = replace(filters, window=standup_window(config, now))
    sources = health(conn, config, now, NEEDS)
    where = _where(filters)
    query = r.identified(run).add_columns(project.c.path).outerjoin(project, project.c.id == run.c.project_id)
    query = query.where(where).order_by(r.worst_first(run.c.state), run.c.created_at.desc(), run.c.id.desc())
    found, total = r.counted(conn, query, filters)
    listed = [_listed(row._mapping) for row in found]
    products = r.products_of(conn, "project", (row.project_id for row in found if row.project_id))
    for shown, row in zip(listed, found, strict=True):
        shown["products"] = products.get(row.project_id, [])
    return Answer(
        view="pipelines",
        data={"projects": _projects(conn, where), "runs": listed, "selected": _selected(conn, filters)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=total,
        empty_because=None if listed else r.empty_reason(sources, filters, "pipelines"),
    )


def _where(filters: Filters) -> ColumnElement[bool]:
    return r.all_of(
        run.c.kind == KIND,
        r.in_window(filters, run.c.created_at),
        None if filters.state is None else run.c.state == filters.state,
        None if filters.project is None else project.c.path == filters.project,
        r.of_product(filters, "project", run.c.project_id),
        r.holds_text(filters, run.c.title, run.c.ref, run.c.sha, project.c.path, run.c.author),
    )


def _listed(row: Any) -> dict[str, Any]:
    names = (
        "title", "ref", "is_tag", "sha", "state", "own_state", "state_raw", "trigger", "duration_seconds",
        "queued_seconds", "coverage", "failure_reason", "author", "web_url", "final",
    )  # fmt: skip
    return {
        "id": r.id_of(row),
        "project": row["path"],
        **{name: row[name] for name in names},
        **r.times(row, "created_at", "started_at", "finished_at", "updated_at", "observed_at"),
        "child": row["parent_id"] is not None or row["trigger"] == "parent_pipeline",
    }


def _projects(conn: Connection, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Figures by project over final runs created in the window; durations are the upstream's own."""
    query = (
        select(
            project.c.path, run.c.state, run.c.duration_seconds, run.c.queued_seconds, run.c.coverage
        )
        .select_from(run.outerjoin(project, project.c.id == run.c.project_id))
        .where(where)
    )  # fmt: skip
    by_project: dict[str, list[Any]] = defaultdict(list)
    for row in conn.execute(query):
        by_project[row.path or ""].append(row)
    return sorted((_figures(path, runs) for path, runs in by_project.items()), key=_worst_project)


def _worst_project(figures: Mapping[str, Any]) -> tuple[float, int, str]:
    known = figures["success_rate"]
    return (1.0 if known is None else known, -figures["runs"], figures["project"])


def _figures(path: str, runs: Sequence[Any]) -> dict[str, Any]:
    """success rate = (succeeded + warning) ÷ (succeeded + warning + failed); canceled and skipped are in neither."""
    states = [row.state for row in runs]
    warning = states.count(RunState.WARNING)
    succeeded, failed = states.count(RunState.SUCCEEDED) + warning, states.count(RunState.FAILED)
    canceled = states.count(RunState.CANCELED)
    return {
        "project": path,
        "runs": len(runs),
        "succeeded": succeeded,
        "warning": warning,
        "failed": failed,
        "canceled": canceled,
        "other": len(runs) - succeeded - failed - canceled,
        "success_rate": rate(succeeded, failed),
        "duration_seconds": spread((row.duration_seconds for row in runs), ("median", "p95", "max", "mean")),
        "queued_seconds": spread((row.queued_seconds for row in runs), ("median", "p95")),
        "coverage": spread((row.coverage for row in runs), ("mean",)),
    }


def _selected(conn: Connection, filters: Filters) -> dict[str, Any] | None:
    """The one pipeline that is opened, with its steps and what it started; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    return opened(conn, thing[1]) if thing is not None and thing[0] == "run" else None


VIEW = View("pipelines", "Pipelines", pipelines, NEEDS)
