"""Reduces a Terraform plan to what it would do and what has drifted: addresses and attribute names, never a value.

Two forms are read: Terraform's own plan JSON (`terraform show -json PLAN`, formats 0.1 to 1.2, OpenTofu's too) and
the value-free summary `throughline-plan.json` that `summarise` makes of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from services.records import Plan, Ref
from services.redaction import redact_text
from services.sources.base import Unreadable

_MEND = "write it with `terraform show -json PLAN`, or as throughline-plan.json"
_NOTHING = (["no-op"], ["read"])
_MAX_PATHS, _MAX_DEPTH = 50, 8
_INDEX = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')
_CHECK_WORDS = ("pass", "fail", "error", "unknown")

Json = dict[str, Any]


def read_plan(
    raw: bytes,
    *,
    native_id: str | None,
    workspace: Ref,
    checked_at: datetime,
    run: Ref | None = None,
    step: Ref | None = None,
    web_url: str | None = None,
) -> Plan:
    """The plan in `raw`, made at its own time stamp; at `checked_at` where it has none (formats before 1.2).

    Without a native id, workspace and time are its identity. Raises Unreadable for what is no plan.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreadable("the plan is not valid JSON: it is cut short, or another kind of file", _MEND) from None
    if not isinstance(document, dict):
        raise Unreadable("the plan is JSON, but no object", _MEND)
    try:
        found = document if _is_summary(document) else summarise(document)
        return _record(found, native_id, workspace, checked_at, run, step, web_url)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(f"the plan is not built as its format asks ({type(error).__name__})", _MEND) from None


def _is_summary(document: Json) -> bool:
    return "drift" in document and "resource_changes" not in document and "planned_values" not in document


def summarise(plan: Mapping[str, Any]) -> Json:
    """The value-free summary of Terraform's own plan JSON: what `throughline-plan.json` holds.

    A drift entry that is a no-op, or an update between equal values, is no drift: it comes from a `moved` block.
    """
    version = str(plan.get("format_version", ""))
    if version.partition(".")[0] not in ("0", "1") or not {"planned_values", "resource_changes", "errored",
                                                          "resource_drift"} & set(plan):  # fmt: skip
        raise Unreadable(f"this is no plan of a format that is known (format_version {version[:10]!r})", _MEND)
    drift = [one for one in plan.get("resource_drift") or [] if not _moved_only(one)]
    changes = [one for one in plan.get("resource_changes") or [] if one["change"]["actions"] not in _NOTHING]
    return {
        "format_version": version,
        "terraform_version": plan.get("terraform_version"),
        "timestamp": plan.get("timestamp"),
        "mode": _mode(plan),
        "errored": bool(plan.get("errored")),
        "complete": plan.get("complete"),
        "drift": [_entry(one) for one in drift],
        "changes": [_entry(one) for one in changes],
        "checks": [
            {"address": (one.get("address") or {}).get("to_display"), "status": one.get("status")}
            for one in plan.get("checks") or []
        ],
    }


def _mode(plan: Mapping[str, Any]) -> str:
    """A refresh-only plan says nothing of changes, though the state holds managed resources."""
    if plan.get("mode"):
        return str(plan["mode"])
    if plan.get("resource_changes") or plan.get("errored"):
        return "normal"
    root = ((plan.get("prior_state") or {}).get("values") or {}).get("root_module") or {}
    return "refresh-only" if _holds_managed(root) else "normal"


def _holds_managed(module: Mapping[str, Any]) -> bool:
    own = any(one.get("mode") == "managed" for one in module.get("resources") or [])
    return own or any(_holds_managed(child) for child in module.get("child_modules") or [])


def _moved_only(one: Mapping[str, Any]) -> bool:
    change = one["change"]
    if change["actions"] in _NOTHING:
        return True
    same = change.get("before") == change.get("after") and not change.get("after_unknown")
    return bool(change["actions"] == ["update"] and change.get("before") is not None and same)


