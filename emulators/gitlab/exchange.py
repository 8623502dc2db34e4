"""What a handler of the local GitLab is asked and what it answers, with GitLab's own refusals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from emulators.data import GitLabData, Json, Token
from emulators.gitlab.index import Index


class Refused(Exception):
    """An answer other than 2xx, with the body that GitLab gives."""

    def __init__(self, status: int, payload: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.payload = payload
        self.headers = headers


def not_found(what: str = "") -> Refused:
    """404 as GitLab words it, for example `404 Project Not Found`."""
    return Refused(404, {"message": f"404 {what} Not Found" if what else "404 Not found"})


def refusal(status: int) -> Refused:
    """The plain refusal of that status."""
    words = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not found", 405: "405 Method Not Allowed"}
    return Refused(status, {"message": words.get(status, f"{status} Error")})


@dataclass(frozen=True)
class Answer:
    """An answer: JSON by default, bytes of a content type otherwise."""

    payload: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str = "application/json"

    def body(self) -> bytes:
        if self.content is not None:
            return self.content
        return json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=1 << 18)
def moment(text: str | None) -> float | None:
    """Seconds since 1970 of an ISO time, None for none; raises ValueError for anything else."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at.timestamp() if at.tzinfo else datetime.fromisoformat(f"{text}+00:00").timestamp()


def stamp(item: Json, field: str) -> float | None:
    """The time of an object by which it is filtered and ordered.

    Where `updated_at` is null (pipelines of old instances have it so) the creation counts, else no time filter would
    ever find the object.
    """
    at = moment(item.get(field))
    return moment(item.get("created_at")) if at is None and field == "updated_at" else at


@dataclass
class Request:
    """One REST call: who asks, for what, and the data it is answered from."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    base: str
    data: GitLabData
    index: Index
    now: datetime
    token: Token | None = None
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """The address asked for, without its query."""
        return f"{self.base}{self.path}"

    def text(self, name: str, default: str | None = None) -> str | None:
        values = self.query.get(name)
        return values[-1] if values else default

    def many(self, name: str) -> list[str]:
        """A repeated parameter: `scope=x`, `scope[]=x&scope[]=y`."""
        return [*self.query.get(name, ()), *self.query.get(f"{name}[]", ())]

    def flag(self, name: str, default: bool = False) -> bool:
        given = self.text(name)
        return default if given is None else given.lower() in ("true", "1", "t", "yes", "on")

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        given = self.text(name, default) or default
        if given not in allowed:
            raise Refused(400, {"error": f"{name} does not have a valid value"})
        return given

    def number(self, name: str, default: int) -> int:
        given = self.text(name)
        try:
            return default if given is None or given == "" else int(given)
        except ValueError:
            raise Refused(400, {"error": f"{name} is invalid"}) from None

    def time(self, name: str) -> float | None:
        try:
            return moment((self.text(name) or "").replace(" ", "+") or None)
        except ValueError:
            raise Refused(400, {"error": f"{name} is invalid"}) from None

    def project(self, given: str) -> Json:
        """The project of that id or path; 404 when it is not visible, its own status when all of it is denied."""
        project = self.index.project(given)
        if project is None:
            raise not_found("Project")
        status = self.data.denied.get((project["id"], "*"))
        if status is not None:
            raise not_found("Project") if status == 404 else refusal(status)
        called = (str(project["id"]), project["path_with_namespace"].lower())
        if self.method == "GET" and given.lower() not in called:
            raise self._moved(project["id"])
        return project

    def _moved(self, to: int) -> Refused:
        """The redirect from a project's old path to the same question about its number."""
        parts = self.path.split("/")
        parts[parts.index("projects") + 1] = str(to)
        query = f"?{urlencode(self.query, doseq=True)}" if self.query else ""
        target = f"{self.base}{'/'.join(parts)}{query}"
        return Refused(301, {"message": "This resource has been moved permanently"}, (("location", target),))

    def allow(self, project_id: int, collection: str) -> None:
        """Raise the status that this collection of the project is denied with."""
        status = self.data.denied.get((project_id, collection))
        if status is not None:
            raise refusal(status)

    def items(self, given: str, collection: str) -> tuple[Json, list[Json]]:
        """A project and one of its collections, when both may be read."""
        project = self.project(given)
        self.allow(project["id"], collection)
        return project, self.data.items(project["id"], collection)

    def one(self, given: str, collection: str, key: str, value: str, what: str = "") -> tuple[Json, Json]:
        """A project and one object of it, found by key; 404 when there is none."""
        project, _ = self.items(given, collection)
        wanted: Any = value
        if key in ("id", "iid"):
            if not value.isdecimal():
                raise Refused(400, {"error": f"{key} is invalid"})
            wanted = int(value)
        found = self.index.find(project["id"], collection, key, wanted)
        if found is None:
            raise not_found(what)
        return project, found
