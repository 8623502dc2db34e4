"""Recorded Terraform states of GitLab: what its GraphQL answered, and the bytes of each version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulators.data import GitLabData, TerraformState
from emulators.replay.files import BadReplay, Json, read_json

DOWNLOAD = re.compile(r"/projects/(\d+)/terraform/state/")


def load_states(path: Path, projects: Path, data: GitLabData) -> None:
    """States from `graphql/terraformStates.json`; bytes from `projects/ID/terraform_states/NAME/SERIAL.tfstate`.

    The file is a GraphQL answer, whole or in part: wherever a `terraformStates` stands, the object around it is
    the project; a bare list of states is taken too, where each tells its project or there is only one.
    """
    found = list(_states(read_json(path), None))
    if not found:
        raise BadReplay(path, "holds no terraformStates", "save the GraphQL answer that holds terraformStates.nodes")
    for index, (node, owner) in enumerate(found):
        if not isinstance(node.get("name"), str):
            raise BadReplay(path, f"state {index} has no 'name'", "give it the state's name")
        project_id = _project_of(path, node, owner, data)
        data.states[(project_id, node["name"])] = _state(node, project_id, projects)


def _states(value: Any, owner: Json | None) -> Iterator[tuple[Json, Json | None]]:
    if isinstance(value, dict) and "terraformStates" in value:
        for node in _nodes(value["terraformStates"]):
            yield node, value
    elif isinstance(value, dict) and "name" in value and ("latestVersion" in value or "lockedAt" in value):
        yield value, owner
    elif isinstance(value, dict):
        for one in value.values():
            yield from _states(one, owner)
    elif isinstance(value, list):
        for one in value:
            yield from _states(one, owner)


def _nodes(connection: Any) -> list[Json]:
    if isinstance(connection, dict):
        edges = [edge.get("node") for edge in connection.get("edges") or [] if isinstance(edge, dict)]
        connection = connection.get("nodes") or edges
    return [node for node in connection or [] if isinstance(node, dict)]


def _project_of(path: Path, node: Json, owner: Json | None, data: GitLabData) -> int:
    version = node.get("latestVersion") or {}
    if found := DOWNLOAD.search(str(version.get("downloadPath") or "")):
        return int(found[1])
    for told in (owner or {}, node.get("project") or {}):
        if not isinstance(told, dict):
            told = {"fullPath": told}
        number = str(told.get("id") or "").rpartition("/")[2]
        if number.isdecimal():
            return int(number)
        for project_id, project in data.projects.items():
            if project["path_with_namespace"] == told.get("fullPath"):
                return project_id
    if len(data.projects) == 1:
        return next(iter(data.projects))
    fault = f"the state '{node['name']}' does not tell its project"
    raise BadReplay(path, fault, "keep the id or fullPath of the project around terraformStates")


def _state(node: Json, project_id: int, projects: Path) -> TerraformState:
    version = node.get("latestVersion") or {}
    updated = node.get("updatedAt") or version.get("updatedAt") or "1970-01-01T00:00:00Z"
    state = TerraformState(project_id, node["name"], node.get("createdAt") or updated, updated)
    user = (version.get("createdByUser") or {}).get("username")
    job = str((version.get("job") or {}).get("id") or "").rpartition("/")[2]
    folder = projects / str(project_id) / "terraform_states" / node["name"]
    recorded = {int(path.stem): path.read_bytes() for path in folder.glob("*.tfstate") if path.stem.isdecimal()}
    if version.get("serial") is not None:
        recorded.setdefault(int(version["serial"]), b"")
    for serial, data in sorted(recorded.items()):
        newest = serial == version.get("serial")
        state.versions[serial] = {
            "data": data,
            "created_at": version.get("createdAt") or updated,
            "username": user if newest else None,
            "job_id": int(job) if newest and job.isdecimal() else None,
        }
    if node.get("lockedAt"):
        holder = (node.get("lockedByUser") or {}).get("username")
        state.lock = {"ID": "recorded", "_at": node["lockedAt"], "_username": holder}
    return state
