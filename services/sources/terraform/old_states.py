"""What states of Terraform before 0.12 (formats 1 to 3) hold: modules by path, one flat entry an instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.sources.terraform.instances import Instance, Outputs, address_of


def outputs(document: Mapping[str, Any]) -> Outputs:
    """The root module's outputs; format 1 has plain values, later ones say what is sensitive."""
    found: dict[str, tuple[Any, bool]] = {}
    for module in document.get("modules") or []:
        if list(module.get("path") or ["root"]) == ["root"]:
            for name, one in (module.get("outputs") or {}).items():
                wrapped = isinstance(one, Mapping) and "value" in one
                found[name] = (one["value"], bool(one.get("sensitive"))) if wrapped else (one, False)
    return found


def instances(document: Mapping[str, Any]) -> list[Instance]:
    """Every instance, deposed ones included."""
    found = []
    for module in document.get("modules") or []:
        path = list(module.get("path") or ["root"])[1:]
        name = ".".join(f"module.{part}" for part in path) or None
        for key, entry in (module.get("resources") or {}).items():
            found += _entry(name, key, entry)
    return found


def _entry(module: str | None, key: str, entry: Mapping[str, Any]) -> list[Instance]:
    """The key is [data.]type.name[.index]."""
    mode = "data" if key.startswith("data.") else "managed"
    parts = key.removeprefix("data.").split(".")
    type_, name = entry.get("type") or parts[0], parts[1] if len(parts) > 1 else parts[0]
    index = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None
    primary = entry.get("primary") or {}
    held: list[tuple[Any, str | None]] = [(primary, None)] if primary else []
    held += [(one, str(number)) for number, one in enumerate(entry.get("deposed") or [])]
    # format 1 keeps tainted objects in a list of their own
    older = [(one, None) for one in entry.get("tainted") or []]

    return [
        Instance(
            address=address_of(module, mode, type_, name, index),
            resource=(module, mode, type_, name),
            module=module,
            mode=mode,
            type=type_,
            provider=entry.get("provider") or None,
            indexed=index is not None,
            tainted=bool(one.get("tainted")) or number >= len(held),
            deposed=deposed,
            attributes=one.get("attributes") or {},
        )
        for number, (one, deposed) in enumerate([*held, *older])
    ]
