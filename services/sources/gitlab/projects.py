"""Which projects there are, under the configured groups and beside them, and which of them is due for what.

The cursor: {"full_at": ISO of the last full sweep, "seen_to": ISO up to which last_activity_at was read,
"branches": {project id: {"at": ISO, "names": [protected branches]}}, and what `rota` keeps}.

A full sweep an hour says what is gone; between them one call a group reads the projects with new activity.
What GitLab can only tell project by project (environments, deployments, the registry) takes its turn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.records import Project, Record
from services.sources.base import AccessDenied, Batch, FeatureOff, Pull, Scope, SourceError
from services.sources.gitlab.client import GRANT, GitLabClient, Json, NotThere, at_group, at_project
from services.sources.gitlab.reading import Malformed, chunks, clean, flag, ident, kept, required, text, texts, when
from services.sources.gitlab.rota import turns

FULL = timedelta(hours=1)
ACTIVITY_LAG = timedelta(hours=1, minutes=5)
"""GitLab moves last_activity_at at most once an hour."""
BRANCHES = timedelta(days=1)
BRANCHES_A_TURN = 2
BRANCHES_A_BATCH = 20
WARN_DAYS = 14


@dataclass(frozen=True)
class Known:
    """A project as the other streams need it."""

    id: int
    path: str
    web_url: str | None
    default_branch: str | None


def scopes(client: Any, entry: Any) -> list[Scope]:
    """One scope: GitLab's limits are the token's, and what is gone is only known over all groups together."""
    name = ", ".join((*entry.groups, *entry.projects)) or client.instance
    return [Scope("all", name, {"groups": tuple(entry.groups), "projects": tuple(entry.projects)})]


def known(pull: Pull) -> list[Known]:
    """All living projects of the scope, from memory where the projects were read within the last two hours."""
    client: GitLabClient = pull.client
    at, found = client.memory.get("projects", (None, {}))
    if at is None or pull.now - at > 2 * FULL:
        items, troubles = _all(pull)
        if troubles and not items:
            raise next(iter(troubles.values()))
        found = _remember(client, items, pull.now)
    return list(found.values())


def with_archived(pull: Pull) -> list[Known]:
    """The living projects and the archived ones, whose pipelines may not all have ended."""
    known(pull)
    everything: dict[int, Known] = pull.client.memory["with archived"]
    return list(everything.values())


def _remember(client: GitLabClient, items: list[Json], now: datetime) -> dict[int, Known]:
    everything = {
        item["id"]: Known(
            item["id"], str(item.get("path_with_namespace")), item.get("web_url"), item.get("default_branch")
        )
        for item in items
    }
    found = {item["id"]: everything[item["id"]] for item in items if not item.get("archived")}
    client.memory["projects"] = (now, found)
    client.memory["with archived"] = {**client.memory.get("with archived", {}), **everything}
    client.memory.setdefault("project items", {}).update({item["id"]: item for item in items if item["id"] in found})
    return found


def collect(pull: Pull) -> Iterator[Batch]:
    """The projects that moved, once an hour all of them; and whose turn it is for what."""
    cursor = dict(pull.cursor)
    full_at = _at(cursor.get("full_at"))
    if full_at is None or pull.now - full_at >= FULL or "projects" not in pull.client.memory:
        yield _swept(pull, cursor)
    else:
        yield _moved(pull, cursor)
    yield from _branches(pull, cursor)


def _swept(pull: Pull, cursor: Json) -> Batch:
    token_check(pull.client)
    items, troubles = _all(pull)
    if troubles and not items:
        raise next(iter(troubles.values()))
    living = _remember(pull.client, items, pull.now)
    records = _records(pull, items, cursor)
    cursor |= {"full_at": _iso(pull.now), "seen_to": _iso(pull.client.upstream_now())}
    everything = frozenset(str(item["id"]) for item in items)
    return Batch(
        records=tuple(records),
        cursor=cursor,
        touched=turns(pull, cursor, {one.id: one.path for one in living.values()}),
        parts={name: error.reason for name, error in troubles.items()}
        | dict.fromkeys(set(_origins(pull.scope)) - set(troubles)),
        present={} if troubles else {"project": everything},
    )


def _moved(pull: Pull, cursor: Json) -> Batch:
    seen_to = _at(cursor.get("seen_to"))
    since = None if seen_to is None else seen_to - ACTIVITY_LAG
    at = pull.client.upstream_now()
    items: dict[int, Json] = {}
    troubles: dict[str, SourceError] = {}
    for group in pull.scope.data["groups"]:
        try:
            for item in _of_group(pull.client, group, archived=False):
                moved = kept(pull.notes, "project", item, lambda one: when(one, "last_activity_at"))
                if since is not None and moved is not None and moved < since:
                    break
                items |= _by_id(pull, iter([item]))
        except AccessDenied as error:
            troubles[group] = error
    remembered = pull.client.memory["projects"][1]
    fresh = _remember(pull.client, list(items.values()), pull.now)
    pull.client.memory["projects"] = (pull.now, remembered | fresh)
    records = _records(pull, list(items.values()), cursor)
    cursor["seen_to"] = _iso(at)
    return Batch(
        records=tuple(records),
        cursor=cursor,
        touched=turns(pull, cursor, {one.id: one.path for one in (remembered | fresh).values()}),
        parts={name: error.reason for name, error in troubles.items()},
    )


def _origins(scope: Scope) -> tuple[str, ...]:
    return (*scope.data["groups"], *scope.data["projects"])


def _all(pull: Pull) -> tuple[list[Json], dict[str, SourceError]]:
    """All projects, and the groups and projects that could not be read. What concerns all of GitLab is raised."""
    items: dict[int, Json] = {}
    troubles: dict[str, SourceError] = {}
    for group in pull.scope.data["groups"]:
        try:
            items |= _by_id(pull, _of_group(pull.client, group))
        except AccessDenied as error:
            troubles[group] = error
    for path in pull.scope.data["projects"]:
        try:
            items |= _by_id(pull, iter([pull.client.get(at_project(path))]))
        except AccessDenied as error:
            troubles[path] = error
    return list(items.values()), troubles


def _by_id(pull: Pull, items: Iterator[Json]) -> dict[int, Json]:
    """The projects by their id; one without is kept aside."""
    found = {}
    for item in items:
        number = kept(pull.notes, "project", item, lambda one: int(ident(one)))
        if number is not None:
            found[number] = item | {"id": number}
    return found


def _of_group(client: GitLabClient, group: str, **more: Any) -> Iterator[Json]:
    return client.listed(
        at_group(group, "/projects"),
        include_subgroups="true",
        with_shared="false",
        order_by="last_activity_at",
        sort="desc",
        **{key: str(value).lower() for key, value in more.items()},
    )


def _records(pull: Pull, items: list[Json], cursor: Json) -> list[Record]:
    branches = _held(cursor)
    found = [
        kept(pull.notes, "project", item, lambda one: project_record(one, branches.get(ident(one)))) for item in items
    ]
    return [record for record in found if record is not None]


def project_record(item: Json, protected: tuple[str, ...] | None) -> Project:
    """Our record of a project. Raises Malformed."""
    path = item.get("path_with_namespace")
    if not isinstance(path, str) or not path:
        raise Malformed("has no path_with_namespace")
    return Project(
        native_id=ident(item),
        path=path,
        name=required(item, "name"),
        web_url=text(item, "web_url"),
        default_branch=text(item, "default_branch"),
        protected_branches=protected,
        topics=texts(item, "topics") or texts(item, "tag_list"),
        archived=flag(item, "archived"),
        last_activity_at=when(item, "last_activity_at"),
    )


def _held(cursor: Json) -> dict[str, tuple[str, ...]]:
    """The protected branches of each project, as they were read last; a project is missing where they never were."""
    held = cursor.get("branches") or {}
    return {key: tuple(entry["names"]) for key, entry in held.items() if entry["names"] is not None}


def _branches(pull: Pull, cursor: Json) -> Iterator[Batch]:
    """Projects again, with their protected branches: all where they were never read, else a few old ones a turn."""
    items: dict[int, Json] = pull.client.memory["project items"]
    held: dict[str, Json] = dict(cursor.get("branches") or {})
    living = {str(number) for number, item in items.items() if not item.get("archived")}
    never = [key for key in living if key not in held]
    old = sorted(key for key in held.keys() & living if pull.now - (_at(held[key]["at"]) or pull.now) >= BRANCHES)
    for wanted in chunks(never + old[:BRANCHES_A_TURN], BRANCHES_A_BATCH):
        for key in wanted:
            held[key] = {"at": _iso(pull.now), "names": _protected(pull, key, held.get(key))}
        cursor = {**cursor, "branches": dict(held)}
        yield Batch(tuple(_records(pull, [items[int(key)] for key in wanted], cursor)), cursor)


def _protected(pull: Pull, key: str, before: Json | None) -> list[str] | None:
    try:
        found = [clean(str(item.get("name"))) for item in pull.client.listed(at_project(key, "/protected_branches"))]
    except AccessDenied:
        return before["names"] if before else None
    return [name for name in found if name]


def _iso(at: datetime) -> str:
    return at.isoformat()


def _at(found: Any) -> datetime | None:
    return datetime.fromisoformat(found) if isinstance(found, str) else None


def check(client: GitLabClient, scope: Scope) -> None:
    """The token itself, and one project of the first group."""
    token_check(client)
    for group in scope.data["groups"]:
        client.page(at_group(group, "/projects"), per_page=1, include_subgroups="true")
    for path in scope.data["projects"]:
        client.get(at_project(path))


def newest(client: GitLabClient, scope: Scope) -> int:
    """The project with the newest activity, to try things on. Raises FeatureOff where there is none."""
    for group in scope.data["groups"]:
        items, _ = client.page(
            at_group(group, "/projects"), per_page=1, include_subgroups="true", order_by="last_activity_at"
        )
        if items and isinstance(items[0].get("id"), int):
            return int(items[0]["id"])
    for path in scope.data["projects"]:
        return int(ident(client.get(at_project(path))))
    raise FeatureOff("there is no project in the configured groups yet")


def token_check(client: GitLabClient) -> None:
    """Notes when the token ends. Raises AccessDenied where it tells that it may not read the API."""
    try:
        told = client.get("/personal_access_tokens/self")
    except NotThere:
        return  # an OAuth token, or an older GitLab: what it may do shows by itself
    scopes_told = told.get("scopes")
    granted = {str(one) for one in scopes_told} if isinstance(scopes_told, list) else set()
    if not granted & {"read_api", "api"}:
        names = ", ".join(sorted(granted)) or "none"
        raise AccessDenied(f"the token has the scopes {names}", "make a token with the scope read_api")
    client.notices.pop("token", None)
    try:
        ends = date.fromisoformat(str(told.get("expires_at"))[:10])
    except ValueError:
        return  # it ends never, or GitLab does not tell when
    days = (ends - client.now().date()).days
    if days <= WARN_DAYS:
        client.notices["token"] = f"the token ends on {ends}, in {days} days: make a new one before. {GRANT}"
