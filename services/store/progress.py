"""What the collector remembers: cursors, health, work still to do, calls made, leases and the webhook inbox.

Every function takes the connection of the transaction that it must be part of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, func, or_, select, update

from services.store import schema, shapes
from services.store.upsert import insert_for, upsert
from services.timestamps import to_millis

KINDS: dict[str, Table] = {
    "pipeline": schema.run,
    "pipeline-job": schema.run,
    "custom-job": schema.run,
    "sync": schema.run,
    "deployment": schema.deployment,
    "merge-request": schema.change,
    "incident": schema.incident,
}
"""Kinds that can be not final, and where they are."""

MAX_TRIES = 8


def states(conn: Connection, source_id: int) -> dict[tuple[str, str], Row[Any]]:
    """All streams of a source that were ever tried, by (scope, stream)."""
    table = schema.stream_state
    rows = conn.execute(select(table).where(table.c.source_id == source_id)).all()
    return {(row.scope, row.stream): row for row in rows}


def save_state(conn: Connection, source_id: int, scope: str, stream: str, values: Mapping[str, Any]) -> None:
    """Write what is now known of a stream, `status` among it; what `values` leaves out stays."""
    key = {"source_id": source_id, "scope": scope, "stream": stream}
    upsert(conn, schema.stream_state, [{**key, **values}])


def forget_scopes(conn: Connection, source_id: int, present: Collection[str]) -> None:
    """Let go of what was noted of scopes that are no longer read, for example a region that is no longer configured."""
    table = schema.stream_state
    conn.execute(delete(table).where(table.c.source_id == source_id, table.c.scope.not_in(present)))


def cursor(conn: Connection, source_id: int, scope: str, stream: str) -> dict[str, Any]:
    """The cursor that the last committed batch left; empty where there is none."""
    table = schema.stream_state
    found = conn.execute(
        select(table.c.cursor).where(table.c.source_id == source_id, table.c.scope == scope, table.c.stream == stream)
    ).scalar_one_or_none()
    return dict(found) if found else {}


def add_work(
    conn: Connection, source_id: int, scope: str, stream: str, ids: Iterable[str], now: datetime, urgent: bool = False
) -> int:
    """Remember ids that a detail stream has to fetch; what is there already is wanted again at once.

    The newest come first; `urgent` ones (from a webhook, or not final) before all others.
    """
    at = to_millis(now)
    priority = at + (10**12 if urgent else 0)
    rows = [
        {"source_id": source_id, "scope": scope, "stream": stream, "native_id": native_id, "added_at": at,
         "priority": priority - place, "tries": 0, "not_before": None}
        for place, native_id in enumerate(dict.fromkeys(ids))
    ]  # fmt: skip
    return upsert(conn, schema.work, rows)


def _of(source_id: int, scope: str, stream: str) -> Any:
    table = schema.work
    return and_(table.c.source_id == source_id, table.c.scope == scope, table.c.stream == stream)


def next_work(conn: Connection, source_id: int, scope: str, stream: str, now: datetime, limit: int) -> tuple[str, ...]:
    """The ids most wanted now; those that failed before rest until their time has come."""
    table = schema.work
    due = or_(table.c.not_before.is_(None), table.c.not_before <= to_millis(now))
    query = (
        select(table.c.native_id)
        .where(_of(source_id, scope, stream), due)
        .order_by(table.c.priority.desc())
        .limit(limit)
    )
    return tuple(conn.execute(query).scalars())


def oldest_work(conn: Connection, source_id: int, scope: str, stream: str) -> int | None:
    """Since when the id that waits longest is wanted, epoch milliseconds; None where none waits."""
    return conn.execute(select(func.min(schema.work.c.added_at)).where(_of(source_id, scope, stream))).scalar()


def finish_work(conn: Connection, source_id: int, scope: str, stream: str, ids: Sequence[str]) -> None:
    """Forget ids that were fetched, in the transaction that stores what they gave."""
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        conn.execute(delete(schema.work).where(_of(source_id, scope, stream), schema.work.c.native_id.in_(chunk)))


def postpone_work(
    conn: Connection, source_id: int, scope: str, stream: str, ids: Sequence[str], now: datetime
) -> list[str]:
    """Let ids that failed rest, each time twice as long (30 s to 1 h). Returns those given up after many tries."""
    table = schema.work
    rows = conn.execute(
        select(table.c.native_id, table.c.tries).where(_of(source_id, scope, stream), table.c.native_id.in_(ids))
    ).all()
    given_up = [native_id for native_id, tries in rows if tries + 1 >= MAX_TRIES]
    finish_work(conn, source_id, scope, stream, given_up)
    for native_id, tries in rows:
        rest = min(timedelta(seconds=30 * 2**tries), timedelta(hours=1))
        conn.execute(
            update(table)
            .where(_of(source_id, scope, stream), table.c.native_id == native_id)
            .values(tries=tries + 1, not_before=to_millis(now + rest))
        )
    return given_up


def not_final(conn: Connection, source_id: int, kind: str, before: datetime, limit: int) -> list[str]:
    """Native ids of a kind that can still change and were last seen before then; the longest unseen first."""
    table = KINDS[kind]
    query = (
        select(table.c.native_id)
        .where(
            table.c.source_id == source_id, table.c.kind == kind, table.c.final.is_(False),
            table.c.observed_at < to_millis(before), table.c.gone_at.is_(None),
        )
        .order_by(table.c.observed_at)
        .limit(limit)
    )  # fmt: skip
    return list(conn.execute(query).scalars())


def save_parts(conn: Connection, source_id: int, stream: str, parts: Mapping[str, str | None], now: datetime) -> None:
    """Keep which parts could not be read and why; a part that was read well again is forgotten."""
    table = schema.stream_part
    well = [part for part, reason in parts.items() if reason is None]
    for start in range(0, len(well), 500):
        conn.execute(
            delete(table).where(
                table.c.source_id == source_id, table.c.stream == stream, table.c.part.in_(well[start : start + 500])
            )
        )
    at = to_millis(now)
    rows = [
        {"source_id": source_id, "stream": stream, "part": part, "reason": reason, "since": at, "tried_at": at}
        for part, reason in parts.items()
        if reason is not None
    ]
    upsert(conn, table, rows, keep=("since",))


def forget_parts(conn: Connection, source_id: int, parts: Collection[str]) -> None:
    """Let go of what could not be read of parts that are no longer read, for example of a project that is gone."""
    table = schema.stream_part
    if parts:
        conn.execute(delete(table).where(table.c.source_id == source_id, table.c.part.in_(parts)))


def count_words(conn: Connection, source_id: int, stream: str, words: Mapping[str, int], now: datetime) -> None:
    """Add to the counts of words that we do not know."""
    table, at = schema.unknown_word, to_millis(now)
    for word, count in ((shapes.text(word), count) for word, count in words.items()):
        statement = insert_for(conn, table).values(
            source_id=source_id, stream=stream, word=word, count=count, first_seen_at=at, last_seen_at=at
        )
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["source_id", "stream", "word"],
                set_={"count": table.c.count + statement.excluded.count, "last_seen_at": at},
            )
        )


def keep_rejected(
    conn: Connection, source_id: int, stream: str, rejected: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Keep aside what could not be read as a record: its id and why, never its content."""
    rows = [
        {
            "source_id": source_id,
            "stream": stream,
            "what": shapes.text(what[:200]),
            "why": shapes.text(why[:300]),
            "at": to_millis(now),
        }
        for what, why in rejected
    ]  # fmt: skip
    if rows:
        conn.execute(schema.rejected.insert(), rows)


