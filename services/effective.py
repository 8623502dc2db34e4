"""What a run's state truly is: its own, and that of all it started, whatever the upstream lets show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from services.scene import Scene, among
from services.store import schema
from services.vocabulary import FINAL, RunState, worst

DEPTH = 20
"""Levels of downstream runs that are followed; GitLab itself allows two for child pipelines."""
_counts = or_(schema.run.c.gone_at.is_(None), schema.run.c.final.is_(True))
"""A run that was deleted before it ended never ends: it holds up no other."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What bears on one run's state beside its own word."""

    failed: int = 0
    """Failed jobs that count."""
    outdated: int = 0
    """Jobs that were stopped because a newer deployment was there first: good news."""
    allowed: int = 0
    below: tuple[str, ...] = field(default_factory=tuple)
    """States of the runs that it started."""
    allowed_below: tuple[str, ...] = field(default_factory=tuple)


def judge(own: str, parts: Parts, fully_cached: bool = False) -> str:
    """The state that counts, by `definitions`: a downstream run's worst counts whatever `trigger:strategy` says.

    failing: still going on somewhere, and sure to fail. warning: succeeded with an allowed failure, or an ML run in
    which every task was a cache hit. A run that failed only because an outdated deployment was stopped is canceled.
    """
    state = own
    if own == RunState.RUNNING and parts.failed:
        state = RunState.FAILING
    elif own == RunState.FAILED and parts.outdated and not parts.failed:
        state = RunState.CANCELED
    elif own == RunState.SUCCEEDED and (parts.allowed or fully_cached):
        state = RunState.WARNING
    if state == RunState.SUCCEEDED and any(one in (RunState.FAILED, RunState.FAILING) for one in parts.allowed_below):
        state = RunState.WARNING
    counted = [state, *parts.below]
    found = worst(counted) or state
    going_on = any(one not in FINAL and one != RunState.WAITING for one in counted)
    if found == RunState.FAILED and going_on:
        return RunState.FAILING
    return found


def propagate(scene: Scene) -> tuple[Scene, frozenset[int]]:
    """Write the states of touched runs and of all runs above them; gives the runs that changed, also in the scene."""
    conn, table = scene.conn, schema.run
    if scene.whole:
        level = set(conn.execute(select(table.c.id).where(table.c.state.is_not(None))).scalars())
    else:
        level = set(scene.ids("run")) | _runs_of_steps(conn, scene.ids("step"))
    changed: set[int] = set()
    seen_level = level
    for _ in range(DEPTH):
        moved = _write(conn, seen_level)
        changed |= moved
        seen_level = _above(conn, moved if seen_level is not level else level | moved)
        if not seen_level:
            break
    if scene.whole:
        return scene, frozenset(changed)
    touched = {**scene.touched, "run": scene.ids("run") | frozenset(changed)}
    return replace(scene, touched=touched), frozenset(changed)


def _runs_of_steps(conn: Connection, ids: Collection[int]) -> set[int]:
    step = schema.step
    return {row.run_id for row in among(conn, select(step.c.run_id), step.c.id, ids) if row.run_id is not None}


def _above(conn: Connection, ids: Collection[int]) -> set[int]:
    """The runs that started these, by their own word or by the bridge job that did."""
    run, step = schema.run, schema.step
    parents = {row[0] for row in among(conn, select(run.c.parent_id).where(run.c.kind == "pipeline"), run.c.id, ids)}
    query = select(step.c.run_id).where(step.c.kind == "bridge")
    bridges = {row[0] for row in among(conn, query, step.c.downstream_id, ids)}
    return {key for key in parents | bridges if key is not None}


def _write(conn: Connection, ids: Collection[int]) -> set[int]:
    """Judge these runs; gives those whose state is now another."""
    run = schema.run
    query = select(run.c.id, run.c.state, run.c.own_state, run.c.fully_cached).where(run.c.state.is_not(None))
    rows = list(among(conn, query, run.c.id, ids))
    parts = _parts(conn, [row.id for row in rows])
    found = {
        row.id: judge(row.own_state or row.state, parts.get(row.id, Parts()), bool(row.fully_cached)) for row in rows
    }
    moved = [{"k": row.id, "s": str(found[row.id])} for row in rows if found[row.id] != row.state]
    if moved:
        conn.execute(update(run).where(run.c.id == bindparam("k")).values(state=bindparam("s")), moved)
    return {item["k"] for item in moved if isinstance(item["k"], int)}


def _parts(conn: Connection, ids: Collection[int]) -> dict[int, Parts]:
    counts: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    step = schema.step
    failed = select(step.c.run_id, step.c.allow_failure, step.c.failure_reason).where(
        step.c.state == RunState.FAILED, step.c.retried.is_not(True)
    )
    for row in among(conn, failed, step.c.run_id, ids):
        outdated = row.failure_reason == "forward_deployment_failure"
        counts[row.run_id][1 if outdated else 2 if row.allow_failure else 0] += 1
    below, allowed = _below(conn, ids)
    return {
        key: Parts(
            counts[key][0], counts[key][1], counts[key][2], tuple(below.get(key, ())), tuple(allowed.get(key, ()))
        )
        for key in {*counts, *below, *allowed}
    }


def _below(conn: Connection, ids: Collection[int]) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """States of downstream runs, those behind a job that may fail apart; what a retried job started is left out."""
    run = schema.run
    bridges = list(_bridges(conn, ids))
    replaced = {(row.run_id, row.id) for row in bridges if row.retried}
    lenient = {(row.run_id, row.id) for row in bridges if row.allow_failure}
    children = among(
        conn, select(run.c.parent_id.label("run_id"), run.c.id, run.c.state).where(run.c.kind == "pipeline", _counts),
        run.c.parent_id, ids,
    )  # fmt: skip
    states = {(row.run_id, row.id): row.state for row in [*bridges, *children] if row.state is not None}
    counted: defaultdict[int, list[str]] = defaultdict(list)
    allowed: defaultdict[int, list[str]] = defaultdict(list)
    for pair, state in states.items():
        if pair not in replaced:
            (allowed if pair in lenient else counted)[pair[0]].append(state)
    return counted, allowed


def _bridges(conn: Connection, ids: Collection[int]) -> Iterable[Any]:
    run, step = schema.run, schema.step
    query = (
        select(step.c.run_id, run.c.id, run.c.state, step.c.retried, step.c.allow_failure)
        .join(run, run.c.id == step.c.downstream_id)
        .where(step.c.kind == "bridge", _counts)
    )
    return among(conn, query, step.c.run_id, ids)
