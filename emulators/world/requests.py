"""Merge requests from the first commit to the merge: review, fixes, drafts and hotfixes."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from emulators.data import Json
from emulators.world import ci
from emulators.world.commits import commit, join_main
from emulators.world.engine import Sim, iso, spread
from emulators.world.team import Repo
from emulators.world.words import branch_name, title_for

EMPTY_TIME = {"time_estimate": 0, "total_time_spent": 0, "human_time_estimate": None, "human_total_time_spent": None}


def open_request(at: datetime, sim: Sim, repo: Repo, key: str, wish: dict[str, Any] | None = None) -> Json:
    """Push a branch and open a request for it; `wish` may fix its title, branch, author, labels or fate.

    Fates: merge (the usual), close, wait (nobody reviews it), draft (forgotten as a draft), approved (never merged).
    """
    chance = sim.rng("request", repo.id, key)
    wish = wish or {}
    author = wish.get("author") or chance.choice((*repo.plan.people, *repo.plan.people, "lena.petrova"))
    title = wish.get("title") or title_for(repo.plan.kind, chance)
    branch = wish.get("branch") or branch_name(title, repo.next_iid("branch"))
    first = commit(sim, at, repo, branch, wish.get("message") or title, author)
    request = _request_json(sim, at, repo, title, branch, author, first, wish)
    sim.up.gitlab.items(repo.id, "merge_requests").append(request)
    for name, answer in (("merge_request_commits", [first]), ("merge_request_notes", [])):
        sim.up.gitlab.mapping(repo.id, name)[str(request["iid"])] = answer
    sim.up.gitlab.mapping(repo.id, "merge_request_approvals")[str(request["iid"])] = _approvals(sim, [])
    request["_base"], request["_fate"] = repo.head, wish.get("fate") or _fate(chance)
    request["_chance"] = chance
    _test(sim, at, repo, request, wish.get("outcomes"))
    _plan_on(sim, at, repo, request, chance)
    return request


def _fate(chance: Random) -> str:
    return chance.choices(("merge", "close"), (94, 6))[0]


def _plan_on(sim: Sim, at: datetime, repo: Repo, request: Json, chance: Random) -> None:
    fate = request["_fate"]
    if chance.random() < 0.45:
        later = sim.pace(at, spread(chance, 2.5, 0.7), spread(chance, 9, 0.5))
        sim.at(at + later, push_again, sim, repo, request)
    hours, minutes = spread(chance, 9, 0.9), spread(chance, 26, 0.5)
    if fate in ("merge", "approved"):
        sim.at(at + sim.pace(at, hours, minutes), review, sim, repo, request)
    elif fate == "close":
        sim.at(at + sim.pace(at, hours * 3, minutes * 2), close, sim, repo, request)


def _test(sim: Sim, at: datetime, repo: Repo, request: Json, outcomes: Any = None) -> None:
    """Run the request's pipeline on its newest commit; an older one that still runs is canceled."""
    older = repo.runs.get((request["head_pipeline"] or {}).get("id", 0))
    if older and older.pipeline["status"] in ("created", "pending", "running"):
        ci.cancel(sim, at, older)
    head = repo.commits[request["sha"]]
    if outcomes is None:
        outcomes = chance_outcomes(request["_chance"], repo, "request", 0.14)
    run = ci.start_run(
        sim,
        at,
        repo,
        "request",
        head,
        ref=f"refs/merge-requests/{request['iid']}/head",
        source="merge_request_event",
        username=request["author"]["username"],
        outcomes=outcomes,
    )
    request["head_pipeline"] = request["pipeline"] = run.pipeline
    request["updated_at"] = iso(at)


def chance_outcomes(chance: Random, repo: Repo, kind: str, bad: float) -> dict[str, list[str]]:
    """Which job of a pipeline fails by chance, how, and whether a second attempt helps."""
    names = [plan.name for plan in ci.PIPELINES[repo.plan.kind][kind] if not plan.manual and not plan.trigger]
    found: dict[str, list[str]] = {}
    if names and chance.random() < bad:
        name = chance.choice(names)
        reason = chance.choices(
            ("script_failure", "runner_system_failure", "job_execution_timeout", "stuck_or_timeout_failure"),
            (74, 18, 4, 4),
        )[0]
        again = chance.random() < (0.9 if reason in ci.PLATFORM else 0.3)
        found[name] = [reason, ""] if again else [reason]
    if "scan-image" in names and chance.random() < 0.15:
        found["scan-image"] = ["script_failure"]
    return found


def push_again(at: datetime, sim: Sim, repo: Repo, request: Json) -> None:
    """Another commit on the branch, with its pipeline."""
    if request["state"] != "opened":
        return
    chance = request["_chance"]
    word = chance.choice(("Address review", "Fix the tests", "Add a test", "Rename for clarity", "Handle empty input"))
    author = request["author"]["username"]
    found = commit(sim, at, repo, request["source_branch"], word, author, [request["sha"]])
    request["sha"] = found["id"]
    request["diff_refs"]["head_sha"] = found["id"]
    sim.up.gitlab.mapping(repo.id, "merge_request_commits")[str(request["iid"])].append(found)
    _test(sim, at, repo, request)


