"""Incidents: opened after a bad deployment, linked to it, closed when it is mended."""

from __future__ import annotations

from datetime import datetime, timedelta

from emulators.data import Json
from emulators.world.engine import Sim, iso
from emulators.world.requests import EMPTY_TIME
from emulators.world.team import Repo


def open_incident(
    sim: Sim, at: datetime, repo: Repo, environment: str, deployment: Json, hours: float | None = None
) -> Json:
    """An incident that names the deployment; closed after `hours` (by chance 1 to 5, None for the usual)."""
    iid = repo.next_iid("issue")
    author = sim.up.gitlab.users["nadia.roth"]
    title = f"Errors in {environment} after deployment of {deployment['sha'][:8]}"
    found = {
        "id": sim.new_id("issue", at, 160_000_000, 0.4),
        "iid": iid,
        "project_id": repo.id,
        "title": title,
        "description": f"Since deployment {repo.web_url}/-/environments/{deployment['environment']['id']} "
        f"(deployment #{deployment['iid']}, {deployment['sha']}).",
        "state": "opened",
        "created_at": iso(at),
        "updated_at": iso(at),
        "closed_at": None,
        "closed_by": None,
        "labels": ["incident", f"environment::{environment}"],
        "milestone": None,
        "assignees": [author],
        "author": author,
        "type": "INCIDENT",
        "assignee": author,
        "user_notes_count": 0,
        "merge_requests_count": 0,
        "upvotes": 0,
        "downvotes": 0,
        "due_date": None,
        "confidential": False,
        "discussion_locked": None,
        "issue_type": "incident",
        "web_url": f"{repo.web_url}/-/issues/{iid}",
        "time_stats": EMPTY_TIME,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_tasks": False,
        "_links": {},
        "references": {"short": f"#{iid}", "relative": f"#{iid}", "full": f"{repo.path}#{iid}"},
        "severity": "HIGH",
        "moved_to_id": None,
        "imported": False,
        "imported_from": "none",
    }
    sim.up.gitlab.items(repo.id, "issues").append(found)
    sim.plant("incident", project=repo.id, issue=iid, deployment=deployment["id"], at=at)
    lasts = hours if hours is not None else 1 + 4 * sim.rng("incident", repo.id, iid).random()
    sim.at(at + timedelta(hours=lasts), close_incident, sim, found)
    return found


def close_incident(at: datetime, sim: Sim, incident: Json) -> None:
    incident |= {"state": "closed", "closed_at": iso(at), "updated_at": iso(at), "closed_by": incident["assignee"]}
