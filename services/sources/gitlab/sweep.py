"""All pipelines with their jobs: what changed since the last good sweep, and the history, newest first.

Every batch carries the cursor (`cursor.py`) that is true with it, so a crash between two of them repeats at most one
page. A page that says there are more pipelines puts its continuation into `more` (the head then waits for it) or into
`tail`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from services.sources.base import Batch, Pull, Scope
from services.sources.gitlab.client import GitLabClient, Json, at_project
from services.sources.gitlab.cursor import Cursor, Found
from services.sources.gitlab.graphql import Answered, ask_projects, page_size
from services.sources.gitlab.pipelines import (
    PIPELINE,
    plan_jobs,
    print_of,
    reasons_for,
    records_of,
    unfinished_jobs,
)
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import chunks, ident, kept, next_page, nodes
from services.sources.gitlab.words import FINISHED, raw_word

EVERY = timedelta(seconds=45)
OVERLAP = timedelta(minutes=2)
PROJECTS = 100
NEW_PROJECTS = 25
"""Fewer where each gives its newest pipelines with all their jobs: GitLab ends a query after 30 seconds."""
REFUSED_REST = timedelta(minutes=10)
"""How long a project is left alone whose pipelines could not be read."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)
NEWEST = 5
SLICE = 50
QUERY = f"""query Pipelines($ids:[ID!],$projects:Int,$count:Int,$since:Time,$before:Time,$source:String,
 $scope:PipelineScopeEnum,$status:PipelineStatusEnum,$after:String){{
 queryComplexity{{score limit}}
 projects(ids:$ids,first:$projects){{nodes{{id
  pipelines(first:$count,after:$after,updatedAfter:$since,updatedBefore:$before,source:$source,scope:$scope,
   status:$status){{pageInfo{{hasNextPage endCursor}} nodes{{{PIPELINE}}}}}}}}}}}"""
CHILDREN = "parent_pipeline"
SUFFIX = "/children"
UNFINISHED = ("RUNNING", "PENDING", "MANUAL", "SCHEDULED", "WAITING_FOR_RESOURCE", "PREPARING", "CREATED")
PLACES = ((None, ""), (CHILDREN, SUFFIX))


def collect(pull: Pull) -> Iterator[Batch]:
    """The present first, then the history; each batch is whole in itself."""
    cursor = Cursor.load(pull.cursor)
    projects = {one.id: one for one in known(pull)}
    if cursor.sweep is None and (not cursor.tail or _is_old(pull, cursor.head)):
        _begin(pull, cursor, projects)
    if cursor.sweep is not None:
        yield from _sweep(pull, cursor, projects)
    yield from _tail(pull, cursor, projects)
    yield from _beyond(pull, cursor, projects)


def _is_old(pull: Pull, head: str | None) -> bool:
    return head is None or pull.client.upstream_now() - datetime.fromisoformat(head) > EVERY


def _begin(pull: Pull, cursor: Cursor, projects: dict[int, Known]) -> None:
    refused: dict[int, datetime] = pull.client.memory.setdefault("refused pipelines", {})
    todo = sorted(number for number in projects if pull.now - refused.get(number, LONG_AGO) >= REFUSED_REST)
    cursor.sweep = {"at": pull.client.upstream_now().isoformat(), "todo": todo, "more": []}
    cursor.known &= projects.keys()
    cursor.tail = [entry for entry in cursor.tail if _project_of(entry[0]) in projects]
    if cursor.head is None and pull.since is not None:
        cursor.old = list(UNFINISHED)


def _sweep(pull: Pull, cursor: Cursor, projects: dict[int, Known]) -> Iterator[Batch]:
    sweep = cursor.sweep
    while sweep is not None:
        found = Found()
        if sweep["todo"]:
            _next_projects(pull, cursor, projects, found)
        elif sweep["more"]:
            part, page = sweep["more"].pop(0)
            _continue(pull, projects, part, page, _since(cursor), found)
            sweep["more"] += found.more
        if not sweep["todo"] and not sweep["more"]:
            _still_running(pull, projects, found)
            cursor.head, cursor.sweep, sweep = sweep["at"], None, None
        yield found.batch(cursor)
        pull.client.memory.setdefault("prints", {}).update(found.prints)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _since(cursor: Cursor) -> str | None:
    return None if cursor.head is None else (datetime.fromisoformat(cursor.head) - OVERLAP).isoformat()


def _next_projects(pull: Pull, cursor: Cursor, projects: dict[int, Known], found: Found) -> None:
    """The next page of projects: new ones from the start of the history, the others from the last good sweep."""
    sweep: Any = cursor.sweep
    todo = [number for number in sweep["todo"] if number in projects]
    new = [number for number in todo if number not in cursor.known]
    wanted = (new or todo)[: page_size(pull.client, "pipelines", NEW_PROJECTS if new else PROJECTS)]
    since = _text(pull.since) if new else _since(cursor)
    for source, suffix in PLACES:
        answered = _ask(pull, wanted, since, source=source)
        _take(pull, projects, wanted, answered, suffix, found)
    readable = [number for number in wanted if found.parts.get(str(number)) is None]
    if new:
        cursor.tail += found.more
        cursor.total = max(cursor.total, len(cursor.tail))
        cursor.known |= set(readable)
    else:
        sweep["more"] += found.more
    refused = set(wanted) - set(readable)
    cursor.known -= refused
    pull.client.memory.setdefault("refused pipelines", {}).update(dict.fromkeys(refused, pull.now))
    sweep["todo"] = [number for number in todo if number not in set(wanted)]


