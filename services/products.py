"""Which product each thing belongs to, by which rule, on what evidence, and whether that is a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, literal, select
from sqlalchemy import true as sql_true

from services.config import Config, Product
from services.naming import Member, Thing, configured, decide, slug
from services.scene import Moved, Scene, among, is_among, pick
from services.store import schema
from services.store.upsert import insert_for
from services.toml_text import glob, quote, quote_list

ML_KINDS = ("pipeline-job", "custom-job", "sync", "dag-run")
"""Kinds of runs that belong to a product by their own name; a GitLab pipeline belongs where its project does."""

BASIS = ("project", "workspace", "model", "endpoint", "schedule", "feature_view", "monitor")
"""Tables whose things belong to products by themselves; runs do so by the name that recurs."""

_TELLING = ("name", "path", "labels", "topics", "project_id", "endpoint_id")
_KEYS = {"project": "projects", "workspace": "states", "run": "pipelines", "schedule": "pipelines", "model": "models",
         "endpoint": "endpoints", "feature_view": "feature_views"}  # fmt: skip

Book = Mapping[tuple[str, int], tuple[Member, ...]]


def assign(scene: Scene) -> None:
    """Write the membership of all that is touched; judge all anew where a name or label came that can change groups."""
    runs = list(_ml_runs_without_product(scene))
    labelled = {run.id: member for run in runs if (member := _own_label(scene.config, run)) is not None}
    _insert(scene.conn, [_row("run", key, member) for key, member in labelled.items()])
    known = {} if scene.whole else _siblings(scene.conn, runs)
    news = any(_tells_something_new(row) for table in BASIS for row in scene.of(table))
    fresh = {row.id for row in scene.of("run") if row.new}
    strange = any((run.kind, run.name) not in known and run.id in fresh for run in runs)
    if scene.whole or news or strange:
        known = {**known, **_reassign(scene)}
    others = [run for run in runs if run.id not in labelled]
    _insert(scene.conn, [_row("run", run.id, one) for run in others for one in known.get((run.kind, run.name), ())])


def _own_label(config: Config, run: Any) -> Member | None:
    """What the run's own label says, where configuration says nothing about its name."""
    label = (run.labels or {}).get("product")
    if not label or configured(Thing("run", run.id, run.name), config, _KEYS):
        return None
    return Member(slug(label), "label", "label product", False)


def _tells_something_new(row: Moved) -> bool:
    before, after = row.before, row.after
    return row.new or before is None or any(before.get(key) != after.get(key) for key in _TELLING)


def _ml_runs_without_product(scene: Scene) -> Iterable[Any]:
    run, member = schema.run, schema.membership
    has = and_(member.c.thing_table == "run", member.c.thing_id == run.c.id)
    query = (
        select(run.c.id, run.c.kind, run.c.name, run.c.labels)
        .outerjoin(member, has)
        .where(run.c.kind.in_(ML_KINDS), run.c.name.is_not(None), member.c.product.is_(None))
    )
    return scene.rows(query, run.c.id, scene.ids("run"))


def _siblings(conn: Connection, runs: list[Any]) -> dict[tuple[str, str], tuple[Member, ...]]:
    """What is known of names that ran before: one earlier run a name tells for all."""
    run, member = schema.run, schema.membership
    names = {item.name for item in runs}
    on = and_(member.c.thing_table == "run", member.c.thing_id == run.c.id, member.c.rule != "label")
    query = (
        select(run.c.kind, run.c.name, func.max(run.c.id).label("id")).join(member, on).group_by(run.c.kind, run.c.name)
    )
    newest = {
        row.id: (row.kind, row.name) for row in among(conn, query.where(run.c.kind.in_(ML_KINDS)), run.c.name, names)
    }
    found: dict[tuple[str, str], tuple[Member, ...]] = {}
    members = select(member).where(member.c.thing_table == "run")
    for row in among(conn, members, member.c.thing_id, newest):
        key = newest[row.thing_id]
        found[key] = (*found.get(key, ()), Member(row.product, row.rule, row.evidence, row.guess))
    return found


