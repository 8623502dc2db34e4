"""Products by environments: in each row the thread from code to metrics, each cell with its status, version and age."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.config import Config
from services.queries import board_delivery as delivery
from services.queries import board_models as models
from services.queries.base import Answer, Filters, SourceHealth, View, iso
from services.queries.board_cells import Cell, Cells, any_unassigned, members
from services.queries.cards import status_of, view_of
from services.queries.filters import UNASSIGNED
from services.queries.frame import products
from services.queries.health import health, worst_freshness
from services.queries.identity import text_ids
from services.queries.threads import STRENGTH, Hop, Thing, origins
from services.scene import pick
from services.store import schema
from services.vocabulary import Freshness, rank

COLUMNS = ("code", "ci", "image", "infrastructure", "training", "model", "endpoint", "metrics")

STREAMS = {
    "code": ("gitlab.deployments",), "ci": ("gitlab.pipelines",), "image": ("gitlab.registry",),
    "infrastructure": ("gitlab.states", "terraform.states"), "training": ("vertex.pipeline_jobs",),
    "model": ("vertex.models",), "endpoint": ("vertex.endpoints",), "metrics": ("bigquery.metrics",),
}  # fmt: skip
"""Column -> the streams that fill it."""
NEEDS = tuple(stream for streams in STREAMS.values() for stream in streams)
_LANES = {"schedule": "training", "data": "training"}
_EMPTY = {
    "code": "nothing was deployed here", "ci": "no pipeline", "image": "no image is known for this commit",
    "infrastructure": "no state", "training": "no run", "model": "no model", "endpoint": "no endpoint",
    "metrics": "no metric is configured, or no value in 14 days",
}  # fmt: skip


def ask(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """One page of products, worst first; within a product the environments in the configured order."""
    healths = health(conn, config, now, NEEDS)
    problems = _problems(conn)
    listed = _products(conn, config, filters, problems)
    shown = listed[filters.offset : filters.offset + filters.limit]
    environments = [one.name for one in config.environment if filters.environment in (None, one.name)]
    columns = _cells(conn, config, shown, environments, _paused(problems), now)
    reach = origins(conn, _things(columns))
    columns["image"] = delivery.image_cells(conn, columns["code"], reach)
    reach |= origins(conn, _things({"image": columns["image"]}))
    ids = text_ids(conn, _things(columns))
    fresh = {column: _freshness(healths, column) for column in COLUMNS}
    rows = [
        {"product": product, "environment": environment,
         "cells": _row(product, environment, columns, problems, fresh, reach, ids)}
        for product in shown
        for environment in environments
    ]  # fmt: skip
    return Answer(
        "board", {"columns": list(COLUMNS), "rows": rows, "page": filters.page, "limit": filters.limit},
        as_of=now, sources=healths,
        shown=len(shown), of=len(listed), empty_because=None if rows else _why_empty(listed, filters),
    )  # fmt: skip


def _why_empty(listed: Sequence[str], filters: Filters) -> str:
    if listed:
        return f"There is no page {filters.page}."
    return "No product is known yet: name them in the configuration as [[product]], or wait for the first projects."


_table = schema.problem
_OPEN = pick(
    _table, "kind", "subject_table", "subject_id", "product", "environment", "lane", "severity", "state", "title",
    "reason", "opened_at",
).where(_table.c.closed_at.is_(None))  # fmt: skip


def _problems(conn: Connection) -> dict[tuple[str, str | None, str], list[Any]]:
    """(product, environment, column) -> open problems, worst first."""
    found: dict[tuple[str, str | None, str], list[Any]] = {}
    rows = conn.execute(_OPEN).all()
    for row in sorted(rows, key=lambda one: (one.severity != "red", rank(one.state), -one.opened_at)):
        lane = _LANES.get(row.lane, row.lane)
        found.setdefault((row.product or UNASSIGNED, row.environment, lane), []).append(row)
    return found


def _paused(problems: Mapping[Any, Iterable[Any]]) -> set[int]:
    """Workspaces whose apply has failed: nothing goes on until somebody acts."""
    return {row.subject_id for rows in problems.values() for row in rows
            if row.kind == "apply-failed" and row.subject_table == "workspace"}  # fmt: skip


def _products(
    conn: Connection, config: Config, filters: Filters, problems: Mapping[tuple[str, str | None, str], Sequence[Any]]
) -> list[str]:
    """Products with the worst and most open problems first, then as configured; *unassigned* last."""
    known = [name for name in products(conn, config) if name != UNASSIGNED]
    bad: dict[str, list[int]] = {}
    for (product, environment, _), rows in problems.items():
        if filters.environment in (None, environment):
            counts = bad.setdefault(product, [0, 0])
            for row in rows:
                counts[row.severity != "red"] -= 1
    known.sort(key=lambda name: bad.get(name, [0, 0]))
    if any_unassigned(conn):
        known.append(UNASSIGNED)
    text = (filters.text or "").casefold()
    return [name for name in known if filters.product in (None, name) and text in name.casefold()]


def _cells(
    conn: Connection, config: Config, shown: Sequence[str], environments: Sequence[str], paused: Collection[int],
    now: datetime,
) -> dict[str, Cells]:  # fmt: skip
    held = members(conn, shown)
    deployed = delivery.deployments(conn, config, held["project"])
    newest = delivery.heads(conn, held["project"])
    return {
        "code": delivery.code_cells(conn, deployed, newest, now),
        "ci": delivery.ci_cells(conn, config, deployed, newest),
        "image": {},
        "infrastructure": delivery.infrastructure_cells(conn, config, held["workspace"], paused, now),
        "training": models.training_cells(conn, shown),
        "model": models.model_cells(conn, held["model"]),
        "endpoint": models.endpoint_cells(conn, held["endpoint"]),
        "metrics": models.metric_cells(conn, config, shown, environments, now),
    }


def _things(columns: Mapping[str, Cells]) -> set[Thing]:
    return {
        thing
        for cells in columns.values()
        for cell in cells.values()
        for thing in (cell.thing, *cell.others)
        if thing is not None
    }


def _row(
    product: str, environment: str, columns: Mapping[str, Cells],
    problems: Mapping[tuple[str, str | None, str], Sequence[Any]], freshness: Mapping[str, Freshness | None],
    reach: Mapping[Thing, Mapping[Thing, Hop]], ids: Mapping[Thing, str],
) -> dict[str, Any]:  # fmt: skip
    """The cells of one row; each says how it is joined to the nearest one on its left that shares a thread with it."""
    drawn: dict[str, Any] = {}
    before: list[tuple[str, dict[str, Hop]]] = []
    for column in COLUMNS:
        cell = columns[column].get((product, environment))
        fresh = freshness[column]
        found = problems.get((product, environment, column), ())
        if column == "ci" and cell is not None and not found:
            found = problems.get((product, None, column), ()) if cell.title.startswith("newest") else ()
        thread = _thread(cell, reach) if cell else {}
        drawn[column] = _told(cell, fresh, found, ids, column) | {
            "thread": sorted(thread),
            "edge": _edge(thread, before) if cell and before else None,
        }
        if cell:
            before.append((column, thread))
    return drawn


def _freshness(healths: Sequence[SourceHealth], column: str) -> Freshness | None:
    """How good our copy of a column is: streams that were never read count only where no other was."""
    of = [one for one in healths if f"{one.kind}.{one.stream}" in STREAMS[column]]
    return worst_freshness(one for one in of if one.status is not Freshness.NEVER) or worst_freshness(of)


def _thread(cell: Cell, reach: Mapping[Thing, Mapping[Thing, Hop]]) -> dict[str, Hop]:
    """What a cell can share with others: the SHAs it names, and the runs and versions that it goes back to."""
    found: dict[str, Hop] = {f"sha-{sha[:12]}": Hop("declared", f"It names commit {sha[:8]}") for sha in cell.shas}
    for thing in (cell.thing, *cell.others):
        for (table, key), hop in reach.get(thing, {}).items() if thing else ():
            if table in ("version", "run"):
                word = f"{table}-{key}"
                if word not in found or STRENGTH[hop.evidence_kind] < STRENGTH[found[word].evidence_kind]:
                    found[word] = hop
    return found


def _edge(thread: Mapping[str, Hop], before: Sequence[tuple[str, Mapping[str, Hop]]]) -> dict[str, Any]:
    """How strongly a cell is joined to the nearest one on its left: declared, identical, inferred, or *none*."""
    for column, other in reversed(before):
        shared = thread.keys() & other.keys()
        if shared:
            pairs = [max(thread[word], other[word], key=lambda hop: STRENGTH[hop.evidence_kind]) for word in shared]
            best = min(pairs, key=lambda hop: STRENGTH[hop.evidence_kind])
            return {"to": column, "evidence_kind": best.evidence_kind, "evidence": best.evidence}
    return {"to": None, "evidence_kind": "none", "evidence": "No recorded link leads to what is on its left"}


def _told(
    cell: Cell | None, fresh: Freshness | None, problems: Sequence[Any], ids: Mapping[Thing, str], column: str
) -> dict[str, Any]:
    """A cell as JSON: its own state, how good our copy is, and the worst open problem on it."""
    worst = problems[0] if problems else None
    problem = None if worst is None else {
        "kind": worst.kind, "severity": worst.severity, "state": worst.state,
        "status": status_of(worst), "title": worst.title,
        "since": iso(worst.opened_at), "count": len(problems),
    }  # fmt: skip
    freshness = str(fresh) if fresh is not None else None
    if cell is None:
        unread = fresh is not None and fresh not in (Freshness.FRESH, Freshness.STALE)
        return {
            "state": freshness if unread else "none", "freshness": freshness, "version": None, "at": None,
            "title": _EMPTY[column], "note": None, "of": 0, "subject": None, "view": None, "web_url": None,
            "problem": problem,
        }  # fmt: skip
    subject = cell.subject or (ids.get(cell.thing) if cell.thing else None)
    table = cell.thing[0] if cell.thing else ""
    return {
        "state": str(cell.state), "freshness": freshness, "version": cell.version, "at": iso(cell.at),
        "title": cell.title, "note": cell.note, "of": cell.of, "subject": subject,
        "view": "infrastructure" if column == "infrastructure" else view_of(table, column, subject),
        "web_url": cell.web_url, "problem": problem,
    }  # fmt: skip


VIEW = View("board", "Products by environments, from code to metrics", ask, NEEDS)
