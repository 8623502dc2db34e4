"""The board's left half: what code runs where, by which pipeline and image, on which infrastructure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, cast, func, or_, select

from services.config import Config
from services.environments import resolve
from services.queries import plans
from services.queries.base import to_millis
from services.queries.board_cells import Cell, Cells, Place, by_keys, fetch, lead, short
from services.queries.identity import text_id
from services.queries.keys import among
from services.queries.threads import Hop, Thing, made_from
from services.scene import pick
from services.store import schema
from services.vocabulary import RunState
from services.watching import NEVER_READ

BEHIND_REACH = timedelta(days=30)
"""So far back merged requests are counted that an environment does not have yet."""

environment, deployment, run, version = schema.environment, schema.deployment, schema.run, schema.version
workspace, change, head, project = schema.workspace, schema.change, schema.branch_head, schema.project
_RUN = ("id", "native_id", "name", "ref", "state", "sha", "created_at", "finished_at", "web_url")
_DEPLOYMENT = ("id", "project_id", "place", "label", "sha", "state", "created_at", "finished_at", "run_id", "web_url")
_IMAGE = ("id", "of", "label", "digest", "sha", "created_at", "web_url")
_GOOD = (RunState.SUCCEEDED, RunState.WARNING)


def _newest(*states: str) -> Any:
    """The newest deployment of an environment row, in one of the states where some are given, by one index seek."""
    one = deployment.alias()
    query = select(one.c.id).where(one.c.project_id == environment.c.project_id, one.c.place == environment.c.name)
    if states:
        query = query.where(one.c.state.in_(states))
    return query.order_by(one.c.created_at.desc(), one.c.id.desc()).limit(1).correlate(environment).scalar_subquery()


# Statements that never change are built once: building one costs more than running it.
_PLACES = pick(environment, "project_id", "name", "tier").add_columns(
    _newest().label("newest"), _newest(*_GOOD).label("good")
)
_PLACES = _PLACES.where(among(environment.c.project_id, "projects"), environment.c.gone_at.is_(None))
_HEADS = (
    pick(run, "project_id", *_RUN)
    .join(head, head.c.run_id == run.c.id)
    .where(among(head.c.project_id, "projects"), head.c.is_default.is_(True))
)
_TO_DEFAULT = or_(
    change.c.target_branch == project.c.default_branch,
    and_(func.coalesce(project.c.default_branch, "") == "", change.c.target_branch.in_(NEVER_READ)),
)
_BEHIND = (
    select(
        deployment.c.id,
        select(func.count())
        .select_from(change)
        .where(
            change.c.project_id == deployment.c.project_id, change.c.merged_at >= bindparam("since"),
            change.c.merged_at > func.coalesce(run.c.created_at, deployment.c.created_at), _TO_DEFAULT,
        )
        .correlate(deployment, run, project)
        .scalar_subquery()
        .label("behind"),
    )
    .join(project, project.c.id == deployment.c.project_id)
    .outerjoin(run, run.c.id == deployment.c.run_id)
    .where(among(deployment.c.id))
)  # fmt: skip
"""How many requests were merged to the default branch since a deployment's pipeline began, or since the deployment
was made where the pipeline is not known: the rule by which services/queries/shipping.py says what is shipped."""
_STATES = (
    select(
        workspace.c.id, workspace.c.kind, workspace.c.native_id, workspace.c.name, workspace.c.environment,
        workspace.c.serial, workspace.c.locked_at, workspace.c.locked_by, workspace.c.updated_at, workspace.c.web_url,
        schema.source.c.instance, version.c.id.label("version_id"),
    )
    .join(schema.source, schema.source.c.id == workspace.c.source_id)
    .outerjoin(
        version,
        and_(version.c.source_id == workspace.c.source_id, version.c.kind == "state-version",
             version.c.native_id == workspace.c.native_id + "#" + cast(workspace.c.serial, Text)),
    )
    .where(among(workspace.c.id))
)  # fmt: skip


def deployments(conn: Connection, config: Config, projects: Mapping[int, Sequence[str]]) -> dict[Place, list[Any]]:
    """(product, environment) -> (newest deployment, newest good one) of each of its projects there."""
    known = conn.execute(_PLACES, {"projects": sorted(projects)}).all()
    rows = [(row, resolve(config, row.name, row.tier).environment) for row in known if row.newest is not None]
    wanted = {key for row, name in rows if name is not None for key in (row.newest, row.good) if key}
    held = {row.id: row for row in fetch(conn, deployment, wanted, *_DEPLOYMENT)}
    found: dict[Place, list[Any]] = {}
    for row, name in rows:
        if name is not None:
            for product in projects[row.project_id]:
                found.setdefault((product, name), []).append((held[row.newest], held.get(row.good)))
    return found


def heads(conn: Connection, projects: Mapping[int, Sequence[str]]) -> dict[str, list[Any]]:
    """Product -> the newest runs of its projects' default branches."""
    found: dict[str, list[Any]] = {}
    for row in conn.execute(_HEADS, {"projects": sorted(projects)}).all():
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
    since = to_millis(now - BEHIND_REACH)
    counts = {row.id: row.behind for row in by_keys(conn, _BEHIND, (good.id for good in waiting.values()), since=since)}
    for place, good in waiting.items():
        if counts[good.id] and cells[place].note is None:
            cells[place].note = f"{counts[good.id]} behind"


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
    images = {row.id: row for row in fetch(conn, version, {key for keys in made.values() for key in keys}, *_IMAGE)}
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


def infrastructure_cells(
    conn: Connection, config: Config, spaces: Mapping[int, Sequence[str]], paused: Collection[int], now: datetime
) -> Cells:
    """The worst state of each environment, as Infrastructure ranks them: its serial, and when it was checked.

    `paused` are the workspaces whose apply has failed.
    """
    keys = sorted(spaces)
    checked, nothing = plans.checked(conn, keys), plans.Checked()
    cells: dict[Place, list[tuple[Any, Cell]]] = {}
    for row in by_keys(conn, _STATES, keys):
        place = row.environment or resolve(config, row.name, of="state").environment
        if place is None:
            continue
        known = checked.get(row.id, nothing)
        drift, due = plans.drift(known, now), plans.pending(known, row.updated_at, now)
        locked = row.locked_at is not None or row.locked_by is not None
        word = str(plans.status(drift, due, locked=locked, paused=row.id in paused))
        told = (plans.worst_first(bool(due["destroys"]), word, row.name), _state(row, word, drift["checked_at"]))
        for product in spaces[row.id]:
            cells.setdefault((product, place), []).append(told)
    return {place: replace(min(found, key=lambda one: one[0])[1], of=len(found)) for place, found in cells.items()}


def _state(row: Any, word: str, checked: str | None) -> Cell:
    return Cell(
        state=word, thing=("workspace", row.id) if row.version_id is None else ("version", row.version_id),
        version=None if row.serial is None else f"s{row.serial}", at=row.updated_at,
        title=f"state {row.name}, {word}; " + (f"checked {checked}" if checked else "never checked"),
        subject=text_id(row.instance, row.kind, row.native_id), web_url=row.web_url,
    )  # fmt: skip
