"""Every source and stream: how fresh it is, what it costs, what it may not read, what it lacks, and what we guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, func, literal, select, union_all

from services import environments as places
from services import products as members
from services.config import Config
from services.queries.base import Answer, Filters, SourceHealth, View, iso, to_millis
from services.queries.health import collector, freshness, health, worst_freshness
from services.queries.keys import among
from services.store import schema

_ERROR = "source-error:"
CALLS_MINUTES = 60
MOST_REJECTED = 30
MOST_GUESSES = 300
_TELLING = {
    "project": schema.project.c.path, "workspace": schema.workspace.c.name, "model": schema.model.c.name,
    "endpoint": schema.endpoint.c.name, "schedule": schema.schedule.c.name, "monitor": schema.monitor.c.name,
    "feature_view": schema.feature_view.c.name,
}  # fmt: skip
"""Tables whose things are guessed to belong to a product, and the name by which people know them."""


# Statements that never change are built once: building one costs more than running it.
_source, _state, _part, _project = schema.source, schema.stream_state, schema.stream_part, schema.project
_word, _kept, _member, _calls_made = schema.unknown_word, schema.rejected, schema.membership, schema.call_count
_STREAMS = (
    select(_source.c.name, _source.c.family, *(column for column in _state.c if column.name != "cursor"))
    .join(_source, _source.c.id == _state.c.source_id)
    .order_by(_source.c.id, _state.c.stream, _state.c.scope)
)
_HELD = select(_source.c.id, _source.c.name, _source.c.family, _source.c.instance, _source.c.first_contact_at)
_BUDGETS = select(schema.budget)
_META = select(schema.meta.c.key, schema.meta.c.value).where(among(schema.meta.c.key))
_CALLS = select(_calls_made).where(_calls_made.c.minute > bindparam("after"), _calls_made.c.minute <= bindparam("last"))
_WAITING = select(schema.work.c.source_id, schema.work.c.scope, schema.work.c.stream, func.count()).group_by(
    schema.work.c.source_id, schema.work.c.scope, schema.work.c.stream
)
_PARTS = (
    select(_source.c.name, _source.c.family, _part, _project.c.path, _project.c.web_url)
    .join(_source, _source.c.id == _part.c.source_id)
    .outerjoin(
        _project,
        and_(_project.c.source_id == _part.c.source_id, _project.c.kind == "project",
             _project.c.native_id == _part.c.part),
    )
    .order_by(_part.c.since.desc(), _part.c.part)
)  # fmt: skip
_WORDS = (
    select(_source.c.name, _word)
    .join(_source, _source.c.id == _word.c.source_id)
    .order_by(_word.c.last_seen_at.desc())
)  # fmt: skip
_REJECTED = (
    select(_source.c.name, _kept)
    .join(_source, _source.c.id == _kept.c.source_id)
    .order_by(_kept.c.id.desc())
    .limit(MOST_REJECTED)
)
_GUESSED = (
    select(_member)
    .where(_member.c.guess.is_(True), _member.c.thing_table.in_(list(_TELLING)))
    .order_by(_member.c.product, _member.c.thing_table, _member.c.thing_id)
    .limit(MOST_GUESSES)
)
_NAMED = {
    table: select(column.table.c.id, column).where(among(column.table.c.id)) for table, column in _TELLING.items()
}
_PLACES = union_all(
    select(schema.environment.c.name, schema.environment.c.tier, literal("environment"))
    .where(schema.environment.c.name.is_not(None))
    .distinct(),
    select(schema.workspace.c.name, literal(None, Text), literal("state"))
    .where(schema.workspace.c.name.is_not(None))
    .distinct(),
)


def ask(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """All that Sources shows; of configured sources and of those that the store still holds."""
    healths = health(conn, config, now)
    rows = conn.execute(_STREAMS).all()
    beat = collector(conn, now)
    meta = _meta(conn, config, rows)
    return Answer(
        "sources",
        {
            "sources": _sources(conn, config, healths, meta, now),
            "streams": [_stream(row, to_millis(now), left) for row, left in _with_work(conn, rows)],
            "parts": _parts(conn),
            "unknown_words": _unknown_words(conn),
            "rejected": _rejected(conn, rows),
            "guesses": _guesses(conn, config),
            "collector": {"alive": beat.alive, "heartbeat": _iso(beat.heartbeat)},
            "config_hash": config.hash,
            "collector_config_hash": meta.get("config_hash"),
        },
        as_of=now,
        sources=healths,
        empty_because=None if rows else "No source was read yet: the collector has not begun, or cannot connect.",
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(to_millis(at))


def _meta(conn: Connection, config: Config, rows: Sequence[Any]) -> dict[str, str]:
    """The collector's configuration, and why it cannot connect to a source."""
    names = {source.name for source in config.source} | {row.name for row in rows}
    keys = ["config_hash", *(f"{_ERROR}{name}" for name in names)]
    return {row.key: row.value for row in conn.execute(_META, {"keys": keys}).all()}


