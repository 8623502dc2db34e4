"""What BigQuery tells about the models in use: one table of metrics a product, evaluations, and logged predictions."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from emulators.data import BigQueryTable, Json
from emulators.world.engine import Sim
from emulators.world.ml_plans import ML_PRODUCTS, Metric, MLProduct
from emulators.world.models import quality
from emulators.world.serving import served
from emulators.world.team import GOOGLE_PROJECTS

PROJECT = GOOGLE_PROJECTS["prod"]
WEEK = timedelta(days=7)


def _field(name: str, kind: str, mode: str = "NULLABLE") -> Json:
    return {"name": name, "type": kind, "mode": mode}


METRICS_SCHEMA = [
    _field("at", "TIMESTAMP", "REQUIRED"),
    _field("model", "STRING"),
    _field("version", "STRING"),
    _field("environment", "STRING"),
    _field("metric", "STRING"),
    _field("value", "FLOAT"),
    _field("slice", "STRING"),
    _field("n", "INTEGER"),
]
EVALUATIONS_SCHEMA = [
    _field("evaluated_at", "TIMESTAMP"),
    _field("model_version", "STRING"),
    _field("metric", "STRING"),
    _field("value", "FLOAT"),
]
PREDICTIONS_SCHEMA = [
    _field("endpoint", "STRING"),
    _field("deployed_model_id", "STRING"),
    _field("logging_time", "TIMESTAMP"),
    _field("request_id", "NUMERIC"),
    _field("request_payload", "STRING", "REPEATED"),
    _field("response_payload", "STRING", "REPEATED"),
]
FEW = "store_pilot_metrics"


def table_of(product: str) -> str:
    return f"{product.replace('-', '_')}_metrics"


def build_metrics(sim: Sim) -> None:
    """Tables for every product; a window of three hours (shorter the faster it plays) adds rows while it lives on."""
    tables = sim.up.bigquery.tables
    sim.parts["note_evaluation"] = lambda at, *version: note_evaluation(sim, at, *version)
    for product in ML_PRODUCTS:
        tables[PROJECT, "ml_metrics", table_of(product.name)] = BigQueryTable(list(METRICS_SCHEMA), [], sim.start)
        tables[PROJECT, "ml_metrics", f"{product.name.replace('-', '_')}_evaluations"] = BigQueryTable(
            list(EVALUATIONS_SCHEMA), [], sim.start
        )
        tables[PROJECT, "ml_logging", f"{product.name.replace('-', '_')}_requests"] = BigQueryTable(
            list(PREDICTIONS_SCHEMA), [], sim.start
        )
        sim.at(sim.start + timedelta(hours=3), _window, sim, product)
    tables[PROJECT, "ml_metrics", FEW] = BigQueryTable(list(METRICS_SCHEMA), [], sim.start)
    tables[PROJECT, "fraud_private", "labels"] = BigQueryTable(list(EVALUATIONS_SCHEMA), [], sim.start)
    sim.up.bigquery.denied[PROJECT, "fraud_private"] = 403
    sim.plant("bigquery_denied", project=PROJECT, dataset="fraud_private", status=403)
    sim.plant("too_few_windows", project=PROJECT, table=f"ml_metrics.{FEW}")
    for week in (5, 4, 3, 2, 1):
        sim.at(sim.epoch - timedelta(weeks=week, hours=2), _pilot, sim)


def _pilot(at: datetime, sim: Sim) -> None:
    value = round(0.24 + sim.rng("pilot", at.date()).gauss(0, 0.01), 5)
    row = {"at": at, "model": "store-pilot", "version": "1", "environment": "prod", "metric": "wape",
           "value": value, "slice": "all", "n": 240}  # fmt: skip
    sim.up.bigquery.insert(PROJECT, "ml_metrics", FEW, [row], at)


def sinking(sim: Sim, product: str, at: datetime) -> float:
    """How far (0 to 1) a product's metric has sunk: churn from 30 h before the epoch, mended after three days, weekly.

    Fraud sinks a little for two hours of every ten after the epoch, and comes back by itself.
    """
    if product == "churn":
        since = sim.epoch - timedelta(hours=30)
        gone = (at - since) % WEEK if at >= since else None
        if gone is not None and gone < timedelta(days=3):
            return min(1.0, gone / timedelta(hours=10))
    if product == "fraud-scoring" and sim.live(at) and (at - sim.epoch) % timedelta(hours=10) < timedelta(hours=2):
        return 0.5
    return 0.0


def _window(at: datetime, sim: Sim, product: MLProduct) -> None:
    step = timedelta(hours=3)
    if sim.live(at):
        step = max(timedelta(minutes=2), timedelta(minutes=30) / sim.rate(at))
    sim.at(at + step, _window, sim, product)
    version = (served(sim, "prod", product.name) or ["1"])[-1]
    chance = sim.rng("metrics", product.name, at.isoformat())
    rows = [
        _row(sim, chance, at, product, metric, version, name, number)
        for metric in product.metrics
        for number, name in enumerate(product.slices)
    ]
    sim.up.bigquery.insert(PROJECT, "ml_metrics", table_of(product.name), rows, at)
    _log_requests(sim, at, product, version)
    if sinking(sim, product.name, at) == 1.0 and (at - sim.epoch) % WEEK < timedelta(hours=3):
        sim.plant("metric_sunk", product=product.name, metric=product.metrics[0].name, at=at)


def _row(
    sim: Sim, chance: Random, at: datetime, product: MLProduct, metric: Metric, version: str, name: str, number: int
) -> Json:
    base = metric.usual + (quality(sim, product, metric, "prod", version) - metric.usual) * 0.5
    worse = -1 if metric.better == "higher" else 1
    sunk = sinking(sim, product.name, at) * abs(metric.threshold - metric.usual) * 1.9
    value = base + chance.gauss(0, metric.noise) + worse * (sunk + 0.006 * number)
    return {
        "at": at,
        "model": product.model,
        "version": version,
        "environment": "prod",
        "metric": metric.name,
        "value": round(value, 5),
        "slice": name,
        "n": chance.randrange(900, 4200),
    }


def _log_requests(sim: Sim, at: datetime, product: MLProduct, version: str) -> None:
    chance = sim.rng("requests", product.name, at.isoformat())
    rows: list[dict[str, Any]] = [
        {
            "endpoint": str(sim.number("endpoint", "prod", product.name)),
            "deployed_model_id": version,
            "logging_time": at,
            "request_id": chance.randrange(10**12),
            "request_payload": [f'{{"{product.features[0]}": {chance.random():.3f}}}'],
            "response_payload": [f'{{"score": {chance.random():.3f}}}'],
        }
    ]
    sim.up.bigquery.insert(PROJECT, "ml_logging", f"{product.name.replace('-', '_')}_requests", rows, at)


def note_evaluation(sim: Sim, at: datetime, product: MLProduct, environment: str, version: str) -> None:
    """The evaluation table gets a row for each metric of a version that production registered."""
    if environment != "prod":
        return
    rows = [
        {
            "evaluated_at": at,
            "model_version": version,
            "metric": metric.name,
            "value": quality(sim, product, metric, environment, version),
        }
        for metric in product.metrics
    ]
    sim.up.bigquery.insert(PROJECT, "ml_metrics", f"{product.name.replace('-', '_')}_evaluations", rows, at)
