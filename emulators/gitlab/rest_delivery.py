"""Which environments, deployments, releases and images the local GitLab shows over REST."""

from __future__ import annotations

from typing import Any

from emulators.data import Json
from emulators.gitlab import history
from emulators.gitlab.exchange import Answer, Refused, Request, moment, not_found
from emulators.gitlab.paging import ordered, page
from emulators.gitlab.rest_projects import group_items, within
from emulators.gitlab.routes import Table
from emulators.gitlab.shapes import (
    REGISTRY_DETAIL,
    deployment_in_list,
    environment_in_list,
    merge_request_in_list,
    served,
    tag_in_list,
    without,
)

DEPLOYMENT_ORDERS = ("id", "iid", "created_at", "updated_at", "finished_at", "ref")
DEPLOYMENT_STATUSES = ("created", "running", "success", "failed", "canceled", "skipped", "blocked")


def deployments(request: Request, id: str) -> Answer:
    """Oldest first by default; a time filter must be paired with the order by that same time."""
    _, found = request.items(id, "deployments")
    order = request.choice("order_by", DEPLOYMENT_ORDERS, "id")
    statuses = request.many("status")
    if not set(statuses) <= set(DEPLOYMENT_STATUSES):
        raise Refused(400, {"error": "status does not have a valid value"})
    bounds = {name: request.time(name) for name in
              ("updated_after", "updated_before", "finished_after", "finished_before")}  # fmt: skip
    for field in ("updated", "finished"):
        filtered = any(bounds[f"{field}_{side}"] is not None for side in ("after", "before"))
        if filtered and order != f"{field}_at":
            text = f"`{field}_at` filter and `{field}_at` sorting must be paired"
            raise Refused(400, {"message": f"400 Bad request - {text}"})
        if filtered and field == "finished" and statuses != ["success"]:
            text = "`finished_at` filter must be combined with `success` status filter."
            raise Refused(400, {"message": f"400 Bad request - {text}"})
    if statuses:
        found = [item for item in found if item["status"] in statuses]
    if environment := request.text("environment"):
        found = [item for item in found if (item.get("environment") or {}).get("name") == environment]
    found = within(found, bounds["updated_after"], "updated_at", after=True)
    found = within(found, bounds["updated_before"], "updated_at", after=False)
    descending = request.choice("sort", ("asc", "desc"), "asc") == "desc"
    if order != "finished_at":
        return page(request, ordered(found, order, descending), deployment_in_list)
    low, high = bounds["finished_after"] or 0.0, bounds["finished_before"] or float("inf")
    timed = sorted(((_finished(item), item["id"], item) for item in found), reverse=descending, key=lambda row: row[:2])
    return page(request, [item for at, _, item in timed if low <= at <= high], deployment_in_list)


def _finished(item: Json) -> float:
    return moment(item.get("_finished_at") or (item.get("deployable") or {}).get("finished_at")) or 0.0


def deployment(request: Request, id: str, deployment_id: str) -> Answer:
    return Answer(served(request.one(id, "deployments", "id", deployment_id)[1]))


def deployment_merge_requests(request: Request, id: str, deployment_id: str) -> Answer:
    project, found = request.one(id, "deployments", "id", deployment_id)
    request.allow(project["id"], "merge_requests")
    brought = history.brought(request.data, request.index, project["id"], found)
    return page(request, ordered(brought, "created_at", descending=True), merge_request_in_list)


def environments(request: Request, id: str) -> Answer:
    _, found = request.items(id, "environments")
    if request.text("states"):
        state = request.choice("states", ("available", "stopping", "stopped"), "available")
        found = [item for item in found if item["state"] == state]
    if name := request.text("name"):
        found = [item for item in found if item["name"] == name]
    if search := request.text("search"):
        found = [item for item in found if search.lower() in item["name"].lower()]
    return page(request, ordered(found, "name", descending=False), environment_in_list)


