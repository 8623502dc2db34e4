"""What watches and feeds the models: monitoring and its anomalies, feature groups, views and syncs, custom jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.cloud.aiplatform_v1.types import (
    CustomJob,
    ModelDeploymentMonitoringObjectiveType,
    ModelMonitoringStatsAnomalies,
)

from emulators.world.engine import Sim, every_hour
from emulators.world.ml_plans import ML_PRODUCTS, MLProduct
from emulators.world.ml_runs import parent_of, put
from emulators.world.serving import endpoint_pb
from emulators.world.team import REGION

JOB_STATE = types.JobState
DRIFT = ModelDeploymentMonitoringObjectiveType.RAW_FEATURE_DRIFT
SKEW = ModelDeploymentMonitoringObjectiveType.RAW_FEATURE_SKEW
WEEK = timedelta(days=7)
UNWATCHED = "velocity_1h"
"""A feature that nobody set a threshold for."""


def build_monitoring(sim: Sim) -> None:
    for number, product in enumerate(ML_PRODUCTS):
        sim.at(sim.start + timedelta(days=3, hours=number), _watch, sim, product)


def _watch(at: datetime, sim: Sim, product: MLProduct) -> None:
    endpoint = endpoint_pb(sim, "prod", product.name)
    if not endpoint.deployed_models:
        sim.at(at + timedelta(hours=6), _watch, sim, product)
        return
    pb = types.ModelDeploymentMonitoringJob.pb()(
        name=f"{parent_of('prod')}/modelDeploymentMonitoringJobs/{sim.number('monitor', product.name)}",
        display_name=f"{product.name}-monitoring",
        endpoint=endpoint.name,
        state=JOB_STATE.JOB_STATE_RUNNING,
        schedule_state=types.ModelDeploymentMonitoringJob.MonitoringScheduleState.PENDING,
        labels={"product": product.name, "environment": "prod"},
        stats_anomalies_base_directory={"output_uri_prefix": f"gs://acme-ml-prod-monitoring/{product.name}"},
    )
    pb.model_deployment_monitoring_schedule_config.monitor_interval.seconds = 6 * 3600
    pb.logging_sampling_strategy.random_sample_config.sample_rate = 0.2
    pb.model_monitoring_alert_config.email_alert_config.user_emails.append("ml-alerts@acme.example")
    put(pb.create_time, at)
    endpoint.model_deployment_monitoring_job = pb.name
    sim.up.vertex.items("modelDeploymentMonitoringJobs")[pb.name] = types.ModelDeploymentMonitoringJob.wrap(pb)
    _look(at, sim, product, pb)


def _look(at: datetime, sim: Sim, product: MLProduct, pb: Any) -> None:
    """A monitoring run: thresholds follow the deployed models; the scores of the last day are kept."""
    endpoint = endpoint_pb(sim, "prod", product.name)
    del pb.model_deployment_monitoring_objective_configs[:]
    found = []
    for deployed in endpoint.deployed_models:
        if deployed.id not in endpoint.traffic_split:
            continue
        config = pb.model_deployment_monitoring_objective_configs.add(deployed_model_id=deployed.id)
        for feature in product.features:
            if feature != UNWATCHED:
                config.objective_config.prediction_drift_detection_config.drift_thresholds[feature].value = 0.3
                skew = config.objective_config.training_prediction_skew_detection_config
                skew.skew_thresholds[feature].value = 0.3
        if at < sim.epoch - timedelta(days=4):
            continue  # only the newest scores are served, so those of long ago need not be made up
        found += [_stats(sim, at, product, deployed.id, objective) for objective in (DRIFT, SKEW)]
    sim.up.vertex.items("monitoringStats")[pb.name] = found
    alarmed = any(ModelMonitoringStatsAnomalies.pb(one).anomaly_count for one in found)
    put(pb.latest_monitoring_pipeline_metadata.run_time, at)
    pb.latest_monitoring_pipeline_metadata.status.code = 0
    put(pb.update_time, at)
    put(pb.next_schedule_time, at + timedelta(hours=6))
    if alarmed:
        sim.plant("monitoring_anomaly", job=pb.name, at=at)
    sim.at(at + timedelta(hours=6), _look, sim, product, pb)


def drifting(sim: Sim, product: str, at: datetime) -> bool:
    """The churn model's input drifts from three days before the epoch for five days, and again each second week."""
    since = sim.epoch - timedelta(days=3)
    return product == "churn" and at >= since and (at - since) % (2 * WEEK) < timedelta(days=5)


