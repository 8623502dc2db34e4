"""What was put where: deployments and environments of the projects in which something moved.

The cursor of deployments: {project id: entry of `paging`, with "good": {environment: successes read so far} while the
history is being filled, and "deep": true once each environment's current and previous success was looked for}.
That of environments: {project id: ids of its environments}, by which one that is no longer listed is known as gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.records import Deployment, Environment, Record, Ref
from services.sources.base import AccessDenied, Batch, Notes, Pull, Scope
from services.sources.gitlab.client import GitLabClient, Json, at_project
from services.sources.gitlab.paging import catch_up
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import Malformed, ident, kept, part, required, text
from services.sources.gitlab.reading import when as time
from services.sources.gitlab.rota import saw_deployments
from services.sources.gitlab.words import FINISHED, raw_word, tier_of
from services.vocabulary import Tier

WANTED_PER_ENVIRONMENT = 2


def deployments(pull: Pull) -> Iterator[Batch]:
    """Deployments of each project of the work: what changed, then the history, then what still stands from before."""
    projects = {str(one.id): one for one in known(pull)}
    cursor = dict(pull.cursor)
    for key in pull.work:
        if key not in projects:
            yield Batch(done=(key,))
            continue
        try:
            yield from _of_project(pull, projects[key], cursor)
        except AccessDenied as error:
            yield Batch(done=(key,), parts={key: error.reason})


def _of_project(pull: Pull, project: Known, cursor: Json) -> Iterator[Batch]:
    key = str(project.id)
    path = at_project(key, "/deployments")
    good: dict[str, int] = dict((cursor.get(key) or {}).get("good") or {})
    deep = bool((cursor.get(key) or {}).get("deep"))
    for read in catch_up(pull.client, path, _plain(cursor.get(key)), pull.since):
        _count_good(read.items, good)
        cursor[key] = {**read.entry, "good": dict(good), "deep": deep}
        yield Batch(tuple(_records(pull, project, read.items)), dict(cursor))
    records: list[Record] = []
    if not deep and pull.since is not None:
        records = _records(pull, project, _standing(pull.client, key, good))
    cursor[key] = {**(_plain(cursor[key]) or {}), "good": {}, "deep": True}
    yield Batch(tuple(records), dict(cursor), done=(key,), parts={key: None})


def _plain(entry: Json | None) -> Json | None:
    return None if not entry else {name: entry[name] for name in ("head", "sweep", "tail")}


def _count_good(items: list[Json], good: dict[str, int]) -> None:
    for item in items:
        place = item.get("environment") if isinstance(item, dict) else None
        if isinstance(place, dict) and item.get("status") == "success" and isinstance(place.get("name"), str):
            good[place["name"]] = good.get(place["name"], 0) + 1


def _standing(client: GitLabClient, key: str, good: dict[str, int]) -> list[Json]:
    """The current and the previous success of each environment that the history does not hold."""
    found: list[Json] = []
    for place in client.listed(at_project(key, "/environments"), states="available"):
        name = place.get("name")
        if isinstance(name, str) and good.get(name, 0) < WANTED_PER_ENVIRONMENT:
            items, _ = client.page(
                at_project(key, "/deployments"), environment=name, status="success", order_by="id", sort="desc",
                per_page=WANTED_PER_ENVIRONMENT,
            )  # fmt: skip
            found += items
    return found


def _records(pull: Pull, project: Known, items: list[Json]) -> list[Record]:
    tiers: dict[str, Tier | None] = pull.client.memory.setdefault("tiers", {}).get(project.id, {})
    saw_deployments(pull, project.id, items)
    made = [kept(pull.notes, "deployment", item, lambda one: deployment_record(pull.notes, project, one, tiers))
            for item in items]  # fmt: skip
    return [one for one in made if one is not None]


def deployment_record(notes: Notes, project: Known, item: Json, tiers: dict[str, Tier | None]) -> Deployment:
    """Our record of a deployment. Its end is the deployment's own, not a later job's. Raises Malformed."""
    raw, sha = raw_word(item.get("status")), text(item, "sha")
    job, place = part(item, "deployable"), part(item, "environment")
    name = required(place, "name")
    pipeline = part(job, "pipeline")
    finished = time(item, "finished_at") or (time(job, "finished_at") if raw in FINISHED else None)
    return Deployment(
        native_id=ident(item),
        kind="deployment",
        project=Ref("project", str(project.id)),
        place=name,
        environment=name,
        tier=tier_of(place.get("tier")) or tiers.get(name),
        version=Ref("commit", sha) if sha else None,
        label=(sha or "unknown")[:8],
        sha=sha,
        ref=text(item, "ref"),
        state=notes.state(raw),
        state_raw=raw,
        created_at=time(item, "created_at"),
        finished_at=finished,
        updated_at=time(item, "updated_at"),
        author=part(item, "user").get("username"),
        run=Ref("pipeline", ident(pipeline)) if pipeline else None,
        step=Ref("job", ident(job)) if job else None,
        web_url=f"{project.web_url}/-/environments/{ident(place)}" if project.web_url and place.get("id") else None,
        final=raw in FINISHED,
    )


def environments(pull: Pull) -> Iterator[Batch]:
    """The environments of each project of the work, with the tier that GitLab states."""
    projects = {str(one.id): one for one in known(pull)}
    cursor = {key: ids for key, ids in pull.cursor.items() if key in projects}
    for key in pull.work:
        project = projects.get(key)
        if project is None:
            yield Batch(done=(key,))
            continue
        try:
            items = list(pull.client.listed(at_project(key, "/environments")))
        except AccessDenied as error:
            yield Batch(done=(key,), parts={key: error.reason})
            continue
        found = _environments(pull, project, items)
        listed = [str(item.get("id")) for item in items]
        gone = tuple(native_id for native_id in cursor.get(key, ()) if native_id not in listed)
        cursor = {**cursor, key: listed}
        yield Batch(tuple(found), cursor, done=(key,), parts={key: None}, gone={"environment": gone} if gone else {})


def _environments(pull: Pull, project: Known, items: list[Json]) -> list[Environment]:
    made = [kept(pull.notes, "environment", item, lambda one: environment_record(project, one)) for item in items]
    found = [one for one in made if one is not None]
    pull.client.memory.setdefault("tiers", {})[project.id] = {one.name: one.tier for one in found}
    return found


def environment_record(project: Known, item: Json) -> Environment:
    """Our record of an environment. Raises Malformed."""
    native_id = ident(item)
    state = item.get("state")
    if state is not None and not isinstance(state, str):
        raise Malformed("state is not a text")
    return Environment(
        native_id=native_id,
        project=Ref("project", str(project.id)),
        name=required(item, "name"),
        tier=tier_of(item.get("tier")),
        available=state in (None, "available"),
        web_url=f"{project.web_url}/-/environments/{native_id}" if project.web_url else None,
        updated_at=time(item, "updated_at"),
    )


def check_deployments(client: GitLabClient, scope: Scope) -> None:
    """One deployment of the project with the newest activity."""
    client.page(at_project(newest(client, scope), "/deployments"), per_page=1)


def check_environments(client: GitLabClient, scope: Scope) -> None:
    """One environment of the project with the newest activity."""
    client.page(at_project(newest(client, scope), "/environments"), per_page=1)
