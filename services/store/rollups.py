"""The read models, kept in the transaction of the rows they sum up: branch heads, runs a day, jobs a day.

They are made anew for the keys that a batch touched, never counted up, so that doing it twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from services.store import schema
from services.store.identity import chunks
from services.store.upsert import upsert
from services.store.writer import Touched

DAY = 86_400_000
STEPS_FROM = "steps-kept-from"
"""Key in `meta`: the first UTC day (days since 1970) whose steps are all kept; older days stay as they were counted."""

_RUN, _STEP, _PROJECT = schema.run, schema.step, schema.project
_HEAD, _RUNS, _JOBS = schema.branch_head, schema.run_daily, schema.job_daily
_DAY = _RUN.c.created_at // sa.literal_column(str(DAY), sa.BigInteger)
_OF_PROJECT = sa.func.coalesce(_RUN.c.project_id, sa.literal_column("0", sa.BigInteger))
_NOT_CHILD = sa.func.coalesce(_RUN.c.trigger, "") != "parent_pipeline"
_NEWEST_FIRST = (_RUN.c.created_at.desc(), sa.func.length(_RUN.c.native_id).desc(), _RUN.c.native_id.desc())
"""By creation, then by the upstream's number: ids of ours follow the order of arrival, newest first in a first fill."""
_CAN_BE_HEAD = (
    _RUN.c.kind == "pipeline", _NOT_CHILD, _RUN.c.project_id.is_not(None), _RUN.c.ref.is_not(None),
    _RUN.c.created_at.is_not(None), _RUN.c.gone_at.is_(None),
)  # fmt: skip
_HEAD_FACTS = ("kind", "project_id", "ref", "created_at", "trigger", "gone_at")
_DAY_FACTS = ("kind", "project_id", "name", "created_at", "trigger", "state", "duration_seconds")
_JOB_FACTS = ("project_id", "created_at")


