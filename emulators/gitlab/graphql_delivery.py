"""How GraphQL shows what is delivered: merge requests, environments, deployments, releases, schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json
from emulators.gitlab.exchange import moment
from emulators.gitlab.graphql_nodes import (
    Node,
    by_id,
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
    return connection(
        [one for one in _deployed(node, info) if wanted is None or one.item["status"] in wanted], arguments
    )


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


def _commit(node: Node, info: Any) -> Any:
    told = node.item.get("commit") or (node.item.get("deployable") or {}).get("commit")
    return told or context(info).index.find(node.project_id, "commits", "id", node.item.get("sha"))


def project_of(node: Node, info: Any) -> Any:
    return context(info).data.projects.get(node.project_id)


def merge_requests_in(found: Any, arguments: dict[str, Any]) -> Any:
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


def _last_run(node: Node, info: Any) -> Any:
    shown = node.item.get("last_pipeline") or {}
    found = context(info).index.pipeline(shown["id"], node.project_id) if shown else None
    return None if found is None else Node(*found)


def listed(collection: str, limited: bool = False, choose: Callable[..., Any] | None = None) -> Resolver:
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


def named(collection: str, argument: str, key: str) -> Resolver:
    def resolve(project: Json, info: Any, **arguments: Any) -> Any:
        wanted = arguments.get(argument)
        wanted = number_of(wanted) if key == "iid" else wanted
        found = context(info).index.find(project["id"], collection, key, wanted)
        return None if found is None or not readable(info, project["id"], collection) else Node(project["id"], found)

    return resolve


RESOLVERS: dict[str, dict[str, Resolver]] = {
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
        "project": project_of,
    },
    "Environment": {
        "id": lambda node, info: gid("Environment", node.item["id"]),
        "path": lambda node, info: f"/{project_of(node, info)['path_with_namespace']}/-/environments/{node.item['id']}",
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
    "PipelineSchedule": {
        "id": lambda node, info: gid("Ci::PipelineSchedule", node.item["id"]),
        "lastPipeline": _last_run,
    },
    "Project": {
        "pipelineSchedules": listed("pipeline_schedules", limited=True, choose=_schedules),
        "mergeRequests": listed("merge_requests", choose=merge_requests_in),
        "mergeRequest": named("merge_requests", "iid", "iid"),
        "environments": listed("environments", limited=True, choose=_environments),
        "environment": named("environments", "name", "name"),
        "deployment": named("deployments", "iid", "iid"),
        "releases": releases,
    },
}  # fmt: skip
