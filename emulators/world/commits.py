"""Commits, branches, tags and what a comparison of two commits answers."""

from __future__ import annotations

from datetime import datetime

from emulators.data import Json
from emulators.world.engine import Sim, iso
from emulators.world.objects import commit_json
from emulators.world.team import Repo


def commit(
    sim: Sim, at: datetime, repo: Repo, branch: str, message: str, username: str, parents: list[str] | None = None
) -> Json:
    """Append a commit to a branch; on main it becomes the new head."""
    author = sim.up.gitlab.users[username]
    sha = sim.sha("commit", repo.id, repo.next_iid("commit"))
    found = commit_json(repo, sha, parents if parents is not None else [repo.head], message, author, at)
    found["_branch"] = branch
    repo.commits[sha] = found
    sim.up.gitlab.items(repo.id, "commits").append(found)
    if branch == "main":
        repo.head = sha
    set_branch(sim, repo, branch, found)
    repo.project["last_activity_at"] = iso(at)
    return found


def set_branch(sim: Sim, repo: Repo, name: str, head: Json) -> None:
    branches = sim.up.gitlab.items(repo.id, "branches")
    for branch in branches:
        if branch["name"] == name:
            branch["commit"] = head
            return
    main = name == "main"
    branches.append(
        {
            "name": name,
            "commit": head,
            "merged": False,
            "protected": main,
            "developers_can_push": False,
            "developers_can_merge": main,
            "can_push": True,
            "default": main,
            "web_url": f"{repo.web_url}/-/tree/{name}",
        }
    )


def mark_merged(sim: Sim, repo: Repo, name: str, shas: list[str]) -> None:
    """A merged branch's commits belong to main from now on."""
    for sha in shas:
        repo.commits[sha]["_branch"] = "main"
    for branch in sim.up.gitlab.items(repo.id, "branches"):
        if branch["name"] == name:
            branch["merged"] = True


def commits_between(repo: Repo, old: str | None, new: str, most: int = 200) -> list[Json]:
    """Commits reachable from `new` and not from `old`, oldest first (as `git log old..new`)."""
    hidden = _reachable(repo, old, 4000) if old else set()
    found: list[str] = []
    seen = set(hidden)
    waiting = [new]
    while waiting and len(found) < most:
        sha = waiting.pop()
        if sha in seen or sha not in repo.commits:
            continue
        seen.add(sha)
        found.append(sha)
        waiting.extend(repo.commits[sha]["parent_ids"])
    commits = [repo.commits[sha] for sha in found]
    return sorted(commits, key=lambda one: (one["committed_date"], one["id"]))


def _reachable(repo: Repo, sha: str, most: int) -> set[str]:
    seen: set[str] = set()
    waiting = [sha]
    while waiting and len(seen) < most:
        one = waiting.pop()
        if one not in seen and one in repo.commits:
            seen.add(one)
            waiting.extend(repo.commits[one]["parent_ids"])
    return seen


def note_comparison(sim: Sim, repo: Repo, old: str | None, new: str) -> None:
    """Keep what `compare?from=old&to=new` answers."""
    if not old or old == new:
        return
    key = f"{old}...{new}"
    answers = sim.up.gitlab.mapping(repo.id, "compare")
    if key in answers:
        return
    commits = commits_between(repo, old, new)
    answers[key] = {
        "commit": commits[-1] if commits else None,
        "commits": commits,
        "diffs": [],
        "compare_timeout": False,
        "compare_same_ref": False,
        "web_url": f"{repo.web_url}/-/compare/{key}",
    }


def tag(sim: Sim, at: datetime, repo: Repo, name: str, sha: str, message: str) -> Json:
    """Append a tag on a commit."""
    found = {
        "name": name,
        "message": message,
        "target": sim.sha("tag", repo.id, name),
        "commit": repo.commits[sha],
        "release": None,
        "protected": True,
        "created_at": iso(at),
    }
    sim.up.gitlab.items(repo.id, "tags").append(found)
    return found
