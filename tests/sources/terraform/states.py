"""Builds Terraform states in which one thing matters."""

from __future__ import annotations

import json
from typing import Any

LINEAGE = "7d1f7a4c-0000-4000-8000-000000000001"


def a_resource(type_: str = "google_storage_bucket", name: str = "models", **more: Any) -> dict[str, Any]:
    instance = {"schema_version": 0, "attributes": {"id": f"{type_}/{name}", "name": name}, "sensitive_attributes": []}
    provider = 'provider["registry.terraform.io/hashicorp/google"]'
    known = {"mode": "managed", "type": type_, "name": name, "provider": provider, "instances": [instance]}
    return known | more


def with_attributes(
    type_: str = "google_storage_bucket", *, marked: tuple[str, ...] = (), **attributes: Any
) -> dict[str, Any]:
    paths = [[{"type": "get_attr", "value": name}] for name in marked]
    return a_resource(type_, instances=[{"attributes": attributes, "sensitive_attributes": paths}])


def a_state(*resources: dict[str, Any], serial: int = 3, lineage: str = LINEAGE, **more: Any) -> bytes:
    document = {
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {},
        "resources": list(resources), "check_results": None,
    }  # fmt: skip
    return json.dumps(document | more).encode()


def a_change(
    address: str = "google_storage_bucket.models", actions: tuple[str, ...] = ("update",), **more: Any
) -> dict[str, Any]:
    change = {"actions": list(actions), "before": {"a": 1}, "after": {"a": 2}, "after_unknown": {}}
    inside = {key: more.pop(key) for key in ("before", "after", "after_unknown", "replace_paths") if key in more}
    return {"address": address, "mode": "managed", "type": address.split(".")[-2], "change": change | inside} | more


def a_plan(*changes: dict[str, Any], drift: tuple[dict[str, Any], ...] = (), **more: Any) -> bytes:
    document = {
        "format_version": "1.2", "terraform_version": "1.11.4", "timestamp": "2026-11-23T06:00:00Z", "errored": False,
        "complete": True, "planned_values": {}, "resource_changes": list(changes), "resource_drift": list(drift),
    }  # fmt: skip
    return json.dumps(document | more).encode()
