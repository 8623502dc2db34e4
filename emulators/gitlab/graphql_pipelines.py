"""How GraphQL shows pipelines: their filters, stages, and what they started or were started by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.data import Json
from emulators.gitlab.graphql_jobs import (
    ACTIVE,
    attempts,
    decimal,
    detailed,
    downstream_of,
    filtered,
    whole,
)
from emulators.gitlab.graphql_nodes import (
    Context,
    Node,
    changed_within,
    connection,
    context,
    gid,
    made_up_id,
    number_of,
    readable,
)
from emulators.gitlab.rest_ci import FINISHED

COMPLETE = ("success", "failed", "canceled", "skipped")


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


def project_pipeline(
    project: Json, info: Any, id: str | None = None, iid: str | None = None, sha: str | None = None
) -> Any:
    if not readable(info, project["id"], "pipelines"):
        return None
    index = context(info).index
    by = [("id", number_of(id)) if id else ("iid", number_of(iid)) if iid else ("sha", sha)]
    found = index.find(project["id"], "pipelines", *by[0])
    return None if found is None else Node(project["id"], found)


def pipeline_jobs(node: Node, info: Any, **arguments: Any) -> Any:
    """Jobs and bridges (`jobKind` tells them apart), retried ones too unless `retried: false`."""
    if not readable(info, node.project_id, "jobs"):
        return None
    kind = arguments.get("jobKind")
    found = [] if kind == "BRIDGE" else attempts(info, node, "jobs")
    if kind != "BUILD":
        found += attempts(info, node, "bridges")
    return connection(filtered(found, arguments.get("statuses"), arguments.get("retried")), arguments)


def pipeline_job(node: Node, info: Any, id: str | None = None, name: str | None = None) -> Any:
    found = attempts(info, node, "jobs") + attempts(info, node, "bridges")
    matching = [one for one in found if (one.item["id"] == number_of(id) if id else one.item["name"] == name)]
    return max(matching, key=lambda one: one.item["id"], default=None)


def stages(node: Node, info: Any, **arguments: Any) -> Any:
    """The stages in their order (`_stage_index` where it is told, else the order of the jobs' ids)."""
    jobs = [one for one in attempts(info, node, "jobs") + attempts(info, node, "bridges")
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
    return connection(filtered(stage.get("jobs_in", []), arguments.get("statuses"), None), arguments)


def _worst(stage: Json, info: Any) -> str | None:
    statuses = [one.item["status"] for one in stage.get("jobs_in", []) if not one.item.get("allow_failure")]
    order = ("failed", "running", "pending", "canceled", "manual", "created", "skipped", "success")
    return next((word for word in order if word in statuses), None)


def pipeline_path(node: Node, info: Any) -> str:
    project = context(info).data.projects[node.project_id]
    return f"/{project['path_with_namespace']}/-/pipelines/{node.item['id']}"


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


def downstream(node: Node, info: Any, **arguments: Any) -> Any:
    started = [downstream_of(info, bridge) for bridge in attempts(info, node, "bridges")]
    return connection([one for one in started if one is not None], arguments)


def _warnings(node: Node, info: Any) -> bool:
    jobs = attempts(info, node, "jobs")
    return any(one.item["status"] == "failed" and one.item.get("allow_failure") and not one.item.get("_retried")
               for one in jobs)  # fmt: skip


def _source_job(node: Node, info: Any) -> Any:
    bridge = context(info).index.upstream(node.item["id"])
    return None if bridge is None else Node(*bridge)


def _kind(node: Node, info: Any) -> str:
    if node.item.get("source") == "merge_request_event":
        return "detached"
    return "tag" if node.item.get("tag") else "branch"


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Pipeline": {
        "id": lambda node, info: gid("Ci::Pipeline", node.item["id"]),
        "refText": lambda node, info: f"For {node.item['ref']}",
        "type": _kind,
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
        "totalJobs": lambda node, info: len(attempts(info, node, "jobs")) + len(attempts(info, node, "bridges")),
        "failedJobsCount": lambda node, info: sum(
            one.item["status"] == "failed" and not one.item.get("_retried") for one in attempts(info, node, "jobs")
        ),
        "duration": whole("duration"),
        "coverage": decimal,
        "commit": commit_of,
        "detailedStatus": detailed,
        "project": lambda node, info: context(info).data.projects.get(node.project_id),
        "upstream": upstream,
        "downstream": downstream,
        "jobs": pipeline_jobs,
        "job": pipeline_job,
        "stages": stages,
        "sourceJob": _source_job,
    },
    "Project": {"pipelines": project_pipelines, "pipeline": project_pipeline},
    "CiStage": {
        "id": lambda stage, info: gid("Ci::Stage", made_up_id(stage.get("pipeline"), stage["name"])),
        "status": _worst,
        "jobs": stage_jobs,
    },
}  # fmt: skip
