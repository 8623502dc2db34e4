"""How GraphQL shows pipelines, their stages, jobs and needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json
from emulators.gitlab.graphql_nodes import (
    Context,
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
from emulators.gitlab.rest_ci import FINISHED, was_retried

ACTIVE = ("waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling")
COMPLETE = ("success", "failed", "canceled", "skipped")
MESSAGES = {
    "unknown_failure": "There is an unknown failure, please try again",
    "script_failure": "There has been a script failure. Check the job log for more information",
    "api_failure": "There has been an API failure, please try again",
    "stuck_or_timeout_failure": "There has been a timeout failure or the job got stuck. Check your timeout limits or try again",
    "runner_system_failure": "There has been a runner system failure, please try again",
    "missing_dependency_failure": "There has been a missing dependency failure",
    "runner_unsupported": "Your runner is outdated, please upgrade your runner",
    "stale_schedule": "Delayed job could not be executed by some reason, please try again",
    "job_execution_timeout": "The script exceeded the maximum execution time set for the job",
    "archived_failure": "The job is archived and cannot be run",
    "scheduler_failure": "The scheduler failed to assign job to the runner, please try again or contact system administrator",
    "data_integrity_failure": "There has been an unknown job problem, please contact your system administrator with the job ID to help with resolution",
    "runner_unhealthy": "The job could not run because the runner is unhealthy",
    "ci_quota_exceeded": "No more compute minutes available",
    "no_matching_runner": "No matching runner available",
    "downstream_pipeline_creation_failed": "The downstream pipeline could not be created",
    "downstream_bridge_project_not_found": "This job could not be executed because downstream bridge project could not be found",
    "insufficient_bridge_permissions": "This job could not be executed because of insufficient permissions to create a downstream pipeline",
    "environment_creation_failure": "This job could not be executed because it would create an environment with an invalid parameter.",
}  # fmt: skip


def pipelines_of(ask: Context, project_id: int, arguments: dict[str, Any]) -> list[Node]:
    """A project's pipelines as `Project.pipelines` filters them; children only by `source`."""
    source = (arguments.get("source") or "").lower()
    if sha := arguments.get("sha"):
        found: Any = ask.index.all(project_id, "pipelines", "sha", sha)
    elif ref := arguments.get("ref"):
        found = ask.index.all(project_id, "pipelines", "ref", ref)
    else:
        found = ask.data.items(project_id, "pipelines")
    found = changed_within(found, arguments)
    if source:
        found = [item for item in found if item.get("source") == source]
    else:
        found = [item for item in found if item.get("source") != "parent_pipeline"]
    checks: dict[str, Callable[[Json, Any], bool]] = {
        "sha": lambda item, wanted: item["sha"] == wanted,
        "ref": lambda item, wanted: item["ref"] == wanted,
        "status": lambda item, wanted: item["status"] == wanted.lower(),
        "username": lambda item, wanted: (item.get("user") or {}).get("username") == wanted,
        "ids": lambda item, wanted: item["id"] in {number_of(text) for text in wanted},
    }
    for name, check in checks.items():
        if arguments.get(name):
            found = [item for item in found if check(item, arguments[name])]
    return [Node(project_id, item) for item in _scoped(found, arguments.get("scope"))]


def _scoped(found: list[Json], scope: str | None) -> list[Json]:
    if scope in ("RUNNING", "PENDING"):
        return [item for item in found if item["status"] == scope.lower()]
    if scope == "FINISHED":
        return [item for item in found if item["status"] in FINISHED]
    if scope in ("BRANCHES", "TAGS"):
        return list({item["ref"]: item for item in found if bool(item.get("tag")) == (scope == "TAGS")}.values())
    return found


def project_pipelines(project: Json, info: Any, **arguments: Any) -> Any:
    if not readable(info, project["id"], "pipelines"):
        return None
    return connection(pipelines_of(context(info), project["id"], arguments), arguments)


def project_pipeline(project: Json, info: Any, id: str | None = None, iid: str | None = None, sha: str | None = None) -> Any:  # noqa: A002, E501 - GitLab's names
    if not readable(info, project["id"], "pipelines"):
        return None
    index = context(info).index
    by = [("id", number_of(id)) if id else ("iid", number_of(iid)) if iid else ("sha", sha)]
    found = index.find(project["id"], "pipelines", *by[0])
    return None if found is None else Node(project["id"], found)


def _attempts(info: Any, node: Node, collection: str) -> list[Node]:
    if not readable(info, node.project_id, collection):
        return []
    found = context(info).index.all(node.project_id, collection, "pipeline", node.item["id"])
    return [Node(node.project_id, item) for item in found]


