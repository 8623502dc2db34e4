"""What happened to infrastructure: states applied, locked and replaced, drift and pending changes found and gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from services.environments import resolve
from services.events.telling import Fact, native, tells
from services.scene import Moved, Scene, among
from services.store import schema
from services.wording import count

workspace, version, plan = schema.workspace, schema.version, schema.plan


def environment_of(scene: Scene, row: Any) -> str | None:
    """The configured environment that a workspace counts for."""
    return row.environment or resolve(scene.config, row.name, of="state").environment


@tells("version")
def applied(scene: Scene) -> Iterable[Fact]:
    """Each new serial of a state, with the one before it."""
    before, its = version.alias("before"), schema.state_detail
    older = (
        select(before.c.label)
        .where(before.c.kind == "state-version", before.c.of == version.c.of,
               before.c.project_id.is_not_distinct_from(version.c.project_id),
               before.c.source_id == version.c.source_id, before.c.created_at < version.c.created_at)
        .order_by(before.c.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )  # fmt: skip
    query = (
        select(version, older.label("before"), its.c.instances)
        .outerjoin(its, its.c.version_id == version.c.id)
        .where(version.c.kind == "state-version", version.c.of.is_not(None))
    )
    rows = list(scene.rows(query, version.c.id, scene.ids("version")))
    places = _places(scene, rows)
    for row in rows:
        step = f" (serial {row.before} → {row.label})" if row.before else f" (serial {row.label})"
        yield Fact(lane="infrastructure", kind="state-applied", at=row.created_at, subject=("version", row.id),
                   source_id=row.source_id, native=native(row), version="applied",
                   title=f"Infrastructure {row.of} was applied{step}", environment=places.get(row.id),
                   label=f"s{row.label}", actor=row.author, web_url=row.web_url,
                   facts={"workspace": row.of, "serial": row.label, "serial_before": row.before,
                          "instances": row.instances})  # fmt: skip


def _places(scene: Scene, rows: list[Any]) -> dict[int, str | None]:
    """version -> environment, by the workspace that it is a version of."""
    query = select(workspace.c.source_id, workspace.c.native_id, workspace.c.name, workspace.c.environment)
    asked = {row.native_id.split("#", 1)[0] for row in rows}
    known = {(row.source_id, row.native_id): row for row in among(scene.conn, query, workspace.c.native_id, asked)}
    found: dict[int, str | None] = {}
    for row in rows:
        held = known.get((row.source_id, row.native_id.split("#", 1)[0]))
        found[row.id] = environment_of(scene, held) if held else resolve(scene.config, row.of, of="state").environment
    return found


@tells("workspace")
def workspaces(scene: Scene) -> Iterable[Fact]:
    """Locks taken and given back, and states whose history was replaced; from what a workspace was before."""
    moved = {one.id: one for one in scene.of("workspace")}
    query = select(workspace).where(workspace.c.name.is_not(None))
    for row in scene.rows(query, workspace.c.id, scene.ids("workspace")):
        one = moved.get(row.id)
        yield from _locks(scene, row, one)
        yield from _replaced(scene, row, one)


def _fact(scene: Scene, row: Any, kind: str, at: int | None, version_of: Any, title: str, **facts: Any) -> Fact:
    return Fact(lane="infrastructure", kind=kind, at=at, subject=("workspace", row.id), source_id=row.source_id,
                native=native(row), version=version_of, title=title, environment=environment_of(scene, row),
                label=None if row.serial is None else f"s{row.serial}", actor=row.locked_by, web_url=row.web_url,
                facts=facts)  # fmt: skip


def _locks(scene: Scene, row: Any, moved: Moved | None) -> Iterable[Fact]:
    if row.locked_at is not None:
        by = f" by {row.locked_by}" if row.locked_by else ""
        yield _fact(scene, row, "state-locked", row.locked_at, row.locked_at,
                    f"Infrastructure {row.name} was locked{by}", operation=row.lock_operation)  # fmt: skip
    held = (moved.before or {}).get("locked_at") if moved else None
    if held is not None and row.locked_at is None:
        # No upstream tells when a lock was given back: the time is when we first saw it open.
        yield _fact(scene, row, "state-unlocked", scene.at, held, f"Infrastructure {row.name} is no longer locked",
                    locked_at=held, at_is="first seen")  # fmt: skip


def _replaced(scene: Scene, row: Any, moved: Moved | None) -> Iterable[Fact]:
    before = (moved.before or {}) if moved else {}
    at = row.updated_at or scene.at
    if before.get("lineage") and row.lineage and before["lineage"] != row.lineage:
        yield _fact(scene, row, "lineage-changed", at, row.lineage,
                    f"The state of {row.name} was replaced by another one (its lineage changed)",
                    lineage_before=before["lineage"], lineage=row.lineage)  # fmt: skip
    elif before.get("serial") is not None and row.serial is not None and row.serial < before["serial"]:
        yield _fact(scene, row, "serial-down", at, f"{before['serial']}-{row.serial}-{at}",
                    f"The state of {row.name} went back from serial {before['serial']} to {row.serial}",
                    serial_before=before["serial"], serial=row.serial)  # fmt: skip


@tells("plan")
def plans(scene: Scene) -> Iterable[Fact]:
    """Where a check finds other than the check before it: drift and pending changes apart, never added together."""
    before = plan.alias("before")
    older = (
        select(before.c.id)
        .where(before.c.workspace_id == plan.c.workspace_id, before.c.checked_at < plan.c.checked_at,
               before.c.errored.is_not(True))
        .order_by(before.c.checked_at.desc())
        .limit(1)
        .scalar_subquery()
    )  # fmt: skip
    query = (
        select(plan, older.label("before"), workspace.c.name, workspace.c.environment)
        .join(workspace, workspace.c.id == plan.c.workspace_id)
        .where(plan.c.checked_at.is_not(None), plan.c.errored.is_not(True))
    )
    rows = list(scene.rows(query, plan.c.id, scene.ids("plan")))
    held = {row.id: row for row in among(scene.conn, select(plan), plan.c.id, {row.before for row in rows} - {None})}
    for row in rows:
        yield from _plan(scene, row, held.get(row.before))


def _plan(scene: Scene, row: Any, before: Any) -> Iterable[Fact]:
    name = row.name or "a state"
    drift, was = len(row.drift or ()), len(before.drift or ()) if before is not None else 0
    if drift and not was:
        kept = "is no longer as Terraform left it" if drift == 1 else "are no longer as Terraform left them"
        yield _check(scene, row, "drift-found", f"{count(drift, 'resource')} of {name} {kept}")
    if was and not drift:
        yield _check(scene, row, "drift-gone", f"{name} is as Terraform left it again")
    if row.mode == "refresh-only":
        return
    pending, waited = len(row.changes or ()), len(before.changes or ()) if before is not None else 0
    if pending and not waited:
        verb = "waits" if pending == 1 else "wait"
        yield _check(
            scene, row, "changes-pending", f"{count(pending, 'change')} in the code of {name} {verb} to be applied"
        )
    if waited and not pending and before.mode != "refresh-only":
        yield _check(scene, row, "changes-gone", f"Nothing of the code of {name} waits to be applied any more")


def _check(scene: Scene, row: Any, kind: str, title: str) -> Fact:
    facts = {"drift": [one.get("address") for one in row.drift or ()][:20], "create": row.create, "update": row.update,
             "delete": row.delete, "replace": row.replace, "mode": row.mode}  # fmt: skip
    return Fact(lane="infrastructure", kind=kind, at=row.checked_at, subject=("plan", row.id), source_id=row.source_id,
                native=native(row), version="checked", title=title, environment=environment_of(scene, row),
                label=None, web_url=row.web_url, facts=facts)  # fmt: skip
