"""Collects states and plans from a bucket or a folder: what is new first, then what came before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from services.config import TerraformSource
from services.records import Plan, Record, Ref, Workspace
from services.redaction import redact_text
from services.sources.base import AccessDenied, Batch, Pull, SourceError, Unreadable
from services.sources.google import console
from services.sources.terraform.backends import PLAN, STATE, Blob, Listing, lock_info
from services.sources.terraform.parsed import ParsedState, state_version_id, to_records
from services.sources.terraform.plan import read_plan
from services.sources.terraform.state import read_state

KEPT_SERIALS = 50
"""How many generations back a first fill goes, whatever their age."""
_CHUNK = 10

Held = dict[str, Any]


def states(pull: Pull) -> Iterator[Batch]:
    """Every workspace with its newest serial, then locks and what is gone, then earlier serials, newest first.

    The cursor holds for each path the newest and the oldest generation that was read, and its first lineage;
    and the random key of the fingerprints, so that they stay comparable for as long as the store lives.
    """
    listing = pull.client.listing(pull.now)
    cursor: Held = {
        "key": pull.cursor.get("key") or secrets.token_hex(32),
        "states": {path: dict(one) for path, one in pull.cursor.get("states", {}).items()},
        "locks": {},
    }
    live = {path: found for path, found in listing.states.items() if found[0].live}
    order = sorted(live, key=lambda path: live[path][0].mark, reverse=True)
    fresh = [path for path in order if _new(live[path], cursor["states"].get(path))]
    for start in range(0, len(fresh), _CHUNK):
        yield _newest(pull, fresh[start : start + _CHUNK], live, cursor)
    yield _present(pull, listing, live, cursor)
    yield from _earlier(pull, live, cursor)


def _newest(pull: Pull, paths: list[str], live: Mapping[str, list[Blob]], cursor: Held) -> Batch:
    """What is new in some states: a batch small enough to be on screen at once, and large enough to be cheap."""
    records: list[Record] = []
    parts: dict[str, str | None] = {}
    for path in paths:
        todo = _new(live[path], cursor["states"].get(path))
        held = cursor["states"].setdefault(path, {"newest": 0, "oldest": todo[-1].mark})
        found = _read(pull, path, todo, held, cursor["key"])
        held["newest"] = todo[0].mark
        records += [_workspace(pull, path, live[path], held, None), *found]
        parts[workspace_name(pull.source, path)] = held.get("error")
    return Batch(records=tuple(records), cursor=_snapshot(cursor, pull.cursor), parts=parts)


def _new(found: list[Blob], held: Mapping[str, Any] | None) -> list[Blob]:
    """Generations that are newer than the last one read; of a state not seen before, the newest alone."""
    if held is None:
        return found[:1]
    return [one for one in found if one.mark > held["newest"] or (one is found[0] and one.mark != held["newest"])]


def _read(pull: Pull, path: str, todo: list[Blob], held: Held, key: str) -> list[Record]:
    """The records of some generations, oldest first; one that cannot be read is said, and does not stop the others."""
    records: list[Record] = []
    for blob in reversed(todo):
        try:
            parsed = read_state(pull.client.read(blob, pull.now), bytes.fromhex(key))
        except (Unreadable, AccessDenied) as error:
            held["error"] = error.reason
            continue
        held["error"] = parsed.note
        records += _versions(pull, path, blob, parsed, held)
        if blob.mark >= held["newest"]:
            held["serial"], held["lineage_now"] = parsed.serial, parsed.lineage
    return records


def _versions(pull: Pull, path: str, blob: Blob, parsed: ParsedState, held: Held) -> list[Record]:
    held.setdefault("lineage", parsed.lineage)
    other = parsed.lineage if parsed.lineage != held["lineage"] else None
    return list(
        to_records(
            parsed,
            Ref("workspace", path),
            workspace_name(pull.source, path),
            blob.at,
            native_id=state_version_id(path, parsed.serial, other),
            web_url=_link(pull.source, path),
        )
    )


def _present(pull: Pull, listing: Listing, live: Mapping[str, list[Blob]], cursor: Held) -> Batch:
    """All workspaces as they stand now: who holds a lock, and which are gone."""
    records: list[Record] = []
    parts: dict[str, str | None] = {}
    for path, found in live.items():
        held = cursor["states"][path]
        lock = listing.locks.get(path)
        if lock is not None:
            cursor["locks"][path] = _lock(pull, lock)
        records.append(_workspace(pull, path, found, held, cursor["locks"].get(path)))
        parts[workspace_name(pull.source, path)] = held.get("error")
    planned = _planned_only(listing)
    records += [_workspace(pull, path, found, {}, None) for path, found in planned.items()]
    present = frozenset((*live, *planned))
    return Batch(records=tuple(records), cursor=_snapshot(cursor, None), parts=parts, present={"workspace": present})


def _planned_only(listing: Listing) -> dict[str, list[Blob]]:
    """Places that have a plan and no state: nothing was applied there yet, or the state lies elsewhere."""
    plans = {path.removesuffix(PLAN) + STATE: found for path, found in listing.plans.items() if found[0].live}
    return {path: found for path, found in plans.items() if path not in listing.states}


def _lock(pull: Pull, blob: Blob) -> Held:
    """Who holds it; read once, then remembered in the cursor."""
    known = next((one for one in pull.cursor.get("locks", {}).values() if one["mark"] == blob.mark), None)
    if known is not None:
        return dict(known)
    try:
        told = lock_info(pull.client.read(blob, pull.now))
    except SourceError:  # released while we were looking, or not to be read: that it is locked is still true
        told = {}
    who, what, since = told.get("Who"), told.get("Operation"), told.get("Created")
    return {
        "mark": blob.mark,
        "by": redact_text(str(who)[:200]) if who else None,
        "operation": redact_text(str(what)[:80]) if what else None,
        "at": str(since) if since else blob.at.isoformat(),
    }


def _workspace(pull: Pull, path: str, found: list[Blob], held: Held, lock: Held | None) -> Workspace:
    name = workspace_name(pull.source, path)
    return Workspace(
        native_id=path,
        name=name,
        environment=_environment(pull, name),
        serial=held.get("serial"),
        lineage=held.get("lineage_now"),
        locked_at=_time(lock["at"], found[0].at) if lock else None,
        locked_by=lock["by"] if lock else None,
        lock_operation=lock["operation"] if lock else None,
        created_at=found[-1].at if pull.source.bucket else None,
        updated_at=found[0].at,
        web_url=_link(pull.source, path),
    )


def _earlier(pull: Pull, live: Mapping[str, list[Blob]], cursor: Held) -> Iterator[Batch]:
    """Generations from before the first contact, at most 50 a state."""
    todo = {
        path: [one for one in found[:KEPT_SERIALS] if one.mark < cursor["states"][path]["oldest"]]
        for path, found in live.items()
    }
    total = sum(min(len(found), KEPT_SERIALS) for found in live.values())
    left = sum(len(found) for found in todo.values())
    for path, found in todo.items():
        held = cursor["states"][path]
        for start in range(0, len(found), _CHUNK):
            chunk = found[start : start + _CHUNK]
            error = held.get("error")
            records = _read(pull, path, chunk, held, cursor["key"])
            held["oldest"], held["error"] = chunk[-1].mark, error
            left -= len(chunk)
            yield Batch(records=tuple(records), cursor=_snapshot(cursor, None), progress=1 - left / total)


def _snapshot(cursor: Held, before: Mapping[str, Any] | None) -> Held:
    """A copy that later changes do not reach; the locks of `before` stay until they were looked at again."""
    locks = cursor["locks"] if before is None else before.get("locks", {})
    return {
        "key": cursor["key"],
        "states": {path: dict(one) for path, one in cursor["states"].items()},
        "locks": dict(locks),
    }


def plans(pull: Pull) -> Iterator[Batch]:
    """Every NAME.plan.json beside a state, reduced in memory; the newest of each first, then earlier generations."""
    listing = pull.client.listing(pull.now)
    done: dict[str, list[int]] = {path: list(marks) for path, marks in pull.cursor.get("plans", {}).items()}
    newest = sorted((found[0] for found in listing.plans.values() if found[0].live), key=lambda one: -one.mark)
    earlier = [blob for found in listing.plans.values() for blob in found[1:KEPT_SERIALS] if _wanted(pull, blob)]
    todo = [*newest, *sorted(earlier, key=lambda one: -one.mark)]
    todo = [blob for blob in todo if blob.mark not in done.get(blob.path, [])]
    for start in range(0, len(todo), _CHUNK):
        records: list[Plan] = []
        parts: dict[str, str | None] = {}
        for blob in todo[start : start + _CHUNK]:
            plan, problem = _plan(pull, blob)
            records += plan
            kept = {one.mark for one in listing.plans[blob.path]}
            done[blob.path] = [*(mark for mark in done.get(blob.path, []) if mark in kept), blob.mark]
            if blob in newest:
                parts[workspace_name(pull.source, blob.path)] = problem
        yield Batch(records=tuple(records), cursor={"plans": dict(done)}, parts=parts)


def _wanted(pull: Pull, blob: Blob) -> bool:
    return pull.since is None or blob.at >= pull.since


def _plan(pull: Pull, blob: Blob) -> tuple[tuple[Plan, ...], str | None]:
    workspace = Ref("workspace", blob.path.removesuffix(PLAN) + STATE)
    try:
        raw = pull.client.read(blob, pull.now)
        return (read_plan(raw, native_id=None, workspace=workspace, checked_at=blob.at),), None
    except (Unreadable, AccessDenied) as error:
        return (), error.reason


def workspace_name(source: TerraformSource, path: str) -> str:
    """What people call a state: its path without prefix and ending; a default workspace has its folder's name."""
    name = path.removesuffix(STATE).removesuffix(PLAN)
    prefix = source.prefix.rstrip("/") + "/" if source.prefix else ""
    inside = name.removeprefix(prefix) if source.bucket else name
    parts = [part for part in inside.replace("terraform.tfstate.d/", "").split("/") if part]
    if len(parts) > 1 and parts[-1] in ("default", "terraform"):
        parts = parts[:-1]
    if parts in (["default"], ["terraform"]):
        root = (
            source.prefix.rstrip("/") or source.bucket if source.bucket else source.directory and source.directory.name
        )
        return str(root).rpartition("/")[2] or parts[0]
    return redact_text("/".join(parts)) or path


def _environment(pull: Pull, name: str) -> str | None:
    """What the configuration says of the state's name; a guess from the name is not made here."""
    return next(
        (one.name for one in pull.config.environment if any(fnmatchcase(name, pattern) for pattern in one.states)), None
    )


def _link(source: TerraformSource, path: str) -> str | None:
    if source.bucket is None:
        return None
    return console(f"storage/browser/_details/{source.bucket}/{path}", source.google_project or "")


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return found if found.tzinfo else otherwise
