"""Merge requests with their approvals, and incidents: one call a group, by time of change.

The cursor of both: {group or project: entry of `paging`}; merge requests hold "opened" too: the groups whose open
requests were all read once, whatever their age.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from services.records import Change, Incident, Ref
from services.sources.base import AccessDenied, Batch, Pull, Scope, SourceError
from services.sources.gitlab.client import GitLabClient, Json, at_group, at_project
from services.sources.gitlab.graphql import ask_projects
from services.sources.gitlab.paging import Read, backwards, catch_up
from services.sources.gitlab.reading import chunks, flag, ident, kept, names, nodes, number, part, required, text, texts
from services.sources.gitlab.reading import when as time

APPROVALS = """query Approvals($ids:[ID!],$projects:Int,$iids:[String!]){
 queryComplexity{score limit}
 projects(ids:$ids,first:$projects){nodes{id mergeRequests(iids:$iids,first:100){nodes{
  iid approvalsRequired approvedBy(first:50){nodes{username}}}}}}}"""
APPROVALS_AT_ONCE = 50
REMEMBERED = 5000
EVERYONES = {"scope": "all", "state": "all"}


def requests(pull: Pull) -> Iterator[Batch]:
    """Merge requests that changed, then the history, then what is open from before it."""
    cursor = dict(pull.cursor)
    troubles: dict[str, SourceError] = {}
    for origin, path in _origins(pull.scope, "merge_requests"):
        try:
            for read in catch_up(pull.client, path, cursor.get(origin), pull.since, **EVERYONES):
                cursor = {**cursor, origin: read.entry}
                yield _requests_of(pull, origin, read, cursor)
            opened = list(cursor.get("opened", ()))
            if pull.since is not None and origin not in opened:
                before = pull.since.isoformat()
                for items, place in backwards(pull.client, path, before, None, {"scope": "all", "state": "opened"}):
                    if place is None:
                        cursor = {**cursor, "opened": [*opened, origin]}
                    yield _requests_of(pull, origin, Read(items, cursor[origin]), cursor)
        except AccessDenied as error:
            troubles[origin] = error
    yield from _said(pull.scope, troubles)


def _said(scope: Scope, troubles: dict[str, SourceError]) -> Iterator[Batch]:
    """Groups that could not be read are parts; where none could, it is the whole stream."""
    if troubles and len(troubles) == len(_origins(scope, "")):
        raise next(iter(troubles.values()))
    if troubles:
        yield Batch(parts={origin: error.reason for origin, error in troubles.items()})


def _origins(scope: Scope, what: str) -> list[tuple[str, str]]:
    groups = [(group, at_group(group, f"/{what}")) for group in scope.data["groups"]]
    return groups + [(path, at_project(path, f"/{what}")) for path in scope.data["projects"]]


def _requests_of(pull: Pull, origin: str, read: Read, cursor: Json) -> Batch:
    found = [kept(pull.notes, "merge request", item, request_record) for item in read.items]
    made = [record for record in found if record is not None]
    remembered: dict[str, Change] = pull.client.memory.setdefault("requests", {})
    for record in made:
        remembered[_key(record)] = record
    while len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]
    return Batch(
        tuple(made),
        cursor,
        touched={"approvals": tuple(_key(record) for record in made)} if made else {},
        parts={origin: None},
        progress=0.5 if read.tail and read.entry["tail"] is not None else None,
    )


def _key(record: Change) -> str:
    return f"{record.project.native_id}/{record.iid}"


def request_record(item: Json) -> Change:
    """Our record of a merge request as REST lists it; its approvals are not in the list. Raises Malformed."""
    state = required(item, "state")
    return Change(
        native_id=ident(item),
        project=Ref("project", ident(item, "project_id")),
        iid=ident(item, "iid"),
        title=text(item, "title") or "(no title)",
        state=state,
        draft=flag(item, "draft") or flag(item, "work_in_progress"),
        author=part(item, "author").get("username"),
        source_branch=text(item, "source_branch"),
        target_branch=text(item, "target_branch"),
        sha=text(item, "sha"),
        merge_sha=text(item, "merge_commit_sha") or text(item, "squash_commit_sha"),
        created_at=time(item, "created_at"),
        merged_at=time(item, "merged_at"),
        closed_at=time(item, "closed_at"),
        updated_at=time(item, "updated_at"),
        reviewers=names(item, "reviewers", "username"),
        labels=texts(item, "labels"),
        merge_status=text(item, "detailed_merge_status") or text(item, "merge_status"),
        web_url=text(item, "web_url"),
        final=state in ("merged", "closed"),
    )


def approvals(pull: Pull) -> Iterator[Batch]:
    """Who approved the requests that changed, fifty requests a call, over all projects."""
    for some in chunks(list(pull.work), APPROVALS_AT_ONCE):
        wanted = [tuple(key.split("/", 1)) for key in some]
        projects = sorted({int(project) for project, _ in wanted})
        variables = {"iids": sorted({iid for _, iid in wanted})}
        answered = ask_projects(pull.client, APPROVALS, projects, variables, "approvals")
        found: dict[str, Json] = {
            f"{project}/{node.get('iid')}": node
            for project, told in answered.projects.items()
            for node in nodes(told.get("mergeRequests"))
        }
        made = [_approved(pull, key, found[key]) for key in some if key in found]
        parts = {str(project): answered.unreadable(project, "mergeRequests") for project in projects}
        yield Batch(tuple(record for record in made if record is not None), done=tuple(some), parts=parts)


def _approved(pull: Pull, key: str, told: Json) -> Change | None:
    """The request as it was just listed, with its approvals; read anew where it was not (a webhook asks for it)."""
    project, iid = key.split("/", 1)
    listed: Change | None = pull.client.memory.get("requests", {}).pop(key, None)
    if listed is None:
        try:
            item = pull.client.get(at_project(project, f"/merge_requests/{iid}"))
        except AccessDenied:
            return None
        listed = kept(pull.notes, "merge request", item, request_record)
    if listed is None:
        return None
    return kept(pull.notes, "approvals", told, _with_approvals(listed))


def _with_approvals(listed: Change) -> Callable[[Json], Change]:
    def make(told: Json) -> Change:
        values = {name: getattr(listed, name) for name in Change.__dataclass_fields__}
        required_count = number(told, "approvalsRequired")
        values |= {
            "approved_by": names(told, "approvedBy", "username"),
            "approvals_required": None if required_count is None else int(required_count),
        }
        return Change(**values)

    return make


def incidents(pull: Pull) -> Iterator[Batch]:
    """Incidents that changed, then the history."""
    cursor = dict(pull.cursor)
    troubles: dict[str, SourceError] = {}
    for origin, path in _origins(pull.scope, "issues"):
        try:
            for read in catch_up(pull.client, path, cursor.get(origin), pull.since, **_INCIDENTS):
                cursor = {**cursor, origin: read.entry}
                found = [kept(pull.notes, "incident", item, incident_record) for item in read.items]
                yield Batch(tuple(one for one in found if one is not None), cursor, parts={origin: None})
        except AccessDenied as error:
            troubles[origin] = error
    yield from _said(pull.scope, troubles)


_INCIDENTS: dict[str, Any] = {"issue_type": "incident", "scope": "all"}


def incident_record(item: Json) -> Incident:
    """Our record of an issue of the type incident. Raises Malformed."""
    state = required(item, "state")
    return Incident(
        native_id=ident(item),
        project=Ref("project", ident(item, "project_id")),
        iid=ident(item, "iid"),
        title=text(item, "title") or "(no title)",
        state=state,
        severity=text(item, "severity"),
        labels=texts(item, "labels"),
        author=part(item, "author").get("username"),
        created_at=time(item, "created_at"),
        closed_at=time(item, "closed_at"),
        updated_at=time(item, "updated_at"),
        web_url=text(item, "web_url"),
        final=state == "closed",
    )


def check_requests(client: GitLabClient, scope: Scope) -> None:
    """One merge request of each group."""
    for _, path in _origins(scope, "merge_requests"):
        client.page(path, per_page=1, **EVERYONES)


def check_incidents(client: GitLabClient, scope: Scope) -> None:
    """One incident of each group."""
    for _, path in _origins(scope, "issues"):
        client.page(path, per_page=1, **_INCIDENTS)
