"""Which pipelines ran, how they went, how long they took and waited, by project; and one of them in its steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from services.config import Config
from services.queries import rows as r
from services.queries.base import Answer, Filters, View
from services.queries.health import health
from services.queries.identity import find
from services.queries.run_details import no_steps, opened, step_counts
from services.queries.run_details import told as told_of
from services.queries.statistics import rate, spread
from services.queries.windows import standup_window
from services.store import schema
from services.vocabulary import RunState, rank

NEEDS = ("gitlab.projects", "gitlab.pipelines", "gitlab.jobs")
KIND, FEW = "pipeline", 50
GOOD = (RunState.SUCCEEDED, RunState.WARNING)

run, project = schema.run, schema.project


def pipelines(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Pipelines created in the window, worst first, then newest; figures by project over the same window.

    The state that is asked for narrows the list alone: the counts and the figures are of all states.
    """
    if filters.window is None:
        filters = replace(filters, window=standup_window(config, now))
    sources = health(conn, config, now, NEEDS)
    found = _found(conn, filters)
    wanted = sorted((row for row in found if filters.state in (None, row.state)), key=lambda row: rank(row.state or ""))
    listed = _page(conn, [row.id for row in wanted[filters.offset : filters.offset + filters.limit]])
    return Answer(
        view="pipelines",
        data={
            "counts": r.tally(row.state for row in found),
            "runs": listed,
            "projects": _projects(conn, found),
            "selected": _selected(conn, filters),
        },
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=len(wanted),
        empty_because=None if listed else r.empty_reason(sources, filters, "pipelines"),
    )


def _found(conn: Connection, filters: Filters) -> Sequence[Any]:
    """What figures need of every pipeline of the window, newest first, whatever its state."""
    columns = ("id", "project_id", "state", "final", "created_at", "duration_seconds", "queued_seconds", "coverage")
    query = select(*(run.c[name] for name in columns)).where(_where(filters))
    query = query.order_by(run.c.created_at.desc(), run.c.id.desc())
    if filters.project or filters.text:
        query = query.outerjoin(project, project.c.id == run.c.project_id)
    return conn.execute(query).all()


def _page(conn: Connection, keys: Sequence[int]) -> list[dict[str, Any]]:
    """The runs with these keys, in this order, each with why it is not well."""
    query = r.identified(run).add_columns(project.c.path).outerjoin(project, project.c.id == run.c.project_id)
    rows = r.by_key(conn, query, run.c.id, keys)
    products = r.products_of(conn, "project", (row.project_id for row in rows if row.project_id))
    told, jobs = told_of(conn, rows), step_counts(conn, [row.id for row in rows])
    unknown = {"first_failing_step": None, "why": None}
    return [
        {
            **_listed(row._mapping),
            "products": products.get(row.project_id, []),
            "jobs": jobs.get(row.id) or no_steps(),
            **told.get(row.id, unknown),
        }
        for row in rows
    ]


def _where(filters: Filters) -> ColumnElement[bool]:
    return r.all_of(
        run.c.kind.concat("") == KIND,  # by the window's index: nearly all runs of a store are pipelines
        r.in_window(filters, run.c.created_at),
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


def _projects(conn: Connection, found: Sequence[Any]) -> list[dict[str, Any]]:
    """Figures by project; durations are the upstream's own."""
    by_project: dict[int | None, list[Any]] = defaultdict(list)
    for row in found:
        by_project[row.project_id].append(row)
    paths = {row.id: row.path for row in conn.execute(_paths([key for key in by_project if key is not None]))}
    figures = [_figures(paths.get(key or 0) or "", runs) for key, runs in by_project.items()]
    return sorted(figures, key=_worst_project)


def _paths(keys: Sequence[int]) -> Select[Any]:
    """The paths of these projects; of all where they are many, which is quicker than to name each."""
    query = select(project.c.id, project.c.path)
    return query.where(project.c.id.in_(keys)) if len(keys) <= FEW else query


def _worst_project(figures: Mapping[str, Any]) -> tuple[float, int, str]:
    known = figures["success_rate"]
    return (1.0 if known is None else known, -figures["runs"], figures["project"])


def _figures(path: str, runs: Sequence[Any]) -> dict[str, Any]:
    """success rate = (succeeded + warning) ÷ (succeeded + warning + failed), of final runs alone.

    Canceled and skipped ones are in neither; `succeeded` counts those with a warning, `other` is all that remains.
    """
    states, final = [row.state for row in runs], [row.state for row in runs if row.final]
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
        "success_rate": rate(sum(map(final.count, GOOD)), final.count(RunState.FAILED)),
        "duration_seconds": spread((row.duration_seconds for row in runs), ("median", "p95", "max", "mean")),
        "queued_seconds": spread((row.queued_seconds for row in runs), ("median", "p95")),
        "coverage": spread((row.coverage for row in runs), ("mean",)),
    }


def _selected(conn: Connection, filters: Filters) -> dict[str, Any] | None:
    """The one pipeline that is opened, with its steps and what it started; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    return opened(conn, thing[1]) if thing is not None and thing[0] == "run" else None


VIEW = View("pipelines", "Pipelines", pipelines, NEEDS)
