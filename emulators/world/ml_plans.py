"""The ML pipelines of the three products: their tasks, how these hang together, and the compiled form of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from emulators.world.team import REGION


@dataclass(frozen=True)
class TaskPlan:
    """One task: what it waits for, how long it takes, and the condition it stands under, if any."""

    name: str
    after: tuple[str, ...] = ()
    minutes: float = 3
    under: str | None = None
    condition: bool = False


@dataclass(frozen=True)
class Metric:
    """A number of a model: its name in BigQuery and in Vertex evaluations, its usual value and how it wavers."""

    name: str
    field: str
    better: str
    usual: float
    noise: float
    threshold: float


@dataclass(frozen=True)
class MLProduct:
    """What a product trains, registers and serves."""

    name: str
    model: str
    training: str
    scoring: str | None
    repo: str
    metrics: tuple[Metric, ...]
    slices: tuple[str, ...]
    features: tuple[str, ...]


T = TaskPlan

TASKS: dict[str, tuple[TaskPlan, ...]] = {
    "demand-forecast-training": (
        T("extract-sales", (), 6),
        T("extract-calendar", (), 2),
        T("extract-weather", (), 3),
        T("join-sources", ("extract-sales", "extract-calendar", "extract-weather"), 4),
        T("validate-data", ("join-sources",), 2),
        T("build-windows", ("validate-data",), 5),
        T("train-quantile-models", ("build-windows",), 34),
        T("backtest", ("train-quantile-models",), 12),
        T("compare-with-champion", ("backtest",), 2),
        T("condition-better", ("compare-with-champion",), 1, None, True),
        T("register-model", (), 2, "condition-better"),
        T("deploy-endpoint", ("register-model",), 7, "condition-better"),
    ),
    "churn-training": (
        T("extract-customers", (), 5),
        T("validate-schema", ("extract-customers",), 1),
        T("build-features", ("validate-schema",), 8),
        T("split", ("build-features",), 1),
        T("train-model", ("split",), 22),
        T("evaluate-model", ("train-model", "split"), 4),
        T("condition-deploy", ("evaluate-model",), 1, None, True),
        T("register-model", (), 2, "condition-deploy"),
        T("deploy-endpoint", ("register-model",), 6, "condition-deploy"),
    ),
    "fraud-training": (
        T("load-labels", (), 3),
        T("load-transactions", (), 7),
        T("build-graph-features", ("load-labels", "load-transactions"), 11),
        T("train-classifier", ("build-graph-features",), 26),
        T("calibrate", ("train-classifier",), 3),
        T("evaluate", ("calibrate",), 4),
        T("condition-promote", ("evaluate",), 1, None, True),
        T("register-model", (), 2, "condition-promote"),
    ),
    "churn-scoring": (
        T("load-customers", (), 3),
        T("fetch-features", ("load-customers",), 3),
        T("predict", ("fetch-features",), 9),
        T("explain", ("predict",), 6),
        T("write-predictions", ("predict",), 2),
        T("publish", ("write-predictions", "explain"), 1),
    ),
    "fraud-scoring-batch": (
        T("load-window", (), 4),
        T("fetch-features", ("load-window",), 4),
        T("score", ("fetch-features",), 12),
        T("rule-hits", ("load-window",), 5),
        T("merge-scores", ("score", "rule-hits"), 1),
        T("write-alerts", ("merge-scores",), 2),
    ),
}

ML_PRODUCTS = (
    MLProduct(
        "demand-forecast",
        "demand-quantiles",
        "demand-forecast-training",
        None,
        "demand-forecast/training",
        (
            Metric("wape", "weightedAbsolutePercentageError", "lower", 0.172, 0.006, 0.22),
            Metric("bias", "bias", "lower", 0.021, 0.004, 0.06),
        ),
        ("all", "region=north", "region=south"),
        ("promo_depth", "stock_cover", "temperature", "holiday_distance"),
    ),
    MLProduct(
        "churn",
        "churn-classifier",
        "churn-training",
        "churn-scoring",
        "churn/training",
        (Metric("auc", "auRoc", "higher", 0.832, 0.006, 0.78), Metric("log_loss", "logLoss", "lower", 0.41, 0.01, 0.5)),
        ("all", "segment=consumer", "segment=business"),
        ("tenure_months", "support_calls", "contract_type", "payment_delay"),
    ),
    MLProduct(
        "fraud-scoring",
        "fraud-detector",
        "fraud-training",
        "fraud-scoring-batch",
        "fraud-scoring/monorepo",
        (
            Metric("pr_auc", "auPrc", "higher", 0.641, 0.008, 0.58),
            Metric("recall_at_1pct", "recall", "higher", 0.73, 0.012, 0.65),
        ),
        ("all", "channel=web", "channel=app"),
        ("amount_zscore", "device_age", "merchant_risk", "velocity_1h"),
    ),
)
PRODUCT = {product.name: product for product in ML_PRODUCTS}
PIPELINE_PRODUCT = {
    pipeline: product for product in ML_PRODUCTS for pipeline in (product.training, product.scoring) if pipeline
}


def image_for(pipeline: str, digest: str) -> str:
    return f"{REGION}-docker.pkg.dev/acme-ml-prod/pipelines/{pipeline}@sha256:{digest}"


@cache
def compiled(pipeline: str) -> dict[str, Any]:
    """The pipeline as the KFP compiler writes it (intermediate representation 2.1)."""
    tasks = TASKS[pipeline]
    components: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    for task in tasks:
        if task.condition:
            inner = {one.name: _task(one) for one in tasks if one.under == task.name}
            components[f"comp-{task.name}"] = {"dag": {"tasks": inner}}
        else:
            components[f"comp-{task.name}"] = {"executorLabel": f"exec-{task.name}"}
            executors[f"exec-{task.name}"] = {
                "container": {
                    "image": f"{REGION}-docker.pkg.dev/acme-ml-prod/pipelines/{pipeline}:stable",
                    "command": ["python", "-m", "pipeline.run"],
                    "args": ["--task", task.name, "--executor_input", "{{$}}"],
                }
            }
    return {
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.16.1",
        "pipelineInfo": {"name": pipeline},
        "root": {
            "dag": {"tasks": {task.name: _task(task) for task in tasks if task.under is None}},
            "inputDefinitions": {
                "parameters": {
                    "environment": {"parameterType": "STRING"},
                    "window_days": {"parameterType": "NUMBER_INTEGER", "isOptional": True, "defaultValue": 28.0},
                }
            },
        },
        "components": components,
        "deploymentSpec": {"executors": executors},
    }


def _task(task: TaskPlan) -> dict[str, Any]:
    found: dict[str, Any] = {
        "taskInfo": {"name": task.name},
        "componentRef": {"name": f"comp-{task.name}"},
        "cachingOptions": {"enableCache": not task.condition},
    }
    if task.after:
        found["dependentTasks"] = list(task.after)
    if task.condition:
        passed = "inputs.parameter_values['pipelinechannel--better'] == 'true'"
        found["triggerPolicy"] = {"condition": passed}
    return found