def _ask(pull: Pull, ids: list[int], since: str | None, **more: Any) -> Answered:
    variables = {"count": NEWEST, "since": since, **more}
    return ask_projects(pull.client, QUERY, ids, variables, "pipelines")


def _take(
    pull: Pull, projects: dict[int, Known], ids: list[int], answered: Answered, suffix: str, found: Found
) -> None:
    """Turn an answer into records and work; remember where it goes on, and what could not be read."""
    for number in ids:
        why = answered.unreadable(number, "pipelines")
        found.parts[str(number)] = found.parts.get(str(number)) or why
        if why is None:
            connection = answered.projects[number]["pipelines"]
            _take_pipelines(pull, projects[number], nodes(connection), found)
            if page := next_page(connection):
                found.more.append([f"{number}{suffix}", page])


def _take_pipelines(pull: Pull, project: Known, items: list[Any], found: Found) -> None:
    reasons = reasons_for(pull.client, project.id, items)
    for item in items:
        made = kept(pull.notes, "pipeline", item, lambda one: records_of(pull.notes, project, one, reasons))
        if made is not None:
            found.records += made
            kept(pull.notes, "pipeline", item, lambda one: _touch(pull, project, one, found))


def _touch(pull: Pull, project: Known, item: Json, found: Found) -> bool:
    """Ask for the details of a pipeline that is new or changed; what the overlap shows again asks for nothing."""
    key, seen = ident(item), print_of(item)
    before = pull.client.memory.get("prints", {}).get(key)
    found.prints[key] = seen
    if before == seen:
        return False
    if rest := unfinished_jobs(project, item):
        found.touch("jobs", rest)
    found.touch("plans", *plan_jobs(project, item, pull.source.plan_jobs))
    if pull.client.memory.get("no probes"):
        found.touch("deployments", str(project.id))
    built = raw_word(item.get("status")) == "success" and item.get("ref") == project.default_branch
    if before is not None and (built or item.get("type") == "tag"):
        found.touch("registry", str(project.id))
    running = pull.client.memory.setdefault("running", {})
    if raw_word(item.get("status")) in FINISHED:
        running.pop(key, None)
    else:
        running[key] = [project.id, item.get("source") == CHILDREN]
    return True


def _still_running(pull: Pull, projects: dict[int, Known], found: Found) -> None:
    """Jobs of running pipelines: a job can move without its pipeline's updated_at moving."""
    memory = pull.client.memory
    running = list(memory.get("running", {}).values())
    if "running known" not in memory:  # a new process: whichever may be
        running += [[number, child] for number in projects for child in (False, True)]
    for source, suffix in PLACES:
        wanted = sorted({number for number, child in running if child == bool(source) and number in projects})
        for some in chunks(wanted, 50):
            again = Found()
            answered = _ask(pull, some, None, source=source, scope="RUNNING", count=20)
            _take(pull, projects, some, answered, suffix, again)
            rest = again.more
            while rest:
                part, page = rest.pop()
                _continue(pull, projects, part, page, None, again, scope="RUNNING")
                rest += again.more
            found.add(again)
    memory["running known"] = True


def _continue(
    pull: Pull, projects: dict[int, Known], part: str, page: str, since: str | None, found: Found, **more: Any
) -> None:
    """One more page of one part; its own continuation is left in `found.more`."""
    number = _project_of(part)
    found.more = []
    if number not in projects:
        return
    source = CHILDREN if part.endswith(SUFFIX) else None
    answered = _ask(pull, [number], since, source=source, after=page, count=SLICE, **more)
    _take(pull, projects, [number], answered, part.removeprefix(str(number)), found)


def _project_of(part: str) -> int:
    return int(part.partition("/")[0])


def _tail(pull: Pull, cursor: Cursor, projects: dict[int, Known]) -> Iterator[Batch]:
    """The history, a page of each part in turn, so that all of them grow backwards together."""
    while cursor.tail:
        found = Found()
        part, page = cursor.tail.pop(0)
        _continue(pull, projects, part, page, _text(pull.since), found)
        cursor.tail += found.more
        yield found.batch(cursor, 1 - len(cursor.tail) / max(cursor.total, 1))
        if _is_old(pull, cursor.head):
            _begin(pull, cursor, projects)
            yield from _sweep(pull, cursor, projects)


def _beyond(pull: Pull, cursor: Cursor, projects: dict[int, Known]) -> Iterator[Batch]:
    """What is older than the history and not final yet."""
    while cursor.old:
        status = cursor.old.pop()
        found = Found()
        for start in range(0, len(projects), 50):
            some = sorted(projects)[start : start + 50]
            more = {"status": status, "before": _text(pull.since), "count": 20}
            answered = _ask(pull, some, None, **more)
            _take(pull, projects, some, answered, "", found)
        for part, page in found.more:
            while page:
                rest = Found()
                _continue(pull, projects, part, page, None, rest, status=status, before=_text(pull.since))
                found.add(rest)
                page = rest.more[0][1] if rest.more else ""
        yield found.batch(cursor, 1.0)


def check(client: GitLabClient, scope: Scope) -> None:
    """The pipelines of the project with the newest activity, by REST: it tells a refusal by its status."""
    client.page(at_project(newest(client, scope), "/pipelines"), per_page=1)
