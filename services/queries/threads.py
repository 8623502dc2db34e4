"""What a thing goes back to: its commits, runs and versions, over recorded links, with the evidence of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, select

from services.queries.keys import among
from services.scene import pick
from services.store import schema

Thing = tuple[str, int]
"""(table, key)."""

STRENGTH = {"declared": 0, "identical": 1, "inferred": 2}
"""The kinds of evidence, strongest first."""
ROUNDS = 5
MOST_THINGS = 5000
_PORTION = 400
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
_LINKS = pick(_link, "from_table", "from_id", "to_table", "to_id", "evidence_kind", "evidence").where(
    _link.c.from_table == bindparam("table"), among(_link.c.from_id),
    _link.c.broken.is_(None), _link.c.to_id.is_not(None), _link.c.rule.not_in(_NOT_ORIGINS),
)  # fmt: skip
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
    by_table: dict[str, list[int]] = {}
    for table, key in sorted(things):
        by_table.setdefault(table, []).append(key)
    found = []
    for table, keys in by_table.items():
        for start in range(0, len(keys), _PORTION):
            rows = conn.execute(_LINKS, {"table": table, "keys": keys[start : start + _PORTION]}).all()
            found += [
                ((from_table, from_id), (to_table, to_id), Hop(kind, evidence))
                for from_table, from_id, to_table, to_id, kind, evidence in rows
                if kind in STRENGTH
            ]
    return found


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