def _stats(sim: Sim, at: datetime, product: MLProduct, deployed: str, objective: int) -> Any:
    pb = ModelMonitoringStatsAnomalies.pb()(objective=objective, deployed_model_id=deployed)
    for feature in product.features:
        chance = sim.rng("monitor", product.name, feature, objective, at.isoformat())
        score = abs(chance.gauss(0.06, 0.03))
        if feature == product.features[1] and drifting(sim, product.name, at):
            score += 0.38
        one = pb.feature_stats.add(feature_display_name=feature)
        watched = feature != UNWATCHED
        if watched:
            one.threshold.value = 0.3
        for back in (18, 12, 6, 0):
            stat = one.prediction_stats.add(
                score=score, distribution_deviation=score, anomaly_detection_threshold=0.3 if watched else 0.0
            )
            put(stat.start_time, at - timedelta(hours=back + 6))
            put(stat.end_time, at - timedelta(hours=back))
        if watched and score > 0.3:
            pb.anomaly_count += 1
    return ModelMonitoringStatsAnomalies.wrap(pb)


@dataclass(frozen=True)
class ViewPlan:
    """A feature view, the groups it serves, and how often it is synced."""

    name: str
    group: str
    every_hours: int


VIEWS = (ViewPlan("churn_view", "churn_features", 6), ViewPlan("fraud_view", "fraud_features", 6),
         ViewPlan("stores_view", "store_features", 24))  # fmt: skip
GROUPS = {
    "churn_features": ("churn", ("tenure_months", "support_calls", "contract_type", "payment_delay")),
    "fraud_features": ("fraud-scoring", ("amount_zscore", "device_age", "merchant_risk", "velocity_1h")),
    "store_features": ("demand-forecast", ("promo_depth", "stock_cover", "temperature", "holiday_distance")),
}


def build_features(sim: Sim) -> None:
    at, parent = sim.start - timedelta(days=10), parent_of("prod")
    for name, (product, features) in GROUPS.items():
        group = types.FeatureGroup.pb()(
            name=f"{parent}/featureGroups/{name}", labels={"product": product}, description=f"Features of {product}"
        )
        group.big_query.big_query_source.input_uri = f"bq://acme-ml-prod.features.{name}"
        group.big_query.entity_id_columns.append("entity_id")
        _stamp(sim, "featureGroups", types.FeatureGroup, group, at)
        for feature in features:
            one = types.Feature.pb()(name=f"{group.name}/features/{feature}", labels={"product": product})
            _stamp(sim, "features", types.Feature, one, at)
    store = types.FeatureOnlineStore.pb()(
        name=f"{parent}/featureOnlineStores/acme_online", state=types.FeatureOnlineStore.State.STABLE
    )
    store.bigtable.auto_scaling.min_node_count = 1
    store.bigtable.auto_scaling.max_node_count = 3
    _stamp(sim, "featureOnlineStores", types.FeatureOnlineStore, store, at)
    for plan in VIEWS:
        view = types.FeatureView.pb()(
            name=f"{store.name}/featureViews/{plan.name}", labels={"product": GROUPS[plan.group][0]}
        )
        view.sync_config.cron = f"TZ=Europe/Amsterdam 10 */{plan.every_hours} * * *"
        view.feature_registry_source.feature_groups.add(
            feature_group_id=plan.group, feature_ids=list(GROUPS[plan.group][1])
        )
        _stamp(sim, "featureViews", types.FeatureView, view, at)
        sim.at(sim.start + timedelta(minutes=10), _sync, sim, plan, view)


def _stamp(sim: Sim, collection: str, kind: Any, pb: Any, at: datetime) -> None:
    put(pb.create_time, at)
    put(pb.update_time, at)
    sim.up.vertex.items(collection)[pb.name] = kind.wrap(pb)


def _sync(at: datetime, sim: Sim, plan: ViewPlan, view: Any) -> None:
    sim.at(at + timedelta(hours=plan.every_hours), _sync, sim, plan, view)
    before = sim.epoch - at
    if plan.name == "stores_view" and before < timedelta(days=9):
        if not sim.parts.get("stale_view"):
            sim.parts["stale_view"] = view.name
            sim.plant("feature_view_stale", view=view.name, at=at)
        return
    failing = (
        plan.name == "churn_view" and before < timedelta(hours=11) and (at - sim.epoch) % WEEK < timedelta(hours=40)
    )
    failing = failing or (plan.name == "churn_view" and timedelta(0) < before < timedelta(hours=11))
    sync = types.FeatureViewSync.pb()(name=f"{view.name}/featureViewSyncs/{sim.number('sync', view.name, at)}")
    put(sync.create_time, at)
    put(sync.run_time.start_time, at)
    sim.up.vertex.items("featureViewSyncs")[sync.name] = types.FeatureViewSync.wrap(sync)
    sim.at(at + timedelta(minutes=7), _synced, sim, view, sync, failing)


