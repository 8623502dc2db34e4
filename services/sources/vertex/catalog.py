"""Which models there are in which versions, how they scored, and which of them answer on which endpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from services.records import Deployment, Endpoint, Evaluation, Model, ModelDetail, Record, Ref, Version
from services.redaction import redact_text
from services.sources.base import Batch, Pull, Unreadable
from services.sources.google import NotThere
from services.sources.vertex.reading import (
    environment,
    labels_of,
    last,
    link,
    resource_of,
    sha_of,
    stamp,
    title_of,
    when,
)
from services.vocabulary import RunState

CHECKED_A_SWEEP = 50
"""Models whose versions are listed though nothing seems to have changed, the longest unchecked first."""
FRESH = timedelta(days=7)
"""For so long after its registration, a version's evaluations are looked for in every sweep."""

_CHUNK = 20

Json = Mapping[str, Any]


def models(pull: Pull) -> Iterator[Batch]:
    """Every model with its versions: changed ones first, then some of the others in turn.

    A new version need not change its model's time stamp, so a time stamp alone is not trusted.
    The cursor holds when each model's versions were last listed, and the time stamp it had then.
    """
    checked: dict[str, list[str]] = dict(pull.cursor.get("checked", {}))
    listed = list(pull.client.rows(pull, "models", order_by="update_time desc"))
    names = frozenset(_base(item["name"]) for item in listed)
    checked = {name: value for name, value in checked.items() if name in names}
    order = sorted(listed, key=lambda item: (not _changed(item, checked), checked.get(_base(item["name"]), [""])[0]))
    spared = CHECKED_A_SWEEP
    for item in order:
        name, changed = _base(item["name"]), _changed(item, checked)
        if not changed and spared <= 0:
            break
        spared -= 0 if changed else 1
        versions = list(pull.client.rows(pull, "modelVersions", name=name))
        records: list[Record] = [model_of(pull, item), *(version_of(pull, one, item) for one in versions)]
        checked[name] = [stamp(pull.now), str(item.get("updateTime"))]
        wanted = tuple(_version_id(one) for one in versions if changed or _fresh(pull, one))
        yield Batch(
            records=tuple(records), cursor={"checked": dict(checked)}, touched={"evaluations": wanted} if wanted else {}
        )
    yield Batch(cursor={"checked": checked}, present=pull.client.whole("model", pull.scope, names))


def _changed(item: Json, checked: Mapping[str, list[str]]) -> bool:
    known = checked.get(_base(item["name"]))
    return known is None or known[1] != str(item.get("updateTime"))


def _fresh(pull: Pull, item: Json) -> bool:
    made = when(item.get("versionCreateTime") or item.get("createTime"))
    return made is not None and pull.now - made < FRESH


def _base(name: str) -> str:
    return name.partition("@")[0]


def _version_id(item: Json) -> str:
    return f"{_base(item['name'])}@{item.get('versionId') or item['name'].partition('@')[2] or '1'}"


def model_of(pull: Pull, item: Json) -> Model:
    """A registered model, as its default version tells it."""
    name, labels = _base(item["name"]), labels_of(item)
    return Model(
        native_id=name,
        name=title_of(item, name),
        environment=environment(pull, labels),
        labels=labels,
        created_at=when(item.get("createTime")),
        updated_at=when(item.get("updateTime")),
        web_url=link(pull, f"models/locations/{{region}}/models/{last(name)}"),
    )


def version_of(pull: Pull, item: Json, model: Json) -> Version:
    """One version of a model, with the run that made it and the image that serves it."""
    native_id, labels = _version_id(item), labels_of(item)
    name, _, label = native_id.partition("@")
    image = redact_text((item.get("containerSpec") or {}).get("imageUri"))
    run = resource_of(item.get("pipelineJob"), "pipelineJobs")
    return Version(
        native_id=native_id,
        kind="model-version",
        of=title_of(item, name) if item.get("displayName") else title_of(model, name),
        label=label,
        title=redact_text(item.get("versionDescription")),
        sha=sha_of(labels),
        digest=_digest(image),
        created_at=when(item.get("versionCreateTime") or item.get("createTime")),
        run=Ref("pipeline-job", run) if run else None,
        labels=labels,
        detail=ModelDetail(
            model=Ref("model", name),
            aliases=tuple(redact_text(alias) or "" for alias in item.get("versionAliases") or ()),
            run=Ref("pipeline-job", run) if run else None,
            image_uri=image,
            artifact_uri=redact_text(item.get("artifactUri")),
        ),
        web_url=link(pull, f"models/locations/{{region}}/models/{last(name)}/versions/{label}"),
    )


