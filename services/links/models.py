"""Joins of training, models and their use: to the commit and pipeline they came from, and to where they serve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select

from services.links.code import full_sha
from services.links.rule import Key, Pair, direct, rule, target
from services.products import ML_KINDS
from services.scene import Scene
from services.series import series_of, version_key
from services.store import schema

version, run = schema.version, schema.run
_COMMIT_LABELS = ("git_sha", "git-sha", "commit_sha", "commit-sha", "commit")
_PIPELINE_LABELS = ("gitlab_pipeline_id", "gitlab-pipeline-id", "ci_pipeline_id")
_IMAGE = re.compile(r"(?P<repository>[^@]+?)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


def _first(labels: Any, names: tuple[str, ...]) -> str | None:
    return next((str(labels[name]) for name in names if labels and labels.get(name)), None)


def _ml_runs(scene: Scene) -> Iterator[Any]:
    query = select(run.c.id, run.c.labels).where(run.c.kind.in_(ML_KINDS), run.c.labels.is_not(None))
    return scene.rows(query, run.c.id, scene.ids("run"))


def _model_versions(scene: Scene) -> Iterator[Any]:
    detail, model = schema.model_detail, schema.model
    query = (
        select(
            version.c.id, version.c.source_id, version.c.label, version.c.labels, version.c.of, version.c.digest,
            version.c.run_id, detail.c.run_id.label("trained_by"), detail.c.image_uri, model.c.name,
            model.c.environment,
        )
        .outerjoin(detail, detail.c.version_id == version.c.id)
        .outerjoin(model, model.c.id == detail.c.model_id)
        .where(version.c.kind == "model-version", version.c.of.is_not(None))
    )  # fmt: skip
    return scene.rows(query, version.c.id, scene.ids("version"))


@target("gitlab-pipeline", "run")
def pipelines(scene: Scene) -> Iterable[Key]:
    """A pipeline by its number, and by its number together with its SHA."""
    query = select(run.c.id, run.c.native_id, run.c.sha).where(run.c.kind == "pipeline", run.c.state.is_not(None))
    for row in scene.rows(query, run.c.id, scene.ids("run")):
        yield Key("run", row.id, f"any|{row.native_id}")
        if row.sha:
            yield Key("run", row.id, f"{row.sha}|{row.native_id}")


@rule("ml-run-commit", "run", version=1, evidence="declared", to="commit-anywhere", must=True,
      sentence="The run's label says that it was started from commit {key}")  # fmt: skip
def ml_run_commit(scene: Scene) -> Iterable[Key]:
    for row in _ml_runs(scene):
        if sha := full_sha(_first(row.labels, _COMMIT_LABELS)):
            yield Key("run", row.id, sha)


@rule("ml-run-pipeline", "run", version=1, evidence="declared", to="gitlab-pipeline", must=True,
      sentence="The run's label names GitLab pipeline {key}")  # fmt: skip
def ml_run_pipeline(scene: Scene) -> Iterable[Key]:
    """By number; where the run tells its commit too, both must agree, as another GitLab may have the number as well."""
    for row in _ml_runs(scene):
        number = _first(row.labels, _PIPELINE_LABELS)
        sha = full_sha(_first(row.labels, _COMMIT_LABELS))
        if number and number.isdigit():
            yield Key("run", row.id, f"{sha or 'any'}|{number}")


@rule("model-version-commit", "version", version=1, evidence="declared", to="commit-anywhere", must=True,
      sentence="The model version's label says that it was trained from commit {key}")  # fmt: skip
def model_version_commit(scene: Scene) -> Iterable[Key]:
    for row in _model_versions(scene):
        if sha := full_sha(_first(row.labels, _COMMIT_LABELS)):
            yield Key("version", row.id, sha)


@direct("model-version-run", "version", version=1, sentence="The registry says which run made the model version")
def model_version_run(scene: Scene) -> Iterable[Pair]:
    for row in _model_versions(scene):
        maker = row.trained_by or row.run_id
        if maker is not None:
            yield Pair("version", row.id, "run", maker, row.label)


def _images(scene: Scene) -> Iterator[Any]:
    detail, source = schema.image_detail, schema.source
    query = (
        select(version.c.id, version.c.digest, detail.c.repository, detail.c.tags, source.c.instance)
        .join(source, source.c.id == version.c.source_id)
        .outerjoin(detail, detail.c.version_id == version.c.id)
        .where(version.c.kind == "image")
    )
    return scene.rows(query, version.c.id, scene.ids("version"))


@target("image-digest", "version")
def images_by_digest(scene: Scene) -> Iterable[Key]:
    return (Key("version", row.id, row.digest) for row in _images(scene) if row.digest)


@target("image-tag", "version")
def images_by_tag(scene: Scene) -> Iterable[Key]:
    """An image by domain, repository path and tag; where the repository has no host, its registry's domain counts."""
    for row in _images(scene):
        place = _repository(row.repository or "", row.instance)
        for tag in row.tags or () if place else ():
            yield Key("version", row.id, f"{place}|{tag}")