def _synced(at: datetime, sim: Sim, view: Any, sync: Any, failing: bool) -> None:
    put(sync.run_time.end_time, at)
    if failing:
        sync.final_status.code = 9
        sync.final_status.message = (
            "BigQuery source acme-ml-prod.features.churn_features: column support_calls changed type"
        )
        sim.plant("feature_view_sync_failed", sync=sync.name, at=at)
        return
    sync.final_status.code = 0
    sync.sync_summary.row_synced = 40_000 + int(at.timestamp()) % 9000
    sync.sync_summary.total_slot = 120
    put(sync.sync_summary.system_watermark_time, at - timedelta(minutes=20))


def start_custom_job(sim: Sim, at: datetime, name: str, labels: dict[str, str], ends: int, hours: float) -> Any:
    """A custom job in production; `ends` is the state it ends in (QUEUED: it never gets its machines)."""
    pb = CustomJob.pb()(
        name=f"{parent_of('prod')}/customJobs/{sim.number('custom', name, at)}",
        display_name=name,
        state=JOB_STATE.JOB_STATE_QUEUED,
        labels={**labels, "environment": "prod"},
    )
    pool = pb.job_spec.worker_pool_specs.add(replica_count=1)
    pool.machine_spec.machine_type = "n1-highmem-8"
    pool.container_spec.image_uri = f"{REGION}-docker.pkg.dev/acme-ml-prod/pipelines/{name}:latest"
    env = pool.container_spec.env.add(name="API_TOKEN")
    env.value = sim.parts["canary"]("custom job environment API_TOKEN")
    pb.job_spec.service_account = "trainer@acme-ml-prod.iam.gserviceaccount.com"
    _stamp(sim, "customJobs", CustomJob, pb, at)
    if ends != JOB_STATE.JOB_STATE_QUEUED:
        sim.at(at + timedelta(minutes=4), _custom_runs, pb)
        sim.at(at + timedelta(hours=hours), _custom_ends, pb, ends)
    return pb


def _custom_runs(at: datetime, pb: Any) -> None:
    pb.state = JOB_STATE.JOB_STATE_RUNNING
    put(pb.start_time, at)
    put(pb.update_time, at)


def _custom_ends(at: datetime, pb: Any, state: int) -> None:
    pb.state = state
    put(pb.end_time, at)
    put(pb.update_time, at)
    if state == JOB_STATE.JOB_STATE_FAILED:
        pb.error.code = 8
        pb.error.message = "Resources are insufficient in region: europe-west4."


def build_custom_jobs(sim: Sim) -> None:
    """One a working day, started by the monorepo's CI; some wait for machines."""

    def play(at: datetime) -> None:
        if at.hour != 13 or at.weekday() > 4:
            return
        chance = sim.rng("custom", at.date())
        repo = sim.parts["repos"]["fraud-scoring/monorepo"]
        newest = sim.up.gitlab.items(repo.id, "pipelines")[-1:]
        labels = {"product": "fraud-scoring"}
        for pipeline in newest:
            labels |= {"git_sha": pipeline["sha"], "gitlab_pipeline_id": str(pipeline["id"])}
        states = (JOB_STATE.JOB_STATE_SUCCEEDED, JOB_STATE.JOB_STATE_PARTIALLY_SUCCEEDED,
                  JOB_STATE.JOB_STATE_FAILED, JOB_STATE.JOB_STATE_CANCELLED)  # fmt: skip
        ends = chance.choices(states, (70, 14, 12, 4))[0]
        pb = start_custom_job(sim, at, "fraud-hyperparameter-search", labels, ends, 1 + chance.random() * 3)
        if ends == JOB_STATE.JOB_STATE_PARTIALLY_SUCCEEDED:
            sim.plant("custom_job_partially_succeeded", job=pb.name, at=at)

    every_hour(sim, sim.start, play)
    sim.at(sim.epoch - timedelta(hours=3), _queued, sim)


def _queued(at: datetime, sim: Sim) -> None:
    pb = start_custom_job(sim, at, "churn-embedding-refresh", {"product": "churn"}, JOB_STATE.JOB_STATE_QUEUED, 0)
    sim.plant("custom_job_queued", job=pb.name, at=at)
