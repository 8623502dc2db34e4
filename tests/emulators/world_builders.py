"""Worlds for tests: one that is only read (made once), and fresh ones to move on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from google.protobuf import json_format

from emulators.clock import ManualClock
from emulators.data import Json, Upstreams
from emulators.world import make_world, story

EPOCH = datetime(2026, 11, 24, 8, tzinfo=UTC)


@cache
def read_only_world(seed: int = 7) -> Upstreams:
    """The team at its epoch; whoever takes it must not move it on."""
    return make_world(seed, EPOCH, ManualClock(EPOCH))


def a_moving_world(
    *, seed: int = 7, epoch: datetime = EPOCH, after: timedelta = timedelta(0), speed: float = 1.0
) -> tuple[Upstreams, ManualClock]:
    """A fresh world and the clock that moves it."""
    clock = ManualClock(epoch + after)
    return make_world(seed, epoch, clock, speed), clock


def planted(upstreams: Upstreams, situation: str) -> list[Json]:
    return story(upstreams).planted.get(situation, [])


def everything(upstreams: Upstreams) -> dict[str, str]:
    """All that is held, as text by part: what two worlds are compared by."""
    gitlab = upstreams.gitlab
    parts: dict[str, Any] = {
        "projects": _flat(list(gitlab.projects.values())),
        "collections": {f"{key}": [_flat(item) for item in items] for key, items in gitlab.collections.items()},
        "mappings": {f"{key}": _flat(mapping) for key, mapping in gitlab.mappings.items()},
        "traces": gitlab.traces,
        "artifacts": {f"{key}": data.decode() for key, data in gitlab.artifacts.items()},
        "states": {
            f"{key}": (state.lock, state.updated_at, [[serial, *map(str, one.values())]
                                                      for serial, one in state.versions.items()])
            for key, state in gitlab.states.items()
        },
        "tokens": {name: vars(token) for name, token in gitlab.tokens.items()},
        "vertex": {
            f"{collection}/{name}": _messages(resource)
            for collection, resources in upstreams.vertex.resources.items()
            for name, resource in resources.items()
        },
        "bigquery": {f"{key}": (table.rows, table.modified) for key, table in upstreams.bigquery.tables.items()},
        "storage": {
            f"{key}": [(one.generation, one.data.decode(), one.created, one.deleted) for one in versions]
            for key, versions in upstreams.storage.objects.items()
        },
        "files": {name: data.decode() for name, data in upstreams.files.items()},
    }  # fmt: skip
    return {name: json.dumps(part, default=str, sort_keys=True) for name, part in parts.items()}


def _flat(value: Any, depth: int = 0) -> Any:
    """Without the emulators' own keys, and with what stands elsewhere in full by its id."""
    if isinstance(value, dict):
        if depth and "id" in value:
            return {"id": value["id"], "status": value.get("status"), "updated_at": value.get("updated_at")}
        return {key: _flat(item, depth + 1) for key, item in value.items() if key[0] != "_"}
    return [_flat(item, depth + 1) for item in value] if isinstance(value, list) else value


def _messages(resource: Any) -> Any:
    found = resource if isinstance(resource, list) else [resource]
    return [json_format.MessageToDict(type(one).pb(one)) for one in found]


def all_of(upstreams: Upstreams, collection: str) -> list[Json]:
    """A GitLab collection over all projects."""
    return [item for (_, name), items in upstreams.gitlab.collections.items() if name == collection for item in items]


def of_id(upstreams: Upstreams, project: int, collection: str, number: int, key: str = "id") -> Json:
    return next(item for item in upstreams.gitlab.items(project, collection) if item[key] == number)


def plans_of(upstreams: Upstreams, state: str) -> list[Json]:
    """The plan artifacts of a state's drift and plan jobs on main, oldest first."""
    gitlab = upstreams.gitlab
    jobs = {job["id"]: job for job in all_of(upstreams, "jobs")}
    found = [
        json.loads(data)
        for (number, _), data in gitlab.artifacts.items()
        if jobs[number]["name"].split(":")[-1] == state and jobs[number]["ref"] == "main"
    ]
    return sorted(found, key=lambda plan: plan["timestamp"])
