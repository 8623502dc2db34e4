"""How an event is told and written: each fact has a key of its own, so that reading it again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.belonging import product_of
from services.scene import Scene
from services.store import schema
from services.store.upsert import CHUNK, insert_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened; `version` tells it from other facts about the same thing, for example a finish time."""

    lane: str
    kind: str
    at: int | None
    """When it occurred upstream, epoch milliseconds; a fact without a time is not told."""
    subject: tuple[str, int]
    source_id: int | None
    native: str
    """kind:native id of the thing, as its source names it."""
    version: str | int
    title: str
    told_as: str | None = None
    """Where two kinds are one fact in two lights: the name they share, so that it is told once."""
    environment: str | None = None
    product: str | None = None
    state: str | None = None
    label: str | None = None
    actor: str | None = None
    web_url: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dedupe(self) -> str:
        return f"{self.source_id or 0}:{self.native}:{self.told_as or self.kind}:{self.version}"


Teller = Callable[[Scene], Iterable[Fact]]
TELLERS: list[tuple[tuple[str, ...], Teller]] = []


def tells(*tables: str) -> Callable[[Teller], Teller]:
    """Declare what touched rows of some tables have to tell."""

    def declare(teller: Teller) -> Teller:
        TELLERS.append((tables, teller))
        return teller

    return declare


def record(scene: Scene) -> None:
    """Write the events of everything touched."""
    append(scene, [fact for tables, teller in TELLERS if scene.concerns(*tables) for fact in teller(scene)])


def append(scene: Scene, facts: Iterable[Fact]) -> None:
    """Write facts that were not told yet; a fact that is known stays as it was first told."""
    known = {fact.dedupe: fact for fact in facts if fact.at is not None}
    if not known:
        return
    products = product_of(scene.conn, {fact.subject for fact in known.values() if fact.product is None})
    rows = [_row(scene, fact, fact.product or products.get(fact.subject)) for fact in known.values()]
    statement = insert_for(scene.conn, schema.event).on_conflict_do_nothing(index_elements=["dedupe"])
    for start in range(0, len(rows), CHUNK):
        scene.conn.execute(statement, rows[start : start + CHUNK])


def _row(scene: Scene, fact: Fact, product: str | None) -> dict[str, Any]:
    return {
        "dedupe": fact.dedupe, "lane": fact.lane, "kind": fact.kind, "at": fact.at, "seen_at": scene.at,
        "first_fill": scene.first_fill, "source_id": fact.source_id, "subject_table": fact.subject[0],
        "subject_id": fact.subject[1], "product": product, "environment": fact.environment, "title": fact.title,
        "state": None if fact.state is None else str(fact.state), "label": fact.label, "actor": fact.actor,
        "web_url": fact.web_url, "facts": dict(fact.facts),
    }  # fmt: skip


def native(row: Any) -> str:
    """kind:native id of a row."""
    return f"{row.kind}:{row.native_id}"