def _entry(one: Mapping[str, Any]) -> Json:
    change = one["change"]
    both = change.get("before") is not None and change.get("after") is not None
    paths = (
        sorted(set(_differing(change.get("before"), change.get("after"), change.get("after_unknown")))) if both else []
    )
    entry: Json = {
        "address": one["address"],
        "type": one.get("type"),
        "actions": list(change["actions"]),
        "attributes": paths[:_MAX_PATHS],
    }
    if one.get("deposed"):
        entry["deposed"] = one["deposed"]
    if one.get("previous_address"):
        entry["previous_address"] = one["previous_address"]
    if one.get("action_reason"):
        entry["action_reason"] = one["action_reason"]
    if change.get("replace_paths"):
        entry["replace_paths"] = change["replace_paths"]
    return entry


def _differing(before: Any, after: Any, unknown: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Paths at which two values differ, or at which the second is not known yet."""
    if unknown is True:
        yield path
    elif isinstance(before, Mapping) and isinstance(after, Mapping) and depth < _MAX_DEPTH:
        inner = unknown if isinstance(unknown, Mapping) else {}
        for name in {*before, *after, *inner}:
            step = f"{path}.{name}" if path else str(name)
            yield from _differing(before.get(name), after.get(name), inner.get(name), step, depth + 1)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and depth < _MAX_DEPTH:
        marks = unknown if isinstance(unknown, list) else []
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            mark = marks[number] if number < len(marks) else None
            yield from _differing(old, new, mark, f"{path}.{number}" if path else str(number), depth + 1)
    elif before != after:
        yield path


def _record(
    found: Mapping[str, Any],
    native_id: str | None,
    workspace: Ref,
    checked_at: datetime,
    run: Ref | None,
    step: Ref | None,
    web_url: str | None,
) -> Plan:
    drift = [_clean(one) for one in found.get("drift") or [] if list(one["actions"]) not in _NOTHING]
    changes = [_clean(one) for one in found.get("changes") or [] if list(one["actions"]) not in _NOTHING]
    counts = Counter(_action(one["actions"]) for one in changes)
    made_at = _time(found.get("timestamp")) or checked_at
    return Plan(
        native_id=native_id or f"{workspace.native_id}@{made_at.isoformat()}",
        workspace=workspace,
        checked_at=made_at,
        mode="refresh-only" if found.get("mode") in ("refresh-only", "refresh_only") else "normal",
        errored=bool(found.get("errored")),
        complete=found.get("complete") if isinstance(found.get("complete"), bool) else None,
        drift=tuple(drift),
        changes=tuple(changes),
        create=counts["create"],
        update=counts["update"],
        delete=counts["delete"],
        replace=counts["replace"],
        checks=_checks(found.get("checks")),
        terraform_version=redact_text(found.get("terraform_version")),
        run=run,
        step=step,
        web_url=web_url,
    )


def _clean(one: Mapping[str, Any]) -> Json:
    """An entry of a summary with the names that we know, whoever wrote it."""
    names = one.get("attributes") if one.get("attributes") is not None else one.get("keys")
    entry: Json = {
        "address": redact_text(str(one["address"])),
        "type": redact_text(str(one.get("type") or _type_of(one["address"]))),
        "actions": [str(action)[:20] for action in one["actions"]],
        "attributes": [redact_text(str(name)[:200]) for name in (names or [])[:_MAX_PATHS]],
    }
    for name in ("action_reason", "previous_address", "deposed"):
        if isinstance(one.get(name), str):
            entry[name] = redact_text(one[name])
    if one.get("replace_paths"):
        entry["replace_paths"] = [_path(path) for path in one["replace_paths"][:_MAX_PATHS]]
    return entry


def _type_of(address: str) -> str:
    return _INDEX.sub("", str(address)).split(".")[-2]


def _path(steps: Any) -> str:
    given = ".".join(str(step) for step in steps) if isinstance(steps, list) else str(steps)
    return redact_text(given[:200]) or ""


def _action(actions: list[str]) -> str:
    """One word for what is planned: a delete and a create, in either order, is a replace."""
    if "delete" in actions and "create" in actions:
        return "replace"
    return actions[0] if len(actions) == 1 else "/".join(actions)


def _checks(given: Any) -> dict[str, int]:
    if isinstance(given, Mapping):
        return {str(word): int(count) for word, count in given.items() if word in _CHECK_WORDS}
    words = [str(one.get("status", "unknown")) for one in given or []]
    return dict(Counter(word if word in _CHECK_WORDS else "unknown" for word in words))


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str) or not text:
        return None
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
