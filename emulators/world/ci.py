"""Plays a GitLab pipeline: jobs become ready, run, fail, are retried, wait for a person, and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from emulators.data import Json
from emulators.world.ci_status import DONE, settle
from emulators.world.engine import Sim, iso, spread
from emulators.world.logs import job_log
from emulators.world.objects import job_json, pipeline_json, runner_json
from emulators.world.repositories import PIPELINES, JobPlan
from emulators.world.team import BOT, Repo

PLATFORM = ("runner_system_failure", "stuck_or_timeout_failure")


@dataclass
class Run:
    """A pipeline that is played: its served object, the newest attempt of each job, and what will come of them."""

    repo: Repo
    kind: str
    commit: Json
    pipeline: Json
    summary: Json
    plans: dict[str, JobPlan]
    stages: list[str]
    chance: Random
    jobs: dict[str, Json] = field(default_factory=dict)
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    """Job -> failure reasons of its coming attempts, "" for a success."""
    busy: list[tuple[datetime, datetime]] = field(default_factory=list)
    began: dict[str, datetime] = field(default_factory=dict)
    on_end: list[Callable[[datetime, Run], None]] = field(default_factory=list)
    deployments: dict[int, Json] = field(default_factory=dict)
    """Job id -> the deployment it makes."""
    labels: dict[str, str] = field(default_factory=dict)
    """Notes for whoever listens: product, environment, a request …"""


def listen(sim: Sim, act: Callable[[datetime, Run, JobPlan, Json], None]) -> None:
    """Let `act(at, run, plan, job)` hear every change of a job's status."""
    sim.parts.setdefault("listeners", []).append(act)


def start_run(
    sim: Sim,
    at: datetime,
    repo: Repo,
    kind: str,
    commit: Json,
    *,
    ref: str = "main",
    source: str = "push",
    username: str = BOT,
    outcomes: dict[str, list[str]] | None = None,
    on_end: Callable[[datetime, Run], None] | None = None,
    tag: bool = False,
    name: str | None = None,
) -> Run:
    """Create a pipeline with all its jobs and set it going."""
    user = sim.up.gitlab.users[username]
    plans = {plan.name: plan for plan in PIPELINES[repo.plan.kind][kind]}
    pipeline = pipeline_json(sim, repo, commit, ref, source, user, at)
    pipeline["tag"], pipeline["name"] = tag, name
    brief = ("id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at", "web_url")
    run = Run(
        repo,
        kind,
        commit,
        pipeline,
        {key: pipeline[key] for key in brief},
        plans,
        list(dict.fromkeys(plan.stage for plan in plans.values())),
        sim.rng("run", repo.id, pipeline["iid"]),
        outcomes={**(outcomes or {}), **(repo.broken(at) if ref == "main" else {})},
    )
    if on_end:
        run.on_end.append(on_end)
    sim.up.gitlab.items(repo.id, "pipelines").append(pipeline)
    repo.runs[pipeline["id"]] = run
    repo.project["last_activity_at"] = iso(at)
    for plan in plans.values():
        _add_job(sim, at, run, plan, user)
    _progress(sim, at, run)
    return run


def _add_job(sim: Sim, at: datetime, run: Run, plan: JobPlan, user: Json) -> Json:
    job = job_json(sim, run.repo, run, plan, user, at)
    run.jobs[plan.name] = job
    sim.up.gitlab.items(run.repo.id, "bridges" if plan.trigger else "jobs").append(job)
    return job


def _set(sim: Sim, at: datetime, run: Run, job: Json, status: str) -> None:
    job["status"] = status
    plan = run.plans[job["name"]]
    for heard in sim.parts.get("listeners", ()):
        heard(at, run, plan, job)


def _verdict(run: Run, name: str) -> str:
    """Whether what a job needs is "done", "bad" or still to "wait" for."""
    job = run.jobs[name]
    status, optional = job["status"], job["allow_failure"]
    if status == "success" or (optional and status in ("failed", "manual", "canceled")):
        return "done"
    return "bad" if status in ("failed", "canceled", "skipped") else "wait"


def _ready(run: Run, plan: JobPlan) -> str:
    index = run.stages.index(plan.stage)
    names = plan.needs or [name for name, other in run.plans.items() if run.stages.index(other.stage) < index]
    verdicts = {_verdict(run, name) for name in names}
    return "bad" if "bad" in verdicts else "wait" if "wait" in verdicts else "done"


def _progress(sim: Sim, at: datetime, run: Run) -> None:
    """Move every job on whose turn has come, then say what the whole pipeline is."""
    for plan in run.plans.values():
        job = run.jobs[plan.name]
        if job["status"] != "created":
            continue
        ready = _ready(run, plan)
        if ready == "bad":
            _set(sim, at, run, job, "skipped")
        elif ready == "done" and plan.manual:
            _set(sim, at, run, job, "manual")
        elif ready == "done" and plan.delay_minutes:
            _set(sim, at, run, job, "scheduled")
            sim.at(at + timedelta(minutes=plan.delay_minutes), enqueue, sim, run, job)
        elif ready == "done":
            enqueue(at, sim, run, job, tell=False)
    settle(sim, at, run)


