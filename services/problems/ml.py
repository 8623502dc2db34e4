"""What is bad in training and serving: failed and empty runs, models left behind, monitors and features that alarm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import FromClause, ScalarSelect, Select, and_, func, select

from services.environments import tier_named
from services.events.ml import shares
from services.firing import grace, interval
from services.problems.episode import AMBER, RED, Bad, Judged, Subject, problem
from services.products import ML_KINDS
from services.scene import Scene, among
from services.store import schema
from services.timestamps import from_millis, to_millis
from services.vocabulary import RunState, Tier
from services.watching import BAD, DECISIVE, GOOD, first_failures
from services.wording import DAY, count, listed, moment

run, model, version, endpoint = schema.run, schema.model, schema.version, schema.endpoint
DEPLOY_AFTER = 7 * DAY
"""How long a newer version of a model in use may wait for its traffic."""


def _subject(row: Any) -> Subject:
    """Scheduled runs stand under their schedule, others under the name that recurs."""
    if row.schedule_id is not None:
        return ("schedule", row.schedule_id, "")
    return ("source", row.source_id, f"{row.kind}:{row.name}")


def _same(one: FromClause, other: FromClause) -> Any:
    return and_(one.c.kind == other.c.kind, one.c.name == other.c.name, one.c.source_id == other.c.source_id,
                func.coalesce(one.c.schedule_id, 0) == func.coalesce(other.c.schedule_id, 0),
                one.c.parent_id.is_(None))  # fmt: skip


def _last(name: str, states: tuple[str, ...]) -> ScalarSelect[Any]:
    other = run.alias(name)
    return (
        select(other.c.id).where(_same(other, run), other.c.state.in_(states)).order_by(other.c.created_at.desc())
        .limit(1).scalar_subquery()
    )  # fmt: skip


def _first_bad() -> ScalarSelect[Any]:
    bad, good = run.alias("bad"), run.alias("good_before")
    since = (
        select(func.max(good.c.created_at))
        .where(_same(good, run), good.c.state.in_(GOOD), good.c.fully_cached.is_not(True))
        .correlate(run)
        .scalar_subquery()
    )
    return (
        select(bad.c.id)
        .where(_same(bad, run), bad.c.state.in_(BAD), bad.c.created_at > func.coalesce(since, 0))
        .order_by(bad.c.created_at)
        .limit(1)
        .scalar_subquery()
    )


@cache
def _queries() -> tuple[Select[Any], Select[Any]]:
    """One run of each name or schedule; its newest that says good or bad, the first red one, the last good one."""
    picks = (
        select(func.max(run.c.id).label("id"))
        .where(run.c.kind.in_(ML_KINDS), run.c.parent_id.is_(None), run.c.state.is_not(None))
        .group_by(run.c.kind, run.c.name, run.c.source_id, run.c.schedule_id)
    )
    newest = select(run.c.id, _last("newest", DECISIVE).label("newest"), _first_bad().label("first"),
                    _last("good", GOOD).label("good"))  # fmt: skip
    return picks, newest


def _newest_runs(scene: Scene) -> list[tuple[Any, Any, Any]]:
    """(newest decisive run, first bad one of its row, last good one), a row for each that a touched run stands in."""
    ids = set(scene.ids("run"))
    steps = among(scene.conn, select(schema.step.c.run_id), schema.step.c.id, scene.ids("step"))
    ids |= {row.run_id for row in steps if row.run_id is not None}
    picks, newest = _queries()
    chosen = {row.id for row in scene.rows(picks, run.c.id, ids)}
    found = [row for row in among(scene.conn, newest, run.c.id, chosen) if row.newest is not None]
    keys = {key for row in found for key in (row.newest, row.first, row.good) if key is not None}
    rows = {row.id: row for row in among(scene.conn, select(run), run.c.id, keys)}
    return [(rows[row.newest], rows.get(row.first), rows.get(row.good)) for row in found]


def newest_runs(scene: Scene) -> list[tuple[Any, Any, Any]]:
    return scene.once("ml runs", _newest_runs)


def _judged(scene: Scene, found: list[tuple[Any, Any, Any]], bad: list[Bad]) -> Judged:
    well = {_subject(row): row.finished_at for row, _, _ in found if row.finished_at is not None}
    return Judged(tuple(bad), frozenset(_subject(row) for row, _, _ in found), scene.whole, well)


@problem("ml-run-failed", "run", "step")
def ml_run_failed(scene: Scene) -> Judged:
    """The newest decisive run of a schedule, or of a name that recurs, is red."""
    found = newest_runs(scene)
    why = first_failures(scene.conn, [row.id for row, _, _ in found if row.state in BAD])
    bad = []
    for row, first, good in found:
        if row.state not in BAD or row.gone_at is not None:
            continue
        step = why.get(row.id)
        verb = "is failing" if row.state == RunState.FAILING else "failed"
        begin = first or row
        bad.append(Bad(subject=_subject(row), severity=RED, state=row.state, belongs=("run", row.id),
                       lane="data" if row.kind == "sync" else "training",
                       since=begin.finished_at or begin.created_at, source_id=row.source_id,
                       title=f"The run of {row.name} {verb}" + (f" in {step['name']}" if step else ""),
                       reason=(step or {}).get("message") or row.failure_message or row.failure_reason,
                       environment=row.environment, first_bad=begin.native_id, web_url=row.web_url,
                       last_good=good.native_id if good else None,
                       facts={"thing": {"table": "run", "id": row.id}, "first_failing_step": step,
                              "state_raw": row.state_raw}))  # fmt: skip
    return _judged(scene, found, bad)


@problem("run-cached", "run")
def run_cached(scene: Scene) -> Judged:
    """The newest run took every step from the cache: it trained nothing new."""
    found = newest_runs(scene)
    bad = [
        Bad(subject=_subject(row), severity=AMBER, state=RunState.WARNING, belongs=("run", row.id), lane="training",
            since=row.finished_at or row.created_at, source_id=row.source_id, environment=row.environment,
            title=f"The last run of {row.name} trained nothing new: every step was taken from the cache",
            first_bad=row.native_id, web_url=row.web_url, facts={"thing": {"table": "run", "id": row.id}})
        for row, _, _ in found if row.fully_cached and row.state not in BAD and row.gone_at is None
    ]  # fmt: skip
    return _judged(scene, found, bad)


def _served(scene: Scene) -> dict[str, list[Any]]:
    """Model version (native id) -> endpoints that give it traffic."""
    held: defaultdict[str, list[Any]] = defaultdict(list)
    query = select(endpoint).where(endpoint.c.traffic.is_not(None), endpoint.c.gone_at.is_(None))
    for row in scene.conn.execute(query):
        for key in shares(row.traffic):
            held[key].append(row)
    return held


@problem("not-deployed", "endpoint", "version", "model", timed=True)
def not_deployed(scene: Scene) -> Judged:
    """A model in use has a version that was registered after the one that serves, and has waited for a week.

    A model that never had traffic is an experiment, and waits for nobody.
    """
    served, detail = _served(scene), schema.model_detail
    query = (
        select(version.c.id, version.c.native_id, version.c.label, version.c.created_at, detail.c.model_id)
        .join(detail, detail.c.version_id == version.c.id)
        .where(version.c.kind == "model-version", version.c.created_at.is_not(None), version.c.gone_at.is_(None))
    )
    in_use = {row.model_id for row in among(scene.conn, query, version.c.native_id, served)}
    versions: defaultdict[int, list[Any]] = defaultdict(list)
    for row in among(scene.conn, query.order_by(version.c.created_at), detail.c.model_id, in_use):
        versions[row.model_id].append(row)
    models = {row.id: row for row in among(scene.conn, select(model), model.c.id, versions)}
    bad = tuple(found for key, rows in versions.items() if (found := _left_behind(scene, models[key], rows, served)))
    return Judged(bad, whole=True)


def _left_behind(scene: Scene, row: Any, versions: list[Any], served: dict[str, list[Any]]) -> Bad | None:
    newest_served = max((one.created_at for one in versions if one.native_id in served), default=None)
    if newest_served is None or row.gone_at is not None:
        return None
    later = [one for one in versions if one.created_at > newest_served]
    if not later or scene.at - later[0].created_at < DEPLOY_AFTER:
        return None
    serving = next(one for one in versions if one.created_at == newest_served)
    title = f"{row.name}: {count(len(later), 'newer version')} than the one that serves ({serving.label})"
    return Bad(subject=("model", row.id, ""), severity=AMBER, state=RunState.WAITING, lane="model", title=title,
               since=later[0].created_at + DEPLOY_AFTER, source_id=row.source_id, environment=row.environment,
               first_bad=later[0].label, last_good=serving.label, web_url=row.web_url,
               facts={"serving": serving.label, "newer": [one.label for one in later][-20:]})  # fmt: skip


@problem("monitor-anomaly", "monitor")
def monitor_anomaly(scene: Scene) -> Judged:
    """The newest look of a monitor found inputs past their threshold: skew or drift."""
    table = schema.monitor
    rows = list(scene.rows(select(table).where(table.c.name.is_not(None)), table.c.id, scene.ids("monitor")))
    bad = []
    for row in rows:
        if not row.anomalies or row.gone_at is not None:
            continue
        names = sorted({str(one.get("feature") or "an input") for one in row.anomalies})
        red = tier_named(scene.config, row.environment) is Tier.PRODUCTION
        bad.append(Bad(subject=("monitor", row.id, ""), severity=RED if red else AMBER, state=RunState.WARNING,
                       lane="model", since=row.checked_at, source_id=row.source_id, environment=row.environment,
                       title=f"{row.name}: {listed(names)} {'is' if len(names) == 1 else 'are'} not as expected",
                       web_url=row.web_url,
                       facts={"anomalies": [dict(one) for one in row.anomalies][:50]}))  # fmt: skip
    return Judged(tuple(bad), frozenset(("monitor", row.id, "") for row in rows), scene.whole)


def _views(scene: Scene) -> list[Any]:
    table = schema.feature_view
    return list(scene.rows(select(table).where(table.c.name.is_not(None)), table.c.id, scene.ids("feature_view")))


@problem("feature-view-failed", "feature_view")
def feature_view_failed(scene: Scene) -> Judged:
    """The newest sync of a feature view failed: what it serves is what the sync before it wrote."""
    rows = _views(scene)
    bad = tuple(
        Bad(subject=("feature_view", row.id, ""), severity=RED, state=RunState.FAILED, lane="data",
            since=_since(row), source_id=row.source_id, environment=row.environment, web_url=row.web_url,
            title=f"The features of {row.name} could not be brought up to date",
            facts={"state_raw": row.sync_state_raw})
        for row in rows if row.sync_state in BAD and row.gone_at is None
    )  # fmt: skip
    return Judged(bad, frozenset(("feature_view", row.id, "") for row in rows), scene.whole)


@problem("feature-view-stale", "feature_view", timed=True)
def feature_view_stale(scene: Scene) -> Judged:
    """The newest values are older than the view's own calendar promises, grace included."""
    rows = _views(scene)
    return Judged(tuple(_stale(scene, rows)), frozenset(("feature_view", row.id, "") for row in rows), scene.whole)


