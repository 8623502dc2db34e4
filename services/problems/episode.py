"""How a kind of problem is declared, and how its episodes are opened, kept up to date and closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from services.belonging import product_of
from services.events.telling import Fact, append
from services.scene import Scene, among
from services.store import schema

RED = "red"
AMBER = "amber"
Subject = tuple[str, int, str]
"""(table, key, place): what is bad, for example a project's branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """Something that is bad now."""

    subject: Subject
    severity: str
    state: str
    title: str
    """One sentence that any role understands."""
    lane: str
    since: int | None
    """When it became bad, epoch milliseconds; where no source tells, it is when we first saw it."""
    source_id: int | None = None
    reason: str | None = None
    environment: str | None = None
    product: str | None = None
    belongs: tuple[str, int] | None = None
    """The thing whose product it is, where that is not the subject."""
    first_bad: str | None = None
    last_good: str | None = None
    web_url: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a kind found: which subjects it looked at, and which of them are bad."""

    bad: tuple[Bad, ...]
    subjects: frozenset[Subject] = frozenset()
    whole: bool = False
    """True where it looked at everything, so that whatever is not bad is well."""
    well_since: Mapping[Subject, int] = field(default_factory=dict)


Judge = Callable[[Scene], Judged]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    name: str
    judge: Judge
    tables: tuple[str, ...]
    timed: bool
    opens: str | None
    closes: str | None


KINDS: dict[str, Kind] = {}


def problem(
    name: str, *tables: str, timed: bool = False, opens: str | None = None, closes: str | None = None
) -> Callable[[Judge], Judge]:
    """Declare a kind of problem: judged when rows of these tables moved and, where `timed`, as time goes by.

    `opens` and `closes` name events to tell where an episode begins or ends and no source tells it.
    """

    def declare(judge: Judge) -> Judge:
        if name in KINDS:
            raise ValueError(f"two kinds of problem are called {name}")
        KINDS[name] = Kind(name, judge, tables, timed, opens, closes)
        return judge

    return declare


def refresh(scene: Scene) -> None:
    """Judge what is touched."""
    for kind in KINDS.values():
        if scene.concerns(*kind.tables):
            _settle(scene, kind, kind.judge(scene))


def sweep(scene: Scene) -> None:
    """Judge what only time changes; `scene` is the whole store."""
    for kind in KINDS.values():
        if kind.timed:
            _settle(scene, kind, kind.judge(scene))


def _settle(scene: Scene, kind: Kind, judged: Judged) -> None:
    """Open, update and close the episodes of one kind; nothing is written where nothing changed."""
    held = _open(scene, kind, judged)
    bad = {one.subject: one for one in judged.bad}
    products = product_of(scene.conn, {one.belongs or one.subject[:2] for one in bad.values() if one.product is None})
    rows = {
        subject: _row(scene, kind, one, one.product or products.get(one.belongs or subject[:2]))
        for subject, one in bad.items()
    }
    new = [{**row, "opened_at": row["opened_at"] or scene.at} for subject, row in rows.items() if subject not in held]
    if new:
        scene.conn.execute(insert(schema.problem), new)
    _update(scene, [(held[subject], row) for subject, row in rows.items() if subject in held])
    over = [row for subject, row in held.items() if subject not in bad and _looked_at(judged, subject)]
    _close(scene, over, judged.well_since)
    if kind.opens:
        append(scene, [_told(kind.opens, row, row["opened_at"], row["title"]) for row in new])
    if kind.closes:
        ends = [(row, judged.well_since.get(_subject(row), scene.at)) for row in over]
        append(scene, [_told(kind.closes, row._asdict(), at, f"Over: {row.title}") for row, at in ends])


def _subject(row: Any) -> Subject:
    return (row.subject_table, row.subject_id, row.place)


def _looked_at(judged: Judged, subject: Subject) -> bool:
    return judged.whole or subject in judged.subjects


def _open(scene: Scene, kind: Kind, judged: Judged) -> dict[Subject, Any]:
    table = schema.problem
    query = select(table).where(table.c.kind == kind.name, table.c.closed_at.is_(None))
    if judged.whole:
        rows: Iterable[Any] = scene.conn.execute(query)
    else:
        subjects = {one.subject for one in judged.bad} | judged.subjects
        rows = [
            row
            for name in {subject[0] for subject in subjects}
            for row in among(scene.conn, query.where(table.c.subject_table == name), table.c.subject_id,
                             {subject[1] for subject in subjects if subject[0] == name})
        ]  # fmt: skip
    return {_subject(row): row for row in rows}


def _row(scene: Scene, kind: Kind, one: Bad, product: str | None) -> dict[str, Any]:
    return {
        "kind": kind.name, "subject_table": one.subject[0], "subject_id": one.subject[1], "place": one.subject[2],
        "source_id": one.source_id, "product": product, "environment": one.environment, "lane": one.lane,
        "severity": one.severity, "state": str(one.state), "title": one.title, "reason": one.reason,
        "facts": dict(one.facts), "web_url": one.web_url, "opened_at": one.since, "seen_at": scene.at,
        "first_bad": one.first_bad, "last_good": one.last_good, "updated_at": scene.at, "first_fill": scene.first_fill,
    }  # fmt: skip


_CHANGING = ("product", "environment", "severity", "state", "title", "reason", "facts", "web_url", "first_bad",
             "last_good", "opened_at")  # fmt: skip


def _update(scene: Scene, pairs: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    """An episode keeps its key and its beginning, which only moves back as older history arrives."""
    changed = []
    for held, row in pairs:
        row["opened_at"] = min(row["opened_at"] or held.opened_at, held.opened_at)
        if any(getattr(held, name) != row[name] for name in _CHANGING):
            changed.append({"k": held.id, "u": scene.at, **{f"v_{name}": row[name] for name in _CHANGING}})
    if changed:
        table = schema.problem
        values = {name: bindparam(f"v_{name}", type_=table.c[name].type) for name in _CHANGING}
        statement = update(table).where(table.c.id == bindparam("k")).values(**values, updated_at=bindparam("u"))
        scene.conn.execute(statement, changed)


def _close(scene: Scene, rows: Collection[Any], well_since: Mapping[Subject, int]) -> None:
    """End episodes; where the thing itself is gone, that is said, and it does not count as mended."""
    gone = _gone(scene, rows)
    for row in rows:
        at = max(well_since.get(_subject(row), scene.at), row.opened_at)
        state, reason = (
            ("unknown", "gone") if row.subject_id in gone.get(row.subject_table, ()) else ("succeeded", row.reason)
        )
        table = schema.problem
        values = {"closed_at": at, "updated_at": scene.at, "state": state, "reason": reason}
        scene.conn.execute(update(table).where(table.c.id == row.id).values(values))


def _gone(scene: Scene, rows: Collection[Any]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for name in {row.subject_table for row in rows}:
        table = schema.METADATA.tables.get(name)
        if table is not None and "gone_at" in table.c:
            query = select(table.c.id).where(table.c.gone_at.is_not(None))
            ids = {row.subject_id for row in rows if row.subject_table == name}
            found[name] = {row.id for row in among(scene.conn, query, table.c.id, ids)}
    return found


def _told(name: str, row: Mapping[str, Any], at: int, title: str) -> Fact:
    return Fact(lane=row["lane"], kind=name, at=at, subject=(row["subject_table"], row["subject_id"]),
                source_id=row["source_id"], native=f"problem:{row['kind']}:{row['subject_table']}:{row['subject_id']}",
                version=f"{row['place']}:{row['opened_at']}", title=title, environment=row["environment"],
                product=row["product"], state=row["state"], web_url=row["web_url"], facts=row["facts"])  # fmt: skip
