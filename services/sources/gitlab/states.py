"""The Terraform states that GitLab manages: which there are, who holds their locks, and what each serial held.

The cursor of states: {"project/name": [updatedAt, serial, lineage]}, the lineage once the state was read.
Of state_versions: {"key": key of the fingerprints, "have": {"project/name": newest serial that was read}}; the key is
random, made once, and never leaves the store.
Bytes of a state are reduced in memory, and kept nowhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from services.records import Record, Ref, Workspace
from services.sources.base import AccessDenied, Batch, FeatureOff, Pull, Scope, Unreadable
from services.sources.gitlab.client import GitLabClient, Json, NotThere, at_project
from services.sources.gitlab.graphql import ask_projects, page_size
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import (
    chunks,
    ident,
    inside,
    kept,
    next_page,
    nodes,
    number,
    part,
    required,
    text,
    when,
)
from services.sources.terraform.parsed import ParsedState, to_records
from services.sources.terraform.state import read_state

EVERY = timedelta(seconds=60)
PROJECTS = 100
KEPT_SERIALS = 50
SERIALS_AT_ONCE = 10
QUERY = """query States($ids:[ID!],$projects:Int,$after:String){ queryComplexity{score limit}
 projects(ids:$ids,first:$projects){nodes{id terraformStates(first:50,after:$after){
  pageInfo{hasNextPage endCursor} nodes{id name lockedAt createdAt updatedAt lockedByUser{username}
   latestVersion{serial createdAt createdByUser{username} job{id name pipeline{id}}}}}}}}"""


def states(pull: Pull) -> Iterator[Batch]:
    """All states with their locks; those whose serial or time of change moved are to be read."""
    if not pull.source.terraform_states:
        raise FeatureOff("terraform_states is off in the configuration of this source")
    projects = {one.id: one for one in known(pull)}
    cursor = dict(pull.cursor)
    complete = True
    present: set[str] = set()
    for some in chunks(sorted(projects), page_size(pull.client, "states", PROJECTS)):
        found, parts = _page(pull, projects, some, cursor)
        complete = complete and not any(parts.values())
        present |= {record.native_id for record, _ in found}
        moved = [record.native_id for record, mark in found if (cursor.get(record.native_id) or [])[:2] != mark[:2]]
        cursor |= {record.native_id: mark for record, mark in found}
        yield Batch(
            tuple(record for record, _ in found),
            dict(cursor),
            touched={"state_versions": tuple(moved)} if moved else {},
            parts=parts,
        )
    if complete:
        yield Batch(cursor={key: mark for key, mark in cursor.items() if key in present},
                    present={"workspace": frozenset(present)})  # fmt: skip


def _page(
    pull: Pull, projects: dict[int, Known], ids: list[int], cursor: Json
) -> tuple[list[tuple[Workspace, list[Any]]], dict[str, str | None]]:
    found: list[tuple[Workspace, list[Any]]] = []
    parts: dict[str, str | None] = {}
    for project_id, told, why in listed_states(pull.client, ids):
        parts[str(project_id)] = why
        for item in told:
            key = f"{project_id}/{item.get('name')}"
            before = cursor.get(key) or []
            lineage = pull.client.memory.get("lineages", {}).get(key) or (before[2] if len(before) > 2 else None)
            record = kept(pull.notes, "state", item, _maker(projects[project_id], lineage))
            if record is not None:
                found.append((record, [item.get("updatedAt"), record.serial, lineage]))
    return found, parts


def listed_states(client: GitLabClient, ids: list[int]) -> Iterator[tuple[int, list[Json], str | None]]:
    """(project, its states as GraphQL tells them, why they cannot be read); they are remembered by "project/name"."""
    answered = ask_projects(client, QUERY, ids, {"after": None}, "states")
    remembered: dict[str, Json] = client.memory.setdefault("states", {})
    for project_id in ids:
        why = answered.unreadable(project_id, "terraformStates")
        connection = answered.projects.get(project_id, {}).get("terraformStates")
        told = nodes(connection)
        while after := next_page(connection):
            more = ask_projects(client, QUERY, [project_id], {"after": after}, "states")
            connection = more.projects.get(project_id, {}).get("terraformStates")
            told += nodes(connection)
        remembered |= {f"{project_id}/{item.get('name')}": item for item in told}
        yield project_id, told, why


def _maker(project: Known, lineage: str | None) -> Any:
    def make(item: Json) -> Workspace:
        name = required(item, "name")
        serial = number(part(item, "latestVersion"), "serial")
        return Workspace(
            native_id=f"{project.id}/{item['name']}",
            project=Ref("project", str(project.id)),
            name=name,
            serial=None if serial is None else int(serial),
            lineage=lineage,
            locked_at=when(item, "lockedAt"),
            locked_by=text(part(item, "lockedByUser"), "username"),
            created_at=when(item, "createdAt"),
            updated_at=when(item, "updatedAt"),
            web_url=f"{project.web_url}/-/terraform" if project.web_url else None,
        )

    return make


def state_versions(pull: Pull) -> Iterator[Batch]:
    """The newest serial of each state of the work, and up to fifty before it that were not read yet."""
    projects = {str(one.id): one for one in known(pull)}
    cursor: Json = {"key": pull.cursor.get("key") or secrets.token_hex(32), "have": dict(pull.cursor.get("have") or {})}
    for key in pull.work:
        project = projects.get(key.split("/")[0])
        if project is None:
            yield Batch(done=(key,))
            continue
        try:
            yield from _of_state(pull, project, key, cursor)
        except AccessDenied as error:
            yield Batch(done=(key,), parts={key: error.reason})
        except Unreadable as error:
            pull.notes.reject(f"state {key}", error.reason)
            yield Batch(done=(key,), parts={key: error.reason})


def _of_state(pull: Pull, project: Known, key: str, cursor: Json) -> Iterator[Batch]:
    path = at_project(project.id, f"/terraform/state/{quote(key.split('/', 1)[1], safe='')}")
    fingerprints = bytes.fromhex(cursor["key"])
    newest_one = read_state(pull.client.raw(path), fingerprints)
    serial = newest_one.serial
    before = cursor["have"].get(key)
    records = _records(pull, project, key, newest_one, latest=True)
    pull.client.memory.setdefault("lineages", {})[key] = newest_one.lineage
    item = pull.client.memory["states"].get(key)
    place = kept(pull.notes, "state", item, _maker(project, newest_one.lineage)) if item else None
    yield Batch((*([place] if place else []), *records), parts={key: newest_one.note})
    if serial is not None and before != serial:
        lowest = max(serial - KEPT_SERIALS + 1, 0, (before or 0) + 1 if (before or 0) < serial else 0)
        for some in chunks(list(range(serial - 1, lowest - 1, -1)), SERIALS_AT_ONCE):
            parsed = [_serial(pull, path, key, older, fingerprints) for older in some]
            yield Batch(
                tuple(
                    record
                    for one in parsed
                    if one is not None
                    for record in _records(pull, project, key, one, latest=False)
                )
            )
        cursor["have"] = {**cursor["have"], key: serial}
    yield Batch(cursor={"key": cursor["key"], "have": dict(cursor["have"])}, done=(key,))


def _serial(pull: Pull, path: str, key: str, serial: int, fingerprints: bytes) -> ParsedState | None:
    """One earlier serial; None where it was deleted, or cannot be read, which is noted."""
    try:
        return read_state(pull.client.raw(f"{path}/versions/{serial}"), fingerprints)
    except NotThere:
        return None
    except Unreadable as error:
        pull.notes.reject(f"state {key} serial {serial}", error.reason)
        return None


def _records(pull: Pull, project: Known, key: str, parsed: ParsedState, *, latest: bool) -> list[Record]:
    """The version and its contents; GraphQL tells who made the newest serial, when, and by which job."""
    remembered: dict[str, Json] = pull.client.memory.setdefault("states", {})
    if latest and key not in remembered:
        list(listed_states(pull.client, [project.id]))
    version = inside(remembered.get(key), "latestVersion") if latest else {}
    if version.get("serial") != parsed.serial:
        version = {}
    job = inside(version, "job")
    pipeline = inside(job, "pipeline")
    return list(
        to_records(
            parsed,
            Ref("workspace", key),
            key.split("/", 1)[1],
            kept(pull.notes, "state version", version, lambda one: when(one, "createdAt")),
            project=Ref("project", str(project.id)),
            author=inside(version, "createdByUser").get("username"),
            run=kept(pull.notes, "state version", pipeline, lambda one: Ref("pipeline", ident(one)))
            if pipeline
            else None,
            step=kept(pull.notes, "state version", job, lambda one: Ref("job", ident(one))) if job else None,
            web_url=f"{project.web_url}/-/terraform" if project.web_url else None,
        )
    )


def _ref(pull: Pull, kind: str, item: Json) -> Ref | None:
    return kept(pull.notes, kind, item, lambda one: Ref(kind, ident(one))) if item else None


def check_states(client: GitLabClient, scope: Scope) -> None:
    """The states of the project with the newest activity."""
    number_of = newest(client, scope)
    for _, _, why in listed_states(client, [number_of]):
        if why is not None:
            raise AccessDenied(f"Terraform states of project {number_of} cannot be read: {why}")


def check_versions(client: GitLabClient, scope: Scope) -> None:
    """The bytes of one state; read_api and the role Developer should do. Raises AccessDenied with the mend."""
    check_states(client, scope)
    for key in list(client.memory.get("states", {}))[:1]:
        project_id, name = key.split("/", 1)
        try:
            client.raw(at_project(project_id, f"/terraform/state/{quote(name, safe='')}"))
        except AccessDenied as error:
            mend = "give the token the role Developer; where GitLab still refuses, the scope api instead of read_api"
            raise AccessDenied(error.reason, mend) from None
