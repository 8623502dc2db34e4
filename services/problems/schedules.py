"""What is bad about schedules: late or missed firings, those skipped without a word, paused ones, lost owners."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select

from services.environments import tier_named
from services.firing import firings, grace, interval
from services.problems.episode import AMBER, RED, Bad, Judged, problem
from services.scene import Scene, among
from services.store import schema
from services.timestamps import from_millis, iso, to_millis
from services.vocabulary import RunState, ScheduleState, Tier
from services.wording import DAY, MINUTE, count, moment

schedule, run = schema.schedule, schema.run
STARTS_EARLY = timedelta(seconds=60)
"""Clocks differ: a run that began this long before its firing is that firing's."""
FOLLOWS = 10 * MINUTE
"""How long after a firing its source writes down the next one, in milliseconds."""
COUNTED = 200
"""Missed firings are counted up to this."""
RETIRED = 30 * DAY
"""A schedule paused for longer is retired: the list of schedules still says so, but nobody is asked to act."""
_STREAMS = ("pipelines", "pipeline_jobs", "schedules")


@dataclass(frozen=True, slots=True)
class Late:
    """A schedule with firings that have no run."""

    row: Any
    first: int
    """The first firing without a run, epoch milliseconds."""
    missed: int
    state: ScheduleState
    last_run: int | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Schedules that could be judged, and those of them that are late."""

    rows: tuple[Any, ...]
    late: tuple[Late, ...]


def watch(scene: Scene) -> Watch:
    """Judge the touched schedules, or all of them; one that lost its owner or is paused says that, and is not late."""
    return scene.once("schedules", _watch)


def _schedules(scene: Scene) -> list[Any]:
    ids = set(scene.ids("schedule"))
    started = select(run.c.schedule_id).where(run.c.schedule_id.is_not(None))
    ids |= {row.schedule_id for row in among(scene.conn, started, run.c.id, scene.ids("run"))}
    last = (
        select(func.max(run.c.created_at))
        .where(run.c.schedule_id == schedule.c.id)
        .correlate(schedule)
        .scalar_subquery()
    )
    query = select(schedule, last.label("last_known")).where(schedule.c.state_raw.is_not(None))
    return list(scene.rows(query, schedule.c.id, ids))


def _read_until(scene: Scene) -> dict[int, int]:
    """source -> until when its runs and schedules were read: what came later is not known, so nothing is late yet."""
    state = schema.stream_state
    query = (
        select(state.c.source_id, func.min(func.coalesce(state.c.good_at, 0)).label("until"))
        .where(state.c.stream.in_(_STREAMS), state.c.status != "off")
        .group_by(state.c.source_id)
    )
    return {row.source_id: int(row.until) for row in scene.conn.execute(query)}


def _watch(scene: Scene) -> Watch:
    until = _read_until(scene)
    rows, late = [], []
    for row in _schedules(scene):
        known = min(scene.at, until.get(row.source_id, scene.at))
        if known <= 0:
            continue
        rows.append(row)
        if row.active and not row.ended and row.gone_at is None and row.owner_active is not False:
            found = _lateness(scene, row, known)
            if found is not None:
                late.append(found)
    return Watch(tuple(rows), tuple(late))


def _lateness(scene: Scene, row: Any, known: int) -> Late | None:
    """The firings since the last run that are past their grace: by cron, or by the next run that the source names."""
    last = max((at for at in (row.last_known, row.last_run_at) if at is not None), default=None)
    start, end = from_millis(last if last is not None else row.created_at), from_millis(known)
    if start is None or end is None:
        return None
    limit = end - grace(scene.config, interval(row.cron, row.time_zone, start))
    missed: list[int] = []
    for firing in firings(row.cron, row.time_zone, start if last is None else start + STARTS_EARLY):
        if firing > limit or len(missed) >= COUNTED:
            break
        missed.append(to_millis(firing))
    missed = _since_change(row, missed)
    due = row.next_run_at
    if not missed and due is not None and due <= to_millis(limit) and (last is None or last < due - MINUTE):
        missed = [due]
    if not missed:
        return None
    state = ScheduleState.LATE if len(missed) == 1 else ScheduleState.MISSED
    if _was_full(scene, row, missed[0]):
        state = ScheduleState.SKIPPED_SILENTLY
    return Late(row, missed[0], len(missed), state, last)


def _since_change(row: Any, missed: list[int]) -> list[int]:
    """A schedule that was edited or resumed owes only the firings after that.

    A change at the time of a firing is no edit: the source then writes down the next one.
    """
    changed = row.updated_at
    if changed is None or any(0 <= changed - firing <= FOLLOWS for firing in missed):
        return missed
    return [firing for firing in missed if firing > changed]


def _was_full(scene: Scene, row: Any, firing: int) -> bool:
    """True where the schedule may not queue, and as many of its runs as are allowed were still going on."""
    if row.allow_queueing is not False or not row.max_concurrent:
        return False
    going = select(func.count()).where(
        run.c.schedule_id == row.id, run.c.created_at <= firing,
        or_(run.c.finished_at.is_(None), run.c.finished_at > firing),
    )  # fmt: skip
    return bool(scene.conn.execute(going).scalar_one() >= row.max_concurrent)


def _judged(scene: Scene, found: Watch, bad: list[Bad]) -> Judged:
    subjects = frozenset(("schedule", row.id, "") for row in found.rows)
    well = {("schedule", row.id, ""): row.last_known for row in found.rows if row.last_known is not None}
    return Judged(tuple(bad), subjects, well_since=well)


def _about(row: Any, lane: str = "schedule") -> dict[str, Any]:
    return {"subject": ("schedule", row.id, ""), "source_id": row.source_id, "lane": lane,
            "environment": row.environment, "web_url": row.web_url}  # fmt: skip


@problem("schedule-late", "schedule", "run", timed=True, opens="schedule-missed")
def schedule_late(scene: Scene) -> Judged:
    """A firing passed by more than the grace without a run: amber; red where it is production's, or the second one."""
    found = watch(scene)
    bad = []
    for late in found.late:
        if late.state is ScheduleState.SKIPPED_SILENTLY:
            continue
        row = late.row
        due = moment(late.first, scene.config)
        red = late.missed > 1 or tier_named(scene.config, row.environment) is Tier.PRODUCTION
        title = f"{row.name} should have started on {due} and has not"
        if late.missed > 1:
            title = f"{row.name} has missed {count(late.missed, 'start')} since {due}"
        bad.append(Bad(**_about(row), severity=RED if red else AMBER, state=RunState.UNKNOWN, since=late.first,
                       title=title, reason=late.state, last_good=None if late.last_run is None else iso(late.last_run),
                       facts={"state": late.state, "missed": late.missed, "expected_at": late.first, "cron": row.cron,
                              "time_zone": row.time_zone, "last_run_at": late.last_run}))  # fmt: skip
    return _judged(scene, found, bad)


