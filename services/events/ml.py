"""What happened in training and serving: runs, model versions, evaluations, traffic, schedules and monitors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from services.events.telling import Fact, native, tells
from services.products import ML_KINDS
from services.scene import Scene
from services.store import schema
from services.timestamps import to_millis
from services.vocabulary import RunState
from services.watching import first_failures
from services.wording import number

run, version = schema.run, schema.version


@tells("run", "step")
def runs(scene: Scene) -> Iterable[Fact]:
    """The end of an ML run; a custom job that is a pipeline's task speaks through its pipeline."""
    ended = (RunState.SUCCEEDED, RunState.WARNING, RunState.FAILED)
    query = select(run).where(run.c.kind.in_(ML_KINDS), run.c.parent_id.is_(None), run.c.state.in_(ended))
    rows = list(scene.rows(query, run.c.id, scene.ids("run")))
    why = first_failures(scene.conn, [row.id for row in rows if row.state == RunState.FAILED])
    for row in rows:
        failed = why.get(row.id)
        if row.state == RunState.FAILED:
            kind, title = "run-failed", f"The run of {row.name} failed" + (f" in {failed['name']}" if failed else "")
        elif row.fully_cached:
            kind, title = "run-cached", f"The run of {row.name} did nothing new: every step was taken from the cache"
        else:
            kind, title = "run-finished", f"The run of {row.name} finished"
        at = row.finished_at or row.updated_at
        yield Fact(lane="data" if row.kind == "sync" else "training", kind=kind, at=at, subject=("run", row.id),
                   source_id=row.source_id, native=native(row), version=at or "", title=title,
                   environment=row.environment, state=row.state, label=row.name, actor=row.author,
                   web_url=row.web_url, facts={"state_raw": row.state_raw, "first_failing_step": failed,
                   "duration_seconds": row.duration_seconds})  # fmt: skip


@tells("version")
def registered(scene: Scene) -> Iterable[Fact]:
    """Model versions, when the registry says they were made."""
    detail, model = schema.model_detail, schema.model
    query = (
        select(version, model.c.name.label("model"), model.c.environment)
        .outerjoin(detail, detail.c.version_id == version.c.id)
        .outerjoin(model, model.c.id == detail.c.model_id)
        .where(version.c.kind == "model-version", version.c.of.is_not(None))
    )
    for row in scene.rows(query, version.c.id, scene.ids("version")):
        yield Fact(lane="model", kind="model-registered", at=row.created_at, subject=("version", row.id),
                   source_id=row.source_id, native=native(row), version="made", environment=row.environment,
                   title=f"Version {row.label} of the model {row.model or row.of} was registered", label=row.label,
                   web_url=row.web_url, facts={"model": row.model or row.of, "labels": row.labels})  # fmt: skip


@tells("evaluation")
def evaluated(scene: Scene) -> Iterable[Fact]:
    table, detail, model = schema.evaluation, schema.model_detail, schema.model
    query = (
        select(table, version.c.label, version.c.of, model.c.environment)
        .join(version, version.c.id == table.c.version_id)
        .outerjoin(detail, detail.c.version_id == version.c.id)
        .outerjoin(model, model.c.id == detail.c.model_id)
        .where(table.c.metrics.is_not(None))
    )
    for row in scene.rows(query, table.c.id, scene.ids("evaluation")):
        scores = [
            f"{name} {number(value)}" for name, value in list((row.metrics or {}).items())[:2] if value is not None
        ]
        told = f": {', '.join(scores)}" if scores else ""
        yield Fact(lane="model", kind="evaluated", at=row.created_at, subject=("evaluation", row.id),
                   source_id=row.source_id, native=native(row), version="made", environment=row.environment,
                   title=f"Version {row.label} of the model {row.of} was evaluated{told}", label=row.label,
                   web_url=row.web_url, facts={"metrics": row.metrics})  # fmt: skip


def shares(traffic: Iterable[Mapping[str, Any]] | None) -> dict[str, float]:
    """Model version (native id) -> percent of the traffic, those with any."""
    found: dict[str, float] = {}
    for part in traffic or ():
        percent = float(part.get("percent") or 0)
        if percent > 0:
            key = str(part.get("model") or part.get("deployed_id"))
            found[key] = found.get(key, 0.0) + percent
    return found


