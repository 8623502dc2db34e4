"""Reads a Terraform or OpenTofu state into counts and plain resources; the bytes themselves are never kept.

Format 4 (Terraform ≥ 0.12) is read wholly; formats 1–3 and the output of `terraform show -json` as far as
they tell; of a state that OpenTofu has encrypted, its serial and lineage where they are in the clear.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from services.redaction import is_secret_name
from services.sources.base import Unreadable
from services.sources.terraform import old_states, shown_states
from services.sources.terraform.attributes import Taint, at, fingerprint, first_name, plain
from services.sources.terraform.instances import Instance, Outputs, address_of
from services.sources.terraform.parsed import ParsedResource, ParsedState

_PROCESS_KEY = secrets.token_bytes(32)
_MEND = "give the state as Terraform ≥ 0.12 writes it, or the output of `terraform show -json`"


def read_state(raw: bytes, fingerprint_key: bytes) -> ParsedState:
    """The state in `raw`; nothing in the result can be turned back into a secret.

    `fingerprint_key` keys the fingerprints of the resources: the same key gives comparable ones. Where it is
    empty, a random one of this process stands in. Raises Unreadable for what is no state.
    """
    if not raw.strip():
        return ParsedState(format="empty")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unreadable("the state is not valid JSON: it is cut short, or another kind of file", _MEND) from None
    if not isinstance(document, dict):
        raise Unreadable("the state is JSON, but no object", _MEND)
    key = fingerprint_key or _PROCESS_KEY
    try:
        return _by_format(document, key)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        reason = f"the state is not built as its format asks ({type(error).__name__})"
        raise Unreadable(reason, _MEND) from None


def _by_format(document: dict[str, Any], key: bytes) -> ParsedState:
    if "encrypted_data" in document or "encryption_version" in document:
        return _encrypted(document)
    version = document.get("version")
    if version == 4:
        return _version_4(document, key)
    if version in (1, 2, 3):
        return _parsed(str(version), document, key, old_states.instances(document), old_states.outputs(document), {})
    if "format_version" in document:
        found = shown_states.instances(document)
        return _parsed("json", document, key, found, shown_states.outputs(document), shown_states.checks(document))
    raise Unreadable(f"state format {str(version)[:20]!r} is not known", _MEND)


def _encrypted(document: Mapping[str, Any]) -> ParsedState:
    serial = document.get("serial")
    known = f"serial {serial} is known, its" if isinstance(serial, int) else "its"
    return ParsedState(
        format="encrypted",
        serial=serial if isinstance(serial, int) else None,
        lineage=document.get("lineage") if isinstance(document.get("lineage"), str) else None,
        encrypted=True,
        note=f"the state is encrypted by OpenTofu: {known} resources are not readable; "
        "give the output of `tofu show -json` instead",
    )


def _version_4(document: Mapping[str, Any], key: bytes) -> ParsedState:
    entries = list(document.get("resources") or [])
    found = [
        Instance(
            address=address_of(entry.get("module"), entry["mode"], entry["type"], entry["name"], one.get("index_key")),
            resource=(entry.get("module"), entry["mode"], entry["type"], entry["name"]),
            module=entry.get("module"),
            mode=entry["mode"],
            type=entry["type"],
            provider=entry.get("provider"),
            indexed=one.get("index_key") is not None,
            tainted=one.get("status") == "tainted",
            deposed=one.get("deposed"),
            attributes=one.get("attributes") if one.get("attributes") is not None else one.get("attributes_flat") or {},
            marked=tuple(one.get("sensitive_attributes") or ()),
        )
        for entry in entries
        for one in entry.get("instances") or []
    ]
    given = document.get("outputs") or {}
    outputs = {name: (one.get("value"), bool(one.get("sensitive"))) for name, one in given.items()}
    checks = Counter(str(one.get("status", "unknown")) for one in document.get("check_results") or [])
    declared = [(entry.get("module"), entry["mode"], entry["type"], entry["name"]) for entry in entries]
    return _parsed("4", document, key, found, outputs, dict(checks), declared)


def _parsed(
    format_: str,
    document: Mapping[str, Any],
    key: bytes,
    found: list[Instance],
    outputs: Outputs,
    checks: Mapping[str, int],
    declared: list[tuple[str | None, str, str, str]] | None = None,
) -> ParsedState:
    taint = _taint(found, outputs)
    entries = declared if declared is not None else list(dict.fromkeys(one.resource for one in found))
    managed = [one for one in found if one.mode == "managed"]
    serial = document.get("serial")

    def count(test: Callable[[Instance], bool]) -> int:
        return sum(test(one) for one in managed)

    return ParsedState(
        format=format_,
        serial=serial if isinstance(serial, int) else None,
        lineage=document.get("lineage"),
        terraform_version=document.get("terraform_version"),
        managed=sum(mode == "managed" for _, mode, _, _ in entries),
        instances=len(managed),
        data_sources=sum(mode == "data" for _, mode, _, _ in entries),
        modules=tuple(sorted({module for module, _, _, _ in entries if module})),
        indexed=count(lambda one: one.indexed),
        tainted=count(lambda one: one.tainted),
        deposed=count(lambda one: one.deposed is not None),
        outputs=len(outputs),
        sensitive_outputs=tuple(sorted(name for name, (_, sensitive) in outputs.items() if sensitive)),
        sensitive_paths=sum(len(one.marked) for one in found),
        types=dict(Counter(type_ for _, mode, type_, _ in entries if mode == "managed")),
        checks=checks,
        resources=tuple(_resource(one, taint, key) for one in found),
    )


def _taint(found: list[Instance], outputs: Outputs) -> Taint:
    """Everything secret in the state, found before any of it is kept."""
    taint = Taint()
    for name, (value, sensitive) in outputs.items():
        if sensitive or is_secret_name(name):
            taint.add(value, named=is_secret_name(name))
        else:
            taint.search(value, name)
    for one in found:
        for path in one.marked:
            names = [str(step.get("value")) if isinstance(step, Mapping) else str(step) for step in path]
            taint.add(at(one.attributes, path), named=any(is_secret_name(name) for name in names))
        taint.search(one.attributes)
    return taint


def _resource(one: Instance, taint: Taint, key: bytes) -> ParsedResource:
    marked = frozenset(first_name(path) for path in one.marked)
    status = "deposed" if one.deposed is not None else "tainted" if one.tainted else None
    return ParsedResource(
        key=one.address if one.deposed is None else f"{one.address} (deposed {one.deposed})",
        address=one.address,
        type=one.type,
        mode=one.mode,
        module=one.module,
        provider=one.provider,
        status=status,
        attributes=plain(one.type, one.attributes, marked, taint.known),
        fingerprint=fingerprint(key, one.attributes),
    )
