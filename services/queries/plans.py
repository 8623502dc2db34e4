"""What a workspace's newest plans say: drift and pending changes, never added up, and the one word for it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, func, select

from services.problems.infrastructure import destroyed, is_moved
from services.queries import rows as r
from services.queries.base import iso, to_millis
from services.queries.keys import among
from services.store import schema
from services.vocabulary import WorkspaceState

CHECK_HOLDS = timedelta(hours=24)
"""A check that is older says nothing of today."""
APPLIED_AFTER = timedelta(minutes=1)
"""A state written so much later than a plan was made has moved on from it."""
ORDER = (
    WorkspaceState.ERRORED, WorkspaceState.PAUSED, WorkspaceState.DRIFTED, WorkspaceState.LOCKED,
    WorkspaceState.PENDING, WorkspaceState.STALE, WorkspaceState.NOT_CHECKED, WorkspaceState.IN_SYNC,
)  # fmt: skip
"""Worst first; the first that is true is the one word for a workspace."""
VERBS = ("create", "update", "delete", "replace")

workspace, plan = schema.workspace, schema.plan


@dataclass(frozen=True, slots=True)
class Checked:
    """A workspace's plans that matter: None where there is none."""

    newest: Any = None
    good: Any = None
    """The newest that did not error."""
    normal: Any = None
    """The newest that did not error and compared the code too."""


def checked(conn: Connection, keys: Sequence[int]) -> dict[int, Checked]:
    """Workspace -> its plans, by one index seek each."""
    found: dict[int, Any] = {}
    for start in range(0, len(keys), 500):
        rows = conn.execute(_which(), {"keys": list(keys[start : start + 500])})
        found |= {row.id: row for row in rows.all()}
    wanted = sorted({key for row in found.values() for key in (row.newest, row.good, row.normal)} - {None})
    plans = {row.id: row._mapping for row in r.by_key(conn, r.identified(plan), plan.c.id, wanted)}
    return {
        key: Checked(plans.get(row.newest), plans.get(row.good), plans.get(row.normal)) for key, row in found.items()
    }


@cache
def _which() -> Select[Any]:
    """Which plans those are; kept, as building the statement costs more than running it."""
    sound = func.coalesce(plan.c.errored, False).is_(False)
    return select(
        workspace.c.id,
        _newest().label("newest"),
        _newest(sound).label("good"),
        _newest(sound, plan.c.mode != "refresh-only").label("normal"),
    ).where(among(workspace.c.id))


def _newest(*conditions: Any) -> Any:
    return (
        select(plan.c.id)
        .where(plan.c.workspace_id == workspace.c.id, plan.c.checked_at.is_not(None), *conditions)
        .order_by(plan.c.checked_at.desc(), plan.c.id.desc())
        .limit(1)
        .correlate(workspace)
        .scalar_subquery()
    )


def drift(plans: Checked, now: datetime) -> dict[str, Any]:
    """Reality ≠ state, by the newest check; where that one errored, what the last good one found is told beside it."""
    told = plans.good or plans.newest
    if told is None:
        return {
            "status": str(WorkspaceState.NOT_CHECKED), "stale": False, "checked_at": None, "resources": [],
            "plan": None, "mode": None, "web_url": None,
        }  # fmt: skip
    stale = to_millis(now) - told["checked_at"] > _ms(CHECK_HOLDS)
    resources = [_entry(one) for one in told["drift"] or () if not is_moved(one)]
    if plans.newest["errored"]:
        status = WorkspaceState.ERRORED
    elif resources:
        status = WorkspaceState.DRIFTED
    else:
        status = WorkspaceState.STALE if stale else WorkspaceState.IN_SYNC
    return {
        "status": str(status),
        "stale": stale,
        "checked_at": iso(told["checked_at"]),
        "resources": resources,
        "plan": r.id_of(told),
        "mode": told["mode"],
        "web_url": plans.newest["web_url"],
    }


def _entry(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"address": one.get("address"), "actions": one.get("actions"), "attributes": one.get("attributes") or []}


def pending(plans: Checked, written_at: int | None, now: datetime) -> dict[str, Any]:
    """Code ≠ state, by the newest plan that compared them. *Superseded*: the state was written since."""
    told = plans.normal
    if told is None:
        unknown: dict[str, Any] = dict.fromkeys(VERBS)
        return {
            "status": str(WorkspaceState.NOT_CHECKED), "checked_at": None, **unknown, "superseded": False,
            "destroys": [], "changes": [], "web_url": None,
        }  # fmt: skip
    counts = {name: told[name] for name in VERBS}
    superseded = written_at is not None and written_at > told["checked_at"] + _ms(APPLIED_AFTER)
    if any(counts.values()):
        status = WorkspaceState.PENDING
    else:
        stale = to_millis(now) - told["checked_at"] > _ms(CHECK_HOLDS)
        status = WorkspaceState.STALE if stale else WorkspaceState.IN_SYNC
    return {
        "status": str(status),
        "checked_at": iso(told["checked_at"]),
        **counts,
        "superseded": superseded,
        "destroys": [one.get("address") for one in destroyed(told["changes"])],
        "changes": told["changes"] or [],
        "web_url": told["web_url"],
    }


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def worst_first(destroys: bool, word: str, name: str | None) -> tuple[bool, int, str]:
    """What would lose data comes before all else; then by the one word, then by name."""
    return not destroys, ORDER.index(WorkspaceState(word)), name or ""


def status(drifted: Mapping[str, Any], due: Mapping[str, Any], *, locked: bool, paused: bool) -> WorkspaceState:
    """The one word for a workspace: the worst of what is true of it."""
    truths = {
        WorkspaceState.ERRORED: drifted["status"] == WorkspaceState.ERRORED,
        WorkspaceState.PAUSED: paused,
        WorkspaceState.DRIFTED: drifted["status"] == WorkspaceState.DRIFTED,
        WorkspaceState.LOCKED: locked,
        WorkspaceState.PENDING: due["status"] == WorkspaceState.PENDING and not due["superseded"],
        WorkspaceState.STALE: drifted["stale"],
        WorkspaceState.NOT_CHECKED: drifted["status"] == WorkspaceState.NOT_CHECKED,
        WorkspaceState.IN_SYNC: True,
    }
    return next(word for word in ORDER if truths[word])
