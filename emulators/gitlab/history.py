"""Which commits lie between two points of a project's history, and which merge requests a deployment brought."""

from __future__ import annotations

from emulators.data import GitLabData, Json
from emulators.gitlab.index import Index


def resolve(data: GitLabData, index: Index, project_id: int, ref: str) -> Json | None:
    """The commit that a SHA (whole, or seven characters and more of it), a branch or a tag means."""
    found = index.find(project_id, "commits", "id", ref)
    if found is not None:
        return found
    for collection in ("branches", "tags"):
        named = index.find(project_id, collection, "name", ref)
        if named is not None:
            return index.find(project_id, "commits", "id", named["commit"]["id"]) or named["commit"]
    if len(ref) >= 7:
        return next((item for item in data.items(project_id, "commits") if item["id"].startswith(ref)), None)
    return None


def reachable(index: Index, project_id: int, sha: str) -> set[str]:
    """The SHAs of a commit and of all that it descends from, as far as history is held."""
    seen: set[str] = set()
    waiting = [sha]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        found = index.find(project_id, "commits", "id", current)
        waiting += (found or {}).get("parent_ids") or []
    return seen


def between(data: GitLabData, index: Index, project_id: int, older: str, newer: str) -> list[Json]:
    """The commits of `newer` that `older` has not, oldest first, as `git log older..newer` has them."""
    wanted = reachable(index, project_id, newer) - reachable(index, project_id, older)
    found = [item for item in data.items(project_id, "commits") if item["id"] in wanted]
    return sorted(found, key=lambda item: (item["committed_date"], item["id"]))


def previous_success(index: Index, project_id: int, deployment: Json) -> Json | None:
    """The successful deployment of the same environment before this one."""
    siblings = index.all(project_id, "deployments", "environment", deployment["environment"]["name"])
    before = [item for item in siblings if item["status"] == "success" and item["id"] < deployment["id"]]
    return max(before, key=lambda item: item["id"], default=None)


def brought(data: GitLabData, index: Index, project_id: int, deployment: Json) -> list[Json]:
    """The merge requests whose commits a successful deployment was the first to bring to its environment."""
    if deployment["status"] != "success":
        return []
    shas = reachable(index, project_id, deployment["sha"])
    before = previous_success(index, project_id, deployment)
    if before is not None:
        shas -= reachable(index, project_id, before["sha"])
    return [
        item
        for item in data.items(project_id, "merge_requests")
        if item["state"] == "merged"
        and (item.get("merge_commit_sha") or item.get("squash_commit_sha") or item.get("sha")) in shas
    ]
