"""Which commits, branches, tags and merge requests the local GitLab shows over REST."""

from __future__ import annotations

from typing import Any

from emulators.data import Json
from emulators.gitlab import history
from emulators.gitlab.exchange import Answer, Refused, Request, moment, not_found
from emulators.gitlab.paging import ordered, page
from emulators.gitlab.rest_projects import group_items, within
from emulators.gitlab.routes import Table
from emulators.gitlab.shapes import commit_in_list, merge_request_in_list, served

MERGE_REQUEST_ORDERS = ("created_at", "updated_at", "merged_at", "title", "priority", "label_priority", "popularity")
STATES = ("opened", "closed", "locked", "merged", "all")
SCOPES = ("created_by_me", "assigned_to_me", "reviews_for_me", "all")
NO_APPROVALS = {"user_has_approved": False, "user_can_approve": False, "approved": False, "approved_by": []}


def project_merge_requests(request: Request, id: str) -> Answer:
    return _merge_requests(request, request.items(id, "merge_requests")[1])


def group_merge_requests(request: Request, id: str) -> Answer:
    return _merge_requests(request, group_items(request, id, "merge_requests"))


def _merge_requests(request: Request, found: list[Json]) -> Answer:
    request.choice("scope", SCOPES, "all")
    state = request.choice("state", STATES, "all")
    if state != "all":
        found = [item for item in found if item["state"] == state]
    for name in ("updated", "created"):
        found = within(found, request.time(f"{name}_after"), f"{name}_at", after=True)
        found = within(found, request.time(f"{name}_before"), f"{name}_at", after=False)
    for name in ("source_branch", "target_branch"):
        if wanted := request.text(name):
            found = [item for item in found if item.get(name) == wanted]
    if author := request.text("author_username"):
        found = [item for item in found if (item.get("author") or {}).get("username") == author]
    if iids := request.many("iids"):
        found = [item for item in found if str(item["iid"]) in iids]
    order = request.choice("order_by", MERGE_REQUEST_ORDERS, "created_at")
    descending = request.choice("sort", ("asc", "desc"), "desc") == "desc"
    return page(request, ordered(found, order, descending), merge_request_in_list)


def merge_request(request: Request, id: str, iid: str) -> Answer:
    return Answer(served(request.one(id, "merge_requests", "iid", iid)[1]))


def _attached(request: Request, given: str, iid: str, mapping: str, default: Any) -> Any:
    project, found = request.one(given, "merge_requests", "iid", iid)
    request.allow(project["id"], mapping)
    return request.data.mapping(project["id"], mapping).get(str(found["iid"]), default)


def merge_request_commits(request: Request, id: str, iid: str) -> Answer:
    """Newest first, as GitLab has them."""
    return page(request, _attached(request, id, iid, "merge_request_commits", []), commit_in_list)


def merge_request_notes(request: Request, id: str, iid: str) -> Answer:
    found = _attached(request, id, iid, "merge_request_notes", [])
    order = request.choice("order_by", ("created_at", "updated_at"), "created_at")
    return page(request, ordered(found, order, request.choice("sort", ("asc", "desc"), "desc") == "desc"))


def merge_request_diffs(request: Request, id: str, iid: str) -> Answer:
    return page(request, _attached(request, id, iid, "merge_request_diffs", []))


def merge_request_pipelines(request: Request, id: str, iid: str) -> Answer:
    project, found = request.one(id, "merge_requests", "iid", iid)
    ref = f"refs/merge-requests/{found['iid']}/head"
    ran = request.index.all(project["id"], "pipelines", "ref", ref)
    return page(request, ordered(ran, "id", descending=True))


def approvals(request: Request, id: str, iid: str) -> Answer:
    return Answer(_approvals(request, id, iid))


def _approvals(request: Request, given: str, iid: str) -> Json:
    found = _attached(request, given, iid, "merge_request_approvals", NO_APPROVALS)
    return served({key: value for key, value in found.items() if key != "rules"})


def approval_state(request: Request, id: str, iid: str) -> Answer:
    """One rule, made from the approvals where the data holds no rules."""
    found = _attached(request, id, iid, "merge_request_approvals", NO_APPROVALS)
    by = [entry["user"] for entry in found["approved_by"]]
    rule = {
        "id": None, "name": "All Members", "rule_type": "any_approver", "eligible_approvers": [], "approvals_required":
        found.get("approvals_required", 0), "users": [], "groups": [], "contains_hidden_groups": False,
        "approved_by": by, "source_rule": None, "approved": found["approved"], "overridden": False,
    }  # fmt: skip
    return Answer({"approval_rules_overwritten": False, "rules": served(found.get("rules", [rule]))})