@tells("endpoint")
def traffic(scene: Scene) -> Iterable[Fact]:
    """A change of the traffic split, told from what it was before: canary, rollback or plain change."""
    before = {one.id: one.before for one in scene.of("endpoint") if one.before is not None}
    table = schema.endpoint
    for row in scene.rows(select(table).where(table.c.name.is_not(None)), table.c.id, scene.ids("endpoint")):
        held = before.get(row.id)
        if held is None:
            continue
        was, now = shares(held.get("traffic")), shares(row.traffic)
        if was == now:
            continue
        names = {str(part.get("model") or part.get("deployed_id")): str(part.get("version") or "?")
                 for part in [*(held.get("traffic") or ()), *(row.traffic or ())]}  # fmt: skip
        kind, title = _turn(row.name, was, now, names)
        at = row.updated_at or scene.at
        facts = {"before": {names[key]: share for key, share in was.items()},
                 "after": {names[key]: share for key, share in now.items()}}  # fmt: skip
        yield Fact(lane="endpoint", kind=kind, at=at, subject=("endpoint", row.id), source_id=row.source_id,
                   native=native(row), version=f"{at}:{sorted(now.items())}", title=title,
                   environment=row.environment, label=_split(now, names), web_url=row.web_url, facts=facts)  # fmt: skip


def _split(parts: Mapping[str, float], names: Mapping[str, str]) -> str:
    return ", ".join(f"v{names[key]} {share:.0f} %" for key, share in sorted(parts.items(), key=lambda part: -part[1]))


def _turn(name: str, was: Mapping[str, float], now: Mapping[str, float], names: Mapping[str, str]) -> tuple[str, str]:
    """A new version beside the main one is a canary; one that leaves in favour of an older one is rolled back."""
    main_was, main = _main(was), _main(now)
    split = _split(now, names) or "nothing"
    came, went = [key for key in now if key not in was], [key for key in was if key not in now]
    if main and main == main_was and came:
        version = names[came[0]]
        return "canary-started", f"Version {version} takes {now[came[0]]:.0f} % of the traffic of {name} as a canary"
    if main and main == main_was and went and _newer(names[went[0]], names[main]):
        return (
            "traffic-rolled-back",
            f"The canary {names[went[0]]} on {name} was taken back; version {names[main]} has all traffic",
        )
    if main and main_was and main != main_was and _newer(names[main_was], names[main]):
        return "traffic-rolled-back", f"Traffic of {name} went back from version {names[main_was]} to {names[main]}"
    return "traffic-changed", f"Traffic of {name} is now {split}"


def _main(parts: Mapping[str, float]) -> str | None:
    return max(parts, key=lambda key: (parts[key], key), default=None)


def _newer(one: str, other: str) -> bool:
    """True where the first version was made after the second, as far as their numbers tell."""
    return one.isdigit() and other.isdigit() and int(one) > int(other)


@tells("schedule")
def schedules(scene: Scene) -> Iterable[Fact]:
    """Schedules paused and resumed, from what they were before."""
    before = {one.id: one.before for one in scene.of("schedule") if one.before is not None}
    table = schema.schedule
    for row in scene.rows(select(table).where(table.c.state_raw.is_not(None)), table.c.id, scene.ids("schedule")):
        held = before.get(row.id)
        was = None if held is None else held.get("active")
        if was is None or bool(was) == bool(row.active) or row.ended:
            continue
        kind, verb = ("schedule-resumed", "runs again") if row.active else ("schedule-paused", "was paused")
        at = (None if row.active else row.paused_at) or row.updated_at or scene.at
        yield Fact(lane="schedule", kind=kind, at=at, subject=("schedule", row.id), source_id=row.source_id,
                   native=native(row), version=at, title=f"The schedule {row.name} {verb}",
                   environment=row.environment, label=row.cron, actor=row.owner, web_url=row.web_url,
                   facts={"state_raw": row.state_raw, "cron": row.cron, "time_zone": row.time_zone})  # fmt: skip


@tells("monitor")
def monitors(scene: Scene) -> Iterable[Fact]:
    """Each anomaly of a monitor, at the time that the monitor tells."""
    table = schema.monitor
    for row in scene.rows(select(table).where(table.c.name.is_not(None)), table.c.id, scene.ids("monitor")):
        for one in row.anomalies or ():
            at = to_millis(datetime.fromisoformat(one["at"])) if one.get("at") else row.checked_at
            feature, objective = one.get("feature") or "an input", one.get("objective") or "drift"
            yield Fact(lane="model", kind="monitor-anomaly", at=at, subject=("monitor", row.id),
                       source_id=row.source_id, native=native(row), version=f"{feature}:{objective}:{at}",
                       title=f"{row.name}: the input {feature} shows {objective}", environment=row.environment,
                       state="warning", label=feature, web_url=row.web_url, facts=dict(one))  # fmt: skip
