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
        join_main(repo, [sha])
    set_branch(sim, repo, branch, found)
    repo.project["last_activity_at"] = iso(at)
    return found


def set_branch(sim: Sim, repo: Repo, name: str, head: Json) -> None:
    known = repo.branches.get(name)
    if known is not None:
        known["commit"] = head
        return
    main = name == "main"
    repo.branches[name] = {
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
    sim.up.gitlab.items(repo.id, "branches").append(repo.branches[name])


def join_main(repo: Repo, shas: list[str], branch: str | None = None) -> None:
    """These commits belong to main from now on; the branch they were made on is merged."""
    for sha in shas:
        repo.commits[sha]["_branch"] = "main"
        repo.place[sha] = len(repo.order)
        repo.order.append(sha)
    if branch:
        repo.branches[branch]["merged"] = True


def commits_between(repo: Repo, old: str | None, new: str) -> list[Json]:
    """Commits that came to main after `old` and up to `new`, in the order in which they came."""
    since = repo.place[old] + 1 if old else 0
    return [repo.commits[sha] for sha in repo.order[since : repo.place[new] + 1]]


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
