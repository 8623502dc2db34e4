"""Plays a Vertex AI PipelineJob: its tasks start, are cached, retried, skipped by a condition, or fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from google.cloud.aiplatform_v1.types import PipelineJob, PipelineTaskDetail
from google.cloud.aiplatform_v1.types.pipeline_state import PipelineState
from google.protobuf import json_format, struct_pb2

from emulators.world.engine import Sim, spread
from emulators.world.ml_plans import PIPELINE_PRODUCT, TASKS, TaskPlan, compiled
from emulators.world.team import GOOGLE_PROJECTS, PROJECT_NUMBERS, REGION

STATE = PipelineState
TASK = PipelineTaskDetail.State
UNDONE = (int(TASK.RUNNING), int(TASK.FAILED))
TaskPb = PipelineTaskDetail.pb()
JobPb = PipelineJob.pb()


@dataclass
class Fate:
    """What will come of a run."""

    failing: str | None = None
    message: str = ""
    retried: str | None = None
    cached: bool = False
    better: bool = True
    """Whether the condition holds."""
    slow: float = 1.0
    queued: timedelta = timedelta(seconds=40)
    canceled_after: timedelta | None = None


@dataclass
class MLRun:
    """A PipelineJob that is played (`pb` is the served message)."""

    environment: str
    pipeline: str
    name: str
    pb: Any
    fate: Fate
    chance: Random
    on_end: Callable[[datetime, MLRun], None] | None = None
    details: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def product(self) -> str:
        return PIPELINE_PRODUCT[self.pipeline].name

    @property
    def done(self) -> bool:
        return bool(self.pb.state in (STATE.PIPELINE_STATE_SUCCEEDED, STATE.PIPELINE_STATE_FAILED,
                                      STATE.PIPELINE_STATE_CANCELLED))  # fmt: skip


def parent_of(environment: str) -> str:
    return f"projects/{PROJECT_NUMBERS[environment]}/locations/{REGION}"


@cache
def _spec(pipeline: str) -> Any:
    return json_format.ParseDict(compiled(pipeline), struct_pb2.Struct())


def put(stamp: Any, at: datetime) -> None:
    """Write a time into a proto Timestamp."""
    stamp.seconds = int(at.timestamp())
    stamp.nanos = at.microsecond * 1000


def submit(
    sim: Sim,
    at: datetime,
    environment: str,
    pipeline: str,
    fate: Fate,
    *,
    labels: dict[str, str],
    template: str,
    schedule: str = "",
    account: str = "trainer",
    on_end: Callable[[datetime, MLRun], None] | None = None,
) -> MLRun:
    """Create a PipelineJob and set it going."""
    parent = parent_of(environment)
    name = f"{parent}/pipelineJobs/{pipeline}-{at:%Y%m%d%H%M%S}"
    jobs = sim.up.vertex.items("pipelineJobs")
    while name in jobs:
        name += "-2"
    project = GOOGLE_PROJECTS[environment]
    pb = JobPb(
        name=name,
        display_name=pipeline,
        state=STATE.PIPELINE_STATE_PENDING,
        labels={**labels, "product": PIPELINE_PRODUCT[pipeline].name, "environment": environment},
        service_account=f"{account}@{project}.iam.gserviceaccount.com",
        schedule_name=schedule,
    )
    if template:
        pb.template_uri = f"https://{REGION}-kfp.pkg.dev/acme-ml-prod/templates/{pipeline}/{template}"
        pb.template_metadata.version = f"sha256:{sim.sha('template', pipeline, template)}"
    pb.pipeline_spec.CopyFrom(_spec(pipeline))
    pb.runtime_config.gcs_output_directory = f"gs://{project}-pipelines/{pipeline}"
    pb.runtime_config.parameter_values["environment"].string_value = environment
    pb.runtime_config.parameter_values["window_days"].number_value = 28
    if environment == "prod":
        secret = sim.parts["canary"]("vertex parameter db_password")
        pb.runtime_config.parameter_values["db_password"].string_value = secret
    pb.job_detail.pipeline_context.name = f"{parent}/metadataStores/default/contexts/{pipeline}"
    pb.job_detail.pipeline_run_context.name = f"{parent}/metadataStores/default/contexts/{name.rsplit('/', 1)[-1]}"
    put(pb.create_time, at)
    put(pb.update_time, at)
    run = MLRun(environment, pipeline, name, pb, fate, sim.rng("ml", name), on_end, labels=labels)
    jobs[name] = PipelineJob.wrap(pb)
    sim.at(at + fate.queued, _begin, sim, run)
    if fate.canceled_after:
        sim.at(at + fate.canceled_after, cancel_run, sim, run)
    return run


def _begin(at: datetime, sim: Sim, run: MLRun) -> None:
    run.pb.state = STATE.PIPELINE_STATE_RUNNING
    put(run.pb.start_time, at)
    _detail(sim, at, run, run.pipeline, TASK.RUNNING, 0)
    _go_on(sim, at, run)


def _detail(sim: Sim, at: datetime, run: MLRun, name: str, state: int, parent: int) -> Any:
    number = 1000 + len(run.pb.job_detail.task_details)
    detail = TaskPb(task_id=number, parent_task_id=parent, task_name=name, state=state, task_unique_name=name)
    put(detail.create_time, at)
    put(detail.start_time, at)
    detail.execution.name = f"{parent_of(run.environment)}/metadataStores/default/executions/{number}{at:%m%d%H%M%S}"
    detail.execution.display_name = name
    run.pb.job_detail.task_details.append(detail)
    put(run.pb.update_time, at)
    kept = run.pb.job_detail.task_details[-1]
    run.details[name] = kept
    return kept


def _go_on(sim: Sim, at: datetime, run: MLRun) -> None:
    """Start what may start; end the run when nothing is left."""
    if run.done:
        return
    waiting = False
    for task in TASKS[run.pipeline]:
        if task.name in run.details:
            waiting = waiting or run.details[task.name].state == TASK.RUNNING
            continue
        needs = [run.details.get(name) for name in (*task.after, *((task.under,) if task.under else ()))]
        if any(
            need is None or (need.state in (TASK.RUNNING, TASK.FAILED) and not _opened(task, need)) for need in needs
        ):
            continue
        if any(need is not None and need.state == TASK.NOT_TRIGGERED for need in needs):
            _end_at_once(sim, at, run, task, TASK.NOT_TRIGGERED)
            continue
        waiting = _start(sim, at, run, task) or waiting
    if not waiting and any(detail.state == TASK.FAILED for detail in run.details.values()):
        _end(sim, at, run, STATE.PIPELINE_STATE_FAILED)
    elif not waiting and all(task.name in run.details for task in TASKS[run.pipeline]):
        _end(sim, at, run, STATE.PIPELINE_STATE_SUCCEEDED)


def _opened(task: TaskPlan, need: Any) -> bool:
    """A condition's task runs as long as what stands under it."""
    return bool(task.under == need.task_name and need.state == TASK.RUNNING)