def _repository(text: str, instance: str | None = None) -> str | None:
    """`example.com/group/project`, from a repository with or without its host; None where no host is known."""
    text = re.sub(r"^https?://", "", text)
    host, _, path = text.partition("/")
    if "." not in host and ":" not in host:
        host, path = instance or "", text
    if not host or not path:
        return None
    return f"{_domain(host)}/{path}".lower()


def _domain(host: str) -> str:
    """`example.com` of `registry.example.com:5000`; a number or a single word is taken whole."""
    name = host.split("/")[0].split(":")[0]
    return name if name.replace(".", "").isdigit() else ".".join(name.split(".")[-2:])


@rule("model-version-image-digest", "version", version=1, evidence="identical", to="image-digest",
      sentence="The model version is served by the image whose digest is {key}")  # fmt: skip
def model_version_image_digest(scene: Scene) -> Iterable[Key]:
    for row in _model_versions(scene):
        found = _IMAGE.fullmatch(row.image_uri or "")
        if found and found["digest"]:
            yield Key("version", row.id, found["digest"])


@rule("model-version-image-tag", "version", version=1, evidence="inferred", to="image-tag",
      sentence="The model version names an image by the tag {key}, which now points at this image")  # fmt: skip
def model_version_image_tag(scene: Scene) -> Iterable[Key]:
    for row in _model_versions(scene):
        found = _IMAGE.fullmatch(row.image_uri or "")
        place = _repository(found["repository"]) if found and found["tag"] and not found["digest"] else None
        if found and place:
            yield Key("version", row.id, f"{place}|{found['tag']}")


@direct("traffic-model-version", "deployment", version=1, sentence="The endpoint names the model version it serves")
def traffic_model_version(scene: Scene) -> Iterable[Pair]:
    table = schema.deployment
    query = select(table).where(table.c.kind == "traffic", table.c.version_id.is_not(None))
    for row in scene.rows(query, table.c.id, scene.ids("deployment")):
        yield Pair("deployment", row.id, "version", row.version_id, row.label)


@direct("evaluation-model-version", "evaluation", version=1, sentence="The evaluation lies under its model version")
def evaluation_model_version(scene: Scene) -> Iterable[Pair]:
    table = schema.evaluation
    query = select(table).where(table.c.version_id.is_not(None))
    for row in scene.rows(query, table.c.id, scene.ids("evaluation")):
        yield Pair("evaluation", row.id, "version", row.version_id, row.name or "evaluation")


@target("model-version", "version", "model")
def model_versions(scene: Scene) -> Iterable[Key]:
    """A model version by model and version, with and without the environment its registry counts for."""
    for row in [*_model_versions(scene), *_of_models(scene)]:
        label = _version(row.label)
        for name in {row.name, row.of} - {None}:
            yield Key("version", row.id, f"|{name}|{label}")
            if row.environment:
                yield Key("version", row.id, f"{row.environment}|{name}|{label}")


def _of_models(scene: Scene) -> list[Any]:
    """Versions of touched models: a model's own name and environment may come after its versions."""
    detail, model = schema.model_detail, schema.model
    query = (
        select(version.c.id, version.c.label, version.c.of, model.c.name, model.c.environment)
        .join(detail, detail.c.version_id == version.c.id)
        .join(model, model.c.id == detail.c.model_id)
        .where(version.c.kind == "model-version", version.c.of.is_not(None))
    )
    return [] if scene.whole else list(scene.rows(query, model.c.id, scene.ids("model")))


def _version(label: str | None) -> str:
    """The version's number or name alone: "3" of "v3" and of "churn@3"."""
    return re.sub(r"^v(?=\d)", "", (label or "").rsplit("@", 1)[-1])


@rule("metric-model-version", "metric_point", version=1, evidence="identical", to="model-version",
      sentence="The metric is written for version {key} of the model by that name")  # fmt: skip
def metric_model_version(scene: Scene) -> Iterable[Key]:
    """A metric series as one version has it; without an environment, the version must be known in one registry only."""
    table = schema.metric_point
    names = ("metric", "model", "environment", "slice", "version")
    if scene.whole:
        query = select(*(table.c[name] for name in names)).where(table.c.version != "").distinct()
        rows = [row._asdict() for row in scene.conn.execute(query)]
    else:
        rows = [dict(moved.after) for moved in scene.of("metric_point")]
    for row in rows:
        if row["version"]:
            series = series_of(row)
            key = f"{series.environment}|{series.model}|{_version(row['version'])}"
            yield Key("metric_point", version_key(series, row["version"]), key)
