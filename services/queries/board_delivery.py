"""The board's left half: what code runs where, by which pipeline and image, on which infrastructure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, select

from services.config import Config
from services.environments import resolve
from services.queries import infrastructure
from services.queries.base import Filters, to_millis
from services.queries.board_cells import Cell, Cells, Place, fetch, lead, short
from services.queries.identity import text_ids
from services.queries.threads import Hop, Thing, made_from
from services.scene import pick
from services.store import schema
from services.vocabulary import RunState

BEHIND_REACH = timedelta(days=30)
"""So far back merged requests are counted that an environment does not have yet."""
MOST_CHANGES = 4000

environment, deployment, run, version = schema.environment, schema.deployment, schema.run, schema.version
workspace, change, head = schema.workspace, schema.change, schema.branch_head
_RUN = ("id", "native_id", "name", "ref", "state", "sha", "created_at", "finished_at", "web_url")
_GOOD = (RunState.SUCCEEDED, RunState.WARNING)


def deployments(conn: Connection, config: Config, projects: Mapping[int, Sequence[str]]) -> dict[Place, list[Any]]:
    """(product, environment) -> (newest deployment, newest good one) of each of its projects there."""
    rows = conn.execute(
        select(environment.c.id, environment.c.project_id, environment.c.name, environment.c.tier)
        .where(environment.c.project_id.in_(sorted(projects)), environment.c.gone_at.is_(None))
    ).all()  # fmt: skip
    places = {row.id: (row.project_id, resolve(config, row.name, row.tier).environment) for row in rows}
    kept = sorted(key for key, (_, name) in places.items() if name is not None)
    pairs = conn.execute(
        select(environment.c.id, _newest().label("newest"), _newest(*_GOOD).label("good")).where(
            environment.c.id.in_(kept)
        )
    ).all()
    held = {row.id: row for row in fetch(conn, deployment, {key for _, *keys in pairs for key in keys if key})}
    found: dict[Place, list[Any]] = {}
    for key, newest, good in pairs:
        project_id, name = places[key]
        if newest is not None and name is not None:
            for product in projects[project_id]:
                found.setdefault((product, name), []).append((held[newest], held.get(good)))
    return found


def _newest(*states: str) -> Any:
    """The newest deployment of an environment row, in one of the states where some are given, by one index seek."""
    one = deployment.alias()
    query = select(one.c.id).where(one.c.project_id == environment.c.project_id, one.c.place == environment.c.name)
    if states:
        query = query.where(one.c.state.in_(states))
    return query.order_by(one.c.created_at.desc(), one.c.id.desc()).limit(1).correlate(environment).scalar_subquery()


def heads(conn: Connection, projects: Mapping[int, Sequence[str]]) -> dict[str, list[Any]]:
    """Product -> the newest runs of its projects' default branches."""
    rows = conn.execute(
        pick(run, "project_id", *_RUN)
        .join(head, head.c.run_id == run.c.id)
        .where(head.c.project_id.in_(sorted(projects)), head.c.is_default.is_(True))
    )
    found: dict[str, list[Any]] = {}
    for row in rows:
        for product in projects[row.project_id]:
            found.setdefault(product, []).append(row)
    return found


def code_cells(
    conn: Connection, deployed: Mapping[Place, Sequence[Any]], newest: Mapping[str, Sequence[Any]], now: datetime
) -> Cells:
    """What runs in each environment, and how many merged requests it is behind its default branch."""
    cells: dict[Place, list[Cell]] = {}
    for place, pairs in deployed.items():
        for latest, good in pairs:
            runs = good or latest
            failed = latest.state not in _GOOD
            cells.setdefault(place, []).append(
                Cell(
                    state=latest.state or RunState.UNKNOWN, thing=("deployment", latest.id), version=short(runs.sha),
                    at=latest.finished_at or latest.created_at, shas=(runs.sha,) if runs.sha else (),
                    title=f"{runs.label or short(runs.sha)} runs in {latest.place}" if good else
                    f"nothing was ever deployed well to {latest.place}",
                    note=f"{latest.label} {latest.state}" if failed and good else None,
                    web_url=latest.web_url,
                )
            )  # fmt: skip
    chosen = lead(cells)
    _add_behind(conn, chosen, deployed, newest, now)
    return chosen


def _add_behind(
    conn: Connection, cells: Cells, deployed: Mapping[Place, Sequence[Any]], newest: Mapping[str, Sequence[Any]],
    now: datetime,
) -> None:  # fmt: skip
    tips = {row.project_id: row.sha for rows in newest.values() for row in rows}
    waiting = {}
    for place, cell in cells.items():
        for latest, good in deployed[place]:
            leads = good is not None and cell.thing == ("deployment", latest.id)
            if leads and tips.get(good.project_id, good.sha) != good.sha:
                waiting[place] = good
    if not waiting:
        return
    first = max(to_millis(now - BEHIND_REACH), min(good.created_at or 0 for good in waiting.values()))
    merged = conn.execute(
        select(change.c.project_id, change.c.merged_at)
        .where(change.c.merged_at >= first, change.c.project_id.in_({good.project_id for good in waiting.values()}))
        .order_by(change.c.merged_at.desc())
        .limit(MOST_CHANGES)
    ).all()
    for place, good in waiting.items():
        count = sum(1 for project_id, at in merged if project_id == good.project_id and at > (good.created_at or 0))
        if count and cells[place].note is None:
            cells[place].note = f"{count} behind"


