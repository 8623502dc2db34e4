"""The text id of a thing, `instance:kind:native-id`, made at the edge from its row and read back from a link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Text, literal, select, union_all

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
    """(table, key) -> text id, by one query; things of tables without an identity are left out."""
    wanted: dict[str, list[int]] = {name: [] for name in _HOLDING}
    for table_name, key in things:
        if table_name in wanted:
            wanted[table_name].append(key)
    rows = conn.execute(_IDENTITIES, wanted).all()
    return {(table_name, key): text_id(*identity) for table_name, key, *identity in rows}


_HOLDING = sorted(set(TABLES.values()))


def _identities(table_name: str) -> Select[Any]:
    """The identities of a table's rows by their keys, which are given under the table's name."""
    table = schema.METADATA.tables[table_name]
    return (
        select(literal(table_name, Text), table.c.id, schema.source.c.instance, table.c.kind, table.c.native_id)
        .join(schema.source, schema.source.c.id == table.c.source_id)
        .where(among(table.c.id, table_name))
    )


_IDENTITIES = union_all(*map(_identities, _HOLDING))
"""One statement for all tables: asking each by itself costs ten times as much."""
