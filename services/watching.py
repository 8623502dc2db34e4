"""Which runs everybody must know about: those of default and protected branches, of release tags and of schedules."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, ScalarSelect, and_, func, or_, select

from services.scene import among
from services.store import schema
from services.vocabulary import RunState, failure_owner

DECISIVE = (RunState.SUCCEEDED, RunState.WARNING, RunState.FAILED, RunState.FAILING)
"""States by which a run says good or bad; canceled and skipped ones say neither, and the run before them counts."""
GOOD = (RunState.SUCCEEDED, RunState.WARNING)
BAD = (RunState.FAILED, RunState.FAILING)
NEVER_READ = ("main", "master")
"""What counts as the default branch of a project that was not read yet."""


def is_default(ref: str | None, default_branch: str | None) -> bool:
    """True for the default branch."""
    return ref is not None and (ref == default_branch if default_branch else ref in NEVER_READ)


def is_watched(ref: str | None, default_branch: str | None, protected: Iterable[str] | None) -> bool:
    """True for a default or protected branch (patterns included); a feature branch is its author's own matter."""
    return is_default(ref, default_branch) or any(fnmatchcase(ref or "", pattern) for pattern in protected or ())


def top_level(run: FromClause) -> ColumnElement[bool]:
    """True for a pipeline that stands for itself; a child pipeline counts in the state of the one that started it."""
    return or_(run.c.trigger != "parent_pipeline", and_(run.c.trigger.is_(None), run.c.parent_id.is_(None)))


def newest_first(run: FromClause) -> tuple[Any, ...]:
    """By creation, then by the upstream's own number: our keys follow the order of arrival."""
    return run.c.created_at.desc(), func.length(run.c.native_id).desc(), run.c.native_id.desc()


def by_schedule(run: FromClause) -> ColumnElement[bool]:
    """True for a run that the calendar started: it stands in a row of its own beside the pushes of its branch."""
    return func.coalesce(run.c.trigger, "") == "schedule"


def same_row(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """True where two top-level pipelines are of one project, ref and origin, so that one supersedes the other."""
    return and_(
        one.c.project_id == other.c.project_id, one.c.ref == other.c.ref, one.c.kind == "pipeline",
        top_level(one), by_schedule(one) == by_schedule(other),
        func.coalesce(one.c.schedule_id, 0) == func.coalesce(other.c.schedule_id, 0),
    )  # fmt: skip


def previous_state(run: FromClause) -> ScalarSelect[Any]:
    """The state of the last decisive run before this one, in its row."""
    before = schema.run.alias("before")
    return (
        select(before.c.state)
        .where(same_row(before, run), before.c.created_at < run.c.created_at, before.c.state.in_(DECISIVE))
        .order_by(*newest_first(before))
        .limit(1)
        .scalar_subquery()
    )


def first_failures(conn: Connection, run_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """run -> the failed step that ended first: {step_id, name, stage, reason, owner, message, others}."""
    step = schema.step
    query = select(step).where(
        step.c.state == RunState.FAILED, step.c.retried.is_not(True), step.c.allow_failure.is_not(True)
    )
    found: dict[int, list[Any]] = {}
    for row in among(conn, query, step.c.run_id, run_ids):
        found.setdefault(row.run_id, []).append(row)
    late = 1 << 62
    told = {}
    for run_id, rows in found.items():
        leaves = [row for row in rows if not any(other.parent_step == row.native_id for other in rows)]
        first = min(leaves or rows, key=lambda row: (row.finished_at or late, row.ordinal or 0, row.id))
        told[run_id] = {
            "step_id": first.id, "name": first.name, "stage": first.stage, "reason": first.failure_reason,
            "owner": failure_owner(first.failure_reason), "message": first.message, "others": len(leaves or rows) - 1,
        }  # fmt: skip
    return told
