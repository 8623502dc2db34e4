"""One run opened: its steps in order, the first that failed, what it started and what started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from services.queries import rows as r
from services.queries.base import iso
from services.store import schema
from services.vocabulary import BAD, RunState, failure_owner, rank

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
        "elapsed_seconds": elapsed(row),
        **r.times(row, "created_at", "started_at", "finished_at", "observed_at"),
        "steps": steps,
        "first_failing_step": first_failing(steps),
        "downstream": _related(conn, run.c.parent_id == key),
        "upstream": _related(conn, run.c.id == row["parent_id"]) if row["parent_id"] else [],
    }


def elapsed(row: Any) -> float | None:
    """The upstream's own duration; of what has none (Vertex AI), from its start to its end, once it has both.

    A GitLab pipeline's is never reckoned: a retry days later moves its end, not its duration.
    """
    own: float | None = row["duration_seconds"]
    if (
        own is not None
        or row["kind"] in ("pipeline", "job", "bridge")
        or not (row["started_at"] and row["finished_at"])
    ):
        return own
    return float(max(0, row["finished_at"] - row["started_at"])) / 1000


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
        "elapsed_seconds": elapsed(row),
        **r.times(row, "created_at", "started_at", "finished_at"),
        "failure_owner": failure_owner(row["failure_reason"]) if row["kind"] in ("job", "bridge") else None,
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
    if first is None:
        return None
    return {"name": first["name"], "message": _said(first), "owner": first["failure_owner"]}


def _said(failed: Mapping[str, Any]) -> str | None:
    """What a failed step says of itself: of a GitLab job the reason, since its message only spells that out."""
    reason: str | None = failed["failure_reason"]
    if failed["failure_owner"] and reason:
        return f"{reason.replace('_', ' ')}, {failed['failure_owner']}"
    message: str | None = failed["message"] or reason
    return message


def _related(conn: Connection, condition: Any) -> list[dict[str, Any]]:
    query = r.identified(run).add_columns(project.c.path).outerjoin(project, project.c.id == run.c.project_id)
    found = [row._mapping for row in conn.execute(query.where(condition).limit(50))]
    listed = [
        {"id": r.id_of(row), "kind": row["kind"], "name": row["path"] or row["name"], "state": row["state"],
         "state_raw": row["state_raw"], "created_at": iso(row["created_at"]), "web_url": row["web_url"]}
        for row in found
    ]  # fmt: skip
    return sorted(listed, key=lambda related: rank(related["state"] or ""))


def step_counts(conn: Connection, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Run key -> {total, by_status, retried}: its steps by state, and apart those attempts that a newer one replaced.

    `total` counts last attempts alone.
    """
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(keys), 500):
        query = select(step.c.run_id, step.c.state, step.c.retried).where(
            step.c.run_id.in_(list(keys[start : start + 500]))
        )
        for key, state, retried in conn.execute(query):
            counts = found.setdefault(key, no_steps())
            kind = counts["retried" if retried else "by_status"]
            kind[state] = kind.get(state, 0) + 1
            counts["total"] += not retried
    return found


def no_steps() -> dict[str, Any]:
    """The counts of a run of which no step is known."""
    return {"total": 0, "by_status": {}, "retried": {}}


def told(conn: Connection, rows: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Run key -> {first_failing_step, why}: one sentence on each run of a page that did not simply go well."""
    wanted = [row.id for row in rows if row.state in _TELL]
    steps, below = _telling(conn, wanted), _below(conn, wanted)
    found = {}
    for row in rows:
        if row.id in wanted:
            first = first_failing(steps.get(row.id, ()))
            why = _why(row, steps.get(row.id, ()), below.get(row.id, ()), first)
            found[row.id] = {"first_failing_step": first, "why": why}
    return found


_TELL = frozenset({RunState.FAILED, RunState.FAILING, RunState.WARNING, RunState.WAITING})


def _telling(conn: Connection, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Run key -> its last attempts that failed or wait for somebody."""
    found: dict[int, list[dict[str, Any]]] = {}
    for start in range(0, len(keys), 500):
        query = r.identified(step).where(
            step.c.run_id.in_(list(keys[start : start + 500])),
            step.c.state.concat("").in_((RunState.FAILED, RunState.WAITING)),
            step.c.retried.is_not(True),
        )
        for row in conn.execute(query):
            found.setdefault(row.run_id, []).append(_shown(row._mapping))
    return found


def _below(conn: Connection, keys: Sequence[int]) -> dict[int, list[str]]:
    """Run key -> the projects of failed pipelines that it started."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(keys), 500):
        query = select(run.c.parent_id, run.c.name, project.c.path)
        query = query.outerjoin(project, project.c.id == run.c.project_id)
        query = query.where(run.c.parent_id.in_(list(keys[start : start + 500])), run.c.state.concat("").in_(BAD))
        for row in conn.execute(query):
            found.setdefault(row.parent_id, []).append(row.path or row.name or "another project")
    return found


def _why(
    row: Any, steps: Sequence[Mapping[str, Any]], below: Sequence[str], first: Mapping[str, Any] | None
) -> str | None:
    """What stands behind a state, in words; None where nothing that we read tells."""
    if row.state in BAD and first is not None:
        return f"{first['name']} failed: {first['message']}" if first["message"] else f"{first['name']} failed"
    if row.state in BAD and below:
        return f"a pipeline that it started in {', '.join(sorted(set(below)))} failed"
    if row.state == RunState.WAITING:
        waiting = [one["name"] for one in steps if one["state"] == RunState.WAITING]
        return f"somebody must start {', '.join(waiting[:3])}" if waiting else None
    allowed = [one["name"] for one in steps if one["state"] == RunState.FAILED and one["allow_failure"]]
    if allowed:
        return f"{', '.join(allowed[:3])} failed, which is allowed"
    if row.state == RunState.WARNING and row.fully_cached:
        return "every task was a cache hit: nothing new was made"
    if row.state == RunState.WARNING and row.own_state not in (None, row.state):
        return "a pipeline that it started ended with a warning"
    message: str | None = row.failure_message or row.failure_reason
    return message
