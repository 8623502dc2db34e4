"""How the tasks of a compiled pipeline (KFP's intermediate representation) hang together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]


def before(spec: Spec) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Path of a task -> names of the tasks of the same dag that come before it.

    A path is the chain of task names from the root, the holding tasks first. What comes before is what
    `dependentTasks` lists and what produces an input, read through nested dags (conditions, loops, exit handlers).
    """
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    root = (spec.get("root") or {}).get("dag") or {}
    _walk(root, spec.get("components") or {}, (), found)
    return found


def _walk(
    dag: Spec, components: Spec, path: tuple[str, ...], found: dict[tuple[str, ...], tuple[str, ...]], depth: int = 0
) -> None:
    for name, task in (dag.get("tasks") or {}).items():
        own = (*path, name)
        found[own] = tuple(dict.fromkeys((*task.get("dependentTasks", []), *_producers(task))))
        inner = (components.get(str((task.get("componentRef") or {}).get("name"))) or {}).get("dag")
        if inner and depth < 50:
            _walk(inner, components, own, found, depth + 1)


def _producers(task: Spec) -> Iterator[str]:
    """Tasks whose outputs are this one's inputs, iterators included."""
    inputs = task.get("inputs") or {}
    for kind in ("parameters", "artifacts"):
        for source in (inputs.get(kind) or {}).values():
            for origin in ("taskOutputParameter", "taskOutputArtifact"):
                producer = (source.get(origin) or {}).get("producerTask")
                if producer:
                    yield producer