def enqueue(at: datetime, sim: Sim, run: Run, job: Json, tell: bool = True) -> None:
    """Put a job before the runners."""
    if job["status"] in DONE or job["_retried"]:
        return
    plan = run.plans[job["name"]]
    waits = 2.0 if plan.trigger else min(spread(run.chance, 9, 0.8), 600)
    _set(sim, at, run, job, "pending")
    reason = run.outcomes.get(plan.name, [""])[0]
    if reason == "stuck_or_timeout_failure":
        sim.at(at + timedelta(hours=1), _finish, sim, run, job)
    else:
        sim.at(at + timedelta(seconds=waits), _begin, sim, run, job, at)
    if tell:
        settle(sim, at, run)


def _begin(at: datetime, sim: Sim, run: Run, job: Json, queued_at: datetime) -> None:
    if job["status"] != "pending":
        return
    plan = run.plans[job["name"]]
    job["started_at"] = iso(at)
    job["queued_duration"] = round((at - queued_at).total_seconds(), 6)
    run.began[job["name"]] = at
    if not plan.trigger:
        job["runner"] = runner_json(2 if job["tag_list"] else run.chance.randrange(2))
    _set(sim, at, run, job, "running")
    if job["status"] == "running" and not job.get("_held"):
        sim.at(at + timedelta(seconds=_lasts(run, plan)), _finish, sim, run, job)
    settle(sim, at, run)


def _lasts(run: Run, plan: JobPlan) -> float:
    reason = run.outcomes.get(plan.name, [""])[0]
    seconds = max(3.0, spread(run.chance, plan.seconds, 0.22))
    if reason == "job_execution_timeout":
        return 3600.0
    if reason == "runner_system_failure":
        return min(seconds, 20.0)
    return seconds * (0.6 if reason else 1.0)


def _finish(at: datetime, sim: Sim, run: Run, job: Json) -> None:
    """End a job as it was meant to; a failure may be tried again."""
    if job["status"] in DONE:
        return
    waiting = run.outcomes.get(job["name"]) or [""]
    reason = waiting.pop(0)
    end_job(sim, at, run, job, "failed" if reason else "success", reason)
    if reason and waiting:
        pause = timedelta(seconds=30) if reason in PLATFORM else sim.pace(at, 0.2, 6)
        sim.at(at + pause, retry, sim, run, job)


def end_job(sim: Sim, at: datetime, run: Run, job: Json, status: str, reason: str = "") -> None:
    """Write down a job's end and what follows from it."""
    job["finished_at"] = iso(at)
    began = run.began.get(job["name"])
    if job["started_at"] and began:
        job["duration"] = round((at - began).total_seconds(), 6)
        run.busy.append((began, at))
    if reason:
        job["failure_reason"] = reason
    if "artifacts" in job:
        _leave_traces(sim, at, run, job, reason)
    _set(sim, at, run, job, status)
    _progress(sim, at, run)


def _leave_traces(sim: Sim, at: datetime, run: Run, job: Json, reason: str) -> None:
    plan = run.plans[job["name"]]
    if job["started_at"]:
        log = job_log(run, plan, job, reason)
        sim.up.gitlab.traces[job["id"]] = log
        job["artifacts"].append({"file_type": "trace", "size": len(log), "filename": "job.log", "file_format": None})
    if plan.tests and job["started_at"] and reason in ("", "script_failure"):
        job["artifacts"].append({"file_type": "junit", "size": 8124, "filename": "junit.xml.gz", "file_format": "gzip"})
    if plan.coverage and not reason:
        job["coverage"] = round(78 + run.chance.random() * 12, 2)
        run.pipeline["coverage"] = f"{job['coverage']:.2f}"


def retry(at: datetime, sim: Sim, run: Run, job: Json, username: str | None = None) -> Json | None:
    """Try a finished job again: a new attempt replaces it, and what was skipped because of it may run."""
    if job["_retried"] or job["status"] not in ("failed", "canceled", "success"):
        return None
    job["_retried"] = True
    user = sim.up.gitlab.users[username] if username else job["user"]
    again = _add_job(sim, at, run, run.plans[job["name"]], user)
    for other in run.jobs.values():
        if other["status"] == "skipped":
            _set(sim, at, run, other, "created")
    enqueue(at, sim, run, again, tell=False)
    _progress(sim, at, run)
    return again


def play(at: datetime, sim: Sim, run: Run, name: str, username: str) -> None:
    """Somebody starts a job that waits for a person."""
    job = run.jobs[name]
    if job["status"] != "manual":
        return
    job["user"] = sim.up.gitlab.users[username]
    enqueue(at, sim, run, job)


def cancel(sim: Sim, at: datetime, run: Run) -> None:
    """Somebody, or a newer push, stops what is left of a pipeline."""
    for job in run.jobs.values():
        if job["status"] not in (*DONE, "manual"):
            job["finished_at"] = iso(at)
            began = run.began.get(job["name"])
            if began:
                job["duration"] = round((at - began).total_seconds(), 6)
            _set(sim, at, run, job, "canceled")
    settle(sim, at, run)
