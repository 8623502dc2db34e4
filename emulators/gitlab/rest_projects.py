"""Which projects, groups, people, hooks, packages and issues the local GitLab shows over REST."""

from __future__ import annotations

from functools import partial

from emulators.data import Json
from emulators.gitlab.exchange import Answer, Request, not_found, stamp
from emulators.gitlab.paging import ordered, page
from emulators.gitlab.routes import Table
from emulators.gitlab.shapes import PROJECT_SIMPLE, only, served
from emulators.gitlab.webhooks import hook_objects

PROJECT_ORDERS = ("id", "name", "path", "created_at", "updated_at", "last_activity_at", "similarity", "star_count")
ISSUE_ORDERS = ("created_at", "updated_at", "due_date", "priority", "title", "weight", "relative_position")
PACKAGE_ORDERS = ("created_at", "name", "version", "type")


def metadata(request: Request) -> Answer:
    return Answer({
        "version": request.data.version,
        "revision": "0d1e2f3a4b5",
        "kas": {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None},
        "enterprise": request.data.version.endswith("-ee"),
    })  # fmt: skip


def token_self(request: Request) -> Answer:
    token, user = request.token, _user(request)
    return Answer({
        "id": 1, "name": token.username, "revoked": not token.active, "created_at": "2026-01-01T00:00:00.000Z",
        "description": None, "scopes": list(token.scopes), "user_id": user["id"], "last_used_at": None,
        "active": token.active, "expires_at": token.expires_at,
    })  # fmt: skip


def current_user(request: Request) -> Answer:
    """Its `web_url` is under the address asked for: clients take another for a misconfigured server."""
    user = _user(request)
    return Answer({**served(user), "web_url": f"{request.base}/{user['username']}"})


def _user(request: Request) -> Json:
    name = request.token.username
    return request.data.users.get(name) or {
        "id": 1, "username": name, "name": name, "state": "active", "avatar_url": None,
        "web_url": f"{request.base}/{name}", "bot": True,
    }  # fmt: skip


def group(request: Request, id: str) -> Answer:
    return Answer(served(_group(request, id)))


def _group(request: Request, given: str) -> Json:
    found = request.index.group(given)
    if found is None:
        raise not_found("Group")
    return found


def group_projects(request: Request, id: str) -> Answer:
    """The group list has no `updated_after`; sub-groups only when they are asked for."""
    found = request.index.group_projects(_group(request, id), request.flag("include_subgroups"))
    return _projects(request, found, keyset=())


def projects(request: Request) -> Answer:
    found = request.index.visible_projects()
    for name, field, after in (
        ("last_activity_after", "last_activity_at", True), ("last_activity_before", "last_activity_at", False),
        ("updated_after", "updated_at", True), ("updated_before", "updated_at", False),
    ):  # fmt: skip
        found = within(found, request.time(name), field, after)
    low, high = request.number("id_after", 0), request.number("id_before", 0)
    found = [item for item in found if item["id"] > low and (not high or item["id"] < high)]
    return _projects(request, found, keyset=("id",))


def within(items: list[Json], bound: float | None, field: str, after: bool) -> list[Json]:
    """The items whose time is at or after (or at or before) the bound; all of them when there is no bound."""
    if bound is None:
        return items
    if after:
        return [item for item in items if (stamp(item, field) or 0.0) >= bound]
    return [item for item in items if (stamp(item, field) or float("inf")) <= bound]


def _projects(request: Request, found: list[Json], keyset: tuple[str, ...]) -> Answer:
    if request.text("archived") is not None:
        archived = request.flag("archived")
        found = [item for item in found if bool(item.get("archived")) == archived]
    if search := request.text("search"):
        found = [item for item in found if search.lower() in item["path_with_namespace"].lower()]
    if topic := request.text("topic"):
        found = [item for item in found if topic in (item.get("topics") or [])]
    order = request.choice("order_by", PROJECT_ORDERS, "id" if request.text("pagination") == "keyset" else "created_at")
    descending = request.choice("sort", ("asc", "desc"), "desc") == "desc"
    found = ordered(found, order, descending)
    shape = partial(only, keys=PROJECT_SIMPLE) if request.flag("simple") else _full_project
    return page(request, found, shape, keyset, descending)