def refresh(connection: Connection, touched: Iterable[Touched], now: datetime) -> None:
    """Make anew what the touched rows bear on; call in the transaction that wrote them."""
    by_table: defaultdict[str, list[Touched]] = defaultdict(list)
    for change in touched:
        by_table[change.table].append(change)
    runs = by_table["run"]
    _refresh_heads(connection, _keys(runs, _HEAD_FACTS, ("project_id", "ref")))
    _refresh_defaults(connection, by_table["project"])
    _refresh_runs(connection, _keys(runs, _DAY_FACTS, ("kind", "name", "created_at")))
    days = _keys(runs, _JOB_FACTS, ("created_at", "project_id")) | _days_of_steps(connection, by_table["step"])
    _refresh_jobs(connection, {(at // DAY, project) for at, project in days if at is not None})


def recount_runs(connection: Connection, run_ids: Iterable[int]) -> None:
    """Count the days of these runs again, after something else than a source changed their state."""
    keys: set[tuple[Any, ...]] = set()
    for some in chunks(run_ids):
        statement = sa.select(_RUN.c.kind, _RUN.c.name, _RUN.c.created_at).where(_RUN.c.id.in_(some))
        keys.update(tuple(row) for row in connection.execute(statement))
    _refresh_runs(connection, keys)


def rebuild(connection: Connection) -> None:
    """Make all read models anew from the rows; daily counts whose steps were let go stay."""
    connection.execute(sa.delete(_HEAD))
    place = sa.func.row_number().over(partition_by=(_RUN.c.project_id, _RUN.c.ref), order_by=_NEWEST_FIRST)
    ranked = sa.select(_RUN.c.id, place.label("place")).where(*_CAN_BE_HEAD).subquery()
    heads = _head_select().join(ranked, ranked.c.id == _RUN.c.id).where(ranked.c.place == 1)
    connection.execute(sa.insert(_HEAD).from_select(_HEAD.c.keys(), heads))

    connection.execute(sa.delete(_RUNS))
    connection.execute(sa.insert(_RUNS).from_select(_RUNS.c.keys(), _runs_select()))

    first = steps_from(connection)
    connection.execute(sa.delete(_JOBS).where(_JOBS.c.day >= first))
    kept = _jobs_select().where(_RUN.c.created_at >= first * DAY)
    connection.execute(sa.insert(_JOBS).from_select(_JOBS.c.keys(), kept))


def steps_from(connection: Connection) -> int:
    """The first UTC day (days since 1970) whose steps are all kept; 0 where none were ever let go."""
    value = connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == STEPS_FROM)).scalar()
    return int(value or 0)


def _keys(changes: Iterable[Touched], facts: tuple[str, ...], key: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """The keys, before and after, of those changes that bear on the facts."""
    found: set[tuple[Any, ...]] = set()
    for change in changes:
        before: Mapping[str, Any] = change.before or {}
        if change.new or any(before[fact] != change.after[fact] for fact in facts):
            sides = (before, change.after) if before else (change.after,)
            found.update(tuple(side[name] for name in key) for side in sides)
    return found


def _head_select() -> Select[Any]:
    is_default = sa.func.coalesce(_PROJECT.c.default_branch == _RUN.c.ref, sa.false())
    columns = (_RUN.c.project_id, _RUN.c.ref, _RUN.c.id, is_default, _RUN.c.created_at)
    return sa.select(*columns).join(_PROJECT, _PROJECT.c.id == _RUN.c.project_id)


def _refresh_heads(connection: Connection, keys: set[tuple[Any, ...]]) -> None:
    newest = _head_select().where(
        *_CAN_BE_HEAD, _RUN.c.project_id == sa.bindparam("project"), _RUN.c.ref == sa.bindparam("branch")
    ).order_by(*_NEWEST_FIRST).limit(1)  # fmt: skip
    heads, empty = [], []
    for project_id, ref in keys:
        if project_id is None or ref is None:
            continue
        found = connection.execute(newest, {"project": project_id, "branch": ref}).first()
        if found is None:
            empty.append({"project": project_id, "branch": ref})
        else:
            heads.append(dict(zip(_HEAD.c.keys(), found, strict=True)))
    upsert(connection, _HEAD, heads)
    if empty:
        lost = (_HEAD.c.project_id == sa.bindparam("project"), _HEAD.c.ref == sa.bindparam("branch"))
        connection.execute(sa.delete(_HEAD).where(*lost), empty)


def _refresh_defaults(connection: Connection, changes: Iterable[Touched]) -> None:
    for change in changes:
        if (change.before or {}).get("default_branch") != change.after["default_branch"]:
            is_default = sa.func.coalesce(
                _HEAD.c.ref == sa.literal(change.after["default_branch"], sa.Text), sa.false()
            )
            connection.execute(sa.update(_HEAD).where(_HEAD.c.project_id == change.id).values(is_default=is_default))


def _counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return sa.func.count().filter(condition)


def _runs_select() -> Select[Any]:
    words = ("succeeded", "warning", "failed", "canceled")
    return (
        sa.select(
            _DAY, _RUN.c.kind, _OF_PROJECT, _RUN.c.name, sa.func.count(),
            *(_counted(_RUN.c.state == word) for word in words), _counted(sa.not_(_RUN.c.state.in_(words))),
            sa.func.coalesce(sa.func.sum(_RUN.c.duration_seconds), 0.0),
            sa.func.count(_RUN.c.duration_seconds),
        )
        .where(_RUN.c.created_at.is_not(None), _RUN.c.name.is_not(None), _RUN.c.state.is_not(None), _NOT_CHILD)
        .group_by(_DAY, _RUN.c.kind, _OF_PROJECT, _RUN.c.name)
    )  # fmt: skip


def _refresh_runs(connection: Connection, keys: set[tuple[Any, ...]]) -> None:
    days: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for kind, name, created_at in keys:
        if name is not None and created_at is not None:
            days[kind, name].add(created_at // DAY)
    for (kind, name), touched in days.items():
        for first, last in _stretches(touched):
            connection.execute(
                sa.delete(_RUNS).where(_RUNS.c.kind == kind, _RUNS.c.name == name, _RUNS.c.day.between(first, last))
            )
            span = (_RUN.c.created_at >= first * DAY, _RUN.c.created_at < (last + 1) * DAY)
            counted = _runs_select().where(_RUN.c.kind == kind, _RUN.c.name == name, *span)
            connection.execute(sa.insert(_RUNS).from_select(_RUNS.c.keys(), counted))


def _stretches(days: Iterable[int]) -> list[tuple[int, int]]:
    """The days as stretches without a gap of more than two days, so that a fill needs few statements."""
    found: list[tuple[int, int]] = []
    for day in sorted(days):
        if found and day - found[-1][1] <= 3:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _days_of_steps(connection: Connection, changes: Iterable[Touched]) -> set[tuple[Any, ...]]:
    """(created_at, project) of the runs whose steps changed in what is counted."""
    runs: set[int] = set()
    for (run_id,) in _keys(changes, ("run_id", "name", "state", "final", "retried", "duration_seconds"), ("run_id",)):
        runs.add(run_id)
    found: set[tuple[Any, ...]] = set()
    for some in chunks(runs):
        statement = sa.select(_RUN.c.created_at, _RUN.c.project_id).where(_RUN.c.id.in_(some))
        found.update(tuple(row) for row in connection.execute(statement))
    return found


def _jobs_select() -> Select[Any]:
    ended = sa.and_(_STEP.c.retried.is_not(True), _STEP.c.final.is_(True))
    failed = sa.and_(ended, _STEP.c.state == "failed")
    spent = sa.func.sum(_STEP.c.duration_seconds).filter(ended)
    return (
        sa.select(
            _DAY, _OF_PROJECT, _STEP.c.name, _counted(ended), _counted(failed), _counted(_STEP.c.retried.is_(True)),
            sa.func.coalesce(spent, 0.0),
        )
        .select_from(_RUN.join(_STEP, _STEP.c.run_id == _RUN.c.id))
        .where(_RUN.c.created_at.is_not(None), _STEP.c.name.is_not(None))
        .group_by(_DAY, _OF_PROJECT, _STEP.c.name)
    )  # fmt: skip


def _refresh_jobs(connection: Connection, keys: set[tuple[int, int | None]]) -> None:
    first = steps_from(connection)
    by_day: defaultdict[int, set[int]] = defaultdict(set)
    for day, project_id in keys:
        if day >= first:
            by_day[day].add(project_id or 0)
    for day, projects in by_day.items():
        for some in chunks(projects):
            connection.execute(sa.delete(_JOBS).where(_JOBS.c.day == day, _JOBS.c.project_id.in_(some)))
            span = (_RUN.c.created_at >= day * DAY, _RUN.c.created_at < (day + 1) * DAY)
            counted = _jobs_select().where(*span, _OF_PROJECT.in_(some))
            connection.execute(sa.insert(_JOBS).from_select(_JOBS.c.keys(), counted))
