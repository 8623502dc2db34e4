"""Which large tables a statement would read from end to end, told by the database's own plan."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select

LARGE = frozenset({
    "run", "step", "event", "deployment", "version", "change", "metric_point", "resource", "link", "link_key",
})  # fmt: skip


def full_scans(connection: Connection, statement: Select[Any], large: frozenset[str] = LARGE) -> list[str]:
    """The plan's lines that read all of a large table or all of an index of it; empty where there is none.

    An index that is read in its own order and cut off by LIMIT is no full scan. Works on an empty store too:
    PostgreSQL is told to shun sequential scans and joins that need them, so one that is left has no index to use.
    """
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    sql = str(compiled)
    processors = compiled._bind_processors  # what a list of keys is sent as, for example
    given = {name: processors.get(name, _as_it_is)(value) for name, value in compiled.params.items()}
    if connection.dialect.name == "sqlite":
        values = tuple(given[name] for name in compiled.positiontup or ())
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        return list(_sqlite_scans([row[3] for row in plan], sql, large))
    _switch(connection, "off")
    try:
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", given).scalar_one()
    finally:
        _switch(connection, "on")
    (whole,) = plan if isinstance(plan, list) else json.loads(plan)
    return list(_postgresql_scans(whole["Plan"], large, cut=False))


def _as_it_is(value: Any) -> Any:
    return value


def _switch(connection: Connection, to: str) -> None:
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = {to}")


def _sqlite_scans(lines: list[str], sql: str, large: frozenset[str]) -> Iterator[str]:
    names = {alias: table for table, alias in re.findall(r'"?(\w+)"? AS "?(\w+)"?', sql)}
    in_order = "LIMIT" in sql and not any("TEMP B-TREE" in line for line in lines)
    for line in lines:
        found = re.match(r"SCAN (\w+)", line)
        if found and names.get(found[1], found[1]) in large and not (in_order and "USING" in line):
            yield line


def _postgresql_scans(node: dict[str, Any], large: frozenset[str], *, cut: bool) -> Iterator[str]:
    kind = node["Node Type"]
    if node.get("Relation Name") in large and (kind == "Seq Scan" or not (cut or _seeks(node))):
        yield f"{kind} on {node['Relation Name']}"
    cut = (cut or kind == "Limit") and kind not in ("Sort", "Aggregate", "Hash", "WindowAgg", "Incremental Sort")
    for inner in node.get("Plans", ()):
        yield from _postgresql_scans(inner, large, cut=cut)


def _seeks(node: dict[str, Any]) -> bool:
    """True where a scan by an index is bound by a condition; of a bitmap, where all its parts are."""
    if node["Node Type"] in ("Bitmap Heap Scan", "BitmapAnd", "BitmapOr"):
        every = all if node["Node Type"] != "BitmapAnd" else any
        return every(_seeks(part) for part in node["Plans"])
    return "Index Cond" in node
