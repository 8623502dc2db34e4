"""How good our copy of each source is, and whether the collector is alive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, select

from services.config import Config
from services.queries.base import SourceHealth, from_millis, to_millis
from services.store import schema
from services.vocabulary import Freshness

HEARTBEAT_LIMIT = timedelta(seconds=60)
"""A collector that was silent for longer is reported as down, however fresh the rows look."""

DEFAULT_PROMISE_MS = 5 * 60 * 1000
ORDER = (Freshness.BROKEN, Freshness.NO_ACCESS, Freshness.STALE, Freshness.NEVER, Freshness.FRESH)
"""Worst first."""
_RANK = {word: place for place, word in enumerate(ORDER)}

# Statements that never change are built once: building one costs more than running it.
_source, _part, _project = schema.source, schema.stream_part, schema.project
_state = schema.stream_state
_STREAMS = (
    select(
        _source.c.name,
        _source.c.family,
        _state.c.stream,
        _state.c.status,
        _state.c.good_at,
        _state.c.stale_after_ms,
        _state.c.resume_at,
        _state.c.error,
        _state.c.mend,
        _state.c.fill_progress,
        _state.c.filled_at,
    )
    .join(_source, _source.c.id == _state.c.source_id)
    .order_by(_source.c.id, _state.c.stream, _state.c.scope)
)
_PARTS = (
    select(
        _source.c.name, _source.c.family, _part.c.stream, func.count(),
        func.min(func.coalesce(_project.c.path, _part.c.part)),
    )
    .join(_source, _source.c.id == _part.c.source_id)
    .outerjoin(
        _project,
        and_(_project.c.source_id == _part.c.source_id, _project.c.kind == "project",
             _project.c.native_id == _part.c.part),
    )
    .group_by(_source.c.name, _source.c.family, _part.c.stream)
)  # fmt: skip
_ERROR = "source-error:"
_ERRORS = select(schema.meta.c.key, schema.meta.c.value).where(
    schema.meta.c.key.startswith(_ERROR, autoescape=True), schema.meta.c.value != ""
)
_HEARTBEAT = select(schema.meta.c.at).where(schema.meta.c.key == "heartbeat")

_REFUSED = {"no-access": Freshness.NO_ACCESS, "unreadable": Freshness.BROKEN, "bug": Freshness.BROKEN}


@dataclass(frozen=True, slots=True)
class Collector:
    """Whether the process that reads the sources is alive."""

    heartbeat: datetime | None
    """When it last said so; None where it never did."""
    alive: bool


def collector(conn: Connection, now: datetime) -> Collector:
    """The collector's last heartbeat, and whether it is at most 60 s old."""
    at = from_millis(conn.execute(_HEARTBEAT).scalar())
    return Collector(at, at is not None and now - at <= HEARTBEAT_LIMIT)


def freshness(row: Any, now: int) -> Freshness:
    """How good our copy of one stream and scope is at `now` (epoch milliseconds); `row` is a row of stream_state.

    A refusal or an unreadable answer is told as such even while the copy is young; a limit or an outage lets the
    copy age until it breaks its promise (`stale_after`).
    """
    if row.status in _REFUSED:
        return _REFUSED[row.status]
    if row.good_at is None:
        return Freshness.BROKEN if row.status == "unreachable" else Freshness.NEVER
    age = now - row.good_at
    return Freshness.STALE if age > (row.stale_after_ms or DEFAULT_PROMISE_MS) else Freshness.FRESH


def health(conn: Connection, config: Config, now: datetime, needs: tuple[str, ...] = ()) -> tuple[SourceHealth, ...]:
    """The streams that an answer rests on (`family.stream`; all where none is named), worst scope first.

    Streams whose feature is off are left out. A configured source that was never read stands there as *never*, so
    that nothing is silently absent.
    """
    known: dict[tuple[str, str, str], list[Any]] = {}
    for row in conn.execute(_STREAMS).all():
        known.setdefault((row.name, row.family, row.stream), []).append(row)
    parts, errors, at = _parts(conn), _errors(conn), to_millis(now)
    found = []
    for source in config.source:
        streams = {stream for name, family, stream in known if (name, family) == (source.name, source.kind)}
        wanted = {need.partition(".")[2] for need in needs if need.partition(".")[0] == source.kind}
        for stream in sorted(wanted if needs else streams) or ([] if needs else ["*"]):
            rows = known.get((source.name, source.kind, stream), [])
            running = [row for row in rows if row.status != "off"]
            if rows and not running:
                continue
            told = _told(source.name, source.kind, stream, running, at)
            told = _disconnected(told, errors.get(source.name))
            missing = parts.get((source.name, source.kind, stream))
            if missing:
                told = replace(told, reason=told.reason or missing[1], parts_unread=missing[0])
            found.append(told)
    return tuple(found)


def _errors(conn: Connection) -> dict[str, str]:
    """Source -> why the collector cannot connect to it at all."""
    return {key.removeprefix(_ERROR): value for key, value in conn.execute(_ERRORS).all()}


def _disconnected(told: SourceHealth, error: str | None) -> SourceHealth:
    """With why nothing new comes; a copy that was never made cannot be read, an older one goes on ageing."""
    if error is None:
        return told
    status = Freshness.BROKEN if told.status is Freshness.NEVER else told.status
    return replace(told, status=status, reason=error)


def _parts(conn: Connection) -> dict[tuple[str, str, str], tuple[int, str]]:
    """(source, family, stream) -> how much of it cannot be read while the rest can, in a number and in words."""
    return {
        (name, family, stream): (n, f"{first} cannot be read" if n == 1 else f"{n} parts cannot be read")
        for name, family, stream, n, first in conn.execute(_PARTS).all()
    }


def _told(name: str, kind: str, stream: str, rows: list[Any], now: int) -> SourceHealth:
    if not rows:
        return SourceHealth(name, kind, stream, Freshness.NEVER, None, "not read yet")
    worst, status, times = rows[0], freshness(rows[0], now), [rows[0].good_at]
    for row in rows[1:]:
        found = freshness(row, now)
        times.append(row.good_at)
        if (_RANK[found], row.good_at or 0) < (_RANK[status], worst.good_at or 0):
            worst, status = row, found
    as_of = None if worst.good_at is None else from_millis(min(at for at in times if at is not None))
    return SourceHealth(name, kind, stream, status, as_of, _reason(worst), worst.mend)


def _reason(row: Any) -> str | None:
    """Why, in words: the error; else how far the first fill is."""
    if row.status == "limited" and row.resume_at is not None:
        resume = from_millis(row.resume_at)
        return f"{row.error or 'the source asked for a pause'}; next try {resume:%H:%M} UTC"
    if row.error and row.status != "ok":
        return str(row.error)
    if row.fill_progress is not None and row.filled_at is None:
        return f"first fill {row.fill_progress:.0%} done"
    return None if row.good_at is not None else "not read yet"


def worst_freshness(healths: Iterable[SourceHealth]) -> Freshness | None:
    """The one word for many streams; None where there are none."""
    return min((one.status for one in healths), key=_RANK.__getitem__, default=None)
