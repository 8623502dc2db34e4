"""What follows from rows that moved: membership, true states, links, events and problems, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, select

from services import adopting, effective, events, links, problems, products
from services.config import Config
from services.events.telling import Fact, append
from services.links.infrastructure import forget_deleted
from services.scene import Moved, Scene, scene_of
from services.store import rollups, schema
from services.wording import MINUTE, moment

What = Literal["links", "products", "problems", "rollups"]
SILENT_AFTER = MINUTE
"""A heartbeat older than this means that nobody collected."""


def refresh(
    conn: Connection, touched: Iterable[Moved], config: Config, now: datetime, first_fill: bool = False
) -> None:
    """Bring everything that hangs on touched rows up to date; call in the transaction that wrote them.

    In this order, as each rests on the one before: what runs hang on, products, states that count what was started,
    links, events, problems. Rows of the first fill are marked, so that they are never told as news.
    """
    scene = scene_of(conn, touched, config, now, first_fill)
    if not scene.moved:
        return
    scene = adopting.adopt(scene)
    products.assign(scene)
    scene, recounted = effective.propagate(scene)
    rollups.recount_runs(conn, recounted)
    if scene.ids("resource"):
        forget_deleted(conn)
    links.refresh(scene)
    events.record(scene)
    problems.refresh(scene)


def sweep(conn: Connection, config: Config, now: datetime) -> None:
    """What time alone changes: lateness, stale checks, waiting ages, sources that fell silent.

    Writes nothing where nothing changed. Call before the collector's own heartbeat is written, as the old one tells
    for how long nobody collected.
    """
    scene = Scene(conn, config, now, whole=True)
    _tell_silence(scene)
    problems.sweep(scene)


def rebuild(conn: Connection, what: What, config: Config, now: datetime) -> None:
    """Make the links, the memberships, the read models or the problems anew from the rows.

    Episodes keep their keys, so that no claim is lost; nothing made anew is told as news.
    """
    scene = Scene(conn, config, now, first_fill=True, whole=True)
    if what == "rollups":
        rollups.rebuild(conn)
    elif what == "products":
        conn.execute(delete(schema.membership))
        products.assign(scene)
    elif what == "links":
        links.rebuild(scene)
    else:
        adopting.adopt(scene)
        _, recounted = effective.propagate(scene)
        rollups.recount_runs(conn, recounted)
        problems.refresh(replace(scene, memo={}))
        problems.sweep(replace(scene, memo={}))


def _tell_silence(scene: Scene) -> None:
    """A collector that was down cannot say so itself: the one that follows does."""
    meta = schema.meta
    beat = scene.conn.execute(select(meta.c.at).where(meta.c.key == "heartbeat")).scalar_one_or_none()
    if beat is None or scene.at - beat <= SILENT_AFTER:
        return
    title = f"Nothing was collected from {moment(beat, scene.config)} to {moment(scene.at, scene.config)}"
    append(scene, [Fact(lane="source", kind="collector-down", at=scene.at, subject=("source", 0), source_id=None,
                        native="collector", version=beat, title=title, state="unknown",
                        facts={"from": beat, "to": scene.at})])  # fmt: skip
