"""Makes the links of touched things, whichever side came last; never one where two things could be meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from services.links.rule import RULES, TARGETS, Pair, Rule
from services.scene import Scene, among, is_among
from services.store import schema
from services.store.upsert import insert_for

Thing = tuple[str, int]
AMBIGUOUS = "ambiguous"
MISSING = "not found"


class Wanted(NamedTuple):
    """A link as it should stand."""

    to: Thing | None
    evidence_kind: str
    evidence: str
    broken: str | None


def refresh(scene: Scene) -> None:
    """Bring the links of everything touched up to date."""
    held = _held_keys(scene)
    news = {target.name: _replace(scene, target.name, "to", target.tables, target.keys(scene), held)
            for target in TARGETS.values() if scene.concerns(*target.tables)}  # fmt: skip
    for rule in RULES.values():
        if rule.pairs is not None:
            _write_pairs(scene, rule)
        elif rule.keys is not None and rule.to is not None:
            _write_keyed(scene, rule, held, news.get(rule.to, set()))


def rebuild(scene: Scene) -> None:
    """Forget all links and keys, and make them anew from everything in the store."""
    scene.conn.execute(delete(schema.link))
    scene.conn.execute(delete(schema.link_key))
    refresh(scene)


def _held_keys(scene: Scene) -> dict[tuple[str, str], dict[Thing, set[str]]]:
    """(rule or target, side) -> thing -> the keys that are written for it, of touched things."""
    held: dict[tuple[str, str], dict[Thing, set[str]]] = defaultdict(dict)
    tables = {table for one in RULES.values() for table in one.tables}
    tables |= {table for one in TARGETS.values() for table in one.tables}
    key = schema.link_key
    for table in tables:
        for row in among(scene.conn, select(key).where(key.c.thing_table == table), key.c.thing_id, scene.ids(table)):
            held[row.rule, row.side].setdefault((table, row.thing_id), set()).add(row.key)
    return held


def _replace(
    scene: Scene, name: str, side: str, tables: tuple[str, ...], keys: Iterable[Any],
    held: Mapping[tuple[str, str], Mapping[Thing, set[str]]],
) -> set[str]:  # fmt: skip
    """Write the keys of touched things; gives the keys that came or went."""
    fresh: dict[Thing, set[str]] = {(table, thing): set() for table in tables for thing in scene.ids(table)}
    for table, thing, key in keys:
        fresh.setdefault((table, thing), set()).add(key)
    old = dict(held.get((name, side), {}))
    unseen = [thing for thing in fresh if thing not in old and thing[1] not in scene.ids(thing[0])]
    if unseen and not scene.whole:
        old.update(_keys_of(scene.conn, name, side, unseen))
    gone = [(thing, key) for thing in fresh for key in old.get(thing, set()) - fresh[thing]]
    come = [(thing, key) for thing, wanted in fresh.items() for key in wanted - old.get(thing, set())]
    table = schema.link_key
    for (where, thing), key in gone:
        scene.conn.execute(delete(table).where(
            table.c.rule == name, table.c.side == side, table.c.key == key, table.c.thing_table == where,
            table.c.thing_id == thing,
        ))  # fmt: skip
    if come:
        rows = [{"rule": name, "side": side, "key": key, "thing_table": where, "thing_id": thing}
                for (where, thing), key in come]  # fmt: skip
        scene.conn.execute(insert_for(scene.conn, table).on_conflict_do_nothing(), rows)
    return {key for _, key in gone + come}


def _keys_of(conn: Connection, name: str, side: str, things: Collection[Thing]) -> dict[Thing, set[str]]:
    key = schema.link_key
    found: dict[Thing, set[str]] = {}
    for table in {table for table, _ in things}:
        query = select(key).where(key.c.thing_table == table, key.c.rule == name, key.c.side == side)
        for row in among(conn, query, key.c.thing_id, [thing for where, thing in things if where == table]):
            found.setdefault((table, row.thing_id), set()).add(row.key)
    return found


def _write_keyed(
    scene: Scene, rule: Rule, held: Mapping[tuple[str, str], Mapping[Thing, set[str]]], news: set[str]
) -> None:
    """Judge anew: touched things, and those that look for a key which came or went on the other side."""
    things: set[Thing] = set()
    if rule.keys is not None and scene.concerns(*rule.tables):
        listed = list(rule.keys(scene))
        _replace(scene, rule.name, "from", rule.tables, listed, held)
        things |= {(table, thing) for table in rule.tables for thing in scene.ids(table)}
        things |= {(key.table, key.id) for key in listed}
    key = schema.link_key
    looking = select(key.c.thing_table, key.c.thing_id).where(key.c.rule == rule.name, key.c.side == "from")
    things |= {(row.thing_table, row.thing_id) for row in among(scene.conn, looking, key.c.key, news)}
    if not things:
        return
    keys = _keys_of(scene.conn, rule.name, "from", things)
    found = _found(scene.conn, rule, {one for wanted in keys.values() for one in wanted})
    pairs = {thing: {(to, one) for one in wanted for to in found.get(one, ())} for thing, wanted in keys.items()}
    if rule.confirm is not None:
        good = rule.confirm(scene.conn, {(thing[1], to[1]) for thing, ends in pairs.items() for to, _ in ends})
        pairs = {thing: {end for end in ends if (thing[1], end[0][1]) in good} for thing, ends in pairs.items()}
    wanted = {thing: _judge(rule, pairs.get(thing, set()), keys.get(thing, set())) for thing in things}
    _save(scene, rule, wanted)


def _found(conn: Connection, rule: Rule, keys: Collection[str]) -> dict[str, set[Thing]]:
    key = schema.link_key
    found: dict[str, set[Thing]] = {}
    query = select(key.c.key, key.c.thing_table, key.c.thing_id).where(key.c.rule == rule.to, key.c.side == "to")
    for row in among(conn, query, key.c.key, keys):
        found.setdefault(row.key, set()).add((row.thing_table, row.thing_id))
    return found


def _judge(rule: Rule, ends: set[tuple[Thing, str]], keys: Collection[str]) -> Wanted | None:
    """One candidate is a link; more make none but say so; none is only told where the thing names its target."""
    things = {thing for thing, _ in ends}
    shown = sorted(key.rsplit("|", 1)[-1] for key in ({key for _, key in ends} or set(keys)))
    if len(things) == 1:
        return Wanted(next(iter(things)), rule.evidence, rule.sentence.format(key=shown[0]), None)
    if things:
        return Wanted(None, "broken", f"{rule.sentence.format(key=shown[0])}: {len(things)} things have it", AMBIGUOUS)
    if keys and rule.must:
        return Wanted(None, "broken", rule.sentence.format(key=shown[0]), MISSING)
    return None


def _write_pairs(scene: Scene, rule: Rule) -> None:
    if rule.pairs is None or not scene.concerns(*rule.tables):
        return
    ends: dict[Thing, set[tuple[Thing, str]]] = {
        (table, thing): set() for table in rule.tables for thing in scene.ids(table)
    }
    pairs: Iterable[Pair] = rule.pairs(scene)
    for pair in pairs:
        ends.setdefault((pair.from_table, pair.from_id), set()).add(((pair.to_table, pair.to_id), pair.shown))
    _save(scene, rule, {thing: _judge(rule, found, ()) for thing, found in ends.items()})


def _save(scene: Scene, rule: Rule, wanted: Mapping[Thing, Wanted | None]) -> None:
    """Write the links that are new or other than they were, and take away those that no longer hold."""
    link, conn = schema.link, scene.conn
    old: dict[Thing, list[Any]] = defaultdict(list)
    for table in {table for table, _ in wanted}:
        query = select(link).where(link.c.rule == rule.name, link.c.from_table == table)
        for row in among(conn, query, link.c.from_id, [thing for where, thing in wanted if where == table]):
            old[table, row.from_id].append(row)
    gone: list[int] = []
    rows: list[dict[str, Any]] = []
    for thing, want in wanted.items():
        same = [row for row in old[thing] if want is not None and _stands(row, want, rule)]
        gone += [row.id for row in old[thing] if row not in same]
        if want is not None and not same:
            rows.append(_row(scene, rule, thing, want))
    if gone:
        conn.execute(delete(link).where(is_among(conn, link.c.id, gone)))
    if rows:
        conn.execute(insert_for(conn, link).on_conflict_do_nothing(), rows)


def _stands(row: Any, want: Wanted, rule: Rule) -> bool:
    to = None if row.to_id is None else (row.to_table, row.to_id)
    return (to, row.evidence_kind, row.evidence, row.broken, row.rule_version) == (*want, rule.version)


def _row(scene: Scene, rule: Rule, thing: Thing, want: Wanted) -> dict[str, Any]:
    return {
        "rule": rule.name, "rule_version": rule.version, "from_table": thing[0], "from_id": thing[1],
        "to_table": want.to[0] if want.to else None, "to_id": want.to[1] if want.to else None,
        "evidence_kind": want.evidence_kind, "evidence": want.evidence, "broken": want.broken, "made_at": scene.at,
    }  # fmt: skip