def review(at: datetime, sim: Sim, repo: Repo, request: Json) -> None:
    """A colleague reads it: a note, an approval; merged when its pipeline is green, mended first when it is red."""
    if request["state"] != "opened":
        return
    chance = request["_chance"]
    status = request["head_pipeline"]["status"]
    if status not in ci.DONE:
        sim.at(at + timedelta(minutes=12), review, sim, repo, request)
        return
    if status != "success":
        push_again(at, sim, repo, request)
        sim.at(at + timedelta(minutes=40), review, sim, repo, request)
        return
    reviewer = request["reviewers"][0]
    note(sim, at, repo, request, reviewer, chance.choice(("Nice, one question inline.", "LGTM", "Works here too.")))
    approvals = sim.up.gitlab.mapping(repo.id, "merge_request_approvals")
    approvals[str(request["iid"])] = _approvals(sim, [reviewer])
    request["updated_at"] = iso(at)
    if request["_fate"] == "merge":
        wait = sim.pace(at, spread(chance, 1.2, 0.9), spread(chance, 7, 0.5))
        sim.at(at + wait, merge, sim, repo, request)


def merge(at: datetime, sim: Sim, repo: Repo, request: Json, attempt: int = 0) -> None:
    """Merge it into main with a merge commit; main's pipeline starts."""
    if request["state"] != "opened":
        return
    if request["head_pipeline"]["status"] != "success" and attempt < 6:
        sim.at(at + timedelta(minutes=15), merge, sim, repo, request, attempt + 1)
        return
    merger = request["reviewers"][0]
    message = (
        f"Merge branch '{request['source_branch']}' into 'main'\n\n{request['title']}\n\n"
        f"See merge request {repo.path}!{request['iid']}"
    )
    shas = [one["id"] for one in sim.up.gitlab.mapping(repo.id, "merge_request_commits")[str(request["iid"])]]
    join_main(repo, shas, request["source_branch"])
    found = commit(sim, at, repo, "main", message, merger["username"], [repo.head, request["sha"]])
    request |= {
        "state": "merged",
        "merge_commit_sha": found["id"],
        "merged_at": iso(at),
        "merged_by": merger,
        "merge_user": merger,
        "updated_at": iso(at),
        "detailed_merge_status": "not_open",
    }
    sim.parts["on_main"](at, repo, found, request)


def close(at: datetime, sim: Sim, repo: Repo, request: Json) -> None:
    if request["state"] == "opened":
        request |= {"state": "closed", "closed_at": iso(at), "closed_by": request["author"], "updated_at": iso(at)}


def note(sim: Sim, at: datetime, repo: Repo, request: Json, author: Json, body: str) -> None:
    """A comment on a request."""
    notes = sim.up.gitlab.mapping(repo.id, "merge_request_notes")[str(request["iid"])]
    notes.append(
        {
            "id": sim.new_id("note", at, 1_900_000_000, 8.0),
            "type": None,
            "body": body,
            "author": author,
            "created_at": iso(at),
            "updated_at": iso(at),
            "system": False,
            "noteable_id": request["id"],
            "noteable_type": "MergeRequest",
            "project_id": repo.id,
            "resolvable": False,
            "confidential": False,
            "internal": False,
            "noteable_iid": request["iid"],
            "commands_changes": {},
        }
    )
    request["user_notes_count"] += 1
    request["updated_at"] = iso(at)


def _approvals(sim: Sim, by: list[Json]) -> Json:
    return {
        "user_has_approved": False,
        "user_can_approve": False,
        "approved": bool(by),
        "approvals_required": 1,
        "approvals_left": 0 if by else 1,
        "approved_by": [{"user": user} for user in by],
    }


def _request_json(
    sim: Sim, at: datetime, repo: Repo, title: str, branch: str, author: str, first: Json, wish: dict[str, Any]
) -> Json:
    users = sim.up.gitlab.users
    iid = repo.next_iid("request")
    others = [name for name in (*repo.plan.people, "lena.petrova", "nadia.roth") if name != author]
    draft = wish.get("fate") == "draft"
    return {
        "id": sim.new_id("request", at, 310_000_000, 0.9),
        "iid": iid,
        "project_id": repo.id,
        "title": f"Draft: {title}" if draft else title,
        "description": wish.get("description", f"What and why: {title}."),
        "state": "opened",
        "created_at": iso(at),
        "updated_at": iso(at),
        "merged_by": None,
        "merge_user": None,
        "merged_at": None,
        "closed_by": None,
        "closed_at": None,
        "target_branch": "main",
        "source_branch": branch,
        "user_notes_count": 0,
        "upvotes": 0,
        "downvotes": 0,
        "author": users[author],
        "assignees": [users[author]],
        "assignee": users[author],
        "reviewers": [users[others[iid % len(others)]]],
        "source_project_id": repo.id,
        "target_project_id": repo.id,
        "labels": list(wish.get("labels", ())),
        "draft": draft,
        "imported": False,
        "imported_from": "none",
        "work_in_progress": draft,
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "draft_status" if draft else "mergeable",
        "merge_after": None,
        "sha": first["id"],
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": True,
        "prepared_at": iso(at),
        "reference": f"!{iid}",
        "references": {"short": f"!{iid}", "relative": f"!{iid}", "full": f"{repo.path}!{iid}"},
        "web_url": f"{repo.web_url}/-/merge_requests/{iid}",
        "time_stats": EMPTY_TIME,
        "squash": False,
        "squash_on_merge": False,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": False,
        "blocking_discussions_resolved": True,
        "approvals_before_merge": None,
        "subscribed": False,
        "changes_count": str(1 + int(first["id"][:2], 16) % 14),
        "latest_build_started_at": None,
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": None,
        "head_pipeline": None,
        "diff_refs": {"base_sha": first["parent_ids"][0], "head_sha": first["id"], "start_sha": first["parent_ids"][0]},
        "merge_error": None,
        "first_contribution": False,
        "user": {"can_merge": False},
    }