def _reassign(scene: Scene) -> dict[tuple[str, str], tuple[Member, ...]]:
    """Judge all names anew; writes what changed for the things, and gives the members of each run's name."""
    conn = scene.conn
    things, names = list(_things(conn, scene.config)), dict(_run_names(conn))
    book = decide([*things, *names.values()], scene.config, _KEYS)
    current = _current(conn)
    wanted = {key: frozenset(book.get(key, ())) for key in [(thing.table, thing.id) for thing in things]}
    changed = [
        key for key in wanted.keys() | current.keys() if wanted.get(key, frozenset()) != current.get(key, frozenset())
    ]
    for table in BASIS:
        ids = [thing_id for name, thing_id in changed if name == table]
        _delete(conn, table, ids)
        _insert(
            conn, [_row(table, thing_id, member) for thing_id in ids for member in wanted.get((table, thing_id), ())]
        )
    by_name = {key: book.get(("run", thing.id), ()) for key, thing in names.items()}
    _move_runs(conn, names, by_name)
    return by_name


def _move_runs(
    conn: Connection, names: Mapping[tuple[str, str], Thing], by_name: Mapping[tuple[str, str], tuple[Member, ...]]
) -> None:
    """Where a name now belongs elsewhere, all its runs move, but those that carry a label of their own."""
    run, member = schema.run, schema.membership
    query = select(member).where(member.c.thing_table == "run", member.c.rule != "label")
    held: dict[int, set[Member]] = {}
    for row in among(conn, query, member.c.thing_id, [thing.id for thing in names.values()]):
        held.setdefault(row.thing_id, set()).add(Member(row.product, row.rule, row.evidence, row.guess))
    for (kind, name), thing in names.items():
        now = by_name[kind, name]
        if set(now) == held.get(thing.id, set()):
            continue
        those = and_(run.c.kind == kind, run.c.name == name)
        ids = select(run.c.id).where(those)
        conn.execute(
            delete(member).where(member.c.thing_table == "run", member.c.rule != "label", member.c.thing_id.in_(ids))
        )
        labelled = select(member.c.thing_id).where(member.c.thing_table == "run", member.c.rule == "label")
        for item in now:
            values = select(
                literal(item.product), literal("run"), run.c.id, literal(item.rule), literal(item.evidence),
                sql_true() if item.guess else ~sql_true(),
            ).where(those, run.c.id.not_in(labelled))  # fmt: skip
            conn.execute(insert_for(conn, member).from_select([column.name for column in member.c], values))


def _things(conn: Connection, config: Config) -> Iterable[Thing]:
    groups = [group for source in config.source for group in getattr(source, "groups", ())]
    for row in conn.execute(pick(schema.project, "id", "path", "topics").where(schema.project.c.path.is_not(None))):
        yield Thing("project", row.id, row.path.rsplit("/", 1)[-1], pattern_name=row.path,
                    labels=tuple(row.topics or ()), group=_subgroup(row.path, groups))  # fmt: skip
    table = schema.workspace
    for row in conn.execute(pick(table, "id", "name", "project_id").where(table.c.name.is_not(None))):
        yield Thing("workspace", row.id, row.name, parent=("project", row.project_id))
    schedule = schema.schedule
    for row in conn.execute(
        pick(schedule, "id", "kind", "name", "project_id", "labels").where(schedule.c.name.is_not(None))
    ):
        own = row.kind != "pipeline-schedule"
        yield Thing("schedule", row.id, row.name, label=(row.labels or {}).get("product"),
                    parent=("project", row.project_id), by_name=own)  # fmt: skip
    for name in ("model", "endpoint", "feature_view"):
        some = schema.METADATA.tables[name]
        for row in conn.execute(pick(some, "id", "name", "labels").where(some.c.name.is_not(None))):
            yield Thing(name, row.id, row.name, label=(row.labels or {}).get("product"))
    monitor = schema.monitor
    for row in conn.execute(pick(monitor, "id", "name", "endpoint_id").where(monitor.c.name.is_not(None))):
        yield Thing("monitor", row.id, row.name, parent=("endpoint", row.endpoint_id))