def commits(request: Request, id: str) -> Answer:
    """Newest first; `ref_name` follows the parents of that branch, tag or commit, `all` takes every commit."""
    project, items = request.items(id, "commits")
    ref = request.text("ref_name")
    start = history.resolve(request.data, request.index, project["id"], ref) if ref else None
    if ref and start is None and items:
        raise not_found("Commit")
    found = items
    if start is not None:
        shas = history.reachable(request.index, project["id"], start["id"])
        found = [item for item in items if item["id"] in shas]
    found = within(found, request.time("since"), "committed_date", after=True)
    found = within(found, request.time("until"), "committed_date", after=False)
    newest = sorted(found, key=lambda item: (moment(item["committed_date"]) or 0.0, item["id"]), reverse=True)
    return page(request, newest, commit_in_list)


def commit(request: Request, id: str, sha: str) -> Answer:
    project, _ = request.items(id, "commits")
    found = history.resolve(request.data, request.index, project["id"], sha)
    if found is None:
        raise not_found("Commit")
    return Answer(served(found))


def compare(request: Request, id: str) -> Answer:
    """The recorded answer where there is one, else the commits of `to` that `from` has not."""
    project, _ = request.items(id, "commits")
    older, newer = request.text("from"), request.text("to")
    if not older or not newer:
        missing = "from is missing" if not older else "to is missing"
        raise Refused(400, {"error": missing})
    recorded = request.data.mapping(project["id"], "compare").get(f"{older}...{newer}")
    if recorded is not None:
        return Answer(served(recorded))
    ends = [history.resolve(request.data, request.index, project["id"], ref) for ref in (older, newer)]
    if None in ends:
        raise not_found("Ref")
    found = history.between(request.data, request.index, project["id"], *(end["id"] for end in ends))
    listed = [commit_in_list(item) for item in found]
    return Answer({
        "commit": listed[-1] if listed else None, "commits": listed, "diffs": [], "compare_timeout": False,
        "compare_same_ref": ends[0]["id"] == ends[1]["id"],
        "web_url": f"{project['web_url']}/-/compare/{older}...{newer}",
    })  # fmt: skip


def tags(request: Request, id: str) -> Answer:
    _, items = request.items(id, "tags")
    if search := request.text("search"):
        items = [item for item in items if search.strip("^$") in item["name"]]
    order = request.choice("order_by", ("name", "updated", "version"), "updated")
    descending = request.choice("sort", ("asc", "desc"), "desc") == "desc"
    if order != "updated":
        return page(request, sorted(items, key=lambda item: item["name"], reverse=descending))
    return page(request, sorted(items, key=_tagged_at, reverse=descending))


def _tagged_at(item: Json) -> tuple[float, str]:
    at = item.get("created_at") or (item.get("commit") or {}).get("committed_date")
    return (moment(at) or 0.0, item["name"])


def tag(request: Request, id: str, name: str) -> Answer:
    return Answer(served(request.one(id, "tags", "name", name, "Tag")[1]))


def branches(request: Request, id: str) -> Answer:
    _, items = request.items(id, "branches")
    if search := request.text("search"):
        items = [item for item in items if search.strip("^$") in item["name"]]
    return page(request, sorted(items, key=lambda item: item["name"]))


def branch(request: Request, id: str, name: str) -> Answer:
    return Answer(served(request.one(id, "branches", "name", name, "Branch")[1]))


def protected_branches(request: Request, id: str) -> Answer:
    return page(request, sorted(request.items(id, "protected_branches")[1], key=lambda item: item["name"]))


def protected_branch(request: Request, id: str, name: str) -> Answer:
    return Answer(served(request.one(id, "protected_branches", "name", name)[1]))


ROUTES: Table = {
    ("GET", "groups/:id/merge_requests"): group_merge_requests,
    ("GET", "projects/:id/merge_requests"): project_merge_requests,
    ("GET", "projects/:id/merge_requests/:iid"): merge_request,
    ("GET", "projects/:id/merge_requests/:iid/commits"): merge_request_commits,
    ("GET", "projects/:id/merge_requests/:iid/notes"): merge_request_notes,
    ("GET", "projects/:id/merge_requests/:iid/diffs"): merge_request_diffs,
    ("GET", "projects/:id/merge_requests/:iid/pipelines"): merge_request_pipelines,
    ("GET", "projects/:id/merge_requests/:iid/approvals"): approvals,
    ("GET", "projects/:id/merge_requests/:iid/approval_state"): approval_state,
    ("GET", "projects/:id/repository/commits"): commits,
    ("GET", "projects/:id/repository/commits/:sha"): commit,
    ("GET", "projects/:id/repository/compare"): compare,
    ("GET", "projects/:id/repository/tags"): tags,
    ("GET", "projects/:id/repository/tags/:name"): tag,
    ("GET", "projects/:id/repository/branches"): branches,
    ("GET", "projects/:id/repository/branches/:name"): branch,
    ("GET", "projects/:id/protected_branches"): protected_branches,
    ("GET", "projects/:id/protected_branches/:name"): protected_branch,
}
