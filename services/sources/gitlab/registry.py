"""Which images and releases there are: tags as pointers to digests, releases as names of commits.

The cursor of releases: {group or project: ISO up to which releases were read}. The registry has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from services.records import ImageDetail, Ref, Version
from services.sources.base import AccessDenied, Batch, Pull, Scope, SourceError
from services.sources.gitlab.client import GitLabClient, Json, at_group, at_project
from services.sources.gitlab.graphql import ask, ask_projects, page_size
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import (
    Malformed,
    chunks,
    clean,
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

REPOSITORIES = """query Repositories($ids:[ID!],$projects:Int){ queryComplexity{score limit}
 projects(ids:$ids,first:$projects){nodes{id containerRepositories(first:50){pageInfo{hasNextPage endCursor}
  nodes{id path}}}}}"""
TAGS = """query Tags($after:String){ containerRepository(id:"gid://gitlab/ContainerRepository/%d"){
 tags(first:100,after:$after){pageInfo{hasNextPage endCursor}
  nodes{name digest totalSize createdAt publishedAt}}}}"""
"""The id stands in the text: as a variable it would have to be of a type that not every GitLab knows."""
PROJECTS = 50
LATE = timedelta(days=1)
"""A release may be dated back a little."""


def images(pull: Pull) -> Iterator[Batch]:
    """The images of the projects of the work, one call a page of a repository's tags."""
    projects = {one.id: one for one in known(pull)}
    gone = tuple(key for key in pull.work if int(key) not in projects)
    if gone:
        yield Batch(done=gone)
    wanted = [int(key) for key in pull.work if int(key) in projects]
    for some in chunks(wanted, page_size(pull.client, "registry", PROJECTS)):
        answered = ask_projects(pull.client, REPOSITORIES, some, {}, "registry")
        for project_id in some:
            why = answered.unreadable(project_id, "containerRepositories")
            found: list[Version] = []
            if why is None:
                connection = answered.projects[project_id]["containerRepositories"]
                for repository in nodes(connection):
                    number_of = kept(pull.notes, "image repository", repository, lambda one: int(ident(one)))
                    if number_of is not None:
                        found += _images_of(pull, projects[project_id], repository, number_of)
                if next_page(connection):
                    why = "this project has more than 50 image repositories; the first 50 are shown"
            yield Batch(tuple(found), done=(str(project_id),), parts={str(project_id): why})


def _images_of(pull: Pull, project: Known, repository: Json, number_of: int) -> list[Version]:
    path = clean(str(repository.get("path") or project.path)) or project.path
    by_digest: defaultdict[str, list[Json]] = defaultdict(list)
    after: str | None = None
    while True:
        data, _ = ask(pull.client, TAGS % number_of, {"after": after}, "image tags")
        connection = inside(data, "containerRepository").get("tags")
        for tag in nodes(connection):
            digest = tag.get("digest")
            if isinstance(digest, str) and digest:
                by_digest[digest].append(tag)
            else:
                pull.notes.reject(f"image tag of repository {number_of}", "has no digest")
        after = next_page(connection)
        if after is None:
            break
    made = [
        kept(
            pull.notes,
            "image",
            {"id": digest},
            lambda one: image_record(project, path, one["id"], by_digest[one["id"]]),
        )
        for digest in by_digest
    ]
    return [one for one in made if one is not None]


def image_record(project: Known, path: str, digest: str, tags: list[Json]) -> Version:
    """Our record of an image: its digest is what it is, tags only point to it. Raises Malformed."""
    names = sorted(name for tag in tags if (name := text(tag, "name")))
    if not names:
        raise Malformed("has no tag with a name")
    own = [name for name in names if name != "latest"] or names
    times = [at for tag in tags if (at := when(tag, "createdAt") or when(tag, "publishedAt"))]
    size = next((found for tag in tags if (found := number(tag, "totalSize")) is not None), None)
    return Version(
        native_id=f"{path}@{digest}",
        kind="image",
        project=Ref("project", str(project.id)),
        of=path,
        label=own[0],
        digest=digest,
        created_at=min(times, default=None),
        detail=ImageDetail(repository=path, tags=tuple(names), size_bytes=None if size is None else int(size)),
        web_url=f"{project.web_url}/container_registry" if project.web_url else None,
    )


def releases(pull: Pull) -> Iterator[Batch]:
    """Releases newest first, down to the last one read or to the beginning of the history."""
    by_url = {one.web_url: one for one in known(pull) if one.web_url}
    cursor = dict(pull.cursor)
    troubles: dict[str, SourceError] = {}
    origins = [(group, at_group(group, "/releases")) for group in pull.scope.data["groups"]]
    origins += [(path, at_project(path, "/releases")) for path in pull.scope.data["projects"]]
    for origin, path in origins:
        at = pull.client.upstream_now()
        bounds = [datetime.fromisoformat(cursor[origin]) - LATE] if origin in cursor else []
        bounds += [pull.since] if pull.since is not None and not bounds else []
        found: list[Version] = []
        try:
            for item in pull.client.listed(path, sort="desc"):
                record = kept(pull.notes, "release", item, lambda one: release_record(by_url, one))
                if record is not None:
                    found.append(record)
                    if bounds and record.created_at is not None and record.created_at < bounds[0]:
                        break
        except AccessDenied as error:
            troubles[origin] = error
            continue
        cursor = {**cursor, origin: at.isoformat()}
        yield Batch(tuple(found), cursor, parts={origin: None})
    if troubles and len(troubles) == len(origins):
        raise next(iter(troubles.values()))
    if troubles:
        yield Batch(parts={origin: error.reason for origin, error in troubles.items()})


def release_record(by_url: dict[str, Known], item: Json) -> Version:
    """Our record of a release; a group's list tells its project only by the link to it. Raises Malformed."""
    tag, link = required(item, "tag_name"), part(item, "_links").get("self")
    project = by_url.get(str(link).partition("/-/releases/")[0])
    if project is None:
        raise Malformed("its project is not known")
    commit = part(item, "commit")
    return Version(
        native_id=f"{project.id}#{tag}",
        kind="release",
        project=Ref("project", str(project.id)),
        of=project.path,
        label=tag,
        title=text(item, "name"),
        sha=text(commit, "id"),
        author=part(item, "author").get("username"),
        created_at=when(item, "released_at") or when(item, "created_at"),
        web_url=text({"link": link}, "link"),
    )


def check_images(client: GitLabClient, scope: Scope) -> None:
    """The image repositories of the project with the newest activity."""
    client.page(at_project(newest(client, scope), "/registry/repositories"), per_page=1)


def check_releases(client: GitLabClient, scope: Scope) -> None:
    """One release of each group."""
    for group in scope.data["groups"]:
        client.page(at_group(group, "/releases"), per_page=1)
