"""The model registry: versions that training registers, their evaluations, labels and aliases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.cloud.aiplatform_v1.types import Model, ModelEvaluation
from google.protobuf import json_format

from emulators.world.engine import Sim
from emulators.world.ml_plans import ML_PRODUCTS, MLProduct
from emulators.world.ml_runs import MLRun, parent_of, put
from emulators.world.team import GOOGLE_PROJECTS, REGION

ModelPb = Model.pb()
EvaluationPb = ModelEvaluation.pb()


def model_name(sim: Sim, environment: str, product: str) -> str:
    return f"{parent_of(environment)}/models/{sim.number('model', environment, product)}"


def versions_of(sim: Sim, environment: str, product: str) -> list[Any]:
    """Versions of a product's model in an environment, oldest first."""
    found: list[Any] = sim.parts.setdefault("versions", {}).setdefault((environment, product), [])
    return found


def quality(sim: Sim, product: MLProduct, metric: Any, environment: str, version: str) -> float:
    """What a version scores offline: around the usual, better in some versions than in others."""
    wobble = sim.rng("quality", product.name, environment, version, metric.name).gauss(0, metric.noise * 1.5)
    return round(metric.usual + wobble, 5)


def register(sim: Sim, at: datetime, run: MLRun, product: MLProduct) -> Any:
    """A new version of the product's model, with its evaluation; it becomes the default version."""
    environment = run.environment
    versions = versions_of(sim, environment, product.name)
    base = model_name(sim, environment, product.name)
    number = str(len(versions) + 1)
    created = versions[0].create_time if versions else None
    pb = ModelPb(
        name=f"{base}@{number}",
        version_id=number,
        version_aliases=["default", "challenger"],
        display_name=product.model,
        description=f"{product.model}, trained by {product.training}",
        pipeline_job=run.name,
        artifact_uri=f"gs://{GOOGLE_PROJECTS[environment]}-models/{product.model}/{number}",
        etag=sim.sha("etag", base, number)[:16],
    )
    if created is None:
        put(pb.create_time, at)
    else:
        pb.create_time.CopyFrom(created)
    for stamp in (pb.update_time, pb.version_create_time, pb.version_update_time):
        put(stamp, at)
    for key in ("git_sha", "gitlab_pipeline_id"):
        if key in run.labels:
            pb.labels[key] = run.labels[key]
    pb.labels["product"], pb.labels["environment"] = product.name, environment
    pb.container_spec.image_uri = _image(sim, run, product)
    pb.metadata.struct_value.update({"framework": "xgboost", "trained_rows": 100_000 + int(number) * 731})
    for older in versions[-1:]:
        for alias in ("default", "challenger"):
            drop_alias(older, alias)
    versions.append(pb)
    resource = Model.wrap(pb)
    sim.up.vertex.items("modelVersions")[f"{base}@{number}"] = resource
    sim.up.vertex.items("models")[base] = _as_default(pb, base)
    _evaluate(sim, at, product, environment, pb)
    sim.parts["note_evaluation"](at, product, environment, number)
    return pb


def _image(sim: Sim, run: MLRun, product: MLProduct) -> str:
    """By digest; the forecast's serving image is only known as `latest`, which nothing can be traced by."""
    path = f"{REGION}-docker.pkg.dev/acme-ml-prod/serving/{product.model}"
    if product.name == "demand-forecast":
        return f"{path}:latest"
    return f"{path}@sha256:{sim.sha('image', product.model, run.labels.get('git_sha', '')) + '0' * 24}"


def _as_default(pb: Any, base: str) -> Any:
    copy = ModelPb()
    copy.CopyFrom(pb)
    copy.name = base
    return Model.wrap(copy)


def drop_alias(pb: Any, alias: str) -> None:
    if alias in pb.version_aliases:
        pb.version_aliases.remove(alias)


def crown(sim: Sim, at: datetime, environment: str, product: str, version: str) -> None:
    """The version becomes the champion."""
    champions = sim.parts.setdefault("champions", {})
    before = champions.get((environment, product))
    if before is not None:
        drop_alias(before, "champion")
    pb = champions[environment, product] = versions_of(sim, environment, product)[int(version) - 1]
    pb.version_aliases.append("champion")
    put(pb.version_update_time, at)
    base, _, _ = pb.name.partition("@")
    default = Model.pb(sim.up.vertex.items("models")[base])
    for served in (before, pb):
        if served is not None and default.version_id == served.version_id:
            default.CopyFrom(served)
            default.name = base
    put(default.update_time, at)


def _evaluate(sim: Sim, at: datetime, product: MLProduct, environment: str, pb: Any) -> None:
    for number, name in enumerate(product.slices):
        values = {}
        for metric in product.metrics:
            value = quality(sim, product, metric, environment, pb.version_id)
            values[metric.field] = round(
                value - 0.011 * number if metric.better == "higher" else value + 0.009 * number, 5
            )
        evaluation = EvaluationPb(
            name=f"{pb.name}/evaluations/{sim.number('evaluation', pb.name, name)}",
            display_name=f"{product.model} v{pb.version_id} {name}",
            metrics_schema_uri="gs://google-cloud-aiplatform/schema/modelevaluation/"
            + ("forecasting" if product.name == "demand-forecast" else "classification")
            + "_metrics_1.0.0.yaml",
        )
        json_format.ParseDict(values, evaluation.metrics.struct_value)
        if name != "all":
            evaluation.slice_dimensions.append(name.split("=", 1)[0])
        put(evaluation.create_time, at)
        sim.up.vertex.items("evaluations")[evaluation.name] = ModelEvaluation.wrap(evaluation)


def best_version(sim: Sim, environment: str, product: MLProduct) -> Any:
    """The version with the best primary metric."""
    metric = product.metrics[0]
    sign = 1 if metric.better == "higher" else -1
    return max(
        versions_of(sim, environment, product.name),
        key=lambda pb: sign * quality(sim, product, metric, environment, pb.version_id),
    )


def product_of(name: str) -> MLProduct:
    return next(product for product in ML_PRODUCTS if product.name == name)
