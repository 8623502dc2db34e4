"""The text id of a thing, `instance:kind:native-id`, made at the edge from its row and read back from a link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from services.queries.keys import among
from services.store import schema

TABLES = {
    "project": "project", "environment": "environment", "pipeline": "run", "pipeline-job": "run", "custom-job": "run",
    "sync": "run", "dag-run": "run", "job": "step", "bridge": "step", "task": "step", "commit": "version",
    "tag": "version", "release": "version", "image": "version", "state-version": "version", "model-version": "version",
    "deployment": "deployment", "traffic": "deployment", "merge-request": "change", "incident": "incident",
    "pipeline-schedule": "schedule", "vertex-schedule": "schedule", "workspace": "workspace", "plan": "plan",
    "model": "model", "evaluation": "evaluation", "endpoint": "endpoint", "feature-view": "feature_view",
    "monitor": "monitor",
}  # fmt: skip
"""Kind of a thing -> the table that holds it."""

_FORM = re.compile(rf"(?s)(.+?):({'|'.join(map(re.escape, TABLES))}):(.+)")


_PORTION = 900


class Identity(NamedTuple):
    """Which thing: the source's instance, the kind, and the source's own id."""

    instance: str
    kind: str
    native_id: str


def text_id(instance: str, kind: str, native_id: str) -> str:
    """One text for a thing, stable over renames, for example "gitlab.com:pipeline:1078343570"."""
    return f"{instance}:{kind}:{native_id}"


def parse_id(text: str) -> Identity:
    """The parts of a text id; the instance may hold a port, the native id any character.

    Raises ValueError where no known kind stands between two colons.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError(f'{text[:120]!r} is no id; one looks like "gitlab.com:pipeline:1078343570"')
    return Identity(*match.groups())


def find(conn: Connection, text: str) -> tuple[str, int] | None:
    """(table, key) of the thing with that text id; None where we hold no such thing. Raises ValueError."""
    instance, kind, native_id = parse_id(text)
    table = schema.METADATA.tables[TABLES[kind]]
    sources = conn.execute(select(schema.source.c.id).where(schema.source.c.instance == instance)).scalars().all()
    # Not by a join: without statistics SQLite would walk the large table and look up its source.
    key = conn.execute(
        select(table.c.id).where(table.c.source_id.in_(sources), table.c.kind == kind, table.c.native_id == native_id)
    ).scalar()
    return None if key is None else (TABLES[kind], key)


def text_ids(conn: Connection, things: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
    """(table, key) -> text id, by one query a table; things of tables without an identity are left out."""
    wanted: dict[str, set[int]] = {}
    for table_name, key in things:
        wanted.setdefault(table_name, set()).add(key)
    found: dict[tuple[str, int], str] = {}
    for table_name in sorted(wanted.keys() & set(TABLES.values())):
        keys = sorted(wanted[table_name])
        for start in range(0, len(keys), _PORTION):
            rows = conn.execute(_identities(table_name), {"keys": keys[start : start + _PORTION]})
            found |= {(table_name, key): text_id(*identity) for key, *identity in rows.all()}
    return found


@cache
def _identities(table_name: str) -> Select[Any]:
    """The identities of rows by their keys; kept, as building a statement costs more than running this one."""
    table = schema.METADATA.tables[table_name]
    return (
        select(table.c.id, schema.source.c.instance, table.c.kind, table.c.native_id)
        .join(schema.source, schema.source.c.id == table.c.source_id)
        .where(among(table.c.id))
    )