def _sources(
    conn: Connection, config: Config, healths: Sequence[SourceHealth], meta: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    held = {(row.name, row.family): row for row in conn.execute(_HELD).all()}
    budgets = {row.source_id: row for row in conn.execute(_BUDGETS).all()}
    calls = _calls(conn, now)
    configured = [(source.name, source.kind) for source in config.source]
    listed = []
    for name, kind in [*configured, *(key for key in held if key not in configured)]:
        row = held.get((name, kind))
        of = [one for one in healths if (one.name, one.kind) == (name, kind)]
        times = [one.as_of for one in of if one.as_of is not None]
        budget = budgets.get(row.id) if row else None
        listed.append({
            "name": name, "kind": kind, "configured": (name, kind) in configured,
            "instance": row.instance if row else None, "first_contact_at": iso(row.first_contact_at) if row else None,
            "status": str(worst_freshness(of) or "never"), "as_of": _iso(max(times, default=None)),
            "error": meta.get(f"{_ERROR}{name}") or None,
            "calls": {
                "total": budget.calls_total if budget else 0,
                "by_minute": calls.get(row.id, [0] * CALLS_MINUTES) if row else [],
                "limit": budget.limit if budget else None, "remaining": budget.remaining if budget else None,
                "resets_at": iso(budget.resets_at) if budget else None,
            },
        })  # fmt: skip
    return listed


def _calls(conn: Connection, now: datetime) -> dict[int, list[int]]:
    """Source -> calls made in each of the last 60 minutes, the oldest first."""
    last = to_millis(now) // 60_000
    found: dict[int, list[int]] = {}
    for row in conn.execute(_CALLS, {"after": last - CALLS_MINUTES, "last": last}).all():
        minutes = found.setdefault(row.source_id, [0] * CALLS_MINUTES)
        minutes[row.minute - last + CALLS_MINUTES - 1] += row.calls
    return found


def _with_work(conn: Connection, rows: Sequence[Any]) -> list[tuple[Any, int]]:
    left = {(source, scope, stream): n for source, scope, stream, n in conn.execute(_WAITING).all()}
    return [(row, left.get((row.source_id, row.scope, row.stream), 0)) for row in rows]


def _stream(row: Any, now: int, left: int) -> dict[str, Any]:
    def seconds(value: int | None) -> float | None:
        return None if value is None else value / 1000

    off = row.status == "off"
    return {
        "source": row.name, "kind": row.family, "stream": row.stream, "scope": row.scope_name or row.scope,
        "status": "off" if off else str(freshness(row, now)), "outcome": row.status,
        "as_of": iso(row.good_at), "tried_at": iso(row.tried_at),
        "age_seconds": None if row.good_at is None else max(0.0, (now - row.good_at) / 1000),
        "promise_seconds": seconds(row.stale_after_ms), "every_seconds": seconds(row.every_ms),
        "lag_seconds": seconds(row.lag_ms), "error": row.error, "mend": row.mend, "needs": row.needs,
        "grant": row.grant, "failures": row.failures or 0, "resume_at": iso(row.resume_at),
        "fill_progress": 1.0 if row.filled_at is not None else row.fill_progress,
        "filled_at": iso(row.filled_at), "history_since": iso(row.since),
        "rows": row.rows_total or 0, "rejected": row.rejected or 0, "waiting": left,
    }  # fmt: skip


def _parts(conn: Connection) -> list[dict[str, Any]]:
    """Parts that cannot be read while their neighbours can; a project is named by its path."""
    return [
        {"source": row.name, "kind": row.family, "stream": row.stream, "part": row.part, "name": row.path or row.part,
         "reason": row.reason, "since": iso(row.since), "tried_at": iso(row.tried_at), "web_url": row.web_url}
        for row in conn.execute(_PARTS).all()
    ]  # fmt: skip


def _unknown_words(conn: Connection) -> list[dict[str, Any]]:
    return [
        {"source": row.name, "stream": row.stream, "word": row.word, "count": row.count,
         "first_seen_at": iso(row.first_seen_at), "last_seen_at": iso(row.last_seen_at)}
        for row in conn.execute(_WORDS).all()
    ]  # fmt: skip


def _rejected(conn: Connection, rows: Sequence[Any]) -> dict[str, Any]:
    """Records that were malformed and kept aside: how many in all, and the newest."""
    recent = [
        {"source": row.name, "stream": row.stream, "what": row.what, "why": row.why, "at": iso(row.at)}
        for row in conn.execute(_REJECTED).all()
    ]  # fmt: skip
    return {"total": max(sum(row.rejected or 0 for row in rows), len(recent)), "recent": recent}


def _guesses(conn: Connection, config: Config) -> dict[str, Any]:
    """What was told by naming or labels alone, and the TOML that would make it certain."""
    rows = conn.execute(_GUESSED).all()
    names = _names(conn, rows)
    seen = [_environment(config, *found) for found in conn.execute(_PLACES).all()]
    products_toml, environments_toml = members.suggest_toml(conn, config), places.suggest_toml(conn, config)
    return {
        "products": [
            {"product": row.product, "kind": row.thing_table, "name": names.get((row.thing_table, row.thing_id)),
             "rule": row.rule, "evidence": row.evidence}
            for row in rows
        ],
        "environments": [found for found in seen if found is not None],
        "toml": "\n".join(part for part in (environments_toml, products_toml) if part.strip()),
    }  # fmt: skip


def _names(conn: Connection, rows: Sequence[Any]) -> Mapping[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for table, query in _NAMED.items():
        keys = [row.thing_id for row in rows if row.thing_table == table]
        if keys:
            found |= {(table, key): name for key, name in conn.execute(query, {"keys": keys}).all()}
    return found


def _environment(config: Config, name: str, tier: str | None, of: str) -> dict[str, Any] | None:
    place = places.resolve(config, name, tier, of="state" if of == "state" else "environment")
    if not place.guess or place.environment is None:
        return None
    return {"name": name, "kind": of, "environment": place.environment, "tier": str(place.tier), "rule": place.rule}


VIEW = View("sources", "Sources, streams and what they lack", ask)
