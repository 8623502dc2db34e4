"""GitLab's pipeline schedules: nightly checks, one whose owner left, and what each last ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from emulators.data import Json
from emulators.world import ci
from emulators.world.engine import Sim, iso
from emulators.world.requests import chance_outcomes
from emulators.world.team import BOT, LEFT, Repo
from emulators.world.tf_plans import cannot_plan

ZONE = "Europe/Amsterdam"


@dataclass(frozen=True)
class CronPlan:
    """One schedule: the kind of pipeline it starts, and when (hour, minute, weekday or None for each day)."""

    repo: str
    kind: str
    description: str
    hour: int
    minute: int
    weekday: int | None = None
    owner: str = BOT
    lost: timedelta | None = None
    """So long before the epoch its owner was blocked, and it no longer runs."""
    paused: timedelta | None = None

    @property
    def cron(self) -> str:
        day = "*" if self.weekday is None else str((self.weekday + 1) % 7)
        return f"{self.minute} {self.hour} * * {day}"


CRONS = (
    CronPlan("platform/infra", "schedule", "Drift check of all states", 5, 0, owner="nadia.roth"),
    CronPlan("platform/infra", "monitoring", "Drift check of monitoring", 5, 30, owner=LEFT.username,
             lost=timedelta(days=9)),
    CronPlan("churn/features", "schedule", "Nightly feature sync", 4, 10, owner="sofia.duarte"),
    CronPlan("demand-forecast/dashboard", "schedule", "Refresh extracts", 6, 40, 4, owner="mira.voss"),
    CronPlan("demand-forecast/training", "schedule", "Weekly qa training", 3, 15, 2, owner="ravi.okafor"),
    CronPlan("churn/training", "schedule", "Weekly qa training", 3, 45, 6, owner="tomas.lind",
             paused=timedelta(days=6)),
    CronPlan("fraud-scoring/monorepo", "schedule", "Dependency audit", 2, 20, 0, owner="aiko.brandt"),
    CronPlan("platform/ml-lib", "schedule", "Weekly against newest dependencies", 1, 5, 3, owner="lena.petrova"),
    CronPlan("fraud-scoring/data-prep", "schedule", "Weekly against newest dependencies", 1, 25, 1, owner="emre.kaya"),
)  # fmt: skip


def next_run(plan: CronPlan, after: datetime) -> datetime:
    day = after.astimezone(ZoneInfo(ZONE)).date()
    while True:
        local = datetime(day.year, day.month, day.day, plan.hour, plan.minute, tzinfo=ZoneInfo(ZONE))
        found = local.astimezone(UTC)
        if found > after and (plan.weekday is None or day.weekday() == plan.weekday):
            return found
        day += timedelta(days=1)


def build_crons(sim: Sim) -> None:
    for number, plan in enumerate(CRONS, start=1):
        repo = sim.parts["repos"][plan.repo]
        first = next_run(plan, sim.start)
        created = iso(sim.start - timedelta(days=5))
        schedule = {
            "id": 880_000 + number,
            "description": plan.description,
            "ref": "refs/heads/main",
            "cron": plan.cron,
            "cron_timezone": ZONE,
            "next_run_at": iso(first),
            "active": True,
            "created_at": created,
            "updated_at": created,
            "owner": sim.up.gitlab.users[plan.owner],
            "inputs": [],
            "last_pipeline": None,
            "variables": [],
        }
        sim.up.gitlab.items(repo.id, "pipeline_schedules").append(schedule)
        sim.at(first, _fire, sim, repo, plan, schedule)
        if plan.lost:
            sim.plant("schedule_owner_lost", project=repo.id, schedule=schedule["id"])
        if plan.paused:
            sim.at(sim.epoch - plan.paused, _pause, sim, repo, schedule)


def _pause(at: datetime, sim: Sim, repo: Repo, schedule: Json) -> None:
    schedule |= {"active": False, "updated_at": iso(at)}
    sim.plant("gitlab_schedule_paused", project=repo.id, schedule=schedule["id"], at=at)


def _fire(at: datetime, sim: Sim, repo: Repo, plan: CronPlan, schedule: Json) -> None:
    """Start its pipeline; when its owner is blocked or it is switched off, nothing comes and nothing moves on."""
    if not schedule["active"] or (plan.lost and at >= sim.epoch - plan.lost):
        return
    following = next_run(plan, at)
    sim.at(following, _fire, sim, repo, plan, schedule)
    chance = sim.rng("cron", plan.repo, plan.kind, at.date())
    outcomes = chance_outcomes(chance, repo, plan.kind, 0.07)
    if plan.repo == "platform/infra" and plan.kind == "schedule":
        outcomes = {"drift:experiments": ["script_failure"]} if cannot_plan(sim, at, "experiments") else {}
    run = ci.start_run(
        sim,
        at,
        repo,
        plan.kind,
        repo.commits[repo.head],
        source="schedule",
        username=plan.owner,
        outcomes=outcomes,
        name=plan.description,
    )
    schedule["next_run_at"] = iso(following)
    schedule["updated_at"] = iso(at)
    brief = ("id", "sha", "ref", "status", "web_url", "source", "created_at", "updated_at")
    schedule["last_pipeline"] = {key: run.pipeline[key] for key in brief}
    run.on_end.append(lambda when, done: _keep(schedule, done))
    sim.up.gitlab.mapping(repo.id, "schedule_pipelines").setdefault(str(schedule["id"]), []).append(run.pipeline)


def _keep(schedule: Json, run: ci.Run) -> None:
    last = schedule["last_pipeline"]
    if last["id"] == run.pipeline["id"]:
        last |= {"status": run.pipeline["status"], "updated_at": run.pipeline["updated_at"]}
