"""Bridges: child pipelines of a monorepo, and pipelines of other projects that a green parent hides."""

from __future__ import annotations

from datetime import datetime

from emulators.data import Json
from emulators.world import ci
from emulators.world.engine import Sim
from emulators.world.repositories import JobPlan
from emulators.world.requests import chance_outcomes
from emulators.world.team import Repo


def start_downstream(sim: Sim, at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
    """When a bridge begins, start what it triggers; with strategy depend it ends as that ends."""
    if not plan.trigger or job["status"] != "running":
        return
    if plan.trigger.startswith("child:"):
        below = _child(sim, at, run, plan.trigger.removeprefix("child:"))
    else:
        below = _elsewhere(sim, at, run, sim.parts["repos"][plan.trigger])
    job["downstream_pipeline"] = below.summary
    below.labels["parent"] = str(run.pipeline["id"])
    if plan.strategy == "depend":
        job["_held"] = True
        below.on_end.append(lambda when, done: _mirror(sim, when, run, job, done))


def _child(sim: Sim, at: datetime, run: ci.Run, kind: str) -> ci.Run:
    chance = sim.rng("child", run.repo.id, run.pipeline["iid"], kind)
    outcomes = chance_outcomes(chance, run.repo, kind, 0.1)
    below = ci.start_run(
        sim,
        at,
        run.repo,
        kind,
        run.commit,
        ref=run.pipeline["ref"],
        source="parent_pipeline",
        username=run.pipeline["user"]["username"],
        outcomes=outcomes,
    )
    if kind.startswith("main"):
        after = sim.parts["after_main"]
        below.on_end.append(lambda when, done: after(when, done, chance))
    return below


def _elsewhere(sim: Sim, at: datetime, run: ci.Run, repo: Repo) -> ci.Run:
    """The other project's main; its check of the new features fails now and then, and nobody upstream notices."""
    chance = sim.rng("downstream", run.repo.id, run.pipeline["iid"])
    fails = chance.random() < 0.25 or any(one.job == "check-features" and one.holds(at) for one in repo.breaks)
    outcomes = {"check-features": ["script_failure"]} if fails else {}
    below = ci.start_run(
        sim,
        at,
        repo,
        "trigger",
        repo.commits[repo.head],
        source="pipeline",
        username=run.pipeline["user"]["username"],
        outcomes=outcomes,
    )
    if fails:
        sim.plant(
            "downstream_failed_parent_green",
            project=run.repo.id,
            pipeline=run.pipeline["id"],
            downstream_project=repo.id,
            downstream=below.pipeline["id"],
            at=at,
        )
    return below


def _mirror(sim: Sim, at: datetime, run: ci.Run, job: Json, below: ci.Run) -> None:
    if job["status"] in ci.DONE:
        return
    status = "success" if below.pipeline["status"] == "success" else "failed"
    ci.end_job(sim, at, run, job, status, "")