def _filtered(nodes: list[Node], statuses: list[str] | None, retried: bool | None) -> list[Node]:
    wanted = words(statuses)
    if wanted is not None:
        nodes = [node for node in nodes if node.item["status"] in wanted]
    if retried is not None:
        siblings = [node.item for node in nodes]
        nodes = [node for node in nodes if was_retried(node.item, siblings) == retried]
    return nodes


def pipeline_jobs(node: Node, info: Any, **arguments: Any) -> Any:
    """Jobs and bridges (`jobKind` tells them apart), retried ones too unless `retried: false`."""
    if not readable(info, node.project_id, "jobs"):
        return None
    kind = arguments.get("jobKind")
    found = [] if kind == "BRIDGE" else _attempts(info, node, "jobs")
    if kind != "BUILD":
        found += _attempts(info, node, "bridges")
    return connection(_filtered(found, arguments.get("statuses"), arguments.get("retried")), arguments)


def pipeline_job(node: Node, info: Any, id: str | None = None, name: str | None = None) -> Any:  # noqa: A002 - GitLab's name
    found = _attempts(info, node, "jobs") + _attempts(info, node, "bridges")
    matching = [one for one in found if (one.item["id"] == number_of(id) if id else one.item["name"] == name)]
    return max(matching, key=lambda one: one.item["id"], default=None)


def project_jobs(project: Json, info: Any, **arguments: Any) -> Any:
    once(info)
    if not readable(info, project["id"], "jobs"):
        return None
    found = [Node(project["id"], item) for item in context(info).data.items(project["id"], "jobs")]
    return connection(_filtered(found, arguments.get("statuses"), None), arguments)


def project_job(project: Json, info: Any, id: str) -> Any:  # noqa: A002 - GitLab's name
    found = context(info).index.find(project["id"], "jobs", "id", number_of(id))
    return None if found is None or not readable(info, project["id"], "jobs") else Node(project["id"], found)


def stages(node: Node, info: Any, **arguments: Any) -> Any:
    """The stages in their order (`_stage_index` where it is told, else the order of the jobs' ids)."""
    jobs = [one for one in _attempts(info, node, "jobs") + _attempts(info, node, "bridges")
            if not one.item.get("_retried")]  # fmt: skip
    order: dict[str, tuple[int, int]] = {}
    for one in jobs:
        place = (one.item.get("_stage_index", 0), one.item["id"])
        order[one.item["stage"]] = min(order.get(one.item["stage"], place), place)
    names = sorted(order, key=lambda name: order[name])
    shown = [{"name": name, "place": place, "jobs_in": [one for one in jobs if one.item["stage"] == name],
              "pipeline": node.item["id"]} for place, name in enumerate(names)]  # fmt: skip
    return connection(shown, arguments, key=lambda stage: (stage["place"],), descending=False)


def stage_jobs(stage: Json, info: Any, **arguments: Any) -> Any:
    return connection(_filtered(stage.get("jobs_in", []), arguments.get("statuses"), None), arguments)


def _worst(stage: Json, info: Any) -> str | None:
    statuses = [one.item["status"] for one in stage.get("jobs_in", []) if not one.item.get("allow_failure")]
    order = ("failed", "running", "pending", "canceled", "manual", "created", "skipped", "success")
    return next((word for word in order if word in statuses), None)


def pipeline_path(node: Node, info: Any) -> str:
    project = context(info).data.projects[node.project_id]
    return f"/{project['path_with_namespace']}/-/pipelines/{node.item['id']}"


def job_path(node: Node, info: Any) -> str:
    project = context(info).data.projects[node.project_id]
    return f"/{project['path_with_namespace']}/-/jobs/{node.item['id']}"


def commit_of(node: Node, info: Any) -> Any:
    sha = node.item.get("sha")
    found = context(info).index.find(node.project_id, "commits", "id", sha)
    if found is None:
        jobs = context(info).index.all(node.project_id, "jobs", "pipeline", node.item["id"])
        found = next((job["commit"] for job in jobs if job.get("commit")), None)
    return found


def upstream(node: Node, info: Any) -> Any:
    bridge = context(info).index.upstream(node.item["id"])
    if bridge is None:
        return None
    found = context(info).index.pipeline(bridge[1]["pipeline"]["id"], bridge[0])
    return None if found is None else Node(*found)


def downstream_of(info: Any, node: Node) -> Node | None:
    """The pipeline that a bridge started, if it did and may be seen."""
    shown = node.item.get("downstream_pipeline")
    if not shown:
        return None
    found = context(info).index.pipeline(shown["id"], shown.get("project_id"))
    if found is not None and not readable(info, found[0], "pipelines"):
        return None
    return Node(node.project_id, shown) if found is None else Node(*found)


def downstream(node: Node, info: Any, **arguments: Any) -> Any:
    started = [downstream_of(info, bridge) for bridge in _attempts(info, node, "bridges")]
    return connection([one for one in started if one is not None], arguments)


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


