"""What a thing goes back to: its commits, runs and versions, over recorded links, with the evidence of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, select, union_all

from services.queries.keys import among
from services.scene import pick
from services.store import schema

Thing = tuple[str, int]
"""(table, key)."""

STRENGTH = {"declared": 0, "identical": 1, "inferred": 2}
"""The kinds of evidence, strongest first."""
ROUNDS = 5
MOST_THINGS = 5000
_NOT_ORIGINS = ("run-schedule", "change-pipeline", "change-head-commit")
"""Rules that tell something else than what a thing was made from."""


class Hop(NamedTuple):
    """How an origin is reached: the weakest kind of evidence on the way, and the sentence of that hop."""

    evidence_kind: str
    evidence: str


def origins(conn: Connection, things: Iterable[Thing]) -> dict[Thing, dict[Thing, Hop]]:
    """Thing -> everything that it was made from, near and far, itself included, by its strongest way.

    Follows links from what was made to what it was made from, and a step to its run; at most five hops.
    """
    wanted = set(things)
    edges: dict[Thing, dict[Thing, Hop]] = {}
    frontier, known = set(wanted), set(wanted)
    for _ in range(ROUNDS):
        if not frontier or len(known) > MOST_THINGS:
            break
        found = _links(conn, frontier) + _runs(conn, frontier)
        for origin, target, hop in found:
            held = edges.setdefault(origin, {}).get(target)
            if held is None or STRENGTH[hop.evidence_kind] < STRENGTH[held.evidence_kind]:
                edges[origin][target] = hop
        frontier = {target for _, target, _ in found} - known
        known |= frontier
    return {thing: _reach(thing, edges) for thing in wanted}


_link, _step, _version = schema.link, schema.step, schema.version
_THINGS = {name for name, table in schema.METADATA.tables.items() if {"kind", "native_id"} <= set(table.c.keys())}
_FROM = sorted(_THINGS | {"metric_point"})
"""Tables whose rows can be linked to what they were made from."""


def _from(table: str) -> Select[Any]:
    """The links of a table's rows by their keys, which are given under the table's name."""
    return pick(_link, "from_table", "from_id", "to_table", "to_id", "evidence_kind", "evidence").where(
        _link.c.from_table == table, among(_link.c.from_id, table),
        _link.c.broken.is_(None), _link.c.to_id.is_not(None), _link.c.rule.not_in(_NOT_ORIGINS),
    )  # fmt: skip


_LINKS = union_all(*map(_from, _FROM))
_RUNS = select(_step.c.id, _step.c.run_id).where(among(_step.c.id), _step.c.run_id.is_not(None))
_MADE = (
    select(_link.c.to_id, _version.c.id)
    .join(_version, and_(_link.c.from_table == "version", _version.c.id == _link.c.from_id))
    .where(
        _link.c.to_table == "version", among(_link.c.to_id, "commits"),
        _version.c.kind == bindparam("kind"),
    )
    .order_by(_version.c.created_at.desc(), _version.c.id.desc())
)  # fmt: skip


def _links(conn: Connection, things: set[Thing]) -> list[tuple[Thing, Thing, Hop]]:
    wanted: dict[str, list[int]] = {table: [] for table in _FROM}
    for table, key in sorted(things):
        if table in wanted:
            wanted[table].append(key)
    return [
        ((from_table, from_id), (to_table, to_id), Hop(kind, evidence))
        for from_table, from_id, to_table, to_id, kind, evidence in conn.execute(_LINKS, wanted).all()
        if kind in STRENGTH
    ]


def _runs(conn: Connection, things: set[Thing]) -> list[tuple[Thing, Thing, Hop]]:
    keys = sorted(key for table, key in things if table == "step")
    if not keys:
        return []
    said = Hop("identical", "The job is part of this run")
    return [(("step", key), ("run", run), said) for key, run in conn.execute(_RUNS, {"keys": keys}).all()]


def _reach(thing: Thing, edges: Mapping[Thing, Mapping[Thing, Hop]]) -> dict[Thing, Hop]:
    """Everything that can be reached, by the way whose weakest hop is strongest."""
    best = {thing: Hop("declared", "It is the same thing")}
    waiting = [thing]
    while waiting:
        here = waiting.pop(0)
        for target, hop in edges.get(here, {}).items():
            weakest = max(best[here], hop, key=lambda one: STRENGTH[one.evidence_kind])
            if here == thing:
                weakest = hop
            held = best.get(target)
            if held is None or STRENGTH[weakest.evidence_kind] < STRENGTH[held.evidence_kind]:
                best[target] = weakest
                waiting.append(target)
    return best


def made_from(conn: Connection, commits: Iterable[int], kind: str) -> dict[int, list[int]]:
    """Commit's key -> versions of that kind (images, for example) that were made from it."""
    found: dict[int, list[int]] = {}
    for commit, made in conn.execute(_MADE, {"commits": sorted(set(commits)), "kind": kind}).all():
        found.setdefault(commit, []).append(made)
    return found
