"""Which schedule and which run a run hangs on, where only the other side says so."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import bindparam, select, update

from services.scene import Scene, among
from services.store import schema

run, step, schedule = schema.run, schema.step, schema.schedule


def adopt(scene: Scene) -> Scene:
    """Write down what a schedule says it ran last, and what a step says it started; gives the scene with those runs.

    GitLab names no schedule in a pipeline, only the last pipeline in a schedule; Vertex AI names no pipeline in a
    custom job, only the custom job in a task. What a run says itself is never overwritten.
    """
    started = select(step.c.downstream_id.label("id"), step.c.run_id.label("holder")).where(
        step.c.downstream_id.is_not(None), step.c.downstream_id != step.c.run_id
    )
    ran = select(schedule.c.last_run_id.label("id"), schedule.c.id.label("holder")).where(
        schedule.c.last_run_id.is_not(None)
    )
    parents = {row.id: row.holder for row in scene.rows(started, step.c.id, scene.ids("step"))}
    owners = {row.id: row.holder for row in scene.rows(ran, schedule.c.id, scene.ids("schedule"))}
    if not scene.whole:
        parents |= {row.id: row.holder for row in among(scene.conn, started, step.c.downstream_id, scene.ids("run"))}
        owners |= {row.id: row.holder for row in among(scene.conn, ran, schedule.c.last_run_id, scene.ids("run"))}
    adopted = _write(scene, "parent_id", parents) | _write(scene, "schedule_id", owners)
    if scene.whole or not adopted:
        return scene
    return replace(scene, touched={**scene.touched, "run": scene.ids("run") | adopted})


def _write(scene: Scene, column: str, holders: dict[int, int]) -> frozenset[int]:
    free = select(run.c.id).where(run.c[column].is_(None))
    orphans = [row.id for row in among(scene.conn, free, run.c.id, holders)]
    if orphans:
        statement = update(run).where(run.c.id == bindparam("k")).values({column: bindparam("holder")})
        scene.conn.execute(statement, [{"k": key, "holder": holders[key]} for key in orphans])
    return frozenset(orphans)
