"""What is bad about Terraform states: drift, dangerous plans, locks, checks that are missing, failed or old."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, select

from services.environments import resolve, tier_named
from services.problems.episode import AMBER, RED, Bad, Judged, problem
from services.scene import Scene, among
from services.stateful import is_stateful
from services.store import schema
from services.vocabulary import RunState, Tier
from services.wording import DAY, HOUR, count, listed, moment

workspace, plan = schema.workspace, schema.plan
STALE_AFTER = DAY
LOCK_AFTER = HOUR
FIRST_CHECK = DAY
"""A state gets this long until its first check is missed."""


@dataclass(frozen=True, slots=True)
class Check:
    """A state, its newest plan, the newest that did not error, and the newest of those that look at the code too."""

    row: Any
    newest: Any
    good: Any
    normal: Any


def environment_of(scene: Scene, row: Any) -> str | None:
    """The configured environment that a state counts for."""
    return row.environment or resolve(scene.config, row.name, of="state").environment


def checks(scene: Scene) -> list[Check]:
    """The touched states, or all of them, each with its plans."""
    return scene.once("checks", _checks)


def _newest(*conditions: Any) -> ScalarSelect[Any]:
    return (
        select(plan.c.id)
        .where(plan.c.workspace_id == workspace.c.id, plan.c.checked_at.is_not(None), *conditions)
        .order_by(plan.c.checked_at.desc())
        .limit(1)
        .correlate(workspace)
        .scalar_subquery()
    )


def _checks(scene: Scene) -> list[Check]:
    ids = set(scene.ids("workspace"))
    of_plans = among(scene.conn, select(plan.c.workspace_id), plan.c.id, scene.ids("plan"))
    ids |= {row.workspace_id for row in of_plans if row.workspace_id is not None}
    sound = plan.c.errored.is_not(True)
    query = select(workspace, _newest().label("newest"), _newest(sound).label("good"),
                   _newest(sound, plan.c.mode != "refresh-only").label("normal")).where(
        workspace.c.name.is_not(None))  # fmt: skip
    rows = list(scene.rows(query, workspace.c.id, ids))
    keys = {key for row in rows for key in (row.newest, row.good, row.normal) if key is not None}
    plans = {row.id: row for row in among(scene.conn, select(plan), plan.c.id, keys)}
    return [Check(row, plans.get(row.newest), plans.get(row.good), plans.get(row.normal)) for row in rows]


def _judged(scene: Scene, found: Iterable[Check], bad: Iterator[Bad]) -> Judged:
    return Judged(tuple(bad), frozenset(("workspace", check.row.id, "") for check in found), scene.whole)


def _about(scene: Scene, row: Any) -> dict[str, Any]:
    return {"subject": ("workspace", row.id, ""), "source_id": row.source_id, "lane": "infrastructure",
            "environment": environment_of(scene, row)}  # fmt: skip


def _is_production(scene: Scene, row: Any) -> bool:
    return tier_named(scene.config, environment_of(scene, row)) is Tier.PRODUCTION


def addresses(entries: Iterable[Any] | None) -> list[str]:
    return [str(entry.get("address")) for entry in entries or ()]


def is_moved(entry: Any) -> bool:
    """True for what is no drift: a resource that only has another address now, or nothing to do at all."""
    return set(entry.get("actions") or ()) <= {"no-op", "read", "move", "moved"}


def destroyed(entries: Iterable[Any] | None) -> list[Any]:
    """Entries that replace or delete a stateful resource."""
    return [
        one for one in entries or () if "delete" in (one.get("actions") or ()) and is_stateful(one.get("type") or "")
    ]


@problem("drift", "workspace", "plan")
def drift(scene: Scene) -> Judged:
    """Reality is not what the state holds, by the newest check that did not error.

    Only entries that change something count: `moved` blocks and an exit code of 2 alone are no drift.
    """
    found = [check for check in checks(scene) if check.good is not None]
    drifted = [(check, [one for one in check.good.drift or () if not is_moved(one)]) for check in found]
    since = _drifted_since(scene, {check.row.id: check.good for check, entries in drifted if entries})

    def bad() -> Iterator[Bad]:
        for check, entries in drifted:
            if entries and check.row.gone_at is None:
                row, names = check.row, addresses(entries)
                kept = (
                    "is no longer as Terraform left it" if len(names) == 1 else "are no longer as Terraform left them"
                )
                red = bool(destroyed(entries)) or _is_production(scene, row)
                first, last_good = since[row.id]
                yield Bad(**_about(scene, row), severity=RED if red else AMBER, state=RunState.WARNING, since=first,
                          title=f"{count(len(names), 'resource')} of {row.name} {kept}: {listed(names)}",
                          web_url=check.good.web_url or row.web_url, last_good=last_good,
                          facts={"thing": {"table": "plan", "id": check.good.id}, "resources": names[:50],
                                 "checked_at": check.good.checked_at})  # fmt: skip

    return _judged(scene, found, bad())


def _drifted_since(scene: Scene, newest: dict[int, Any]) -> dict[int, tuple[int, str | None]]:
    """state -> (the first of the drifted checks in a row, the id of the clean one before it)."""
    query = select(plan.c.workspace_id, plan.c.native_id, plan.c.checked_at, plan.c.drift).where(
        plan.c.errored.is_not(True), plan.c.checked_at.is_not(None), plan.c.checked_at >= scene.at - 90 * DAY
    )
    found: dict[int, tuple[int, str | None]] = {key: (row.checked_at, None) for key, row in newest.items()}
    over: set[int] = set()
    rows = sorted(among(scene.conn, query, plan.c.workspace_id, newest), key=lambda row: -row.checked_at)
    for row in rows:
        key = row.workspace_id
        if key in over:
            continue
        if any(not is_moved(one) for one in row.drift or ()):
            found[key] = (min(found[key][0], row.checked_at), found[key][1])
        else:
            found[key] = (found[key][0], row.native_id)
            over.add(key)
    return found


@problem("pending-replace", "workspace", "plan")
def pending_replace(scene: Scene) -> Judged:
    """The next apply would replace or delete something that holds what cannot be made again."""
    found = [check for check in checks(scene) if check.normal is not None]

    def bad() -> Iterator[Bad]:
        for check in found:
            entries, row = destroyed(check.normal.changes), check.row
            if entries and row.gone_at is None:
                names = addresses(entries)
                yield Bad(**_about(scene, row), severity=RED, state=RunState.WAITING, since=check.normal.checked_at,
                          title=f"The next apply of {row.name} would destroy {listed(names)}",
                          web_url=check.normal.web_url or row.web_url,
                          facts={"thing": {"table": "plan", "id": check.normal.id}, "resources": names[:50],
                                 "changes": [dict(one) for one in entries[:20]]})  # fmt: skip

    return _judged(scene, found, bad())


@problem("plan-errored", "workspace", "plan")
def plan_errored(scene: Scene) -> Judged:
    """The newest check of a state ended with an error, so that nothing is known since the one before it."""
    found = checks(scene)

    def bad() -> Iterator[Bad]:
        for check in found:
            row, last = check.row, check.newest
            if last is not None and last.errored and row.gone_at is None:
                yield Bad(**_about(scene, row), severity=RED, state=RunState.FAILED, since=last.checked_at,
                          title=f"The last check of {row.name} ended with an error: its drift is not known",
                          web_url=last.web_url or row.web_url, last_good=check.good.native_id if check.good else None,
                          facts={"thing": {"table": "plan", "id": last.id}})  # fmt: skip

    return _judged(scene, found, bad())


@problem("locked", "workspace", timed=True)
def locked(scene: Scene) -> Judged:
    """A state that has been locked for more than an hour: an apply hangs, or was cut off."""
    found = checks(scene)

    def bad() -> Iterator[Bad]:
        for check in found:
            row = check.row
            if row.locked_at is not None and scene.at - row.locked_at > LOCK_AFTER and row.gone_at is None:
                by = f" by {row.locked_by}" if row.locked_by else ""
                yield Bad(**_about(scene, row), severity=AMBER, state=RunState.WAITING,
                          since=row.locked_at + LOCK_AFTER, web_url=row.web_url,
                          title=f"{row.name} is locked{by} since {moment(row.locked_at, scene.config)}: "
                          "nobody else can apply it",
                          facts={"locked_at": row.locked_at, "operation": row.lock_operation})  # fmt: skip

    return _judged(scene, found, bad())


@problem("not-checked", "workspace", "plan", timed=True)
def not_checked(scene: Scene) -> Judged:
    """A state of which no plan was ever seen, though others of its source are checked: *in sync* cannot be said.

    Where a source has no plans at all, nobody there checks for drift: its states say *not checked*, and no card asks.
    """
    found = checks(scene)
    used = {row.source_id for row in scene.conn.execute(select(plan.c.source_id).distinct())}

    def bad() -> Iterator[Bad]:
        for check in found:
            row = check.row
            known = row.first_seen_at if row.created_at is None else min(row.created_at, row.first_seen_at)
            if (
                check.newest is None
                and row.source_id in used
                and row.gone_at is None
                and scene.at - known > FIRST_CHECK
            ):
                yield Bad(**_about(scene, row), severity=AMBER, state=RunState.UNKNOWN, since=known + FIRST_CHECK,
                          title=f"{row.name} has never been checked for drift", reason="no plan was ever seen",
                          web_url=row.web_url)  # fmt: skip

    return _judged(scene, found, bad())


@problem("check-stale", "workspace", "plan", timed=True)
def check_stale(scene: Scene) -> Judged:
    """The newest check that did not error is older than a day: what it found may no longer be so."""
    found = checks(scene)

    def bad() -> Iterator[Bad]:
        for check in found:
            row, last = check.row, check.good
            if last is not None and scene.at - last.checked_at > STALE_AFTER and row.gone_at is None:
                yield Bad(**_about(scene, row), severity=AMBER, state=RunState.UNKNOWN,
                          since=last.checked_at + STALE_AFTER, web_url=last.web_url or row.web_url,
                          title=f"{row.name} was last checked for drift on {moment(last.checked_at, scene.config)}",
                          facts={"checked_at": last.checked_at})  # fmt: skip

    return _judged(scene, found, bad())
