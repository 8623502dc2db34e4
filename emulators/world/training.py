"""When models are trained and scored: schedules that fire, are late, paused or skipped, and runs that CI starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from google.cloud.aiplatform_v1.types import Schedule

from emulators.world import ci
from emulators.world.engine import Sim, iso
from emulators.world.ml_plans import PIPELINE_PRODUCT, PRODUCT, TASKS
from emulators.world.ml_runs import STATE, TASK, Fate, MLRun, parent_of, put, submit
from emulators.world.models import register
from emulators.world.serving import deploy, served
from emulators.world.team import REGION

SchedulePb = Schedule.pb()
ZONE = ZoneInfo("Europe/Amsterdam")
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class SchedulePlan:
    """A Vertex schedule: when it fires, and what is wrong with it."""

    key: str
    environment: str
    pipeline: str
    hours: tuple[int, ...]
    minute: int = 0
    weekday: int | None = None
    """Only on that day of the week (0 is Monday)."""
    paused_since: timedelta | None = None
    """Before the epoch."""
    queueing: bool = True

    @property
    def cron(self) -> str:
        day = "*" if self.weekday is None else str((self.weekday + 1) % 7)
        return f"TZ={ZONE.key} {self.minute} {','.join(map(str, self.hours))} * * {day}"


SCHEDULES = (
    SchedulePlan("nightly-demand-forecast", "prod", "demand-forecast-training", (2,)),
    SchedulePlan("demand-forecast-qa", "qa", "demand-forecast-training", (4,), 30, 2),
    SchedulePlan("nightly-churn", "prod", "churn-training", (3,)),
    SchedulePlan("churn-qa-weekly", "qa", "churn-training", (5,), 0, 0, paused_since=timedelta(days=5)),
    SchedulePlan("churn-scoring-daily", "prod", "churn-scoring", (6,), 15),
    SchedulePlan("nightly-fraud", "prod", "fraud-training", (1,), 30),
    SchedulePlan("fraud-scoring-12h", "prod", "fraud-scoring-batch", (0, 12), 45, queueing=False),
)


def next_firing(plan: SchedulePlan, after: datetime) -> datetime:
    """The first time after `after` at which the cron fires, in its own zone."""
    day = after.astimezone(ZONE).date()
    for _ in range(9):
        for hour in plan.hours:
            local = datetime(day.year, day.month, day.day, hour, plan.minute, tzinfo=ZONE)
            found = local.astimezone(UTC)
            if found > after and (plan.weekday is None or day.weekday() == plan.weekday):
                return found
        day += timedelta(days=1)
    raise ValueError(f"schedule {plan.key} never fires")


def build_schedules(sim: Sim) -> None:
    for plan in SCHEDULES:
        parent = parent_of(plan.environment)
        pb = SchedulePb(
            name=f"{parent}/schedules/{sim.number('schedule', plan.key)}",
            display_name=plan.key,
            cron=plan.cron,
            state=Schedule.State.ACTIVE,
            max_concurrent_run_count=1,
            allow_queueing=plan.queueing,
        )
        job = pb.create_pipeline_job_request
        job.parent = parent
        job.pipeline_job.display_name = plan.pipeline
        job.pipeline_job.template_uri = f"https://{REGION}-kfp.pkg.dev/acme-ml-prod/templates/{plan.pipeline}/stable"
        job.pipeline_job.labels["product"] = PIPELINE_PRODUCT[plan.pipeline].name
        job.pipeline_job.labels["environment"] = plan.environment
        for stamp in (pb.create_time, pb.update_time, pb.start_time):
            put(stamp, sim.start - timedelta(days=20))
        put(pb.next_run_time, next_firing(plan, sim.start))
        sim.up.vertex.items("schedules")[pb.name] = Schedule.wrap(pb)
        sim.at(next_firing(plan, sim.start), _fire, sim, plan, pb)
        if plan.paused_since:
            sim.at(sim.epoch - plan.paused_since, _pause, sim, pb)


def _pause(at: datetime, sim: Sim, pb: Any) -> None:
    pb.state = Schedule.State.PAUSED
    pb.ClearField("next_run_time")
    put(pb.last_pause_time, at)
    put(pb.update_time, at)
    sim.plant("paused_schedule", schedule=pb.name, at=at)


def missed(sim: Sim, plan: SchedulePlan, at: datetime) -> bool:
    """The forecast's nightly training does not come in one night of the week, and the night before the epoch."""
    if plan.key != "nightly-demand-forecast":
        return False
    first = sim.epoch - timedelta(hours=33)
    return at > first and (at - first) % WEEK < timedelta(hours=50)


def _fire(at: datetime, sim: Sim, plan: SchedulePlan, pb: Any) -> None:
    """A firing: a run, or nothing and `next_run_time` stays in the past, or a silent skip."""
    if pb.state != Schedule.State.ACTIVE:
        return
    following = next_firing(plan, at)
    sim.at(following, _fire, sim, plan, pb)
    if missed(sim, plan, at):
        sim.plant("missed_schedule", schedule=pb.name, expected=at)
        return
    put(pb.next_run_time, following)
    put(pb.update_time, at)
    last = pb.last_scheduled_run_response
    put(last.scheduled_run_time, at)
    running = sim.parts.setdefault("schedule_runs", {}).get(plan.key)
    if not plan.queueing and running is not None and not running.done:
        last.run_response = "Skipped: the number of concurrent runs has reached max_concurrent_run_count."
        sim.plant("skipped_silently", schedule=pb.name, at=at)
        return
    fate = _fate(sim, plan, at)
    run = _start(sim, at, plan.environment, plan.pipeline, fate, schedule=pb.name)
    sim.parts["schedule_runs"][plan.key] = run
    pb.started_run_count += 1
    last.run_response = run.name


