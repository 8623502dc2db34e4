"""What is bad in what Terraform last wrote: failed applies, replaced states, failing checks, taints, gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, select

from services.links.infrastructure import ENDPOINT_TYPES, endpoint_key, project_numbers, resource_key
from services.problems.episode import AMBER, RED, Bad, Judged, problem
from services.problems.infrastructure import environment_of
from services.scene import Scene, among
from services.store import schema
from services.vocabulary import RunState
from services.wording import MINUTE, count, short

workspace, version, detail, step, run = (
    schema.workspace, schema.version, schema.state_detail, schema.step, schema.run,
)  # fmt: skip
READ_WITHIN = 10 * MINUTE
"""How long a state that was just found may go without its contents read, before we judge without it."""


@dataclass(frozen=True, slots=True)
class State:
    """A state with its newest two versions, newest first, as far as they are known."""

    row: Any
    newest: Any
    before: Any


def states(scene: Scene) -> list[State]:
    return scene.once("states", _states)


def _states(scene: Scene) -> list[State]:
    ids = set(scene.ids("workspace")) | _of_versions(scene) | _of_steps(scene)
    order = func.row_number().over(partition_by=workspace.c.id, order_by=version.c.created_at.desc()).label("place")
    on = and_(version.c.kind == "state-version", version.c.of == workspace.c.name,
              version.c.source_id == workspace.c.source_id,
              version.c.project_id.is_not_distinct_from(workspace.c.project_id),
              version.c.created_at.is_not(None))  # fmt: skip
    ranked = select(workspace.c.id.label("workspace_id"), version.c.id.label("version_id"), order).join(version, on)
    rows = list(scene.rows(select(workspace).where(workspace.c.name.is_not(None)), workspace.c.id, ids))
    top: dict[int, dict[int, int]] = {}
    for row in scene.rows(ranked, workspace.c.id, ids):
        if row.place <= 2:
            top.setdefault(row.workspace_id, {})[row.place] = row.version_id
    keys = {key for found in top.values() for key in found.values()}
    query = (
        select(version, detail.c.lineage, detail.c.tainted, detail.c.checks, step.c.name.label("job"),
               run.c.created_at.label("applied_by"))
        .outerjoin(detail, detail.c.version_id == version.c.id)
        .outerjoin(step, step.c.id == version.c.step_id)
        .outerjoin(run, run.c.id == step.c.run_id)
    )  # fmt: skip
    known = {row.id: row for row in among(scene.conn, query, version.c.id, keys)}
    return [
        State(row, known.get(top.get(row.id, {}).get(1, 0)), known.get(top.get(row.id, {}).get(2, 0))) for row in rows
    ]


def _of_versions(scene: Scene) -> set[int]:
    on = and_(version.c.kind == "state-version", version.c.of == workspace.c.name,
              version.c.source_id == workspace.c.source_id)  # fmt: skip
    rows = among(scene.conn, select(workspace.c.id).join(version, on), version.c.id, scene.ids("version"))
    return {row.id for row in rows}


def _of_steps(scene: Scene) -> set[int]:
    """States of a project in which a job that applies has moved."""
    query = select(run.c.project_id).join(step, step.c.run_id == run.c.id).where(step.c.name.like("%apply%"))
    projects = {row.project_id for row in among(scene.conn, query, step.c.id, scene.ids("step"))} - {None}
    return {row.id for row in among(scene.conn, select(workspace.c.id), workspace.c.project_id, projects)}


def _judged(scene: Scene, found: Iterable[State], bad: Iterator[Bad]) -> Judged:
    return Judged(tuple(bad), frozenset(("workspace", state.row.id, "") for state in found), scene.whole)


def _about(scene: Scene, row: Any) -> dict[str, Any]:
    return {"subject": ("workspace", row.id, ""), "source_id": row.source_id, "lane": "infrastructure",
            "environment": environment_of(scene, row)}  # fmt: skip


@problem("apply-failed", "workspace", "version", "step")
def apply_failed(scene: Scene) -> Judged:
    """The newest attempt of the job that last wrote the state failed: the state is *paused* half way.

    The job is known by the state's own record of who wrote it, so that no naming rule is needed.
    """
    found = states(scene)
    known = [state for state in found if state.newest is not None and state.newest.job and state.row.project_id]
    attempts: dict[tuple[int, str], Any] = {}
    oldest = min((state.newest.applied_by or scene.at for state in known), default=scene.at)
    query = (
        select(step, run.c.project_id, run.c.sha, run.c.created_at.label("began"))
        .join(run, run.c.id == step.c.run_id)
        .where(run.c.created_at >= oldest, step.c.retried.is_not(True), step.c.state.in_(("succeeded", "failed")),
               step.c.name.in_({state.newest.job for state in known}))
        .order_by(run.c.created_at, step.c.id)
    )  # fmt: skip
    for row in among(scene.conn, query, run.c.project_id, {state.row.project_id for state in known}):
        attempts[row.project_id, row.name] = row

    def bad() -> Iterator[Bad]:
        for state in known:
            last, row = attempts.get((state.row.project_id, state.newest.job)), state.row
            if last is None or last.state != RunState.FAILED or row.gone_at is not None:
                continue
            yield Bad(**_about(scene, row), severity=RED, state=RunState.FAILED, since=last.finished_at or last.began,
                      title=f"The last apply of {row.name} failed: it may be half done", reason=last.failure_reason,
                      first_bad=last.sha, last_good=f"serial {state.newest.label}", web_url=last.web_url or row.web_url,
                      facts={"thing": {"table": "step", "id": last.id}, "job": last.name, "commit": short(last.sha),
                             "serial": state.newest.label})  # fmt: skip

    return _judged(scene, found, bad())


@problem("lineage-changed", "workspace", "version")
def lineage_changed(scene: Scene) -> Judged:
    """The newest version is of another lineage than the one before it, or its serial went down: it was replaced.

    It stays bad until the next version follows properly, so that somebody looks.
    """
    found = [state for state in states(scene) if state.before is not None]

    def bad() -> Iterator[Bad]:
        for state in found:
            newest, before, row = state.newest, state.before, state.row
            other = bool(newest.lineage and before.lineage and newest.lineage != before.lineage)
            down = newest.label.isdigit() and before.label.isdigit() and int(newest.label) < int(before.label)
            if (other or down) and row.gone_at is None:
                how = (
                    "by one of another lineage"
                    if other
                    else f"by an older one (serial {before.label} → {newest.label})"
                )
                yield Bad(**_about(scene, row), severity=RED, state=RunState.WARNING, since=newest.created_at,
                          title=f"The state of {row.name} was replaced {how}", first_bad=f"serial {newest.label}",
                          last_good=f"serial {before.label}", web_url=newest.web_url or row.web_url,
                          facts={"lineage": newest.lineage, "lineage_before": before.lineage,
                                 "author": newest.author})  # fmt: skip

    return _judged(scene, found, bad())


@problem("check-failing", "workspace", "version")
def check_failing(scene: Scene) -> Judged:
    """A check block in the newest state fails."""
    found = [state for state in states(scene) if state.newest is not None]

    def bad() -> Iterator[Bad]:
        for state in found:
            failing = (state.newest.checks or {}).get("fail") or 0
            if failing and state.row.gone_at is None:
                yield Bad(**_about(scene, state.row), severity=AMBER, state=RunState.WARNING,
                          since=state.newest.created_at, web_url=state.row.web_url,
                          title=f"{count(failing, 'check')} of {state.row.name} {'fails' if failing == 1 else 'fail'}",
                          facts={"checks": state.newest.checks, "serial": state.newest.label})  # fmt: skip

    return _judged(scene, found, bad())


@problem("tainted", "workspace", "version")
def tainted(scene: Scene) -> Judged:
    """Resources that the next apply will replace, because making them went wrong."""
    found = [state for state in states(scene) if state.newest is not None]

    def bad() -> Iterator[Bad]:
        for state in found:
            some = state.newest.tainted or 0
            if some and state.row.gone_at is None:
                yield Bad(**_about(scene, state.row), severity=AMBER, state=RunState.WARNING,
                          since=state.newest.created_at, web_url=state.row.web_url,
                          title=f"The next apply will replace {count(some, 'resource')} of {state.row.name} (tainted)",
                          facts={"tainted": some, "serial": state.newest.label})  # fmt: skip

    return _judged(scene, found, bad())


@dataclass(frozen=True, slots=True)
class Inventory:
    """Endpoints that the cloud lists and those that states hold, each by one key."""

    listed: dict[str, Any]
    held: dict[str, Any]
    read: bool
    """False while contents of a state are still to come: then nothing can be called unmanaged."""
    regions: frozenset[str]


def _inventory(scene: Scene) -> Inventory:
    numbers, endpoint, resource = project_numbers(scene), schema.endpoint, schema.resource
    there = select(endpoint).where(endpoint.c.name.is_not(None), endpoint.c.gone_at.is_(None))
    listed = {key: row for row in scene.conn.execute(there) if (key := endpoint_key(row.native_id, numbers))}
    held_by = (
        select(resource, workspace.c.name, workspace.c.environment, workspace.c.source_id, workspace.c.web_url)
        .join(workspace, workspace.c.id == resource.c.workspace_id)
        .where(resource.c.serial_to.is_(None), resource.c.type.in_(ENDPOINT_TYPES), workspace.c.gone_at.is_(None))
    )
    held = {key: row for row in scene.conn.execute(held_by) if (key := resource_key(row, numbers))}
    serial = schema.state_serial
    unread = select(workspace.c.id).where(
        workspace.c.serial.is_not(None), workspace.c.gone_at.is_(None),
        workspace.c.first_seen_at > scene.at - READ_WITHIN,
        ~exists().where(serial.c.workspace_id == workspace.c.id, serial.c.serial == workspace.c.serial),
    )  # fmt: skip
    waiting = scene.conn.execute(unread.limit(1)).first()
    return Inventory(listed, held, waiting is None, frozenset(key.split("|")[0] for key in listed))


@problem("unmanaged", "endpoint", "resource", "workspace", timed=True)
def unmanaged(scene: Scene) -> Judged:
    """An endpoint that the cloud lists and no known state holds, where Terraform manages others."""
    if _settled(scene):
        return Judged(())
    found = scene.once("inventory", _inventory)
    if not found.held or not found.read:
        return Judged((), whole=not found.held)
    bad = tuple(
        Bad(subject=("endpoint", row.id, ""), severity=AMBER, state=RunState.WARNING, lane="infrastructure",
            since=row.created_at, source_id=row.source_id, environment=row.environment, web_url=row.web_url,
            title=f"The endpoint {row.name} exists in the cloud and in no Terraform state that we know")
        for key, row in found.listed.items() if key not in found.held
    )  # fmt: skip
    return Judged(bad, whole=True)


def _settled(scene: Scene) -> bool:
    """True in a sweep where no state is young enough to be waited for: then only rows that move can tell more."""
    if not scene.whole or scene.first_fill:
        return False
    young = select(workspace.c.id).where(workspace.c.first_seen_at > scene.at - 2 * READ_WITHIN).limit(1)
    return scene.conn.execute(young).first() is None


@problem("missing", "endpoint", "resource", "workspace")
def missing(scene: Scene) -> Judged:
    """An endpoint that a state holds and the cloud does not list, where that project and region is read."""
    found = scene.once("inventory", _inventory)
    bad = tuple(
        Bad(subject=("workspace", row.workspace_id, row.address), severity=RED, state=RunState.FAILED,
            lane="infrastructure", since=None, source_id=row.source_id, web_url=row.web_url,
            environment=environment_of(scene, row),
            title=f"{row.address} is in the state {row.name} and not in the cloud",
            facts={"thing": {"table": "resource", "id": row.id}})
        for key, row in found.held.items() if key not in found.listed and key.split("|")[0] in found.regions
    )  # fmt: skip
    return Judged(bad, whole=True)
