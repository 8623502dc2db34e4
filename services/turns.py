"""One turn of one stream: what it yields goes into the store batch by batch, with its cursor and its health."""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from services import derive
from services.live import Health, Live, Outcome
from services.sources.base import (
    AccessDenied,
    Batch,
    FeatureOff,
    Notes,
    Pull,
    RateLimited,
    Scope,
    SourceError,
    Stream,
    Unreachable,
    Unreadable,
)
from services.store import progress, rollups, writer
from services.store.database import StoreUnreachable
from services.timestamps import to_millis

LOG = logging.getLogger("throughline.collector")

WORK_A_TURN = 400
STATUS: dict[type[SourceError], str] = {
    Unreachable: "unreachable",
    RateLimited: "limited",
    AccessDenied: "no-access",
    FeatureOff: "off",
    Unreadable: "unreadable",
}
REST: dict[str, timedelta] = {"no-access": timedelta(minutes=5), "off": timedelta(hours=1)}
"""How long a stream rests that would only be refused again."""


def run_turn(live: Live, scope: Scope, stream: Stream, seconds: float) -> Outcome:
    """Let a stream yield for about `seconds`; it goes on from its cursor in its next turn.

    The single boundary where an error becomes a health row: whatever a stream raises ends this turn, and no other.
    """
    began = live.clock()
    notes = Notes(stream.states)
    stored = 0
    batches = 0
    error: SourceError | Exception | None = None
    finished = False
    work = _work(live, scope, stream, began)
    if stream.detail and not work:
        _record(live, scope, stream, began, Outcome(finished=True), notes, work)
        return Outcome(finished=True)
    until = time.monotonic() + seconds
    try:
        for batch in stream.collect(_pull(live, scope, stream, work, began, notes)):
            _commit(live, scope, stream, batch, began)
            stored += len(batch.records)
            batches += 1
            if time.monotonic() > until:
                break
        else:
            finished = True
    except StoreUnreachable:
        raise  # not the stream's fault, and nothing can be written down about it
    except SourceError as caught:
        error = caught
    except Exception as caught:  # a bug of ours in this stream: its neighbours go on, and it says so
        LOG.exception("%s.%s failed by a bug of ours", live.source.family, stream.name)
        error = caught
    outcome = Outcome(finished, stored, batches, error)
    _record(live, scope, stream, began, outcome, notes, work)
    return outcome


def _work(live: Live, scope: Scope, stream: Stream, now: datetime) -> tuple[str, ...]:
    """A detail stream's ids for this turn; what is not final and was not seen for a while is among them."""
    if not stream.detail:
        return ()
    health = live.of(scope, stream)
    if stream.reconciles and health.next_at <= now:
        with live.store.read() as conn:
            stale = [
                native_id
                for kind in stream.reconciles
                for native_id in progress.not_final(conn, live.source_id, kind, now - stream.every, WORK_A_TURN)
            ]
        if stale:
            with live.store.write() as conn:
                progress.add_work(conn, live.source_id, scope.key, stream.name, stale, now, urgent=True)
    with live.store.read() as conn:
        return progress.next_work(conn, live.source_id, scope.key, stream.name, now, WORK_A_TURN)


def _pull(live: Live, scope: Scope, stream: Stream, work: tuple[str, ...], now: datetime, notes: Notes) -> Pull:
    with live.store.read() as conn:
        cursor = progress.cursor(conn, live.source_id, scope.key, stream.name)
    history = live.whole.history
    return Pull(
        client=live.client,
        scope=scope,
        source=live.config,
        config=live.whole,
        cursor=cursor,
        work=work,
        now=now,
        since=None if history == "all" else now - history,
        notes=notes,
    )


def _commit(live: Live, scope: Scope, stream: Stream, batch: Batch, began: datetime) -> None:
    """Rows, what follows from them, the cursor and the work they ask for: all of it, or nothing."""
    now = live.clock()
    with live.store.write() as conn:
        touched = _written(conn, live, batch, now)
        rollups.refresh(conn, touched, now)
        derive.refresh(conn, touched, live.whole, now, first_fill=_is_first_fill(live, scope, stream))
        for target, ids in batch.touched.items():
            progress.add_work(conn, live.source_id, scope.key, target, ids, now)
        progress.finish_work(conn, live.source_id, scope.key, stream.name, batch.done)
        progress.save_parts(conn, live.source_id, stream.name, batch.parts, now)
        if batch.cursor is not None or batch.progress is not None:
            _save_cursor(conn, live, scope, stream, batch, began)


def _written(conn: Connection, live: Live, batch: Batch, now: datetime) -> list[writer.Touched]:
    touched = writer.apply(conn, live.source_id, batch.records, now)
    for kind, present in batch.present.items():
        touched += writer.mark_gone(conn, live.source_id, kind, present, now)
    for kind, lost in batch.gone.items():
        touched += writer.mark_lost(conn, live.source_id, kind, lost, now)
    left = [row.after for row in touched if row.table == "project"]
    unread = [row["native_id"] for row in left if row["archived"] or row["gone_at"] is not None]
    progress.forget_parts(conn, live.source_id, unread)
    return touched


