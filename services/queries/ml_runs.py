"""Which ML runs there were, how they went, what failed first, and which of them trained nothing new."""

from __future__ import annotations

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
from services.queries.run_details import elapsed, no_steps, opened, step_counts, told
from services.queries.windows import recent
from services.store import schema
from services.vocabulary import ScheduleState, rank

NEEDS = ("vertex.pipeline_jobs", "vertex.tasks", "vertex.custom_jobs", "vertex.schedules")
KINDS = ("pipeline-job", "custom-job", "dag-run")
DEFAULT_HOURS = 7 * 24
MOST_SCHEDULES = 200
SCHEDULE_STATES = (
    ScheduleState.MISSED, ScheduleState.LATE, ScheduleState.OWNER_LOST, ScheduleState.UNKNOWN,
    ScheduleState.SKIPPED_SILENTLY, ScheduleState.PAUSED, ScheduleState.ON_TIME, ScheduleState.COMPLETED,
)  # fmt: skip
"""Worst first."""

run, schedule, problem = schema.run, schema.schedule, schema.problem


def ml_runs(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Runs created in the window (seven days where none is asked for), worst first, then newest.

    The state that is asked for narrows the list alone: the counts are of all states.
    """
    if filters.window is None:
        filters = replace(filters, window=recent(DEFAULT_HOURS, now))
    sources = health(conn, config, now, NEEDS)
    states = select(run.c.id, run.c.state, run.c.fully_cached).where(_where(filters))
    found = conn.execute(states.order_by(run.c.created_at.desc(), run.c.id.desc())).all()
    wanted = sorted((row for row in found if filters.state in (None, row.state)), key=lambda row: rank(row.state or ""))
    listed = _page(conn, [row.id for row in wanted[filters.offset : filters.offset + filters.limit]])
    return Answer(
        view="ml-runs",
        data={
            "counts": r.tally(row.state for row in found),
            "fully_cached": sum(bool(row.fully_cached) for row in found),
            "runs": listed,
            "schedules": _schedules(conn, filters),
            "selected": _selected(conn, filters),
        },
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=len(wanted),
        empty_because=None if listed else r.empty_reason(sources, filters, "ML runs"),
    )


def _page(conn: Connection, keys: Sequence[int]) -> list[dict[str, Any]]:
    """The runs with these keys, in this order, with their steps and what failed first."""
    query = r.identified(run).add_columns(schedule.c.name.label("schedule"))
    query = query.outerjoin(schedule, schedule.c.id == run.c.schedule_id)
    rows = r.by_key(conn, query, run.c.id, keys)
    steps, products, why = step_counts(conn, keys), r.products_of(conn, "run", keys), told(conn, rows)
    return [
        _listed(row._mapping, steps.get(row.id) or no_steps(), products.get(row.id, []), why.get(row.id))
        for row in rows
    ]


def _where(filters: Filters) -> ColumnElement[bool]:
    kinds = (filters.kind,) if filters.kind in KINDS else KINDS
    return r.all_of(
        run.c.kind.in_(kinds),
        r.in_window(filters, run.c.created_at),
        None if filters.environment is None else run.c.environment == filters.environment,
        r.of_product(filters, "run", run.c.id),
        r.holds_text(filters, run.c.name, run.c.title, run.c.native_id, run.c.definition),
    )


def _listed(row: Any, steps: Mapping[str, Any], products: list[str], why: Mapping[str, Any] | None) -> dict[str, Any]:
    names = (
        "name", "title", "kind", "state", "state_raw", "environment", "definition", "trigger", "duration_seconds",
        "failure_message", "fully_cached", "web_url", "labels", "schedule",
    )  # fmt: skip
    return {
        "id": r.id_of(row),
        "products": products,
        "status": row["state"],
        **{name: row[name] for name in names},
        "sha": (row["labels"] or {}).get("git_sha") or row["sha"],
        "elapsed_seconds": elapsed(row),
        "steps": steps,
        **(why or {"first_failing_step": None, "why": None}),
        **r.times(row, "created_at", "started_at", "finished_at", "observed_at"),
    }


def _schedules(conn: Connection, filters: Filters) -> list[dict[str, Any]]:
    """ML schedules with what is wrong with them, if something is: late, missed, paused, skipped silently."""
    query = r.identified(schedule).where(
        r.all_of(
            schedule.c.kind == "vertex-schedule",
            schedule.c.gone_at.is_(None),
            None if filters.environment is None else schedule.c.environment == filters.environment,
            r.of_product(filters, "schedule", schedule.c.id),
        )
    )
    found = conn.execute(query.order_by(schedule.c.name, schedule.c.id).limit(MOST_SCHEDULES)).all()
    query = (
        select(problem.c.subject_id, problem.c.kind, problem.c.title, problem.c.severity, problem.c.reason)
        .where(problem.c.subject_table == "schedule", problem.c.closed_at.is_(None))
        .order_by(problem.c.severity, problem.c.opened_at.desc())
    )
    wrong = {row.subject_id: row for row in conn.execute(query)}
    shown = [_schedule(row._mapping, wrong.get(row.id)) for row in found]
    return sorted(shown, key=lambda one: SCHEDULE_STATES.index(one["status"]))


def _schedule(row: Any, wrong: Any) -> dict[str, Any]:
    names = ("name", "cron", "time_zone", "active", "state_raw", "environment", "web_url")
    return {
        "id": r.id_of(row),
        "status": str(_kept(row, wrong)),
        **{name: row[name] for name in names},
        **r.times(row, "next_run_at", "last_run_at", "paused_at", "observed_at"),
        "problem": None if wrong is None else {"kind": wrong.kind, "title": wrong.title, "severity": wrong.severity},
    }


def _kept(row: Any, wrong: Any) -> ScheduleState:
    """What is known of a schedule: what is wrong with it, else whether it runs at all."""
    if wrong is not None and wrong.reason in set(ScheduleState):
        return ScheduleState(wrong.reason)
    if row["ended"]:
        return ScheduleState.COMPLETED
    if row["active"] is None:
        return ScheduleState.UNKNOWN
    return ScheduleState.ON_TIME if row["active"] else ScheduleState.PAUSED


def _selected(conn: Connection, filters: Filters) -> dict[str, Any] | None:
    """The one run that is opened, with its steps; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    return opened(conn, thing[1]) if thing is not None and thing[0] == "run" else None


VIEW = View("ml-runs", "ML runs", ml_runs, NEEDS)
