"""One run opened: its steps in order, the first that failed, what it started and what started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from services.queries import rows as r
from services.queries.base import iso
from services.store import schema
from services.vocabulary import RunState, failure_owner, rank

MOST_STEPS = 500
run, step, project = schema.run, schema.step, schema.project


def opened(conn: Connection, key: int) -> dict[str, Any] | None:
    """Everything we know of one run, by its key; None where it is not there."""
    query = r.identified(run).add_columns(project.c.path).outerjoin(project, project.c.id == run.c.project_id)
    found = conn.execute(query.where(run.c.id == key)).one_or_none()
    if found is None:
        return None
    row = found._mapping
    steps = _steps(conn, key)
    names = (
        "name", "title", "kind", "ref", "sha", "state", "own_state", "state_raw", "trigger", "duration_seconds",
        "queued_seconds", "coverage", "failure_reason", "failure_message", "author", "environment", "definition",
        "labels", "parameters", "web_url", "fully_cached",
    )  # fmt: skip
    return {
        "id": r.id_of(row),
        "project": row["path"],
        **{name: row[name] for name in names},
        **r.times(row, "created_at", "started_at", "finished_at", "observed_at"),
        "steps": steps,
        "first_failing_step": first_failing(steps),
        "downstream": _related(conn, run.c.parent_id == key),
        "upstream": _related(conn, run.c.id == row["parent_id"]) if row["parent_id"] else [],
    }


def _steps(conn: Connection, key: int) -> list[dict[str, Any]]:
    query = r.identified(step).where(step.c.run_id == key)
    query = query.order_by(step.c.ordinal.nulls_last(), step.c.created_at.nulls_last(), step.c.id).limit(MOST_STEPS)
    return [_shown(row._mapping) for row in conn.execute(query)]


def _shown(row: Any) -> dict[str, Any]:
    names = (
        "native_id", "name", "kind", "stage", "state", "state_raw", "allow_failure", "manual", "retried", "parents",
        "parent_step", "duration_seconds", "queued_seconds", "failure_reason", "message", "machine", "web_url",
    )  # fmt: skip
    return {
        "id": r.id_of(row),
        **{name: row[name] for name in names},
        **r.times(row, "created_at", "started_at", "finished_at"),
        "failure_owner": failure_owner(row["failure_reason"]),
    }


def first_failing(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The earliest step with a final failure, by end time, none of whose parents failed; None where all went well.

    Attempts that were retried, and failures that are allowed, are left out.
    """
    failed = [s for s in steps if s["state"] == RunState.FAILED and not s["retried"] and not s["allow_failure"]]
    bad = {name for s in failed for name in (s["name"], s["native_id"])}
    roots = [s for s in failed if not bad & set(s["parents"] or ())] or failed
    holders = {s["parent_step"] for s in failed if s["parent_step"]}
    leaves = [s for s in roots if s["native_id"] not in holders] or roots
    first = min(leaves, key=lambda s: (s["finished_at"] is None, s["finished_at"] or ""), default=None)
    return None if first is None else {"name": first["name"], "message": first["message"] or first["failure_reason"]}


def _related(conn: Connection, condition: Any) -> list[dict[str, Any]]:
    query = r.identified(run).add_columns(project.c.path).outerjoin(project, project.c.id == run.c.project_id)
    found = [row._mapping for row in conn.execute(query.where(condition).limit(50))]
    listed = [
        {"id": r.id_of(row), "kind": row["kind"], "name": row["path"] or row["name"], "state": row["state"],
         "state_raw": row["state_raw"], "created_at": iso(row["created_at"]), "web_url": row["web_url"]}
        for row in found
    ]  # fmt: skip
    return sorted(listed, key=lambda related: rank(related["state"] or ""))


def first_failing_of(conn: Connection, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Run key -> its first failing step, for the failed runs of one page of a list."""
    by_run: dict[int, list[dict[str, Any]]] = {}
    for start in range(0, len(keys), 200):
        query = r.identified(step).where(step.c.run_id.in_(list(keys[start : start + 200])))
        for row in conn.execute(query.where(step.c.state == RunState.FAILED)):
            by_run.setdefault(row.run_id, []).append(_shown(row._mapping))
    found = {key: first_failing(steps) for key, steps in by_run.items()}
    return {key: value for key, value in found.items() if value is not None}