def _is_first_fill(live: Live, scope: Scope, stream: Stream) -> bool:
    """True while history is still coming in; a detail stream's is that of the streams that name its ids."""
    if not stream.detail:
        return not live.of(scope, stream).filled
    return not all(live.of(scope, other).filled for other in live.source.streams if not other.detail)


def _save_cursor(conn: Connection, live: Live, scope: Scope, stream: Stream, batch: Batch, began: datetime) -> None:
    """The cursor; a batch that tells its progress is of the backward fill, so the present is read already."""
    values: dict[str, Any] = {"status": "ok", "tried_at": to_millis(began)}
    if batch.cursor is not None:
        values["cursor"] = dict(batch.cursor)
    if batch.progress is not None:
        values |= {"fill_progress": batch.progress, "good_at": to_millis(began), "error": None, "mend": None}
    progress.save_state(conn, live.source_id, scope.key, stream.name, values | _promise(scope, stream))


def _promise(scope: Scope, stream: Stream) -> dict[str, Any]:
    return {
        "scope_name": scope.name,
        "every_ms": stream.every // timedelta(milliseconds=1),
        "stale_after_ms": stream.stale_after // timedelta(milliseconds=1),
        "needs": stream.needs,
        "grant": stream.grant,
    }


def _record(
    live: Live, scope: Scope, stream: Stream, began: datetime, outcome: Outcome, notes: Notes, work: tuple[str, ...]
) -> None:
    """Write the stream's health, and set when it is due again."""
    health = live.of(scope, stream)
    error = outcome.error
    now = live.clock()
    with live.store.write() as conn:
        values: dict[str, Any] = {"tried_at": to_millis(began), **_promise(scope, stream)}
        values |= _counted(conn, live, scope, stream, began, outcome)
        if error is None:
            values |= {"status": "ok", "error": None, "mend": None, "failures": 0, "resume_at": None}
            health.failures = 0
            health.next_at = began + stream.every if outcome.finished else now
            if outcome.finished:
                values |= {"good_at": to_millis(began), **_filled(live, health, now)}
        else:
            health.failures += 1
            values |= _fault(live, health, error, now)
            if stream.detail and work and not isinstance(error, RateLimited):
                given_up = progress.postpone_work(conn, live.source_id, scope.key, stream.name, work, now)
                notes.rejected += [(native_id, f"given up: {values['error']}") for native_id in given_up]
        health.rejected += len(notes.rejected)
        values["rejected"] = health.rejected
        progress.save_state(conn, live.source_id, scope.key, stream.name, values)
        progress.count_words(conn, live.source_id, stream.name, notes.unknown_words, now)
        progress.keep_rejected(conn, live.source_id, stream.name, notes.rejected, now)
        _spent(conn, live, now)


def _counted(
    conn: Connection, live: Live, scope: Scope, stream: Stream, began: datetime, outcome: Outcome
) -> dict[str, Any]:
    """How many records came so far, and how far behind the stream is: the age of what still waits, or of this turn."""
    health = live.of(scope, stream)
    health.rows += outcome.records
    health.fill_started = health.fill_started or began
    waits_since = progress.oldest_work(conn, live.source_id, scope.key, stream.name) if stream.detail else None
    return {
        "rows_total": health.rows,
        "fill_started_at": to_millis(health.fill_started),
        "lag_ms": max(0, to_millis(live.clock()) - (waits_since or to_millis(began))),
    }


def _filled(live: Live, health: Health, now: datetime) -> dict[str, Any]:
    """What is written once, when the first fill is done: until when it took, and how far back it reaches."""
    if health.filled or health.fill_started is None:
        return {}
    health.filled = True
    history = live.whole.history
    since = 0 if history == "all" else to_millis(health.fill_started - history)
    return {"filled_at": to_millis(now), "fill_progress": 1.0, "since": since}


def _fault(live: Live, health: Health, error: Exception, now: datetime) -> dict[str, Any]:
    """The one policy of each error class: what the health row says, and how long the stream rests."""
    status = next((STATUS[kind] for kind in STATUS if isinstance(error, kind)), "bug")
    if isinstance(error, RateLimited):
        live.resume_at = max(error.resume_at, now)
        rest = live.resume_at - now
        health.failures = 0
    else:
        longest = timedelta(minutes=5)
        rest = REST.get(status, min(timedelta(seconds=2 ** min(health.failures, 10)), longest))
        rest *= random.uniform(0.75, 1.25)
    health.next_at = now + rest
    reason = error.reason if isinstance(error, SourceError) else f"a bug of ours ({type(error).__name__}); see the log"
    return {
        "status": status,
        "error": reason,
        "mend": error.mend if isinstance(error, SourceError) else None,
        "failures": health.failures,
        "resume_at": to_millis(health.next_at),
    }


def _spent(conn: Connection, live: Live, now: datetime) -> None:
    meter = live.client.meter
    progress.save_calls(
        conn,
        live.source_id,
        meter.drain(),
        {
            "limit": meter.limit,
            "remaining": meter.remaining,
            "resets_at": None if meter.resets_at is None else to_millis(meter.resets_at),
            "updated_at": to_millis(now),
        },
    )