@problem("schedule-skipped", "schedule", "run", timed=True)
def schedule_skipped(scene: Scene) -> Judged:
    """A firing was dropped without a word: no queueing is allowed, and the runs before it were still going on."""
    found = watch(scene)
    bad = []
    for late in found.late:
        if late.state is ScheduleState.SKIPPED_SILENTLY:
            row = late.row
            title = (
                f"{row.name} skipped {count(late.missed, 'start')} without a word: the run before was still going on"
            )
            bad.append(Bad(**_about(row), severity=AMBER, state=RunState.SKIPPED, since=late.first, title=title,
                           reason=late.state, facts={"state": late.state, "missed": late.missed,
                           "max_concurrent": row.max_concurrent}))  # fmt: skip
    return _judged(scene, found, bad)


@problem("schedule-paused", "schedule", timed=True)
def schedule_paused(scene: Scene) -> Judged:
    """A schedule that somebody paused in the last 30 days."""
    found, bad = watch(scene), []
    for row in found.rows:
        since = row.paused_at or row.updated_at
        if row.active or row.ended or row.gone_at is not None or since is None or scene.at - since > RETIRED:
            continue
        bad.append(Bad(**_about(row), severity=AMBER, state=RunState.WAITING, since=since, reason=ScheduleState.PAUSED,
                       title=f"The schedule {row.name} is paused: nothing starts until somebody resumes it",
                       facts={"state": ScheduleState.PAUSED, "state_raw": row.state_raw, "owner": row.owner,
                              "last_run_at": row.last_known}))  # fmt: skip
    return _judged(scene, found, bad)


@problem("owner-lost", "schedule", timed=True)
def owner_lost(scene: Scene) -> Judged:
    """An active schedule whose owner may no longer start anything."""
    found, bad = watch(scene), []
    for row in found.rows:
        if row.owner_active is not False or not row.active or row.ended or row.gone_at is not None:
            continue
        bad.append(Bad(**_about(row), severity=AMBER, state=RunState.WAITING, since=row.updated_at,
                       reason=ScheduleState.OWNER_LOST,
                       title=f"The schedule {row.name} has lost its owner{f' {row.owner}' if row.owner else ''}: "
                       "somebody has to take it over", facts={"state": ScheduleState.OWNER_LOST}))  # fmt: skip
    return _judged(scene, found, bad)
