"""What `terraform show -json` tells of a state: no serial and no lineage, but every instance with its address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from services.sources.terraform.instances import Instance, Outputs


def outputs(document: Mapping[str, Any]) -> Outputs:
    """The root module's outputs."""
    given = (document.get("values") or {}).get("outputs") or {}
    return {name: (one.get("value"), bool(one.get("sensitive"))) for name, one in given.items()}


def checks(document: Mapping[str, Any]) -> dict[str, int]:
    """pass, fail, error, unknown -> how many."""
    return dict(Counter(str(one.get("status", "unknown")) for one in document.get("checks") or []))


def instances(document: Mapping[str, Any]) -> list[Instance]:
    """Every instance of every module."""
    root = (document.get("values") or {}).get("root_module") or {}
    return [_instance(module, one) for module, one in _walk(root)]


def _walk(module: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    for one in module.get("resources") or []:
        yield module.get("address"), one
    for child in module.get("child_modules") or []:
        yield from _walk(child)


def _instance(module: str | None, one: Mapping[str, Any]) -> Instance:
    return Instance(
        address=one["address"],
        resource=(module, one["mode"], one["type"], one["name"]),
        module=module,
        mode=one["mode"],
        type=one["type"],
        provider=one.get("provider_name"),
        indexed=one.get("index") is not None,
        tainted=bool(one.get("tainted")),
        deposed=one.get("deposed_key"),
        attributes=one.get("values") or {},
        marked=tuple(_marked(one.get("sensitive_values") or {})),
    )


def _marked(marks: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths at which `sensitive_values`, built like the values, says true."""
    if marks is True:
        yield path
    elif isinstance(marks, Mapping):
        for name, inner in marks.items():
            yield from _marked(inner, (*path, name))
    elif isinstance(marks, list):
        for number, inner in enumerate(marks):
            yield from _marked(inner, (*path, number))