def _end_at_once(sim: Sim, at: datetime, run: MLRun, task: TaskPlan, state: int) -> None:
    parent = run.details[task.under].task_id if task.under else 1000
    detail = _detail(sim, at, run, task.name, state, parent)
    put(detail.end_time, at)


def _start(sim: Sim, at: datetime, run: MLRun, task: TaskPlan) -> bool:
    """Gives whether the task is under way; a cached one and a false condition are over at once."""
    if task.condition and not run.fate.better:
        _end_at_once(sim, at, run, task, TASK.NOT_TRIGGERED)
        sim.at(at, _again, sim, run)
        return True
    if run.fate.cached:
        _end_at_once(sim, at, run, task, TASK.SKIPPED)
        sim.at(at + timedelta(seconds=1), _again, sim, run)
        return True
    parent = run.details[task.under].task_id if task.under else 1000
    detail = _detail(sim, at, run, task.name, TASK.RUNNING, parent)
    if task.condition:
        sim.at(at, _again, sim, run)
        return True
    number = sim.number("customJob", run.name, task.name)
    detail.executor_detail.custom_job_detail.job = f"{parent_of(run.environment)}/customJobs/{number}"
    minutes = spread(run.chance, task.minutes * run.fate.slow, 0.25)
    if run.fate.retried == task.name:
        sim.at(at + timedelta(minutes=minutes / 2), _stumble, sim, run, task)
        minutes *= 1.6
    sim.at(at + timedelta(minutes=minutes), _finish, sim, run, task)
    return True


def _again(at: datetime, sim: Sim, run: MLRun) -> None:
    _go_on(sim, at, run)


def _stumble(at: datetime, sim: Sim, run: MLRun, task: TaskPlan) -> None:
    """A first attempt fails; the error is there while the task is tried again and is not final."""
    detail = run.details[task.name]
    if run.done:
        return
    detail.error.code = 14
    detail.error.message = "The replica workerpool0-0 exited with a non-zero status of 137 (preempted); retrying."
    status = detail.pipeline_task_status.add(state=TASK.PENDING)
    put(status.update_time, at)
    put(run.pb.update_time, at)


def _finish(at: datetime, sim: Sim, run: MLRun, task: TaskPlan) -> None:
    detail = run.details[task.name]
    if run.done or detail.state != TASK.RUNNING:
        return
    failed = run.fate.failing == task.name
    detail.state = TASK.FAILED if failed else TASK.SUCCEEDED
    detail.ClearField("error")
    if failed:
        detail.error.code = 9
        detail.error.message = run.fate.message or f"Task {task.name} failed: the container exited with code 1."
    put(detail.end_time, at)
    put(run.pb.update_time, at)
    _close_condition(at, run, task)
    _go_on(sim, at, run)


def _close_condition(at: datetime, run: MLRun, task: TaskPlan) -> None:
    if not task.under:
        return
    inside = [run.details.get(one.name) for one in TASKS[run.pipeline] if one.under == task.under]
    failed = any(one is not None and one.state == TASK.FAILED for one in inside)
    if failed or all(one is not None and one.state == TASK.SUCCEEDED for one in inside):
        outer = run.details[task.under]
        outer.state = TASK.FAILED if failed else TASK.SUCCEEDED
        put(outer.end_time, at)


def cancel_run(at: datetime, sim: Sim, run: MLRun) -> None:
    if not run.done:
        for detail in run.details.values():
            if detail.state == TASK.RUNNING:
                detail.state = TASK.CANCELLED
                put(detail.end_time, at)
        _end(sim, at, run, STATE.PIPELINE_STATE_CANCELLED)


def _end(sim: Sim, at: datetime, run: MLRun, state: int) -> None:
    run.pb.state = state
    put(run.pb.end_time, at)
    put(run.pb.update_time, at)
    root = run.details.get(run.pipeline)
    if root is not None:
        words = {STATE.PIPELINE_STATE_SUCCEEDED: TASK.SUCCEEDED, STATE.PIPELINE_STATE_FAILED: TASK.FAILED}
        root.state = words.get(STATE(state), TASK.CANCELLED)
        put(root.end_time, at)
    if state == STATE.PIPELINE_STATE_FAILED:
        run.pb.error.code = 9
        task = run.fate.failing or ""
        run.pb.error.message = f"The DAG failed because some tasks failed. The failed tasks are: [{task}]."
    if run.on_end:
        run.on_end(at, run)
