"""What needs somebody now, what changed since the last standup, and how the last fortnight went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, Row, Select, and_, bindparam, case, func, or_, select

from services.config import Config
from services.queries import cards
from services.queries.base import Answer, Filters, View, Window, to_millis
from services.queries.filters import UNASSIGNED
from services.queries.frame import products
from services.queries.health import health
from services.queries.windows import standup_window
from services.scene import pick
from services.store import schema
from services.vocabulary import TIER_ORDER, Freshness, RunState, Tier, guess_tier, rank

LATE_FOR = timedelta(days=7)
"""What occurred up to so long before the window counts as *seen late* when we first saw it within it."""
STRIP_DAYS = 14
MOST_PROBLEMS = 60
"""Cards of a page; more where more rows are asked for."""

problem, event = schema.problem, schema.event


_PROBLEM = (
    "id", "kind", "severity", "state", "title", "reason", "product", "environment", "lane", "place", "opened_at",
    "seen_at", "updated_at", "first_bad", "last_good", "subject_table", "subject_id", "web_url",
)  # fmt: skip
_EVENT = (
    "id", "lane", "kind", "at", "seen_at", "first_fill", "title", "state", "product", "environment", "label", "actor",
    "subject_table", "subject_id", "web_url",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Statements:
    """What is asked under the same filters, whatever the time; kept, as building these costs more than running them."""

    problems: Select[Any]
    occurred: Select[Any]
    """One page of the events that occurred in the window, and how many of them there are a lane."""
    occurred_lanes: Select[Any]
    seen_late: Select[Any]
    seen_late_lanes: Select[Any]


@lru_cache(maxsize=64)
def _statements(filters: Filters) -> _Statements:
    start: BindParameter[Any] = bindparam("start")
    end: BindParameter[Any] = bindparam("end")
    first: BindParameter[Any] = bindparam("first")
    narrowed = cards.narrowed(event, replace(filters, kind=None))
    occurred = and_(event.c.at >= start, event.c.at < end, *narrowed)
    seen_late = and_(
        event.c.seen_at >= start, event.c.seen_at < end, event.c.at < start, event.c.at >= first,
        event.c.first_fill.is_(False), *narrowed,
    )  # fmt: skip
    chosen = [event.c.lane == filters.kind] if filters.kind else []
    newest, lanes = (
        pick(event, *_EVENT)
        .where(*chosen)
        .order_by(event.c.at.desc(), event.c.id.desc())
        .limit(bindparam("wanted", type_=Integer)),
        select(event.c.lane, func.count()).group_by(event.c.lane),
    )
    of_metrics = case((problem.c.kind == "metric-bad", problem.c.facts)).label("facts")
    opened = (
        pick(problem, *_PROBLEM)
        .add_columns(of_metrics)
        .where(problem.c.closed_at.is_(None), *cards.narrowed(problem, filters))
    )
    return _Statements(
        opened, newest.where(occurred), lanes.where(occurred), newest.where(seen_late), lanes.where(seen_late)
    )


def ask(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """The whole of Today for the window asked for, else since the last standup."""
    window = filters.window or standup_window(config, now)
    asked = _statements(replace(filters, window=None, project=None, selected=None, page=1, limit=0))
    opened = _worst_first(conn.execute(asked.problems).all(), config)
    changed, lanes, late = _changes(conn, asked, filters, window)
    total = sum(count for lane, count in lanes.items() if filters.kind in (None, lane))
    cards_shown = opened[: max(MOST_PROBLEMS, filters.limit if filters.limit > Filters().limit else 0)]
    ids = cards.subjects(conn, [*cards_shown, *changed])
    healths = health(conn, config, now)
    cut = len(changed) < total
    return Answer(
        "today",
        {
            "needs_somebody": [cards.problem_card(row, ids, now, window.start) for row in cards_shown],
            "lanes": lanes,
            "page": filters.page,
            "limit": filters.limit,
            "changed": [cards.event_line(row, ids, window.start) for row in changed],
            "strip": _strip(conn, config, filters, now),
            "counts": _counts(opened, window, total, late)
            | {
                "not_fresh": len({one.name for one in healths if one.status is not Freshness.FRESH}),
                "parts_unread": sum(one.parts_unread for one in healths),
            },
        },
        as_of=now, window=window, sources=healths, shown=len(changed) if cut else None, of=total if cut else None,
    )  # fmt: skip


def _worst_first(rows: Iterable[Row[Any]], config: Config) -> list[Row[Any]]:
    """Red before amber, then nearest to production, then by state, then the newest."""
    tiers = {one.name: one.tier or guess_tier(one.name) for one in config.environment}
    nearest = {tier: -place for tier, place in TIER_ORDER.items()} | {Tier.OTHER: 1}

    def key(row: Row[Any]) -> tuple[int, int, int, int, int]:
        near = nearest[tiers[row.environment]] if row.environment in tiers else 0
        return (0 if row.severity == "red" else 1, near, rank(row.state), -row.opened_at, row.id)

    return sorted(rows, key=key)


def _counts(opened: Sequence[Row[Any]], window: Window, changes: int, late: int) -> dict[str, int]:
    start = to_millis(window.start)
    return {
        "red": sum(row.severity == "red" for row in opened),
        "amber": sum(row.severity != "red" for row in opened),
        "new": sum(row.opened_at >= start for row in opened),
        "late": sum(row.kind == "schedule-late" for row in opened),
        "drifted": sum(row.kind == "drift" for row in opened),
        "waiting": sum(row.state == RunState.WAITING for row in opened),
        "changes": changes,
        "seen_late": late,
    }


def _changes(
    conn: Connection, asked: _Statements, filters: Filters, window: Window
) -> tuple[list[Row[Any]], dict[str, int], int]:
    """One page of events, newest first, how many there are a lane (of any kind), and how many were seen late.

    An event is in the window if it occurred in it; or if we first saw it in it, though it occurred up to seven days
    before, and not by the first reading of a source's history.
    """
    start, wanted = to_millis(window.start), filters.page * filters.limit
    occurred = {"start": start, "end": to_millis(window.end)}
    seen_late = occurred | {"first": start - int(LATE_FOR / timedelta(milliseconds=1))}
    lanes = {row[0]: row[1] for row in conn.execute(asked.occurred_lanes, occurred).all()}
    late = {row[0]: row[1] for row in conn.execute(asked.seen_late_lanes, seen_late).all()}
    rows = [*conn.execute(asked.occurred, occurred | {"wanted": wanted}).all()]
    if late:
        rows += conn.execute(asked.seen_late, seen_late | {"wanted": wanted}).all()
        rows.sort(key=lambda row: (-row.at, -row.id))
    both = {lane: lanes.get(lane, 0) + late.get(lane, 0) for lane in sorted(lanes.keys() | late.keys())}
    return rows[filters.offset : wanted], both, sum(n for lane, n in late.items() if filters.kind in (None, lane))


_daily, _member, _state = schema.run_daily, schema.membership, schema.stream_state
_OF = func.coalesce(_member.c.product, UNASSIGNED)
_RUNS = (
    select(_daily.c.day, _OF, func.sum(_daily.c.runs), func.sum(_daily.c.failed))
    .outerjoin(_member, and_(_member.c.thing_table == "project", _member.c.thing_id == _daily.c.project_id))
    .where(_daily.c.day >= bindparam("first"), _daily.c.kind == "pipeline")
    .group_by(_daily.c.day, _OF)
)
_EPISODES = select(
    func.coalesce(problem.c.product, UNASSIGNED), problem.c.opened_at, problem.c.closed_at,
    case((problem.c.severity == "red", 1), else_=0),
).where(or_(problem.c.closed_at.is_(None), problem.c.closed_at >= bindparam("since")))  # fmt: skip
_KNOWN_SINCE = select(func.max(_state.c.since)).where(_state.c.stream == "pipelines")


def _strip(conn: Connection, config: Config, filters: Filters, now: datetime) -> list[dict[str, Any]]:
    """A mark a product and day, for 14 days: *failed* where a red problem was open, *warning* where an amber one was
    or a CI run failed, *succeeded* where all runs were fine, *none* where nothing ran, *unknown* before our history.
    """
    zone_day = now.astimezone(UTC).date()
    days = [zone_day - timedelta(days=back) for back in range(STRIP_DAYS - 1, -1, -1)]
    first = (days[0] - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    runs = _runs_by_day(conn, first)
    episodes = _episodes(conn, first)
    since = conn.execute(_KNOWN_SINCE).scalar()
    listed = [name for name in products(conn, config) if not filters.product or name == filters.product]
    return [
        {"product": name, "days": [_mark(day, first + place, runs.get((name, first + place)), episodes.get(name, ()),
                                         since) for place, day in enumerate(days)]}
        for name in listed
        if name != UNASSIGNED or any(key[0] == UNASSIGNED for key in runs) or UNASSIGNED in episodes
    ]  # fmt: skip


def _runs_by_day(conn: Connection, first: int) -> dict[tuple[str, int], tuple[int, int]]:
    """(product, day) -> CI runs and how many of them failed."""
    rows = conn.execute(_RUNS, {"first": first}).all()
    return {(product, day): (int(runs or 0), int(failed or 0)) for day, product, runs, failed in rows}


def _episodes(conn: Connection, first: int) -> dict[str, list[tuple[int, int | None, bool]]]:
    """Product -> first day, last day (None while open) and whether red, of every problem open since that day."""
    rows = conn.execute(_EPISODES, {"since": first * cards.DAY_MS}).all()
    found: dict[str, list[tuple[int, int | None, bool]]] = {}
    for product, opened, closed, red in rows:
        last = None if closed is None else closed // cards.DAY_MS
        found.setdefault(product, []).append((opened // cards.DAY_MS, last, bool(red)))
    return found


def _mark(
    day: Any, number: int, runs: tuple[int, int] | None, episodes: Sequence[tuple[int, int | None, bool]],
    since: int | None,
) -> dict[str, Any]:  # fmt: skip
    bad = [red for begin, last, red in episodes if begin <= number and (last is None or last >= number)]
    known = since is None or number >= since // cards.DAY_MS
    if any(bad):
        state = "failed"
    elif bad or (runs and runs[1]):
        state = "warning"
    elif runs and runs[0]:
        state = "succeeded"
    else:
        state = "none" if known else "unknown"
    return {
        "day": day.isoformat(), "state": state, "runs": runs[0] if runs else (0 if known else None),
        "failed": runs[1] if runs else (0 if known else None), "red": sum(bad), "amber": len(bad) - sum(bad),
    }  # fmt: skip


VIEW = View("today", "What needs somebody, and what changed", ask)