def _fate(sim: Sim, plan: SchedulePlan, at: datetime) -> Fate:
    chance = sim.rng("fate", plan.key, at.date(), at.hour)
    fate = chance_fate(chance, plan.pipeline)
    days = (sim.epoch - at).total_seconds() / 86400
    if plan.key == "nightly-churn" and days < 2.1 and not 2.1 < days % 7 < 6.5:
        fate = Fate(failing="validate-schema", message="Column support_calls: expected INT64, found STRING in "
                    "acme-ml-prod.features.churn_features")  # fmt: skip
    if plan.key == "fraud-scoring-12h" and (at.toordinal() - sim.epoch.toordinal()) % 7 == 6:
        fate = Fate(slow=32.0)
    if plan.key == "nightly-fraud" and 0 < days < 1.01:
        fate = Fate(retried="train-classifier")
    if plan.key == "nightly-fraud" and 2 < days < 3.01:
        fate = Fate(cached=True)
    return fate


def chance_fate(chance: Random, pipeline: str) -> Fate:
    names = [task.name for task in TASKS[pipeline] if not task.condition and task.under is None]
    fate = Fate(better=chance.random() < 0.7)
    draw = chance.random()
    if draw < 0.06:
        fate.failing = chance.choice(names)
    elif draw < 0.12:
        fate.retried = chance.choice(names)
    elif draw < 0.15:
        fate.cached = True
    elif draw < 0.16:
        fate.canceled_after = timedelta(minutes=9)
    elif draw < 0.19:
        fate.queued = timedelta(minutes=25)
    return fate


def _start(
    sim: Sim, at: datetime, environment: str, pipeline: str, fate: Fate, *, schedule: str = "",
    labels: dict[str, str] | None = None,
) -> MLRun:  # fmt: skip
    """The run carries the commit of the newest published template, but for the fraud batch, which nobody labelled."""
    product = PIPELINE_PRODUCT[pipeline]
    template = sim.parts.setdefault("templates", {}).get(product.name)
    if labels is None:
        labels = dict(template or {}) if pipeline != "fraud-scoring-batch" else {}
    run = submit(
        sim,
        at,
        environment,
        pipeline,
        fate,
        labels=labels,
        template=labels.get("git_sha", "")[:12] or "stable",
        schedule=schedule,
        account="ci-trainer" if not schedule else "trainer",
        on_end=lambda when, done: _ended(sim, when, done),
    )
    if not labels:
        sim.plant("run_without_git_sha", run=run.name)
    return run


def _ended(sim: Sim, at: datetime, run: MLRun) -> None:
    product = PIPELINE_PRODUCT[run.pipeline]
    _note(sim, at, run)
    registered = run.details.get("register-model")
    if run.pb.state != STATE.PIPELINE_STATE_SUCCEEDED or registered is None or registered.state != TASK.SUCCEEDED:
        return
    version = register(sim, at, run, product)
    if run.environment != "prod":
        deploy(sim, at, run.environment, product, version)
    elif not served(sim, "prod", product.name):
        deploy(sim, at, "prod", product, version)


def _note(sim: Sim, at: datetime, run: MLRun) -> None:
    """Tell the tests what kind of run this was."""
    states = {detail.state for name, detail in run.details.items() if name != run.pipeline}
    if run.pb.state == STATE.PIPELINE_STATE_FAILED:
        sim.plant("failed_run", run=run.name, task=run.fate.failing, at=at)
    if states == {TASK.SKIPPED}:
        sim.plant("fully_cached_run", run=run.name, at=at)
    if TASK.NOT_TRIGGERED in states:
        sim.plant("condition_not_triggered", run=run.name, at=at)
    if run.fate.retried in run.details:
        sim.plant("retried_task", run=run.name, task=run.fate.retried, at=at)


def train_from_ci(sim: Sim, at: datetime, run: ci.Run, environment: str) -> None:
    """A CI job of a training repository starts a run, with its commit and pipeline as labels."""
    product = PRODUCT[run.repo.plan.product or ""]
    chance = sim.rng("ci-training", run.pipeline["id"])
    labels = {"git_sha": run.commit["id"], "gitlab_pipeline_id": str(run.pipeline["id"])}
    _start(sim, at, environment, product.training, chance_fate(chance, product.training), labels=labels)


def publish_template(sim: Sim, at: datetime, run: ci.Run) -> None:
    """From now on, scheduled runs of the product are of this commit."""
    product = run.repo.plan.product or ""
    labels = {"git_sha": run.commit["id"], "gitlab_pipeline_id": str(run.pipeline["id"])}
    sim.parts.setdefault("templates", {})[product] = labels
    sim.plant("template", product=product, sha=run.commit["id"], at=iso(at))
