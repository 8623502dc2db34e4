"""Which ML runs there were, how they went, what failed first, and which of them trained nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from services.config import Config
from services.queries import rows as r
from services.queries.base import Answer, Filters, View
from services.queries.health import health
from services.queries.identity import find
from services.queries.run_details import first_failing_of, opened
from services.queries.windows import recent
from services.store import schema
from services.vocabulary import BAD

NEEDS = ("vertex.pipeline_jobs", "vertex.tasks", "vertex.custom_jobs", "vertex.schedules")
KINDS = ("pipeline-job", "custom-job", "dag-run")
DEFAULT_HOURS = 7 * 24

run, step, schedule, problem = schema.run, schema.step, schema.schedule, schema.problem


def ml_runs(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Runs created in the window (seven days where none is asked for), worst first, then newest."""
    if filters.window is None:
        filters = replace(filters, window=recent(DEFAULT_HOURS, now))
    sources = health(conn, config, now, NEEDS)
    query = r.identified(run).add_columns(schedule.c.name.label("schedule"))
    query = query.outerjoin(schedule, schedule.c.id == run.c.schedule_id).where(_where(filters))
    query = query.order_by(r.worst_first(run.c.state), run.c.created_at.desc(), run.c.id.desc())
    found, total = r.counted(conn, query, filters)
    keys = [row.id for row in found]
    steps, products = _steps(conn, keys), r.products_of(conn, "run", keys)
    failing = first_failing_of(conn, [row.id for row in found if row.state in BAD])
    listed = [_listed(row._mapping, steps, products, failing) for row in found]
    return Answer(
        view="ml-runs",
        data={
            "runs": listed,
            "schedules": _schedules(conn, filters),
            "selected": _selected(conn, filters),
        },
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(listed),
        of=total,
        empty_because=None if listed else r.empty_reason(sources, filters, "ML runs"),
    )


def _where(filters: Filters) -> ColumnElement[bool]:
    kinds = (filters.kind,) if filters.kind in KINDS else KINDS
    return r.all_of(
        run.c.kind.in_(kinds),
        r.in_window(filters, run.c.created_at),
        None if filters.state is None else run.c.state == filters.state,
        None if filters.environment is None else run.c.environment == filters.environment,
        r.of_product(filters, "run", run.c.id),
        r.holds_text(filters, run.c.name, run.c.title, run.c.native_id, run.c.definition),
    )


def _steps(conn: Connection, keys: Sequence[int]) -> dict[int, dict[str, int]]:
    """Run key -> how many steps are in each state; retried attempts are left out."""
    found: dict[int, dict[str, int]] = {}
    for start in range(0, len(keys), 500):
        query = (
            select(step.c.run_id, step.c.state, func.count())
            .where(step.c.run_id.in_(list(keys[start : start + 500])), step.c.retried.is_not(True))
            .group_by(step.c.run_id, step.c.state)
        )
        for key, state, count in conn.execute(query):
            found.setdefault(key, {})[state] = count
    return found


def _listed(
    row: Any, steps: dict[int, dict[str, int]], products: dict[int, list[str]], failing: dict[int, dict[str, Any]]
) -> dict[str, Any]:
    names = (
        "name", "title", "kind", "state", "state_raw", "environment", "definition", "duration_seconds",
        "failure_message", "fully_cached", "web_url", "labels", "schedule",
    )  # fmt: skip
    by_status = steps.get(row["id"], {})
    return {
        "id": r.id_of(row),
        "products": products.get(row["id"], []),
        "status": row["state"],
        **{name: row[name] for name in names},
        "steps": {"total": sum(by_status.values()), "by_status": by_status},
        "first_failing_step": failing.get(row["id"]),
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
    found = conn.execute(query.order_by(schedule.c.name, schedule.c.id).limit(filters.limit)).all()
    wrong = {
        row.subject_id: row
        for row in conn.execute(
            select(problem.c.subject_id, problem.c.kind, problem.c.title, problem.c.severity).where(
                problem.c.subject_table == "schedule", problem.c.closed_at.is_(None)
            )
        )
    }
    return [_schedule(row._mapping, wrong.get(row.id)) for row in found]


def _schedule(row: Any, wrong: Any) -> dict[str, Any]:
    names = ("name", "cron", "time_zone", "active", "state_raw", "environment", "web_url")
    return {
        "id": r.id_of(row),
        **{name: row[name] for name in names},
        **r.times(row, "next_run_at", "last_run_at", "paused_at", "observed_at"),
        "problem": None if wrong is None else {"kind": wrong.kind, "title": wrong.title, "severity": wrong.severity},
    }


def _selected(conn: Connection, filters: Filters) -> dict[str, Any] | None:
    """The one run that is opened, with its steps; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    return opened(conn, thing[1]) if thing is not None and thing[0] == "run" else None


VIEW = View("ml-runs", "ML runs", ml_runs, NEEDS)