def save_calls(conn: Connection, source_id: int, by_minute: Mapping[int, int], values: Mapping[str, Any]) -> None:
    """Add calls to their minutes and to the total, and keep what the limit headers said last."""
    table = schema.call_count
    for minute, calls in by_minute.items():
        statement = insert_for(conn, table).values(source_id=source_id, minute=minute, calls=calls)
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["source_id", "minute"], set_={"calls": table.c.calls + statement.excluded.calls}
            )
        )
    table, made = schema.budget, sum(by_minute.values())
    statement = insert_for(conn, table).values(source_id=source_id, calls_total=made, **values)
    kept = {name: statement.excluded[name] for name in values}
    total = func.coalesce(table.c.calls_total, 0) + statement.excluded.calls_total
    conn.execute(statement.on_conflict_do_update(index_elements=["source_id"], set_={**kept, "calls_total": total}))


def take_lease(conn: Connection, name: str, holder: str, now: datetime, lasts: timedelta) -> bool:
    """True where `holder` may collect until `now + lasts`: nobody else holds the lease, or theirs has run out."""
    table = schema.lease
    statement = insert_for(conn, table).values(name=name, holder=holder, until=to_millis(now + lasts))
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
        where=or_(table.c.holder == holder, table.c.until < to_millis(now)),
    )
    return conn.execute(statement).rowcount == 1


def set_meta(conn: Connection, values: Mapping[str, str], now: datetime) -> None:
    """Write single values, for example the heartbeat."""
    upsert(conn, schema.meta, [{"key": key, "value": value, "at": to_millis(now)} for key, value in values.items()])


def receive(conn: Connection, source: str, delivery_id: str, kind: str, ids: Mapping[str, Any], now: datetime) -> bool:
    """Put a verified webhook into the inbox; False where the same delivery is there already."""
    statement = insert_for(conn, schema.inbox).values(
        source=source, delivery_id=delivery_id, kind=kind, ids=dict(ids), received_at=to_millis(now)
    )
    statement = statement.on_conflict_do_nothing(index_elements=["source", "delivery_id"])
    return conn.execute(statement).rowcount == 1


def waiting_inbox(conn: Connection, source: str, limit: int = 500) -> Sequence[Row[Any]]:
    """Webhooks of a source that were not acted on yet, oldest first."""
    table = schema.inbox
    query = select(table).where(table.c.source == source, table.c.taken_at.is_(None)).order_by(table.c.id).limit(limit)
    return conn.execute(query).all()


def take_inbox(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Mark webhooks as acted on, in the transaction that remembers the work they ask for."""
    conn.execute(update(schema.inbox).where(schema.inbox.c.id.in_(ids)).values(taken_at=to_millis(now)))