def environment(request: Request, id: str, environment_id: str) -> Answer:
    """The only place with `last_deployment`: the newest successful one."""
    project, found = request.one(id, "environments", "id", environment_id)
    shown = served(found)
    if "last_deployment" not in shown:
        ran = request.index.all(project["id"], "deployments", "environment", found["name"])
        good = [item for item in ran if item["status"] == "success"]
        newest = max(good, key=lambda item: item["id"], default=None)
        shown["last_deployment"] = None if newest is None else deployment_in_list(newest)
    return Answer(shown)


def project_releases(request: Request, id: str) -> Answer:
    _, found = request.items(id, "releases")
    changed = [{**item, "_changed": item.get("_updated_at") or item.get("created_at")} for item in found]
    changed = within(changed, request.time("updated_after"), "_changed", after=True)
    changed = within(changed, request.time("updated_before"), "_changed", after=False)
    order = request.choice("order_by", ("released_at", "created_at"), "released_at")
    return _releases(request, changed, order)


def group_releases(request: Request, id: str) -> Answer:
    return _releases(request, group_items(request, id, "releases"), "released_at")


def _releases(request: Request, found: list[Json], order: str) -> Answer:
    descending = request.choice("sort", ("asc", "desc"), "desc") == "desc"
    return page(request, sorted(found, key=lambda item: _released(item, order), reverse=descending))


def _released(item: Json, order: str) -> tuple[float, str]:
    return (moment(item.get(order)) or 0.0, item["tag_name"])


def release(request: Request, id: str, tag_name: str) -> Answer:
    return Answer(served(request.one(id, "releases", "tag_name", tag_name)[1]))


def project_repositories(request: Request, id: str) -> Answer:
    return _repositories(request, request.items(id, "registry_repositories")[1])


def group_repositories(request: Request, id: str) -> Answer:
    return _repositories(request, group_items(request, id, "registry_repositories"))


def _repositories(request: Request, found: list[Json]) -> Answer:
    def shape(item: Json) -> Json:
        shown = without(item, REGISTRY_DETAIL)
        if request.flag("tags"):
            shown["tags"] = [tag_in_list(tag) for tag in item.get("tags", [])]
        if request.flag("tags_count"):
            shown["tags_count"] = len(item.get("tags", []))
        return shown

    return page(request, ordered(found, "id", descending=False), shape)


def image_tags(request: Request, id: str, repository_id: str) -> Answer:
    """Name, path and location only: a digest costs one call a tag."""
    _, found = request.one(id, "registry_repositories", "id", repository_id)
    listed = sorted(found.get("tags", []), key=lambda tag: tag["name"])
    return page(request, listed, tag_in_list, keyset=("name",), descending=False)


def image_tag(request: Request, id: str, repository_id: str, name: str) -> Answer:
    _, found = request.one(id, "registry_repositories", "id", repository_id)
    tag: Any = next((tag for tag in found.get("tags", []) if tag["name"] == name), None)
    if tag is None:
        raise not_found("Tag")
    return Answer(served(tag))


ROUTES: Table = {
    ("GET", "projects/:id/deployments"): deployments,
    ("GET", "projects/:id/deployments/:deployment_id"): deployment,
    ("GET", "projects/:id/deployments/:deployment_id/merge_requests"): deployment_merge_requests,
    ("GET", "projects/:id/environments"): environments,
    ("GET", "projects/:id/environments/:environment_id"): environment,
    ("GET", "projects/:id/releases"): project_releases,
    ("GET", "projects/:id/releases/:tag_name"): release,
    ("GET", "groups/:id/releases"): group_releases,
    ("GET", "projects/:id/registry/repositories"): project_repositories,
    ("GET", "groups/:id/registry/repositories"): group_repositories,
    ("GET", "projects/:id/registry/repositories/:repository_id/tags"): image_tags,
    ("GET", "projects/:id/registry/repositories/:repository_id/tags/:name"): image_tag,
}