def _full_project(item: Json) -> Json:
    return served({key: value for key, value in item.items() if key not in ("statistics", "license", "permissions")})


def project(request: Request, id: str) -> Answer:
    found = served(request.project(id))
    if not request.flag("statistics"):
        found.pop("statistics", None)
    return Answer(found)


def hooks(request: Request, id: str) -> Answer:
    """Reading hooks takes a Maintainer: deny the collection `hooks` for a token that is none."""
    found = request.project(id)
    request.allow(found["id"], "hooks")
    return page(request, hook_objects(request.data, found["id"], request.now))


def project_issues(request: Request, id: str) -> Answer:
    return _issues(request, request.items(id, "issues")[1])


def group_issues(request: Request, id: str) -> Answer:
    return _issues(request, group_items(request, id, "issues"))


def group_items(request: Request, given: str, collection: str) -> list[Json]:
    """A collection over all projects of a group; those of projects that may not be read are left out, silently."""
    found = request.index.group_projects(_group(request, given))
    data = request.data
    return [
        item
        for project in found
        if not {(project["id"], "*"), (project["id"], collection)} & data.denied.keys()
        for item in data.items(project["id"], collection)
    ]


def issue(request: Request, id: str, iid: str) -> Answer:
    return Answer(served(request.one(id, "issues", "iid", iid)[1]))


def _issues(request: Request, found: list[Json]) -> Answer:
    kinds = request.many("issue_type")
    if kinds:
        found = [item for item in found if item.get("issue_type", "issue") in kinds]
    state = request.choice("state", ("opened", "closed", "all"), "all")
    if state != "all":
        found = [item for item in found if item["state"] == state]
    for name in ("updated", "created"):
        found = within(found, request.time(f"{name}_after"), f"{name}_at", after=True)
        found = within(found, request.time(f"{name}_before"), f"{name}_at", after=False)
    for label in (request.text("labels") or "").split(","):
        found = [item for item in found if not label or label in (item.get("labels") or [])]
    order = request.choice("order_by", ISSUE_ORDERS, "created_at")
    descending = request.choice("sort", ("asc", "desc"), "desc") == "desc"
    return page(request, ordered(found, order, descending), keyset=("created_at", "updated_at"), descending=descending)


def project_packages(request: Request, id: str) -> Answer:
    return _packages(request, request.items(id, "packages")[1])


def group_packages(request: Request, id: str) -> Answer:
    return _packages(request, group_items(request, id, "packages"))


def package(request: Request, id: str, package_id: str) -> Answer:
    return Answer(served(request.one(id, "packages", "id", package_id)[1]))


def _packages(request: Request, found: list[Json]) -> Answer:
    for name, field in (("package_type", "package_type"), ("package_name", "name"), ("package_version", "version")):
        if wanted := request.text(name):
            found = [item for item in found if item.get(field) == wanted]
    order = request.choice("order_by", PACKAGE_ORDERS, "created_at").replace("type", "package_type")
    return page(request, ordered(found, order, request.choice("sort", ("asc", "desc"), "asc") == "desc"))


ROUTES: Table = {
    ("GET", "metadata"): metadata,
    ("GET", "version"): metadata,
    ("GET", "personal_access_tokens/self"): token_self,
    ("GET", "user"): current_user,
    ("GET", "groups/:id"): group,
    ("GET", "groups/:id/projects"): group_projects,
    ("GET", "groups/:id/issues"): group_issues,
    ("GET", "groups/:id/packages"): group_packages,
    ("GET", "projects"): projects,
    ("GET", "projects/:id"): project,
    ("GET", "projects/:id/hooks"): hooks,
    ("GET", "projects/:id/issues"): project_issues,
    ("GET", "projects/:id/issues/:iid"): issue,
    ("GET", "projects/:id/packages"): project_packages,
    ("GET", "projects/:id/packages/:package_id"): package,
}
