"""GitLab's objects in full, as its detail endpoints give them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emulators.data import Json
from emulators.world.engine import Sim, iso
from emulators.world.team import Repo

NO_SHA = "0" * 40
RUNNERS = (
    (701, "runner-amsterdam-1", "#aX31kd9w"),
    (702, "runner-amsterdam-2", "#hT88mz2q"),
    (703, "runner-gpu-1", "#Qe05vb7c"),
)


def detailed_status(status: str, path: str, warnings: bool = False) -> Json:
    label = "passed with warnings" if warnings else {"success": "passed", "manual": "manual action"}.get(status, status)
    group = "success-with-warnings" if warnings else status
    return {
        "icon": f"status_{'warning' if warnings else status}",
        "text": {"success": "Passed", "manual": "Manual"}.get(status, status.capitalize())
        if not warnings
        else "Warning",
        "label": label,
        "group": group,
        "tooltip": label,
        "has_details": True,
        "details_path": path,
        "illustration": None,
        "favicon": f"/assets/ci_favicons/favicon_status_{status}.png",
    }


def commit_json(repo: Repo, sha: str, parents: list[str], message: str, author: Json, at: datetime) -> Json:
    when = iso(at)
    email = f"{author['username']}@acme.example"
    return {
        "id": sha,
        "short_id": sha[:8],
        "created_at": when,
        "parent_ids": parents,
        "title": message.split("\n", 1)[0],
        "message": message,
        "author_name": author["name"],
        "author_email": email,
        "authored_date": when,
        "committer_name": author["name"],
        "committer_email": email,
        "committed_date": when,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{repo.web_url}/-/commit/{sha}",
    }


def pipeline_json(sim: Sim, repo: Repo, commit: Json, ref: str, source: str, user: Json, at: datetime) -> Json:
    number = sim.new_id("pipeline", at, 1_180_000_000, 9.0)
    return {
        "id": number,
        "iid": repo.next_iid("pipeline"),
        "project_id": repo.id,
        "sha": commit["id"],
        "ref": ref,
        "status": "created",
        "source": source,
        "created_at": iso(at),
        "updated_at": iso(at),
        "web_url": f"{repo.web_url}/-/pipelines/{number}",
        "name": None,
        "before_sha": commit["parent_ids"][0] if commit["parent_ids"] and source == "push" else NO_SHA,
        "tag": False,
        "yaml_errors": None,
        "user": user,
        "started_at": None,
        "finished_at": None,
        "committed_at": commit["committed_date"],
        "duration": None,
        "queued_duration": None,
        "coverage": None,
        "detailed_status": detailed_status("created", f"/{repo.path}/-/pipelines/{number}"),
    }


def job_json(sim: Sim, repo: Repo, run: Any, plan: Any, user: Json, at: datetime) -> Json:
    """A job or a bridge before it has done anything (`pipeline` is shared by all jobs of a run)."""
    number = sim.new_id("job", at, 7_400_000_000, 52.0)
    job = {
        "id": number,
        "status": "created",
        "stage": plan.stage,
        "name": plan.name,
        "ref": run.pipeline["ref"],
        "tag": run.pipeline["tag"],
        "coverage": None,
        "allow_failure": plan.allow_failure,
        "created_at": iso(at),
        "started_at": None,
        "finished_at": None,
        "erased_at": None,
        "duration": None,
        "queued_duration": None,
        "user": user,
        "commit": run.commit,
        "pipeline": run.summary,
        "web_url": f"{repo.web_url}/-/jobs/{number}",
        "project": {"ci_job_token_scope_enabled": False},
        "_retried": False,
        "_stage_index": run.stages.index(plan.stage),
        "_needs": list(plan.needs),
    }
    if plan.trigger:
        return {**job, "downstream_pipeline": None}
    return {
        **job,
        "artifacts": [],
        "runner": None,
        "runner_manager": None,
        "artifacts_expire_at": None,
        "archived": False,
        "tag_list": ["gpu"] if plan.effect and plan.effect.startswith("train") else [],
    }


def runner_json(which: int) -> Json:
    number, name, short = RUNNERS[which]
    return {
        "id": number,
        "description": name,
        "ip_address": None,
        "active": True,
        "paused": False,
        "is_shared": False,
        "runner_type": "group_type",
        "name": "gitlab-runner",
        "online": True,
        "status": "online",
        "short_sha": short,
        "created_at": "2025-02-03T09:00:00.000Z",
    }


def environment_json(sim: Sim, repo: Repo, name: str, tier: str | None, at: datetime) -> Json:
    return {
        "id": sim.new_id("environment", at, 18_400_000, 0.02),
        "name": name,
        "slug": name.replace("/", "-")[:24],
        "external_url": f"https://{repo.plan.path.replace('/', '-')}.{name.replace('/', '-')}.acme.example",
        "created_at": iso(at),
        "updated_at": iso(at),
        "tier": tier,
        "state": "available",
        "auto_stop_at": None,
        "last_deployment": None,
        "description": None,
        "auto_stop_setting": "always",
    }


def deployment_json(sim: Sim, repo: Repo, environment: Json, job: Json, at: datetime, blocked: bool) -> Json:
    brief = ("id", "name", "slug", "external_url", "created_at", "updated_at", "tier", "state")
    return {
        "id": sim.new_id("deployment", at, 520_000_000, 1.4),
        "iid": repo.next_iid("deployment"),
        "ref": job["ref"],
        "sha": job["commit"]["id"],
        "created_at": iso(at),
        "updated_at": iso(at),
        "user": job["user"],
        "environment": {key: environment[key] for key in brief},
        "deployable": job,
        "status": "blocked" if blocked else "created",
        "pending_approval_count": 1 if blocked else 0,
        "approvals": [],
        "approval_summary": {"rules": []},
        "_finished_at": None,
    }
