"""How GraphQL shows groups, projects, merge requests, environments, releases, states and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json, TerraformState
from emulators.gitlab.exchange import moment
from emulators.gitlab.graphql_nodes import (
    Node,
    changed_within,
    connection,
    context,
    gid,
    made_up_id,
    number_of,
    once,
    readable,
    words,
)

Resolver = Callable[..., Any]


def by_id(item: Json) -> tuple[Any, ...]:
    return (item["id"],)


def _project_gid(project: Json, info: Any) -> str:
    return gid("Project", project["id"])


def query_project(root: Any, info: Any, fullPath: str) -> Any:  # noqa: N803 - GitLab's argument
    found = context(info).index.project(fullPath)
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
    kept = {id(item) for item in _merge_requests([node.item for node in nodes], arguments)}
    return connection([node for node in nodes if id(node.item) in kept], arguments)


def group_repositories(group: Json, info: Any, **arguments: Any) -> Any:
    return connection(_of_group(group, info, "registry_repositories", subgroups=True), arguments)


def group_of(project: Json, info: Any) -> Any:
    return context(info).index.group(project["path_with_namespace"].rpartition("/")[0])


def _listed(collection: str, limited: bool = False, choose: Callable[..., Any] | None = None) -> Resolver:
    """A resolver for a collection of a project: null when it may not be read, `limited` to once a request."""

    def resolve(project: Json, info: Any, **arguments: Any) -> Any:
        if limited:
            once(info)
        if not readable(info, project["id"], collection):
            return None
        found = context(info).data.items(project["id"], collection)
        if choose is not None:
            found = choose(found, arguments)
        return connection([Node(project["id"], item) for item in found], arguments)

    return resolve


def _merge_requests(found: Any, arguments: dict[str, Any]) -> Any:
    if arguments.get("iids"):
        found = [item for item in found if str(item["iid"]) in arguments["iids"]]
    if arguments.get("state") not in (None, "all"):
        found = [item for item in found if item["state"] == arguments["state"]]
    for name, field in (("sourceBranches", "source_branch"), ("targetBranches", "target_branch")):
        if arguments.get(name):
            found = [item for item in found if item.get(field) in arguments[name]]
    return changed_within(changed_within(found, arguments), arguments, "merged")


def _environments(found: Any, arguments: dict[str, Any]) -> Any:
    if arguments.get("states"):
        found = [item for item in found if item["state"] in arguments["states"]]
    if arguments.get("name"):
        found = [item for item in found if item["name"] == arguments["name"]]
    return [item for item in found if (arguments.get("search") or "").lower() in item["name"].lower()]


def _schedules(found: Any, arguments: dict[str, Any]) -> Any:
    if arguments.get("status"):
        found = [item for item in found if bool(item["active"]) == (arguments["status"].lower() == "active")]
    return found


def releases(project: Json, info: Any, **arguments: Any) -> Any:
    if not readable(info, project["id"], "releases"):
        return None
    found = [Node(project["id"], item) for item in context(info).data.items(project["id"], "releases")]
    return connection(found, arguments, key=lambda node: (moment(node.item["released_at"]), node.item["tag_name"]))


def _named(collection: str, argument: str, key: str) -> Resolver:
    def resolve(project: Json, info: Any, **arguments: Any) -> Any:
        wanted = arguments.get(argument)
        wanted = number_of(wanted) if key == "iid" else wanted
        found = context(info).index.find(project["id"], collection, key, wanted)
        return None if found is None or not readable(info, project["id"], collection) else Node(project["id"], found)

    return resolve


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


def _approvals(node: Node, info: Any) -> Json:
    found = context(info).data.mapping(node.project_id, "merge_request_approvals")
    return found.get(str(node.item["iid"]), {})


def _approved_by(node: Node, info: Any, **arguments: Any) -> Any:
    people = [entry["user"] for entry in _approvals(node, info).get("approved_by", [])]
    return connection(people, arguments, key=by_id, descending=False)


def _head_pipeline(node: Node, info: Any) -> Any:
    shown = node.item.get("head_pipeline") or {}
    found = context(info).index.pipeline(shown["id"]) if shown else None
    return None if found is None else Node(*found)


def environment_deployments(node: Node, info: Any, **arguments: Any) -> Any:
    once(info)
    if not readable(info, node.project_id, "deployments"):
        return None
    wanted = words(arguments.get("statuses"))
    return connection([one for one in _deployed(node, info) if wanted is None or one.item["status"] in wanted], arguments)


def _deployed(node: Node, info: Any) -> list[Node]:
    found = context(info).index.all(node.project_id, "deployments", "environment", node.item["name"])
    return [Node(node.project_id, item) for item in found]


def last_deployment(node: Node, info: Any, status: str) -> Any:
    found = [one for one in _deployed(node, info) if one.item["status"] == status.lower()]
    return max(found, key=lambda one: one.item["id"], default=None)


def _deployment_job(node: Node, info: Any) -> Any:
    job = (node.item.get("deployable") or {}).get("id")
    found = context(info).index.find(node.project_id, "jobs", "id", job)
    return None if found is None else Node(node.project_id, found)


def container_repository(root: Any, info: Any, id: str) -> Any:  # noqa: A002 - GitLab's name
    for project in context(info).index.visible_projects():
        found = context(info).index.find(project["id"], "registry_repositories", "id", number_of(id))
        if found is not None and readable(info, project["id"], "registry_repositories"):
            return Node(project["id"], found)
    return None


def image_tags(node: Node, info: Any, **arguments: Any) -> Any:
    wanted = arguments.get("name") or ""
    found = [tag for tag in node.item.get("tags", []) if wanted in tag["name"]]
    return connection(found, arguments, key=lambda tag: (tag["name"],), descending=False)


def _commit(node: Node, info: Any) -> Any:
    told = node.item.get("commit") or (node.item.get("deployable") or {}).get("commit")
    return told or context(info).index.find(node.project_id, "commits", "id", node.item.get("sha"))


def _project(node: Node, info: Any) -> Any:
    return context(info).data.projects.get(node.project_id)


def _last_run(node: Node, info: Any) -> Any:
    shown = node.item.get("last_pipeline") or {}
    found = context(info).index.pipeline(shown["id"], node.project_id) if shown else None
    return None if found is None else Node(*found)


REPOSITORY: dict[str, Resolver] = {
    "id": lambda node, info: gid("ContainerRepository", node.item["id"]),
    "updatedAt": lambda node, info: node.item.get("updated_at") or node.item["created_at"],
    "tagsCount": lambda node, info: len(node.item.get("tags", [])),
    "project": _project,
}
RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "queryComplexity": lambda root, info: {"score": context(info).score, "limit": context(info).limit},
        "metadata": lambda root, info: {"version": context(info).data.version, "revision": "0d1e2f3a4b5",
                                        "enterprise": context(info).data.version.endswith("-ee")},
        "currentUser": lambda root, info: _person(info, context(info).request.token.username),
        "project": query_project,
        "projects": query_projects,
        "group": lambda root, info, fullPath: context(info).index.group(fullPath),
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
        "pipelineSchedules": _listed("pipeline_schedules", limited=True, choose=_schedules),
        "mergeRequests": _listed("merge_requests", choose=_merge_requests),
        "mergeRequest": _named("merge_requests", "iid", "iid"),
        "environments": _listed("environments", limited=True, choose=_environments),
        "environment": _named("environments", "name", "name"),
        "deployment": _named("deployments", "iid", "iid"),
        "releases": releases,
        "terraformStates": terraform_states,
        "terraformState": terraform_state,
        "containerRepositories": _listed("registry_repositories"),
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
    "PipelineSchedule": {
        "id": lambda node, info: gid("Ci::PipelineSchedule", node.item["id"]),
        "lastPipeline": _last_run,
    },
    "MergeRequest": {
        "id": lambda node, info: gid("MergeRequest", node.item["id"]),
        "draft": lambda node, info: bool(node.item.get("draft")),
        "reviewers": lambda node, info, **arguments: connection(node.item.get("reviewers") or [], arguments, by_id),
        "diffHeadSha": lambda node, info: node.item.get("sha"),
        "reference": lambda node, info: f"!{node.item['iid']}",
        "approved": lambda node, info: bool(_approvals(node, info).get("approved")),
        "approvalsRequired": lambda node, info: _approvals(node, info).get("approvals_required", 0),
        "approvedBy": _approved_by,
        "headPipeline": _head_pipeline,
        "detailedMergeStatus": lambda node, info: (node.item.get("detailed_merge_status") or "").upper() or None,
        "project": _project,
    },
    "Environment": {
        "id": lambda node, info: gid("Environment", node.item["id"]),
        "path": lambda node, info: f"/{_project(node, info)['path_with_namespace']}/-/environments/{node.item['id']}",
        "lastDeployment": last_deployment,
        "deployments": environment_deployments,
    },
    "Deployment": {
        "id": lambda node, info: gid("Deployment", node.item["id"]),
        "tag": lambda node, info: bool((node.item.get("deployable") or {}).get("tag")),
        "finishedAt": lambda node, info: node.item.get("_finished_at")
        or (node.item.get("deployable") or {}).get("finished_at"),
        "triggerer": lambda node, info: node.item.get("user"),
        "job": _deployment_job,
        "commit": _commit,
    },
    "Release": {
        "id": lambda node, info: gid("Release", made_up_id(node.project_id, node.item["tag_name"])),
        "commit": _commit,
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
