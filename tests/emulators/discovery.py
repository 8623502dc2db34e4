"""Checks an answer against Google's own discovery document: no unknown field, no value of the wrong type."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

JSON_TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "object": dict, "array": list}


@functools.cache
def schemas(document: Path) -> dict[str, Any]:
    return json.loads(document.read_text())["schemas"]


def unknown_fields(document: Path, schema: str, value: Any) -> list[str]:
    """Paths in `value` that the document's schema does not have, or has with another type or enum."""
    return list(_faults(schemas(document), schemas(document)[schema], value, schema))


def _faults(known: dict[str, Any], schema: dict[str, Any], value: Any, path: str):
    schema = known[schema["$ref"]] if "$ref" in schema else schema
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if not isinstance(value, JSON_TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool)):
        if not (kind == "number" and value in ("NaN", "Infinity", "-Infinity")):
            yield f"{path}: {value!r} is no {kind}"
        return
    if kind == "string" and "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of the enum's words"
    if kind == "array":
        for index, one in enumerate(value):
            yield from _faults(known, schema["items"], one, f"{path}[{index}]")
    if kind == "object":
        yield from _object_faults(known, schema, value, path)


def _object_faults(known: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], path: str):
    for name, one in value.items():
        if name in schema.get("properties", {}):
            yield from _faults(known, schema["properties"][name], one, f"{path}.{name}")
        elif "additionalProperties" in schema:
            yield from _faults(known, schema["additionalProperties"], one, f"{path}.{name}")
        else:
            yield f"{path}.{name}: no such field"