def ci_cells(
    conn: Connection, config: Config, deployed: Mapping[Place, Sequence[Any]], newest: Mapping[str, Sequence[Any]]
) -> Cells:
    """In the first environment the default branch's newest pipelines, elsewhere the pipelines that deployed."""
    first = config.environment[0].name
    cells: dict[Place, list[Cell]] = {
        (product, first): [_ci(row, f"newest pipeline of {row.ref}") for row in rows]
        for product, rows in newest.items()
    }
    made = {latest.run_id for pairs in deployed.values() for latest, _ in pairs if latest.run_id}
    runs = {row.id: row for row in fetch(conn, run, made, *_RUN)}
    for place, pairs in deployed.items():
        if place[1] != first or place not in cells:
            found = [runs[latest.run_id] for latest, _ in pairs if latest.run_id in runs]
            if found:
                cells[place] = [_ci(row, f"pipeline that deployed to {place[1]}") for row in found]
    return lead(cells)


def _ci(row: Any, what: str) -> Cell:
    return Cell(
        state=row.state or RunState.UNKNOWN, thing=("run", row.id), at=row.finished_at or row.created_at,
        shas=(row.sha,) if row.sha else (), title=f"{what}: {row.name or row.native_id}, {row.state}",
        version=None, web_url=row.web_url,
    )  # fmt: skip


def image_cells(conn: Connection, code: Cells, reach: Mapping[Thing, Mapping[Thing, Hop]]) -> Cells:
    """The newest image that was made from the commit which runs in an environment."""
    commits = {
        place: [key for table, key in reach.get(cell.thing, {}) if table == "version"]
        for place, cell in code.items()
        if cell.thing
    }
    made = made_from(conn, {key for keys in commits.values() for key in keys}, "image")
    images = {row.id: row for row in fetch(conn, version, {key for keys in made.values() for key in keys})}
    cells: Cells = {}
    for place, keys in commits.items():
        found = [images[image] for commit in keys for image in made.get(commit, ())]
        if found:
            row = max(found, key=lambda one: one.created_at or 0)
            cells[place] = Cell(
                state=RunState.SUCCEEDED, thing=("version", row.id), version=row.label, at=row.created_at,
                title=f"image {row.of}, {row.digest or 'digest not known'}", shas=(row.sha,) if row.sha else (),
                web_url=row.web_url, of=len({one.of for one in found}),
            )  # fmt: skip
    return cells


def infrastructure_cells(conn: Connection, config: Config, spaces: Mapping[int, Sequence[str]], now: datetime) -> Cells:
    """The worst state of each environment, as Infrastructure ranks them: its serial, and when it was checked."""
    listed = infrastructure.infrastructure(conn, config, Filters(limit=infrastructure.MOST_WORKSPACES), now).data
    by_id = {told["id"]: told for told in listed["workspaces"]}
    ids = text_ids(conn, (("workspace", key) for key in spaces))
    known = {key: by_id[text] for (_, key), text in ids.items() if text in by_id}
    newest = and_(
        version.c.source_id == workspace.c.source_id, version.c.kind == "state-version",
        version.c.native_id == workspace.c.native_id + "#" + cast(workspace.c.serial, Text),
    )  # fmt: skip
    rows = conn.execute(
        select(workspace.c.id, version.c.id).join(version, newest).where(workspace.c.id.in_(sorted(spaces)))
    )
    serials: dict[int, int] = {row[0]: row[1] for row in rows}
    cells: dict[Place, list[Cell]] = {}
    for key, told in known.items():
        if told["environment"] is None:
            continue
        checked = told["drift"]["checked_at"]
        cell = Cell(
            state=told["status"], thing=("version", serials[key]) if key in serials else ("workspace", key),
            version=None if told["serial"] is None else f"s{told['serial']}",
            at=None if told["updated_at"] is None else to_millis(datetime.fromisoformat(told["updated_at"])),
            title=f"state {told['name']}, {told['status']}; " + (f"checked {checked}" if checked else "never checked"),
            subject=told["id"], web_url=told["web_url"],
        )  # fmt: skip
        for product in spaces[key]:
            cells.setdefault((product, told["environment"]), []).append(cell)
    worst = {told["id"]: place for place, told in enumerate(listed["workspaces"])}
    return {
        place: replace(min(found, key=lambda cell: worst[cell.subject or ""]), of=len(found))
        for place, found in cells.items()
    }
