"""How GraphQL shows groups, projects, people, Terraform states and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json, TerraformState
from emulators.gitlab.graphql_delivery import listed, merge_requests_in, project_of
from emulators.gitlab.graphql_nodes import (
    Node,
    by_id,
    connection,
    context,
    gid,
    made_up_id,
    number_of,
    readable,
)

Resolver = Callable[..., Any]


def _project_gid(project: Json, info: Any) -> str:
    return gid("Project", project["id"])


def query_project(root: Any, info: Any, **arguments: Any) -> Any:
    found = context(info).index.project(arguments["fullPath"])
    return None if found is None or context(info).data.denied.get((found["id"], "*")) == 404 else found


def query_projects(root: Any, info: Any, **arguments: Any) -> Any:
    found = context(info).index.visible_projects()
    if arguments.get("ids") is not None:
        wanted = {number_of(text) for text in arguments["ids"]}
        found = [item for item in found if item["id"] in wanted]
    if arguments.get("fullPaths") is not None:
        found = [item for item in found if item["path_with_namespace"] in arguments["fullPaths"]]
    return connection(_search(found, arguments), arguments, key=by_id)


def _search(found: list[Json], arguments: dict[str, Any]) -> list[Json]:
    wanted = (arguments.get("search") or "").lower()
    return [item for item in found if wanted in item["path_with_namespace"].lower()]


def group_projects(group: Json, info: Any, **arguments: Any) -> Any:
    found = context(info).index.group_projects(group, bool(arguments.get("includeSubgroups")))
    if arguments.get("includeArchived") is False:
        found = [item for item in found if not item.get("archived")]
    if arguments.get("ids") is not None:
        wanted = {number_of(text) for text in arguments["ids"]}
        found = [item for item in found if item["id"] in wanted]
    return connection(_search(found, arguments), arguments, key=by_id)


def _of_group(group: Json, info: Any, collection: str, subgroups: bool) -> list[Node]:
    return [
        Node(project["id"], item)
        for project in context(info).index.group_projects(group, subgroups)
        if readable(info, project["id"], collection)
        for item in context(info).data.items(project["id"], collection)
    ]


def group_merge_requests(group: Json, info: Any, **arguments: Any) -> Any:
    nodes = _of_group(group, info, "merge_requests", bool(arguments.get("includeSubgroups")))
    kept = {id(item) for item in merge_requests_in([node.item for node in nodes], arguments)}
    return connection([node for node in nodes if id(node.item) in kept], arguments)


def group_repositories(group: Json, info: Any, **arguments: Any) -> Any:
    return connection(_of_group(group, info, "registry_repositories", subgroups=True), arguments)


def group_of(project: Json, info: Any) -> Any:
    return context(info).index.group(project["path_with_namespace"].rpartition("/")[0])


def terraform_states(project: Json, info: Any, **arguments: Any) -> Any:
    if not readable(info, project["id"], "terraform_states"):
        return None
    found = [state for (owner, _), state in context(info).data.states.items() if owner == project["id"]]
    return connection(found, arguments, key=lambda state: (state.name,), descending=False)


def terraform_state(project: Json, info: Any, name: str) -> Any:
    if not readable(info, project["id"], "terraform_states"):
        return None
    return context(info).data.states.get((project["id"], name))


def _person(info: Any, username: str | None) -> Any:
    if not username:
        return None
    known = context(info).data.users.get(username)
    return known or {"id": made_up_id(username), "username": username, "name": username, "web_url": f"/{username}"}


def latest_version(state: TerraformState, info: Any) -> Any:
    if not state.versions:
        return None
    serial = max(state.versions)
    return {**state.versions[serial], "serial": serial, "state": state}


def _version_job(version: Json, info: Any) -> Any:
    job_id, project_id = version.get("job_id"), version["state"].project_id
    if job_id is None:
        return None
    found = context(info).index.find(project_id, "jobs", "id", job_id)
    return None if found is None else Node(project_id, found)


def _download_path(version: Json, info: Any) -> str:
    state = version["state"]
    return f"/api/v4/projects/{state.project_id}/terraform/state/{state.name}/versions/{version['serial']}"


def container_repository(root: Any, info: Any, id: str) -> Any:
    for project in context(info).index.visible_projects():
        found = context(info).index.find(project["id"], "registry_repositories", "id", number_of(id))
        if found is not None and readable(info, project["id"], "registry_repositories"):
            return Node(project["id"], found)
    return None


def image_tags(node: Node, info: Any, **arguments: Any) -> Any:
    wanted = arguments.get("name") or ""
    found = [tag for tag in node.item.get("tags", []) if wanted in tag["name"]]
    return connection(found, arguments, key=lambda tag: (tag["name"],), descending=False)


REPOSITORY: dict[str, Resolver] = {
    "id": lambda node, info: gid("ContainerRepository", node.item["id"]),
    "updatedAt": lambda node, info: node.item.get("updated_at") or node.item["created_at"],
    "tagsCount": lambda node, info: len(node.item.get("tags", [])),
    "project": project_of,
}
RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "queryComplexity": lambda root, info: {"score": context(info).score, "limit": context(info).limit},
        "metadata": lambda root, info: {"version": context(info).data.version, "revision": "0d1e2f3a4b5",
                                        "enterprise": context(info).data.version.endswith("-ee")},
        "currentUser": lambda root, info: _person(info, context(info).request.token.username),
        "project": query_project,
        "projects": query_projects,
        "group": lambda root, info, **arguments: context(info).index.group(arguments["fullPath"]),
        "containerRepository": container_repository,
    },
    "Group": {
        "id": lambda group, info: gid("Group", group["id"]),
        "fullName": lambda group, info: group.get("full_name") or group["full_path"].replace("/", " / "),
        "projects": group_projects,
        "mergeRequests": group_merge_requests,
        "containerRepositories": group_repositories,
    },
    "Namespace": {"id": lambda space, info: gid("Namespace", space["id"])},
    "Repository": {},
    "Project": {
        "id": _project_gid,
        "fullPath": lambda project, info: project["path_with_namespace"],
        "group": group_of,
        "repository": lambda project, info: {"root_ref": project.get("default_branch"), "exists": True,
                                             "empty": bool(project.get("empty_repo"))},
        "terraformStates": terraform_states,
        "terraformState": terraform_state,
        "containerRepositories": listed("registry_repositories"),
        "containerRepositoriesCount": lambda project, info: len(
            context(info).data.items(project["id"], "registry_repositories")
        ),
    },
    "UserCore": {
        "id": lambda user, info: gid("User", user["id"]),
        "bot": lambda user, info: bool(user.get("bot")),
    },
    "Commit": {
        "id": lambda commit, info: gid("Commit", commit["id"]),
        "sha": lambda commit, info: commit["id"],
        "webUrl": lambda commit, info: commit.get("web_url") or "",
        "webPath": lambda commit, info: "/" + (commit.get("web_url") or "").partition("://")[2].partition("/")[2],
    },
    "TerraformState": {
        "id": lambda state, info: gid("Terraform::State", made_up_id(state.project_id, state.name)),
        "name": lambda state, info: state.name,
        "createdAt": lambda state, info: state.created_at,
        "updatedAt": lambda state, info: state.updated_at,
        "deletedAt": lambda state, info: None,
        "lockedAt": lambda state, info: state.lock and (state.lock.get("_at") or state.lock.get("Created")),
        "lockedByUser": lambda state, info: _person(info, state.lock and state.lock.get("_username")),
        "latestVersion": latest_version,
    },
    "TerraformStateVersion": {
        "id": lambda version, info: gid(
            "Terraform::StateVersion",
            made_up_id(version["state"].project_id, version["state"].name, version["serial"]),
        ),
        "downloadPath": _download_path,
        "job": _version_job,
        "createdByUser": lambda version, info: _person(info, version.get("username")),
        "updatedAt": lambda version, info: version["created_at"],
    },
    "ContainerRepository": REPOSITORY,
    "ContainerRepositoryDetails": {**REPOSITORY, "tags": image_tags},
    "ContainerRepositoryTag": {"publishedAt": lambda tag, info: tag.get("published_at") or tag.get("created_at")},
}  # fmt: skip
