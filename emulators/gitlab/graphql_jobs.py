"""How GraphQL shows jobs: their attempts, needs, artifacts and what they started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json
from emulators.gitlab.graphql_nodes import (
    Node,
    connection,
    context,
    gid,
    made_up_id,
    number_of,
    once,
    readable,
    words,
)
from emulators.gitlab.rest_ci import was_retried

MESSAGES = {
    "unknown_failure": "There is an unknown failure, please try again",
    "script_failure": "There has been a script failure. Check the job log for more information",
    "api_failure": "There has been an API failure, please try again",
    "stuck_or_timeout_failure": "There has been a timeout failure or the job got stuck. "
    "Check your timeout limits or try again",
    "runner_system_failure": "There has been a runner system failure, please try again",
    "missing_dependency_failure": "There has been a missing dependency failure",
    "runner_unsupported": "Your runner is outdated, please upgrade your runner",
    "stale_schedule": "Delayed job could not be executed by some reason, please try again",
    "job_execution_timeout": "The script exceeded the maximum execution time set for the job",
    "archived_failure": "The job is archived and cannot be run",
    "scheduler_failure": "The scheduler failed to assign job to the runner, "
    "please try again or contact system administrator",
    "data_integrity_failure": "There has been an unknown job problem, "
    "please contact your system administrator with the job ID to help with resolution",
    "runner_unhealthy": "The job could not run because the runner is unhealthy",
    "ci_quota_exceeded": "No more compute minutes available",
    "no_matching_runner": "No matching runner available",
    "downstream_pipeline_creation_failed": "The downstream pipeline could not be created",
    "downstream_bridge_project_not_found": "This job could not be executed because "
    "downstream bridge project could not be found",
    "insufficient_bridge_permissions": "This job could not be executed because of "
    "insufficient permissions to create a downstream pipeline",
    "environment_creation_failure": "This job could not be executed because "
    "it would create an environment with an invalid parameter.",
}  # fmt: skip


ACTIVE = ("waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling")


def attempts(info: Any, node: Node, collection: str) -> list[Node]:
    if not readable(info, node.project_id, collection):
        return []
    found = context(info).index.all(node.project_id, collection, "pipeline", node.item["id"])
    return [Node(node.project_id, item) for item in found]


def filtered(nodes: list[Node], statuses: list[str] | None, retried: bool | None) -> list[Node]:
    wanted = words(statuses)
    if wanted is not None:
        nodes = [node for node in nodes if node.item["status"] in wanted]
    if retried is not None:
        siblings = [node.item for node in nodes]
        nodes = [node for node in nodes if was_retried(node.item, siblings) == retried]
    return nodes


def project_jobs(project: Json, info: Any, **arguments: Any) -> Any:
    once(info)
    if not readable(info, project["id"], "jobs"):
        return None
    found = [Node(project["id"], item) for item in context(info).data.items(project["id"], "jobs")]
    return connection(filtered(found, arguments.get("statuses"), None), arguments)


def project_job(project: Json, info: Any, id: str) -> Any:
    found = context(info).index.find(project["id"], "jobs", "id", number_of(id))
    return None if found is None or not readable(info, project["id"], "jobs") else Node(project["id"], found)


def job_path(node: Node, info: Any) -> str:
    project = context(info).data.projects[node.project_id]
    return f"/{project['path_with_namespace']}/-/jobs/{node.item['id']}"


def downstream_of(info: Any, node: Node) -> Node | None:
    """The pipeline that a bridge started, if it did and may be seen."""
    shown = node.item.get("downstream_pipeline")
    if not shown:
        return None
    found = context(info).index.pipeline(shown["id"], shown.get("project_id"))
    if found is not None and not readable(info, found[0], "pipelines"):
        return None
    return Node(node.project_id, shown) if found is None else Node(*found)


def needs(node: Node, info: Any, **arguments: Any) -> Any:
    found = [{"id": gid("Ci::BuildNeed", made_up_id(node.item["id"], name)), "name": name, "place": place}
             for place, name in enumerate(node.item.get("_needs") or ())]  # fmt: skip
    return connection(found, arguments, key=lambda need: (need["place"],), descending=False)


def artifacts(node: Node, info: Any, **arguments: Any) -> Any:
    found = [{"id": gid("Ci::JobArtifact", made_up_id(node.item["id"], place)), "name": one.get("filename"),
              "file_type": one["file_type"], "size": one["size"], "place": place,
              "download_path": f"{job_path(node, info)}/artifacts/download?file_type={one['file_type']}"}
             for place, one in enumerate(node.item.get("artifacts") or ())]  # fmt: skip
    return connection(found, arguments, key=lambda one: (one["place"],), descending=False)


def whole(name: str) -> Callable[[Node, Any], int | None]:
    def resolve(node: Node, info: Any) -> int | None:
        value = node.item.get(name)
        return None if value is None else int(float(value))

    return resolve


def decimal(node: Node, info: Any) -> float | None:
    value = node.item.get("coverage")
    return None if value in (None, "") else float(value)


def _of_kind(job: Node) -> str:
    return "BRIDGE" if "downstream_pipeline" in job.item else "BUILD"


def _job_gid(node: Node, info: Any) -> str:
    return gid("Ci::Bridge" if _of_kind(node) == "BRIDGE" else "Ci::Build", node.item["id"])


def _retried(node: Node, info: Any) -> bool:
    told = node.item.get("_retried")
    if told is not None:
        return bool(told)
    pipeline_id = (node.item.get("pipeline") or {}).get("id")
    return was_retried(node.item, context(info).index.all(node.project_id, "jobs", "pipeline", pipeline_id))


def _job_pipeline(node: Node, info: Any) -> Any:
    found = context(info).index.pipeline((node.item.get("pipeline") or {}).get("id", -1), node.project_id)
    return None if found is None else Node(*found)


def detailed(node: Node, info: Any) -> Json:
    word = node.item["status"]
    told = node.item.get("detailed_status") or {"icon": f"status_{word}", "text": word, "label": word, "group": word}
    return {"id": f"{word}-{node.item['id']}", **told}


def _asks_for_jobs(info: Any) -> bool:
    """Whether more than the stage's name is wanted, so that its jobs have to be gathered."""
    wanted = {field.name.value for node in info.field_nodes for field in node.selection_set.selections
              if hasattr(field, "name")}  # fmt: skip
    return bool(wanted - {"name", "id", "__typename"})


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "CiJob": {
        "id": _job_gid,
        "kind": lambda node, info: _of_kind(node),
        "stage": lambda node, info: {
            "name": node.item["stage"],
            "pipeline": (node.item.get("pipeline") or {}).get("id"),
            "jobs_in": [
                one
                for one in attempts(info, Node(node.project_id, node.item.get("pipeline") or {"id": None}), "jobs")
                if one.item["stage"] == node.item["stage"]
            ]
            if _asks_for_jobs(info)
            else [],
        },
        "active": lambda node, info: node.item["status"] in ACTIVE,
        "allowFailure": lambda node, info: bool(node.item.get("allow_failure")),
        "manualJob": lambda node, info: bool(node.item.get("_manual", node.item["status"] == "manual")),
        "retried": _retried,
        "stuck": lambda node, info: bool(node.item.get("_stuck")),
        "failureMessage": lambda node, info: MESSAGES.get(
            node.item.get("failure_reason") or "", node.item.get("failure_reason")
        ),
        "refName": lambda node, info: node.item.get("ref"),
        "shortSha": lambda node, info: ((node.item.get("commit") or {}).get("id") or "0" * 8)[:8],
        "webPath": job_path,
        "tags": lambda node, info: node.item.get("tag_list") or [],
        "coverage": decimal,
        "queuedAt": lambda node, info: node.item.get("_queued_at") or node.item.get("created_at"),
        "duration": whole("duration"),
        "detailedStatus": detailed,
        "pipeline": _job_pipeline,
        "downstreamPipeline": lambda node, info: downstream_of(info, node),
        "needs": needs,
        "artifacts": artifacts,
    },
    "Project": {"jobs": project_jobs, "job": project_job},
    "CiRunner": {
        "id": lambda runner, info: gid("Ci::Runner", runner["id"]),
        "active": lambda runner, info: bool(runner.get("active")),
        "runnerType": lambda runner, info: str(runner.get("runner_type") or "instance_type").upper(),
    },
    "CiJobArtifact": {"fileType": lambda one, info: str(one["file_type"]).upper()},
}