def _promised(row: Any) -> datetime | None:
    """Until when the newest values of a feature view are fresh: one interval of its own calendar after their time.

    The values are as old as what the sync read, which is somewhat before the sync itself.
    """
    synced = from_millis(row.synced_at)
    between = None if synced is None else interval(row.cron, None, synced)
    return None if synced is None or between is None else synced + between


def _since(row: Any) -> int | None:
    due = _promised(row)
    return None if due is None else to_millis(due)


def _stale(scene: Scene, rows: list[Any]) -> Iterator[Bad]:
    for row in rows:
        due, synced = _promised(row), from_millis(row.synced_at)
        if due is None or synced is None or row.gone_at is not None or row.sync_state == RunState.RUNNING:
            continue
        if scene.now <= due + grace(scene.config, due - synced):
            continue
        yield Bad(subject=("feature_view", row.id, ""), severity=AMBER, state=RunState.WARNING, lane="data",
                  since=to_millis(due), source_id=row.source_id, environment=row.environment, web_url=row.web_url,
                  title=f"The features of {row.name} are of {moment(row.synced_at, scene.config)}; "
                  f"they were promised to be newer from {moment(to_millis(due), scene.config)} on",
                  facts={"synced_at": row.synced_at, "cron": row.cron})  # fmt: skip
