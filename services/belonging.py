"""Which products a thing belongs to, by itself or by what holds it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, select

from services.products import BASIS
from services.scene import among
from services.store import schema

Thing = tuple[str, int]
_HOLDERS: dict[str, tuple[tuple[str, str], ...]] = {
    "step": (("run_id", "run"),),
    "run": (("project_id", "project"), ("parent_id", "run")),
    "deployment": (("project_id", "project"), ("version_id", "version")),
    "change": (("project_id", "project"),),
    "incident": (("project_id", "project"),),
    "environment": (("project_id", "project"),),
    "plan": (("workspace_id", "workspace"),),
    "resource": (("workspace_id", "workspace"),),
    "evaluation": (("version_id", "version"),),
}
_HOPS = 5


def products_of(conn: Connection, things: Collection[Thing]) -> dict[Thing, tuple[str, ...]]:
    """The products of each thing, certain ones first; a thing that is not in the result is unassigned."""
    found: dict[Thing, tuple[str, ...]] = {}
    asked: dict[Thing, set[Thing]] = {thing: {thing} for thing in things}
    for _ in range(_HOPS):
        members = _members(conn, asked)
        for holder, products in members.items():
            for thing in asked[holder]:
                found.setdefault(thing, products)
        above: defaultdict[Thing, set[Thing]] = defaultdict(set)
        for holder, upper in _holders(conn, [holder for holder in asked if holder not in members]):
            above[upper] |= {thing for thing in asked[holder] if thing not in found}
        asked = {holder: below for holder, below in above.items() if below}
        if not asked:
            break
    return found


def product_of(conn: Connection, things: Collection[Thing]) -> dict[Thing, str]:
    """The one product that stands for each thing where only one can: a certain one before a guess, then by name."""
    return {thing: products[0] for thing, products in products_of(conn, things).items()}


def _by_table(things: Collection[Thing]) -> dict[str, list[int]]:
    grouped: defaultdict[str, list[int]] = defaultdict(list)
    for table, thing in things:
        grouped[table].append(thing)
    return grouped


def _members(conn: Connection, things: Collection[Thing]) -> dict[Thing, tuple[str, ...]]:
    member = schema.membership
    held: defaultdict[Thing, list[tuple[bool, str]]] = defaultdict(list)
    for table, ids in _by_table(things).items():
        if table in BASIS or table == "run":
            for row in among(conn, select(member).where(member.c.thing_table == table), member.c.thing_id, ids):
                held[table, row.thing_id].append((row.guess, row.product))
    return {thing: tuple(product for _, product in sorted(rows)) for thing, rows in held.items()}


def _holders(conn: Connection, things: Collection[Thing]) -> Iterator[tuple[Thing, Thing]]:
    """(thing, what holds it): the first of the ways that is there."""
    for name, ids in _by_table(things).items():
        if name == "version":
            yield from _of_versions(conn, ids)
            continue
        ways = _HOLDERS.get(name, ())
        if not ways:
            continue
        table = schema.METADATA.tables[name]
        for row in among(conn, select(table.c.id, *(table.c[column] for column, _ in ways)), table.c.id, ids):
            for column, holder in ways:
                if getattr(row, column) is not None:
                    yield (name, row.id), (holder, getattr(row, column))
                    break


def _of_versions(conn: Connection, ids: Collection[int]) -> Iterator[tuple[Thing, Thing]]:
    """A model version belongs where its model does, a state version where its workspace does, others to the project."""
    version, detail, workspace = schema.version, schema.model_detail, schema.workspace
    query = select(version.c.id, version.c.kind, version.c.source_id, version.c.native_id, version.c.project_id,
                   detail.c.model_id).outerjoin(detail, detail.c.version_id == version.c.id)  # fmt: skip
    states: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row in among(conn, query, version.c.id, ids):
        if row.kind == "state-version":
            states[row.source_id, row.native_id.split("#", 1)[0]].append(row.id)
        elif row.model_id is not None:
            yield ("version", row.id), ("model", row.model_id)
        elif row.project_id is not None:
            yield ("version", row.id), ("project", row.project_id)
    known = select(workspace.c.id, workspace.c.source_id, workspace.c.native_id)
    for row in among(conn, known, workspace.c.native_id, {native_id for _, native_id in states}):
        for version_id in states.get((row.source_id, row.native_id), ()):
            yield ("version", version_id), ("workspace", row.id)
