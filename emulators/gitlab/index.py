"""Which object of the local GitLab has that id, path or pipeline, without looking at all of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from emulators.data import GitLabData, Json


def _pipeline_id(item: Json) -> Any:
    return (item.get("pipeline") or {}).get("id") or item.get("pipeline_id")


def _environment_name(item: Json) -> Any:
    return (item.get("environment") or {}).get("name")


def _downstream_id(item: Json) -> Any:
    return (item.get("downstream_pipeline") or {}).get("id")


KEYS: dict[str, Callable[[Json], Any]] = {
    "id": itemgetter("id"),
    "iid": lambda item: item.get("iid"),
    "name": lambda item: item.get("name"),
    "tag_name": lambda item: item.get("tag_name"),
    "ref": lambda item: item.get("ref"),
    "sha": lambda item: item.get("sha"),
    "pipeline": _pipeline_id,
    "environment": _environment_name,
    "downstream": _downstream_id,
}


class _Grown:
    """A mapping over a list that is only appended to; built anew if the list was changed otherwise."""

    def __init__(self, key: Callable[[Json], Any]) -> None:
        self.key = key
        self.source: list[Json] = []
        self.seen = 0
        self.last: Json | None = None
        self.mapping: dict[Any, list[Json]] = {}

    def over(self, source: list[Json]) -> dict[Any, list[Json]]:
        intact = source is self.source and len(source) >= self.seen
        if intact and self.seen and source[self.seen - 1] is not self.last:
            intact = False
        if not intact:
            self.source, self.seen, self.mapping = source, 0, {}
        if len(source) > self.seen:
            for item in source[self.seen :]:
                self.mapping.setdefault(self.key(item), []).append(item)
            self.seen, self.last = len(source), source[-1]
        return self.mapping


class Index:
    """Look-ups that are built when first asked for and follow the lists as they grow."""

    def __init__(self, data: GitLabData) -> None:
        self.data = data
        self._grown: dict[tuple[int, str, str], _Grown] = {}
        self._paths: dict[str, Json] = {}

    def all(self, project_id: int, collection: str, key: str, value: Any) -> list[Json]:
        """The objects of a collection whose key has that value, in the collection's order."""
        grown = self._grown.get((project_id, collection, key))
        if grown is None:
            grown = self._grown[project_id, collection, key] = _Grown(KEYS[key])
        return grown.over(self.data.items(project_id, collection)).get(value, [])

    def find(self, project_id: int, collection: str, key: str, value: Any) -> Json | None:
        """The newest object whose key has that value, or None."""
        found = self.all(project_id, collection, key, value)
        return found[-1] if found else None

    def project(self, given: str) -> Json | None:
        """The project of that number or full path (case does not matter; an old path in `_redirects` counts too)."""
        if given.isdecimal():
            return self.data.projects.get(int(given))
        wanted = given.lower()
        found = self._paths.get(wanted)
        if found is None or found["path_with_namespace"].lower() != wanted or found["id"] not in self.data.projects:
            self._paths = {
                path.lower(): project
                for project in self.data.projects.values()
                for path in (*project.get("_redirects", ()), project["path_with_namespace"])
            }
            found = self._paths.get(wanted)
        return found

    def group(self, given: str) -> Json | None:
        """The group of that number or full path; made up from a project's namespace where none is told."""
        for group in self.data.groups:
            if given == str(group["id"]) or given.lower() == group["full_path"].lower():
                return group
        prefix = f"{given}/".lower()
        if any(project["path_with_namespace"].lower().startswith(prefix) for project in self.data.projects.values()):
            name = given.rsplit("/", 1)[-1]
            number = zlib.crc32(given.encode()) & 0x7FFFFFF
            return {"id": number, "name": name, "path": name, "full_path": given, "full_name": given,
                    "web_url": f"http://gitlab.invalid/groups/{given}", "parent_id": None}  # fmt: skip
        return None

    def group_projects(self, group: Json, subgroups: bool = True) -> list[Json]:
        """The projects under a group that can be seen (a project denied with 404 cannot)."""
        prefix = f"{group['full_path']}/"
        return [
            project
            for project in self.visible_projects()
            if project["path_with_namespace"].startswith(prefix)
            and (subgroups or "/" not in project["path_with_namespace"][len(prefix) :])
        ]

    def visible_projects(self) -> list[Json]:
        denied = self.data.denied
        return [project for key, project in self.data.projects.items() if denied.get((key, "*")) != 404]

    def pipeline(self, pipeline_id: int, project_id: int | None = None) -> tuple[int, Json] | None:
        """A pipeline by its id, in one project or in any, with the id of its project."""
        for candidate in [project_id] if project_id is not None else list(self.data.projects):
            found = self.find(candidate, "pipelines", "id", pipeline_id)
            if found is not None:
                return candidate, found
        return None

    def upstream(self, pipeline_id: int) -> tuple[int, Json] | None:
        """The bridge that started a pipeline, with the id of the bridge's project."""
        for project_id in list(self.data.projects):
            found = self.find(project_id, "bridges", "downstream", pipeline_id)
            if found is not None:
                return project_id, found
        return None
