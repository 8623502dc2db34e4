"""GitLab environments and deployments, as the jobs that deploy come and go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from emulators.data import Json
from emulators.world import ci
from emulators.world.commits import note_comparison
from emulators.world.engine import Sim, iso
from emulators.world.objects import deployment_json, environment_json
from emulators.world.repositories import TIERS, JobPlan
from emulators.world.team import Repo

STATUS = {"running": "running", "success": "success", "failed": "failed", "canceled": "canceled", "skipped": "skipped"}


def is_production(environment: Json) -> bool:
    name = environment["name"]
    return environment["tier"] == "production" or name.startswith("prod") or name.endswith("-live")


def environment_of(sim: Sim, at: datetime, repo: Repo, name: str) -> Json:
    found = repo.environments.get(name)
    if found is None:
        found = environment_json(sim, repo, name, TIERS.get(name), at)
        repo.environments[name] = found
        sim.up.gitlab.items(repo.id, "environments").append(found)
    return found


def watch_deployments(sim: Sim) -> None:
    """Make and move a deployment with each job that has an environment."""

    def heard(at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
        if plan.environment and plan.action == "start":
            _follow(sim, at, run, plan, job)

    ci.listen(sim, heard)


def _follow(sim: Sim, at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
    deployment = run.deployments.get(job["id"])
    if deployment is None:
        if job["status"] in ("pending", "manual") and (plan.approval or job["status"] == "pending"):
            environment = environment_of(sim, at, run.repo, plan.environment or "")
            blocked = plan.approval and job["status"] == "manual"
            deployment = run.deployments[job["id"]] = deployment_json(sim, run.repo, environment, job, at, blocked)
            sim.up.gitlab.items(run.repo.id, "deployments").append(deployment)
        return
    status = STATUS.get(job["status"])
    if job["status"] == "pending" and deployment["status"] == "blocked":
        approve(at, sim, run, deployment)
    if job["status"] == "running" and _outdated(run, deployment, job):
        # GitLab drops a job whose deployment is older than the one that is live: the newer one stays.
        sim.at(at + timedelta(seconds=1), _drop, sim, run, job)
        job["_held"] = True
    if status is None:
        return
    deployment["status"] = status
    deployment["updated_at"] = iso(at)
    if status == "success":
        _landed(sim, at, run, deployment)
    elif status == "failed":
        deployment["_finished_at"] = iso(at)


def _outdated(run: ci.Run, deployment: Json, job: Json) -> bool:
    newest = run.repo.deployed.get(deployment["environment"]["name"])
    return bool(newest) and newest["_run"] > run.pipeline["id"] and not job.get("_rollback")


def _drop(at: datetime, sim: Sim, run: ci.Run, job: Json) -> None:
    sim.plant("forward_deployment_failure", project=run.repo.id, job=job["id"], at=at)
    ci.end_job(sim, at, run, job, "failed", "forward_deployment_failure")


def approve(at: datetime, sim: Sim, run: ci.Run, deployment: Json) -> None:
    """Somebody lets a blocked deployment go on."""
    approver = sim.up.gitlab.users["nadia.roth"]
    deployment["status"] = "created"
    deployment["pending_approval_count"] = 0
    deployment["approvals"].append(
        {"user": approver, "status": "approved", "created_at": iso(at), "comment": "Looks good"}
    )
    deployment["updated_at"] = iso(at)


def _landed(sim: Sim, at: datetime, run: ci.Run, deployment: Json) -> None:
    repo = run.repo
    environment = repo.environments[deployment["environment"]["name"]]
    before = repo.deployed.get(environment["name"])
    deployment["_finished_at"] = iso(at)
    deployment["_run"] = run.pipeline["id"]
    environment["last_deployment"] = {key: value for key, value in deployment.items() if not key.startswith("_")}
    environment["updated_at"] = deployment["environment"]["updated_at"] = iso(at)
    repo.deployed[environment["name"]] = deployment
    if before:
        note_comparison(sim, repo, before["sha"], deployment["sha"])
    if is_production(environment):
        _reached_production(sim, at, repo, before, deployment)


def _reached_production(sim: Sim, at: datetime, repo: Repo, before: Json | None, deployment: Json) -> None:
    key = f"{before['sha']}...{deployment['sha']}" if before else ""
    shipped = sim.up.gitlab.mapping(repo.id, "compare").get(key)
    if not shipped:
        return
    shas = {commit["id"] for commit in shipped["commits"]}
    for request in sim.up.gitlab.items(repo.id, "merge_requests")[-60:]:
        if request["merge_commit_sha"] in shas and request["first_deployed_to_production_at"] is None:
            request["first_deployed_to_production_at"] = iso(at)


def roll_back(at: datetime, sim: Sim, repo: Repo, environment: str, username: str) -> Json | None:
    """Run the deploy job of the deployment before again; gives that new job."""
    landed = [
        one
        for one in sim.up.gitlab.items(repo.id, "deployments")[-80:]
        if one["environment"]["name"] == environment and one["status"] == "success"
    ]
    current = repo.deployed.get(environment)
    earlier = [one for one in landed if current and one["sha"] != current["sha"]]
    if not earlier or current is None:
        return None
    run: Any = repo.runs[earlier[-1]["_run"]]
    old = run.jobs[earlier[-1]["deployable"]["name"]]
    job = ci.retry(at, sim, run, old, username)
    if job is not None:
        job["_rollback"] = True
        sim.plant("rollback", project=repo.id, environment=environment, job=job["id"], sha=job["commit"]["id"], at=at)
    return job