def _run_names(conn: Connection) -> Iterable[tuple[tuple[str, str], Thing]]:
    run = schema.run
    query = (
        select(func.max(run.c.id).label("id"), run.c.kind, run.c.name)
        .where(run.c.kind.in_(ML_KINDS), run.c.name.is_not(None))
        .group_by(run.c.kind, run.c.name)
    )
    for row in conn.execute(query):
        yield (row.kind, row.name), Thing("run", row.id, row.name)


def _subgroup(path: str, groups: list[str]) -> str | None:
    """The group below the configured one that holds a project; else the last of its groups, where there are two."""
    for group in sorted(groups, key=len, reverse=True):
        if path.startswith(f"{group}/"):
            below = path.removeprefix(f"{group}/").split("/")
            return below[0] if len(below) > 1 else None
    parts = path.split("/")
    return parts[-2] if len(parts) > 2 else None


def _current(conn: Connection) -> dict[tuple[str, int], frozenset[Member]]:
    member = schema.membership
    held: dict[tuple[str, int], set[Member]] = {}
    for row in conn.execute(select(member).where(member.c.thing_table.in_(BASIS))):
        held.setdefault((row.thing_table, row.thing_id), set()).add(
            Member(row.product, row.rule, row.evidence, row.guess)
        )
    return {key: frozenset(members) for key, members in held.items()}


def _row(table: str, thing_id: int, member: Member) -> dict[str, Any]:
    return {"product": member.product, "thing_table": table, "thing_id": thing_id, "rule": member.rule,
            "evidence": member.evidence, "guess": member.guess}  # fmt: skip


def _insert(conn: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert_for(conn, schema.membership).on_conflict_do_nothing(), rows)


def _delete(conn: Connection, table: str, ids: list[int]) -> None:
    member = schema.membership
    if ids:
        conn.execute(delete(member).where(member.c.thing_table == table, is_among(conn, member.c.thing_id, ids)))


def suggest_toml(conn: Connection, config: Config) -> str:
    """The [[product]] sections that would make every guess certain; "" where nothing was guessed.

    A product that is configured already is printed whole, so that the section can be put in the old one's place.
    """
    guessed: dict[str, dict[str, set[str]]] = {}
    for table, key in _KEYS.items():
        for product, text in conn.execute(_guessed(table)):
            guessed.setdefault(product, {}).setdefault(key, set()).add(text)
    configured = {product.name: product for product in config.product}
    return "\n".join(_section(name, guessed[name], configured.get(name)) for name in sorted(guessed))


@cache
def _guessed(table: str) -> Select[Any]:
    """Each product and the names that are guessed to be its own; kept, as building it costs more than running it."""
    member, things = schema.membership, schema.METADATA.tables[table]
    name = things.c.path if table == "project" else things.c.name
    on = and_(member.c.thing_table == table, member.c.thing_id == things.c.id)
    return select(member.c.product, name).join(things, on).where(member.c.guess, name.is_not(None)).distinct()


def _section(name: str, more: Mapping[str, set[str]], known: Product | None) -> str:
    lines = ["[[product]]", f"name = {quote(name)}"]
    if known and known.title:
        lines.append(f"title = {quote(known.title)}")
    for key in (*dict.fromkeys(_KEYS.values()), "tables"):
        patterns = [*(getattr(known, key) if known else ()), *sorted(glob(text) for text in more.get(key, ()))]
        if patterns:
            lines.append(f"{key} = {quote_list(dict.fromkeys(patterns))}")
    return "\n".join(lines) + "\n"
