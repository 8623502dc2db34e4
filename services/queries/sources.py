"""Every source and stream: how fresh it is, what it costs, what it may not read, what it lacks, and what we guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from services import environments as places
from services import products as members
from services.config import Config
from services.queries.base import Answer, Filters, SourceHealth, View, iso, to_millis
from services.queries.health import collector, freshness, health, stream_rows, worst_freshness
from services.store import schema

CALLS_MINUTES = 60
MOST_REJECTED = 30
MOST_GUESSES = 300
_TELLING = {
    "project": schema.project.c.path, "workspace": schema.workspace.c.name, "model": schema.model.c.name,
    "endpoint": schema.endpoint.c.name, "schedule": schema.schedule.c.name, "monitor": schema.monitor.c.name,
    "feature_view": schema.feature_view.c.name,
}  # fmt: skip
"""Tables whose things are guessed to belong to a product, and the name by which people know them."""


def ask(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """All that Sources shows; of configured sources and of those that the store still holds."""
    healths = health(conn, config, now)
    rows = stream_rows(conn)
    beat = collector(conn, now)
    return Answer(
        "sources",
        {
            "sources": _sources(conn, config, healths, now),
            "streams": [_stream(row, now, left) for row, left in _with_work(conn, rows)],
            "parts": _parts(conn),
            "unknown_words": _unknown_words(conn),
            "rejected": _rejected(conn, rows),
            "guesses": _guesses(conn, config),
            "collector": {"alive": beat.alive, "heartbeat": _iso(beat.heartbeat)},
            "config_hash": config.hash,
            "collector_config_hash": _meta(conn, "config_hash"),
        },
        as_of=now,
        sources=healths,
        empty_because=None if rows else "No source was read yet: the collector has not begun, or cannot connect.",
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(to_millis(at))


def _meta(conn: Connection, key: str) -> str | None:
    return conn.execute(select(schema.meta.c.value).where(schema.meta.c.key == key)).scalar()


def _sources(
    conn: Connection, config: Config, healths: Sequence[SourceHealth], now: datetime
) -> list[dict[str, Any]]:  # fmt: skip
    held = {(row.name, row.family): row for row in conn.execute(select(schema.source))}
    budgets = {row.source_id: row for row in conn.execute(select(schema.budget))}
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
            "error": _meta(conn, f"source-error:{name}") or None,
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
    table = schema.call_count
    found: dict[int, list[int]] = {}
    rows = conn.execute(select(table).where(table.c.minute > last - CALLS_MINUTES, table.c.minute <= last))
    for row in rows:
        minutes = found.setdefault(row.source_id, [0] * CALLS_MINUTES)
        minutes[row.minute - last + CALLS_MINUTES - 1] += row.calls
    return found


def _with_work(conn: Connection, rows: Sequence[Any]) -> list[tuple[Any, int]]:
    work = schema.work
    counted = conn.execute(
        select(work.c.source_id, work.c.scope, work.c.stream, func.count()).group_by(
            work.c.source_id, work.c.scope, work.c.stream
        )
    )
    left = {(source, scope, stream): n for source, scope, stream, n in counted}
    return [(row, left.get((row.source_id, row.scope, row.stream), 0)) for row in rows]


def _stream(row: Any, now: datetime, left: int) -> dict[str, Any]:
    def seconds(value: int | None) -> float | None:
        return None if value is None else value / 1000

    off = row.status == "off"
    return {
        "source": row.name, "kind": row.family, "stream": row.stream, "scope": row.scope_name or row.scope,
        "status": "off" if off else str(freshness(row, now)), "outcome": row.status,
        "as_of": iso(row.good_at), "tried_at": iso(row.tried_at),
        "age_seconds": None if row.good_at is None else max(0.0, (to_millis(now) - row.good_at) / 1000),
        "promise_seconds": seconds(row.stale_after_ms), "every_seconds": seconds(row.every_ms),
        "lag_seconds": seconds(row.lag_ms), "error": row.error, "mend": row.mend, "needs": row.needs,
        "grant": row.grant, "failures": row.failures or 0, "resume_at": iso(row.resume_at),
        "fill_progress": 1.0 if row.filled_at is not None else row.fill_progress,
        "filled_at": iso(row.filled_at), "history_since": iso(row.since),
        "rows": row.rows_total or 0, "rejected": row.rejected or 0, "waiting": left,
    }  # fmt: skip


def _parts(conn: Connection) -> list[dict[str, Any]]:
    """Parts that cannot be read while their neighbours can; a project is named by its path."""
    part, source, project = schema.stream_part, schema.source, schema.project
    same = and_(project.c.source_id == part.c.source_id, project.c.native_id == part.c.part)
    rows = conn.execute(
        select(source.c.name, source.c.family, part, project.c.path, project.c.web_url)
        .join(source, source.c.id == part.c.source_id)
        .outerjoin(project, and_(same, project.c.kind == "project"))
        .order_by(part.c.since.desc(), part.c.part)
    )
    return [
        {"source": row.name, "kind": row.family, "stream": row.stream, "part": row.part, "name": row.path or row.part,
         "reason": row.reason, "since": iso(row.since), "tried_at": iso(row.tried_at), "web_url": row.web_url}
        for row in rows
    ]  # fmt: skip


def _unknown_words(conn: Connection) -> list[dict[str, Any]]:
    word, source = schema.unknown_word, schema.source
    rows = conn.execute(
        select(source.c.name, word).join(source, source.c.id == word.c.source_id).order_by(word.c.last_seen_at.desc())
    )
    return [
        {"source": row.name, "stream": row.stream, "word": row.word, "count": row.count,
         "first_seen_at": iso(row.first_seen_at), "last_seen_at": iso(row.last_seen_at)}
        for row in rows
    ]  # fmt: skip


def _rejected(conn: Connection, rows: Sequence[Any]) -> dict[str, Any]:
    """Records that were malformed and kept aside: how many in all, and the newest."""
    table, source = schema.rejected, schema.source
    newest = conn.execute(
        select(source.c.name, table)
        .join(source, source.c.id == table.c.source_id)
        .order_by(table.c.id.desc())
        .limit(MOST_REJECTED)
    )
    recent = [
        {"source": row.name, "stream": row.stream, "what": row.what, "why": row.why, "at": iso(row.at)}
        for row in newest
    ]  # fmt: skip
    return {"total": max(sum(row.rejected or 0 for row in rows), len(recent)), "recent": recent}


def _guesses(conn: Connection, config: Config) -> dict[str, Any]:
    """What was told by naming or labels alone, and the TOML that would make it certain."""
    member = schema.membership
    rows = conn.execute(
        select(member)
        .where(member.c.guess.is_(True), member.c.thing_table.in_(list(_TELLING)))
        .order_by(member.c.product, member.c.thing_table, member.c.thing_id)
        .limit(MOST_GUESSES)
    ).all()
    names = _names(conn, rows)
    seen = [_environment(config, *found) for found in _environment_names(conn)]
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
    for table, column in _TELLING.items():
        keys = [row.thing_id for row in rows if row.thing_table == table]
        if keys:
            of = schema.METADATA.tables[table]
            named = conn.execute(select(of.c.id, column).where(of.c.id.in_(keys)))
            found |= {(table, key): name for key, name in named}
    return found


def _environment_names(conn: Connection) -> list[tuple[str, str | None, str]]:
    """Every name of an environment or a state, with the tier that the source states."""
    environment, workspace = schema.environment, schema.workspace
    named = select(environment.c.name, environment.c.tier).where(environment.c.name.is_not(None)).distinct()
    gitlab = conn.execute(named)
    states = conn.execute(select(workspace.c.name).where(workspace.c.name.is_not(None)).distinct())
    return [(name, tier, "environment") for name, tier in gitlab] + [(name, None, "state") for (name,) in states]


def _environment(config: Config, name: str, tier: str | None, of: str) -> dict[str, Any] | None:
    place = places.resolve(config, name, tier, of="state" if of == "state" else "environment")
    if not place.guess or place.environment is None:
        return None
    return {"name": name, "kind": of, "environment": place.environment, "tier": str(place.tier), "rule": place.rule}


VIEW = View("sources", "Sources, streams and what they lack", ask)
