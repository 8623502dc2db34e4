"""Which pipelines should start by the calendar: each project's schedules once an hour, each schedule when it was due.

The cursor: {"lists": {project id: ISO of its last listing}, "seen": {"project/schedule": [updated_at, next_run_at]}}.
Only a schedule's own page tells its last pipeline, so that is read when the schedule is new or changed, and when the
time that it was to run next has passed. A project without schedules is asked every six hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.records import Ref, Schedule
from services.sources.base import AccessDenied, Batch, Pull, Scope
from services.sources.gitlab.client import GitLabClient, Json, NotThere, at_project
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import clean, flag, ident, kept, part, text, when

EVERY = timedelta(seconds=60)
LISTED = timedelta(hours=1)
LISTED_EMPTY = timedelta(hours=6)
SLACK = timedelta(seconds=30)
"""GitLab starts a schedule a little after its time, and moves next_run_at then."""
AGAIN = timedelta(minutes=5)
"""How long to wait before asking again for a schedule that is late."""


def collect(pull: Pull) -> Iterator[Batch]:
    """Projects whose turn it is to be listed, then schedules whose time has come."""
    projects = {str(one.id): one for one in known(pull)}
    lists = {key: at for key, at in (pull.cursor.get("lists") or {}).items() if key in projects}
    seen = {key: told for key, told in (pull.cursor.get("seen") or {}).items() if key.split("/")[0] in projects}
    for key in _turn(pull, list(projects), lists, seen):
        lists[key] = pull.now.isoformat()
        try:
            items = list(pull.client.listed(at_project(key, "/pipeline_schedules")))
        except AccessDenied as error:
            yield Batch(cursor={"lists": dict(lists), "seen": dict(seen)}, parts={key: error.reason})
            continue
        held = {f"{key}/{number}": _mark(item) for item in items if (number := _number(pull, item)) is not None}
        changed = [name for name, mark in held.items() if seen.get(name, [])[:2] != mark]
        seen = {name: told for name, told in seen.items() if name.split("/")[0] != key or name in held}
        yield _detailed(pull, projects[key], changed, lists, seen, {key: None})
    for name in _due(pull, seen):
        yield _detailed(pull, projects[name.split("/")[0]], [name], lists, seen, {})
    if set(lists) == set(projects):
        present = frozenset(name.split("/")[1] for name in seen)
        yield Batch(cursor={"lists": lists, "seen": seen}, present={"pipeline-schedule": present})


def _turn(pull: Pull, keys: list[str], lists: Json, seen: Json) -> list[str]:
    """Projects never listed, and an even share of those whose turn has come."""
    never = [key for key in keys if key not in lists]
    with_some = {name.split("/")[0] for name in seen}
    old = sorted(
        (at, key)
        for key, at in lists.items()
        if pull.now - datetime.fromisoformat(at) >= (LISTED if key in with_some else LISTED_EMPTY)
    )
    share = -(-len(keys) * EVERY // LISTED)
    return never + [key for _, key in old[:share]]


def _number(pull: Pull, item: Json) -> int | None:
    return kept(pull.notes, "schedule", item, lambda one: int(ident(one)))


def _mark(item: Json) -> list[str | None]:
    times = (item.get("updated_at"), item.get("next_run_at"))
    return [at if isinstance(at, str) else None for at in times]


def _due(pull: Pull, seen: Json) -> list[str]:
    """Schedules whose next run should have begun, by GitLab's clock."""
    now = pull.client.upstream_now()
    found = []
    for name, (_, next_run, *asked) in seen.items():
        told = kept(pull.notes, "schedule", {"id": name, "at": next_run}, lambda one: when(one, "at"))
        late = told is not None and told + SLACK < now
        if late and (not asked or datetime.fromisoformat(asked[0]) + AGAIN < pull.now):
            found.append(name)
    return found


def _detailed(pull: Pull, project: Known, wanted: list[str], lists: Json, seen: Json, parts: Json) -> Batch:
    made: list[Schedule] = []
    for name in wanted:
        try:
            item = pull.client.get(at_project(project.id, f"/pipeline_schedules/{name.split('/')[1]}"))
        except NotThere:
            seen.pop(name, None)
            continue
        except AccessDenied as error:
            parts = {**parts, str(project.id): error.reason}
            continue
        record = kept(pull.notes, "schedule", item, lambda one: schedule_record(project, one))
        if record is not None:
            made.append(record)
        seen[name] = [*_mark(item), pull.now.isoformat()]
    return Batch(tuple(made), {"lists": dict(lists), "seen": dict(seen)}, parts=parts)


def schedule_record(project: Known, item: Json) -> Schedule:
    """Our record of a pipeline schedule; its variables are never asked for. Raises Malformed."""
    owner, last = part(item, "owner"), part(item, "last_pipeline")
    active = flag(item, "active")
    ref = text(item, "ref")
    return Schedule(
        native_id=ident(item),
        kind="pipeline-schedule",
        project=Ref("project", str(project.id)),
        name=text(item, "description") or f"schedule {ident(item)}",
        cron=text(item, "cron"),
        time_zone=text(item, "cron_timezone"),
        active=active,
        state_raw="active" if active else "inactive",
        ref=ref.removeprefix("refs/heads/") if ref else None,
        owner=clean(owner.get("username")),
        owner_active=owner.get("state") == "active" if owner.get("state") else None,
        next_run_at=when(item, "next_run_at"),
        last_run_at=when(last, "created_at"),
        last_run=Ref("pipeline", ident(last)) if last else None,
        created_at=when(item, "created_at"),
        updated_at=when(item, "updated_at"),
        web_url=f"{project.web_url}/-/pipeline_schedules" if project.web_url else None,
    )


def check(client: GitLabClient, scope: Scope) -> None:
    """The schedules of the project with the newest activity."""
    client.page(at_project(newest(client, scope), "/pipeline_schedules"), per_page=1)
