"""The collector's own tables: how far each stream has come, what it may spend, what is still to be fetched."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from services.store.table import METADATA, Document, Key, Millis

stream_state = Table(
    "stream_state", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("scope", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("scope_name", Text), Column("cursor", Document), Column("tried_at", Millis), Column("good_at", Millis),
    Column("status", Text, nullable=False),
    # ok, unreachable, limited, no-access, off, unreadable, bug, never
    Column("error", Text), Column("mend", Text), Column("failures", Integer), Column("resume_at", Millis),
    Column("rows_total", BigInteger), Column("rejected", BigInteger), Column("fill_progress", Float),
    Column("fill_started_at", Millis), Column("filled_at", Millis), Column("every_ms", BigInteger),
    Column("stale_after_ms", BigInteger), Column("lag_ms", BigInteger), Column("needs", Text), Column("grant", Text),
    Column("since", Millis),
    # how far back the history goes
)  # fmt: skip

stream_part = Table(
    "stream_part", METADATA,
    # Parts of a scope (a project, a dataset) that could not be read, while their neighbours could.
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("stream", Text, primary_key=True),
    Column("part", Text, primary_key=True), Column("reason", Text, nullable=False), Column("since", Millis,
    nullable=False),
    Column("tried_at", Millis, nullable=False),
)  # fmt: skip

work = Table(
    "work", METADATA,
    # Ids that a detail stream still has to fetch; they go in and out with the rows they belong to.
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("scope", Text, primary_key=True),
    Column("stream", Text, primary_key=True), Column("native_id", Text, primary_key=True),
    Column("added_at", Millis, nullable=False), Column("priority", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False), Column("not_before", Millis),
)  # fmt: skip
Index("ix_work_next", work.c.source_id, work.c.scope, work.c.stream, work.c.priority)

budget = Table(
    "budget", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("calls_total", BigInteger),
    Column("limit", Integer), Column("remaining", Integer), Column("resets_at", Millis), Column("updated_at", Millis),
)  # fmt: skip

call_count = Table(
    "call_count", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, primary_key=True, autoincrement=False), Column("calls", Integer, nullable=False),
)  # fmt: skip

unknown_word = Table(
    "unknown_word", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("stream", Text, primary_key=True),
    Column("word", Text, primary_key=True), Column("count", BigInteger, nullable=False),
    Column("first_seen_at", Millis, nullable=False), Column("last_seen_at", Millis, nullable=False),
)  # fmt: skip

rejected = Table(
    "rejected", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True), Column("source_id", Key, nullable=False),
    Column("stream", Text, nullable=False), Column("what", Text, nullable=False), Column("why", Text, nullable=False),
    Column("at", Millis, nullable=False),
)  # fmt: skip

lease = Table(
    "lease", METADATA,
    Column("name", Text, primary_key=True), Column("holder", Text, nullable=False), Column("until", Millis,
    nullable=False),
)  # fmt: skip

inbox = Table(
    "inbox", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True), Column("source", Text, nullable=False),
    Column("delivery_id", Text, nullable=False), Column("kind", Text, nullable=False), Column("ids", Document,
    nullable=False),
    Column("received_at", Millis, nullable=False), Column("taken_at", Millis),
    UniqueConstraint("source", "delivery_id", name="uq_inbox_delivery"),
)  # fmt: skip

meta = Table(
    "meta", METADATA,
    # Single values: "version" moves with each committed write; "heartbeat", "config_hash", "fingerprint_salt" …
    Column("key", Text, primary_key=True), Column("value", Text), Column("at", Millis),
)  # fmt: skip

secret_mark = Table(
    "secret_mark", METADATA,
    # The key of the fingerprints is a random one a store; it never leaves it.
    Column("name", Text, primary_key=True), Column("key", LargeBinary, nullable=False),
)  # fmt: skip
