"""GitLab's own word on what an answer looks like: OpenAPI for names, JSON schemas for what must be there."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

ROOT = "file:///schemas/"
TOO_STRICT = ("public_api/v4/pipeline/basic.json",)
"""An old version: today's list has more fields, so `additionalProperties: false` is not taken from it."""


@lru_cache(maxsize=1)
def _openapi(folder: Path) -> dict[str, Any]:
    text = (folder / "gitlab" / "openapi" / "gitlab_openapi_v2.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def names_of(folder: Path, path: str) -> set[str]:
    """The field names of a GET's answer (of one object of it, where it is a list), from the OpenAPI file."""
    document = _openapi(folder)
    responses = document["paths"][f"/api/v4{path}"]["get"]["responses"]
    schema = responses.get("200", responses.get(200))["schema"]
    reference = schema.get("$ref") or schema["items"]["$ref"]
    return set(document["definitions"][reference.rsplit("/", 1)[-1]]["properties"])


def parameters_of(folder: Path, path: str) -> dict[str, list[str] | None]:
    """The query parameters that a GET takes, with the words each allows (None: any)."""
    listed = _openapi(folder)["paths"][f"/api/v4{path}"]["get"].get("parameters", [])
    return {one["name"]: one.get("enum") for one in listed}


def _mended(value: Any, strict: bool) -> Any:
    """JSON Schema out of GitLab's transcript: it says "date" for a text, and one file is out of date."""
    if isinstance(value, dict):
        found = {key: _mended(item, strict) for key, item in value.items() if strict or key != "additionalProperties"}
        if found.get("type") == "date":
            found["type"] = "string"
        return found
    if isinstance(value, list):
        return ["string" if item == "date" else _mended(item, strict) for item in value]
    return value


def _retrieve(folder: Path) -> Any:
    def retrieve(uri: str) -> Resource:
        name = uri.removeprefix(ROOT)
        file = folder / "gitlab" / "gitlabhq_schemas" / name
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return Resource.from_contents(
            _mended(known, name not in TOO_STRICT) | {"$schema": "http://json-schema.org/draft-07/schema#"}
        )

    return retrieve


def faults(folder: Path, name: str, value: Any) -> list[str]:
    """What GitLab's JSON schema of that name has against a value; one that is not held says nothing."""
    registry: Registry = Registry(retrieve=_retrieve(folder))
    validator = Draft7Validator({"$ref": f"{ROOT}{name}"}, registry=registry)
    return [f"{'/'.join(str(part) for part in error.path)}: {error.message}" for error in validator.iter_errors(value)]
