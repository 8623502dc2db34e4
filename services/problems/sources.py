"""Which sources cannot be trusted now: unreadable, forbidden, silent for too long, or readable only in part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from services.problems.episode import AMBER, RED, Bad, Judged, problem
from services.scene import Scene, among
from services.store import schema
from services.vocabulary import RunState
from services.wording import count, listed

source, state, part = schema.source, schema.stream_state, schema.stream_part
NOTICE = "source-notice:"
"""Start of the keys under which the collector keeps what a source told beside its data."""
AT_ONCE = ("unreadable", "bug")
"""Answers that no waiting mends; a source that is merely out of reach for a moment is tried again first."""


def _streams(scene: Scene) -> list[Any]:
    """The streams of all sources that are configured still: what is no longer read breaks no promise."""
    query = select(state, source.c.name.label("source_name"), source.c.family).join(
        source, source.c.id == state.c.source_id
    )
    return list(scene.conn.execute(query.where(source.c.name.in_(_configured(scene)))))


def _configured(scene: Scene) -> list[str]:
    return [entry.name for entry in scene.config.source]


def _overdue(scene: Scene, row: Any) -> bool:
    """True where the last good answer is older than the stream promises; one that never answered is so at once."""
    if row.good_at is None:
        return row.tried_at is not None and row.fill_started_at is None
    return row.stale_after_ms is not None and scene.at - row.good_at > row.stale_after_ms


def _by_source(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.source_id].append(row)
    return found


def _bads(scene: Scene, rows: Iterable[Any], severity: str, verb: str, run_state: str) -> Judged:
    bad = []
    for source_id, some in _by_source(rows).items():
        first, names = some[0], sorted({f"{row.stream}" for row in some})
        good = [row.good_at for row in some if row.good_at is not None]
        bad.append(Bad(subject=("source", source_id, ""), severity=severity, state=run_state, lane="source",
                       since=min(good) if len(good) == len(some) else None, source_id=source_id,
                       title=f"{first.source_name}: {listed(names)} {verb}", reason=first.error,
                       facts={"mend": first.mend, "streams": [
                           {"stream": row.stream, "scope": row.scope_name, "status": row.status, "error": row.error,
                            "mend": row.mend} for row in some[:50]]}))  # fmt: skip
    return Judged(tuple(bad), whole=True)


@problem("source-unreadable", timed=True, opens="source-lost", closes="source-back")
def source_unreadable(scene: Scene) -> Judged:
    """Streams that answered with what cannot be read, or that have been out of reach for longer than they promise."""
    rows = [row for row in _streams(scene)
            if row.status in AT_ONCE or (row.status == "unreachable" and _overdue(scene, row))]  # fmt: skip
    return _bads(scene, rows, RED, "cannot be read", RunState.UNKNOWN)


@problem("source-no-access", timed=True)
def source_no_access(scene: Scene) -> Judged:
    """Streams that the source refuses us (401, 403)."""
    rows = [row for row in _streams(scene) if row.status == "no-access"]
    return _bads(scene, rows, RED, "may not be read", RunState.UNKNOWN)


@problem("source-limited", timed=True)
def source_limited(scene: Scene) -> Judged:
    """The source asked for a pause that has lasted longer than our promise of freshness."""
    rows = [row for row in _streams(scene) if row.status == "limited" and _overdue(scene, row)]
    return _bads(scene, rows, AMBER, "had to pause: the source limits our calls", RunState.UNKNOWN)


@problem("source-stale", timed=True)
def source_stale(scene: Scene) -> Judged:
    """Streams without an error whose last good answer is nevertheless older than they promise."""
    rows = [row for row in _streams(scene)
            if row.status in ("ok", "never") and row.good_at is not None and _overdue(scene, row)]  # fmt: skip
    return _bads(scene, rows, AMBER, "not read for longer than promised", RunState.UNKNOWN)


@problem("part-no-access", timed=True)
def part_no_access(scene: Scene) -> Judged:
    """Parts (projects, datasets) that could not be read, while their neighbours could."""
    query = select(part, source.c.name.label("source_name")).join(source, source.c.id == part.c.source_id)
    query = query.where(source.c.name.in_(_configured(scene)))
    rows = list(scene.conn.execute(query.order_by(part.c.stream, part.c.part)))
    project = schema.project
    paths = select(project.c.source_id, project.c.native_id, project.c.path).where(project.c.path.is_not(None))
    known = {(row.source_id, row.native_id): row.path for row in
             among(scene.conn, paths, project.c.native_id, {row.part for row in rows})}  # fmt: skip
    bad = []
    for source_id, some in _by_source(rows).items():
        names = sorted({known.get((source_id, row.part), row.part) for row in some})
        bad.append(Bad(subject=("source", source_id, ""), severity=AMBER, state=RunState.UNKNOWN, lane="source",
                       since=min(row.since for row in some), source_id=source_id, reason=some[0].reason,
                       title=f"{some[0].source_name}: {count(len(names), 'part')} could not be read: {listed(names)}",
                       facts={"parts": [{"part": row.part, "stream": row.stream, "reason": row.reason}
                                        for row in some[:100]]}))  # fmt: skip
    return Judged(tuple(bad), whole=True)


@problem("source-notice", timed=True)
def source_notice(scene: Scene) -> Judged:
    """What a source told us beside its data, for example that the token by which we read it ends soon."""
    meta = schema.meta
    query = select(meta).where(meta.c.key.like(f"{NOTICE}%"), meta.c.value != "")
    notices = {row.key.removeprefix(NOTICE): row for row in scene.conn.execute(query).all()}
    bad = []
    for row in scene.conn.execute(select(source).where(source.c.name.in_(sorted(notices)))).all():
        told = notices[row.name]
        bad.append(Bad(subject=("source", row.id, ""), severity=AMBER, state=RunState.WARNING, lane="source",
                       since=told.at, source_id=row.id, title=f"{row.name}: {told.value}"))  # fmt: skip
    return Judged(tuple(bad), whole=True)