def _digest(image: str | None) -> str | None:
    _, found, digest = (image or "").partition("@")
    return digest if found else None


def evaluations(pull: Pull) -> Iterator[Batch]:
    """The evaluations of the versions in `work`; a version that is gone leaves the others."""
    for start in range(0, len(pull.work), _CHUNK):
        versions = pull.work[start : start + _CHUNK]
        yield Batch(records=tuple(one for version in versions for one in _scores(pull, version)), done=versions)


def _scores(pull: Pull, version: str) -> list[Evaluation]:
    if f"/locations/{pull.scope.key}/" not in version:
        return []
    try:
        rows = list(pull.client.rows(pull, "evaluations", parent=version))
    except (NotThere, Unreadable) as error:
        pull.notes.reject(f"evaluations of {version}", error.reason)
        return []
    return [evaluation_of(pull, item, version) for item in rows]


def evaluation_of(pull: Pull, item: Json, version: str) -> Evaluation:
    """Numbers only; lists such as a confusion matrix or a curve are not kept."""
    name, _, label = version.partition("@")
    return Evaluation(
        native_id=item["name"],
        version=Ref("model-version", version),
        name=redact_text(item.get("displayName")),
        metrics=dict(_numbers(item.get("metrics") or {})),
        created_at=when(item.get("createTime")),
        web_url=link(pull, f"models/locations/{{region}}/models/{last(name)}/versions/{label}/evaluate"),
    )


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and path:
        yield path, float(value)


def endpoints(pull: Pull) -> Iterator[Batch]:
    """Every endpoint with its split of traffic, and each version on it as a deployment."""
    records: list[Record] = []
    names: set[str] = set()
    deployed: set[str] = set()
    for item in pull.client.rows(pull, "endpoints"):
        names.add(item["name"])
        found = endpoint_of(pull, item)
        deployments = [_deployment(pull, item, found, one) for one in item.get("deployedModels") or []]
        deployed.update(one.native_id for one in deployments)
        records += [found, *deployments]
    gone = pull.client.whole("endpoint", pull.scope, frozenset(names))
    gone |= pull.client.whole("traffic", pull.scope, frozenset(deployed))
    yield Batch(records=tuple(records), present=gone)


def endpoint_of(pull: Pull, item: Json) -> Endpoint:
    """An endpoint; what is deployed and takes no traffic is listed with 0 percent."""
    name, labels = item["name"], labels_of(item)
    split = item.get("trafficSplit") or {}
    return Endpoint(
        native_id=name,
        name=title_of(item, name),
        environment=environment(pull, labels),
        traffic=tuple(
            {
                "deployed_id": str(one.get("id")),
                "model": _deployed_version(one),
                "version": _deployed_version(one).partition("@")[2],
                "percent": float(split.get(str(one.get("id")), 0)),
                "deployed_at": one.get("createTime"),
            }
            for one in item.get("deployedModels") or []
        ),
        labels=labels,
        monitored=bool(item.get("modelDeploymentMonitoringJob")),
        created_at=when(item.get("createTime")),
        updated_at=when(item.get("updateTime")),
        web_url=link(pull, f"online-prediction/locations/{{region}}/endpoints/{last(name)}"),
    )


def _deployed_version(item: Json) -> str:
    name, _, version = str(item.get("model", "")).partition("@")
    return f"{name}@{item.get('modelVersionId') or version or '1'}"


def _deployment(pull: Pull, item: Json, endpoint: Endpoint, one: Json) -> Deployment:
    version = _deployed_version(one)
    percent = float((item.get("trafficSplit") or {}).get(str(one.get("id")), 0))
    return Deployment(
        native_id=f"{item['name']}/deployedModels/{one.get('id')}",
        kind="traffic",
        place=endpoint.name,
        environment=endpoint.environment,
        version=Ref("model-version", version),
        label=version.partition("@")[2],
        state=RunState.SUCCEEDED,
        state_raw="DEPLOYED",
        traffic=percent / 100,
        created_at=when(one.get("createTime")),
        updated_at=when(item.get("updateTime")),
        web_url=endpoint.web_url,
    )