def _whole(name: str) -> Callable[[Node, Any], int | None]:
    def resolve(node: Node, info: Any) -> int | None:
        value = node.item.get(name)
        return None if value is None else int(float(value))

    return resolve


def _decimal(node: Node, info: Any) -> float | None:
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


def _warnings(node: Node, info: Any) -> bool:
    jobs = _attempts(info, node, "jobs")
    return any(one.item["status"] == "failed" and one.item.get("allow_failure") and not one.item.get("_retried")
               for one in jobs)  # fmt: skip


def _source_job(node: Node, info: Any) -> Any:
    bridge = context(info).index.upstream(node.item["id"])
    return None if bridge is None else Node(*bridge)


def _detailed(node: Node, info: Any) -> Json:
    word = node.item["status"]
    told = node.item.get("detailed_status") or {"icon": f"status_{word}", "text": word, "label": word, "group": word}
    return {"id": f"{word}-{node.item['id']}", **told}


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Pipeline": {
        "id": lambda node, info: gid("Ci::Pipeline", node.item["id"]),
        "refText": lambda node, info: f"For {node.item['ref']}",
        "type": lambda node, info: "child" if node.item.get("source") == "parent_pipeline" else "branch",
        "path": pipeline_path,
        "child": lambda node, info: node.item.get("source") == "parent_pipeline",
        "latest": lambda node, info: not any(
            other["id"] > node.item["id"]
            for other in context(info).index.all(node.project_id, "pipelines", "ref", node.item["ref"])
        ),
        "active": lambda node, info: node.item["status"] in ACTIVE,
        "complete": lambda node, info: node.item["status"] in COMPLETE,
        "warnings": _warnings,
        "stuck": lambda node, info: bool(node.item.get("_stuck")),
        "yamlErrors": lambda node, info: bool(node.item.get("yaml_errors")),
        "yamlErrorMessages": lambda node, info: node.item.get("yaml_errors"),
        "failureReason": lambda node, info: node.item.get("_failure_reason"),
        "totalJobs": lambda node, info: len(_attempts(info, node, "jobs")) + len(_attempts(info, node, "bridges")),
        "failedJobsCount": lambda node, info: sum(
            one.item["status"] == "failed" and not one.item.get("_retried") for one in _attempts(info, node, "jobs")
        ),
        "duration": _whole("duration"),
        "coverage": _decimal,
        "commit": commit_of,
        "detailedStatus": _detailed,
        "project": lambda node, info: context(info).data.projects.get(node.project_id),
        "upstream": upstream,
        "downstream": downstream,
        "jobs": pipeline_jobs,
        "job": pipeline_job,
        "stages": stages,
        "sourceJob": _source_job,
    },
    "CiStage": {
        "id": lambda stage, info: gid("Ci::Stage", made_up_id(stage.get("pipeline"), stage["name"])),
        "status": _worst,
        "jobs": stage_jobs,
    },
    "CiJob": {
        "id": _job_gid,
        "kind": lambda node, info: _of_kind(node),
        "stage": lambda node, info: {
            "name": node.item["stage"], "pipeline": (node.item.get("pipeline") or {}).get("id"),
            "jobs_in": [one for one in _attempts(
                info, Node(node.project_id, node.item.get("pipeline") or {"id": None}), "jobs"
            ) if one.item["stage"] == node.item["stage"]] if _asks_for_jobs(info) else [],
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
        "coverage": _decimal,
        "queuedAt": lambda node, info: node.item.get("_queued_at") or node.item.get("created_at"),
        "duration": _whole("duration"),
        "detailedStatus": _detailed,
        "pipeline": _job_pipeline,
        "downstreamPipeline": lambda node, info: downstream_of(info, node),
        "needs": needs,
        "artifacts": artifacts,
    },
    "CiRunner": {
        "id": lambda runner, info: gid("Ci::Runner", runner["id"]),
        "active": lambda runner, info: bool(runner.get("active")),
        "runnerType": lambda runner, info: str(runner.get("runner_type") or "instance_type").upper(),
    },
    "CiJobArtifact": {"fileType": lambda one, info: str(one["file_type"]).upper()},
}


def _asks_for_jobs(info: Any) -> bool:
    """Whether more than the stage's name is wanted, so that its jobs have to be gathered."""
    wanted = {field.name.value for node in info.field_nodes for field in node.selection_set.selections
              if hasattr(field, "name")}  # fmt: skip
    return bool(wanted - {"name", "id", "__typename"})


PROJECT_RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Project": {
        "pipelines": project_pipelines, "pipeline": project_pipeline, "jobs": project_jobs, "job": project_job,
    },
}  # fmt: skip
