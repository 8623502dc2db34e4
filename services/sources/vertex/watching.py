"""What starts runs, what watches endpoints, and how old the served features are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from services.records import FeatureView, Monitor, Ref, Schedule
from services.redaction import redact_text
from services.sources.base import AccessDenied, Batch, Pull, Scope
from services.sources.vertex.client import VertexClient
from services.sources.vertex.reading import (
    CODES,
    environment,
    failure,
    labels_of,
    last,
    link,
    resource_of,
    title_of,
    when,
)
from services.timestamps import utc_now
from services.vocabulary import RunState

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)")
OBJECTIVES = {
    "RAW_FEATURE_SKEW": "skew",
    "RAW_FEATURE_DRIFT": "drift",
    "FEATURE_ATTRIBUTION_SKEW": "attribution skew",
    "FEATURE_ATTRIBUTION_DRIFT": "attribution drift",
}
Json = Mapping[str, Any]


def schedules(pull: Pull) -> Iterator[Batch]:
    """All schedules: there is no filter by change, and they are few."""
    found = [schedule_of(pull, item) for item in pull.client.rows(pull, "schedules")]
    names = frozenset(one.native_id for one in found)
    yield Batch(records=tuple(found), present=pull.client.whole("vertex-schedule", pull.scope, names))


def schedule_of(pull: Pull, item: Json) -> Schedule:
    """A schedule; `definition` is the name of the pipeline that it starts."""
    name = item["name"]
    job = (item.get("createPipelineJobRequest") or {}).get("pipelineJob") or {}
    labels, raw = labels_of(job), str(item.get("state", "STATE_UNSPECIFIED"))
    cron, zone = _cron(str(item.get("cron") or ""))
    answer = item.get("lastScheduledRunResponse") or {}
    last_run = resource_of(answer.get("runResponse"), "pipelineJobs")
    if raw not in ("ACTIVE", "PAUSED", "COMPLETED"):
        pull.notes.unknown_words[raw[:80]] += 1
    return Schedule(
        native_id=name,
        kind="vertex-schedule",
        name=title_of(item, name),
        cron=cron,
        time_zone=zone,
        active=raw == "ACTIVE",
        state_raw=raw,
        owner=job.get("serviceAccount"),
        next_run_at=when(item.get("nextRunTime")),
        last_run_at=when(answer.get("scheduledRunTime")),
        last_run=Ref("pipeline-job", last_run) if last_run else None,
        created_at=when(item.get("createTime")),
        updated_at=when(item.get("updateTime")),
        paused_at=when(item.get("lastPauseTime")) if raw == "PAUSED" else None,
        ended=raw == "COMPLETED",
        allow_queueing=bool(item.get("allowQueueing")),
        max_concurrent=int(item["maxConcurrentRunCount"]) if item.get("maxConcurrentRunCount") else None,
        environment=environment(pull, labels),
        definition=redact_text(job.get("displayName") or job.get("templateUri")),
        labels=labels,
        web_url=link(pull, f"locations/{{region}}/schedules/{last(name)}"),
    )


def _cron(text: str) -> tuple[str | None, str | None]:
    """`TZ=Europe/Berlin 0 6 * * *` -> the cron and the zone; without a zone it is UTC."""
    found = _ZONE.fullmatch(text.strip())
    if found:
        return found[2].strip(), found[1]
    return text.strip() or None, "UTC" if text.strip() else None


def monitors(pull: Pull) -> Iterator[Batch]:
    """Every monitoring job with the anomalies that it found last; scores that may not be read leave it without."""
    found = []
    parts: dict[str, str | None] = {}
    for item in pull.client.rows(pull, "monitors"):
        try:
            stats = list(_stats(pull, item))
            parts[last(item["name"])] = None
        except AccessDenied as error:
            stats = []
            parts[last(item["name"])] = error.reason
        found.append(monitor_of(pull, item, stats))
    names = frozenset(one.native_id for one in found)
    yield Batch(records=tuple(found), parts=parts, present=pull.client.whole("monitor", pull.scope, names))


def _stats(pull: Pull, item: Json) -> Iterator[Json]:
    from google.cloud.aiplatform_v1.types import ModelDeploymentMonitoringObjectiveType as Kinds

    objectives = [{"type_": getattr(Kinds, word), "top_feature_count": 100} for word in OBJECTIVES]
    for config in item.get("modelDeploymentMonitoringObjectiveConfigs") or []:
        yield from pull.client.rows(
            pull, "anomalies", model_deployment_monitoring_job=item["name"],
            deployed_model_id=str(config.get("deployedModelId")), objectives=objectives,
        )  # fmt: skip


def monitor_of(pull: Pull, item: Json, stats: list[Json]) -> Monitor:
    """A monitoring job. A feature that has scores and no threshold never alerts: it is unwatched."""
    name, labels = item["name"], labels_of(item)
    raw = str(item.get("state", "JOB_STATE_UNSPECIFIED"))
    watched = sorted({feature for config in item.get("modelDeploymentMonitoringObjectiveConfigs") or []
                      for feature in _thresholds(config.get("objectiveConfig") or {})})  # fmt: skip
    seen = {str(one.get("featureDisplayName")) for stat in stats for one in stat.get("featureStats") or []}
    endpoint = item.get("endpoint")
    return Monitor(
        native_id=name,
        name=title_of(item, name),
        endpoint=Ref("endpoint", endpoint) if endpoint else None,
        environment=environment(pull, labels),
        state=pull.notes.state(raw),
        state_raw=raw,
        checked_at=when((item.get("latestMonitoringPipelineMetadata") or {}).get("runTime")),
        next_run_at=when(item.get("nextScheduleTime")),
        anomalies=tuple(anomaly for stat in stats for anomaly in _anomalies(stat)),
        watched=tuple(redact_text(feature) or "" for feature in watched),
        unwatched=tuple(sorted(redact_text(feature) or "" for feature in seen - set(watched))),
        updated_at=when(item.get("updateTime")),
        web_url=link(pull, f"model-deployment-monitoring/locations/{{region}}/monitoring-jobs/{last(name)}"),
    )


def _thresholds(config: Json) -> Iterator[str]:
    skew = config.get("trainingPredictionSkewDetectionConfig") or {}
    drift = config.get("predictionDriftDetectionConfig") or {}
    for name in ("skewThresholds", "attributionScoreSkewThresholds"):
        yield from skew.get(name) or {}
    for name in ("driftThresholds", "attributionScoreDriftThresholds"):
        yield from drift.get(name) or {}


def _anomalies(stat: Json) -> Iterator[dict[str, Any]]:
    """The newest score of each feature that is above its threshold."""
    for one in stat.get("featureStats") or []:
        scores = one.get("predictionStats") or []
        if not scores:
            continue
        newest = max(scores, key=lambda score: str(score.get("endTime")))
        threshold = newest.get("anomalyDetectionThreshold") or (one.get("threshold") or {}).get("value")
        value = newest.get("distributionDeviation", newest.get("score"))
        if threshold and value is not None and float(value) > float(threshold):
            yield {
                "feature": redact_text(one.get("featureDisplayName")),
                "objective": OBJECTIVES.get(str(stat.get("objective")), str(stat.get("objective"))),
                "value": float(value),
                "threshold": float(threshold),
                "at": newest.get("endTime"),
            }


def feature_views(pull: Pull) -> Iterator[Batch]:
    """Every feature view with its last syncs; a store that may not be read leaves the others."""
    names: set[str] = set()
    parts: dict[str, str | None] = {}
    for store in pull.client.rows(pull, "onlineStores"):
        part = last(store["name"])
        found = []
        try:
            for item in pull.client.rows(pull, "featureViews", parent=store["name"]):
                names.add(item["name"])
                found.append(feature_view_of(pull, item, _syncs(pull, item["name"])))
            parts[part] = None
        except AccessDenied as error:
            parts[part] = error.reason
        yield Batch(records=tuple(found), parts={part: parts[part]})
    if all(why is None for why in parts.values()):
        yield Batch(present=pull.client.whole("feature-view", pull.scope, frozenset(names)))


def _syncs(pull: Pull, view: str) -> list[Json]:
    page, _ = next(
        pull.client.pages(pull, "featureViewSyncs", parent=view, page_size=10, order_by="create_time desc"),
        ([], ""),
    )
    return list(page)


def feature_view_of(pull: Pull, item: Json, syncs: list[Json]) -> FeatureView:
    """A feature view; `synced_at` is how new the values are that the last good sync brought."""
    name, labels = item["name"], labels_of(item)
    state, raw = _sync_state(syncs[0]) if syncs else (None, None)
    good = next((one for one in syncs if _sync_state(one)[0] is RunState.SUCCEEDED), None)
    synced = None
    if good is not None:
        mark = (good.get("syncSummary") or {}).get("systemWatermarkTime")
        synced = when(mark) or when((good.get("runTime") or {}).get("endTime"))
    return FeatureView(
        native_id=name,
        name=last(name),
        environment=environment(pull, labels),
        cron=_cron(str((item.get("syncConfig") or {}).get("cron") or ""))[0],
        synced_at=synced,
        sync_state=state,
        sync_state_raw=raw,
        labels=labels,
        updated_at=when(item.get("updateTime")),
        web_url=link(
            pull, f"feature-store/locations/{{region}}/online-stores/{name.split('/')[-3]}/views/{last(name)}"
        ),
    )


def _sync_state(sync: Json) -> tuple[RunState, str]:
    """Our word for a sync, which has no state but an end and a status."""
    if not (sync.get("runTime") or {}).get("endTime"):
        return RunState.RUNNING, "RUNNING"
    code = int((sync.get("finalStatus") or {}).get("code", 0))
    if code == 0:
        return RunState.SUCCEEDED, CODES[0]
    return RunState.FAILED, failure(sync.get("finalStatus"))[0] or str(code)


def can_list(collection: str) -> Any:
    """A check that looks at one row of a collection."""

    def check(client: VertexClient, scope: Scope) -> None:
        client.first(scope, collection, utc_now())

    return check


def can_evaluate(client: VertexClient, scope: Scope) -> None:
    """Evaluations can only be listed under a model: of the first one that there is."""
    page = client.first(scope, "models", utc_now())
    if page:
        client.first(scope, "evaluations", utc_now(), parent=page[0]["name"])
