"""The rows of a large team's models and infrastructure: models, versions, metric points, states and their resources."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

from bench.fleet import DAY, GITLAB, PLACES, THING, VERTEX, Row, Size

VERSIONS_A_MODEL, SERIALS = 40, 200
COLUMNS: dict[str, tuple[str, ...]] = {
    "model": (*THING, "name", "environment", "labels", "created_at", "updated_at"),
    "model_detail": ("version_id", "model_id", "aliases", "run_id"),
    "endpoint": (*THING, "name", "environment", "traffic", "labels", "monitored", "created_at", "updated_at"),
    "metric_point": (
        "metric", "model", "version", "environment", "slice", "at", "value", "n", "source_id", "observed_at",
    ),
    "workspace": (*THING, "project_id", "name", "environment", "serial", "lineage", "created_at", "updated_at"),
    "state_serial": ("workspace_id", "serial", "lineage", "created_at", "observed_at"),
    "state_detail": (
        "version_id", "lineage", "terraform_version", "managed", "instances", "modules", "checks", "encrypted",
    ),
    "resource": (
        "workspace_id", "native_id", "address", "type", "mode", "attributes", "fingerprint", "serial_from", "serial_to",
    ),
}  # fmt: skip


def parts(size: Size, versions: int) -> list[tuple[str, Iterable[Row]]]:
    """(table, rows); `versions` is how many versions there are already."""
    states = versions + size.models * VERSIONS_A_MODEL
    return [
        ("model", _models(size)), ("version", _model_versions(size, versions)),
        ("model_detail", _details(size, versions)),
        ("endpoint", _endpoints(size)), ("metric_point", _points(size)), ("workspace", _workspaces(size)),
        ("version", _state_versions(size, states)), ("state_detail", _state_details(size, states)),
        ("state_serial", _serials(size)), ("resource", _resources(size)),
    ]  # fmt: skip


def _who(key: int, source: int, kind: str, native: str, at: int) -> Row:
    return (key, source, kind, native, at, at)


def _model_name(model: int) -> str:
    return f"product-{model % 20:02d}-model-{model:02d}"


def _models(size: Size) -> Iterator[Row]:
    for key in range(1, size.models + 1):
        labels = json.dumps({"product": f"product-{key % 20:02d}"})
        who = _who(key, VERTEX, "model", f"models/{key}", size.now)
        yield (*who, _model_name(key), PLACES[key % 3][0], labels, size.now - 300 * DAY, size.now)


def _model_versions(size: Size, before: int) -> Iterator[Row]:
    for number in range(size.models * VERSIONS_A_MODEL):
        model, label = number % size.models + 1, str(number // size.models + 1)
        at = size.now - 300 * DAY + number * (300 * DAY // (size.models * VERSIONS_A_MODEL))
        who = _who(before + number + 1, VERTEX, "model-version", f"models/{model}@{label}", at)
        run = size.pipelines + number % size.ml_runs + 1
        yield (*who, None, _model_name(model), label, None, None, None, at, run, "{}", None)


def _details(size: Size, before: int) -> Iterator[Row]:
    for number in range(size.models * VERSIONS_A_MODEL):
        run = size.pipelines + number % size.ml_runs + 1
        yield (
            before + number + 1,
            number % size.models + 1,
            '["default"]' if number >= size.models * (VERSIONS_A_MODEL - 1) else "[]",
            run,
        )


def _endpoints(size: Size) -> Iterator[Row]:
    for key in range(1, min(20, size.models) + 1):
        version = str(VERSIONS_A_MODEL)
        traffic = json.dumps(
            [{"deployed_id": "1", "model": f"models/{key}@{version}", "version": version, "percent": 100}]
        )
        who = _who(key, VERTEX, "endpoint", f"endpoints/{key}", size.now)
        labels = json.dumps({"product": f"product-{key % 20:02d}"})
        yield (*who, f"{_model_name(key)}-endpoint", "prod", traffic, labels, True, size.now - 200 * DAY, size.now)


def _points(size: Size) -> Iterator[Row]:
    chance = random.Random(size.seed + 2)
    for model in range(1, size.models + 1):
        name = _model_name(model)
        metric = f"product-{model % 20:02d}/{name}/auc"
        for number in range(size.points_a_model):
            at = size.now - (size.points_a_model - number) * (size.days * DAY // size.points_a_model)
            value = 0.8 + chance.gauss(0, 0.01)
            yield (metric, name, str(1 + number * 40 // size.points_a_model), "prod", "", at, value, 1000, VERTEX, at)


def _workspaces(size: Size) -> Iterator[Row]:
    for key in range(1, size.workspaces + 1):
        who = _who(key, GITLAB, "workspace", f"{key}/state", size.now)
        name, place = f"product-{key % 20:02d}-{PLACES[key % 3][0]}", PLACES[key % 3][0]
        yield (*who, key, name, place, SERIALS, f"lineage-{key}", size.now - size.days * DAY, size.now - DAY)


def _applied(size: Size, serial: int) -> int:
    return size.now - size.days * DAY + serial * ((size.days - 1) * DAY // SERIALS)


def _state_versions(size: Size, before: int) -> Iterator[Row]:
    for number in range(size.workspaces * SERIALS):
        workspace, serial = number // SERIALS + 1, number % SERIALS + 1
        at = _applied(size, serial)
        who = _who(before + number + 1, GITLAB, "state-version", f"{workspace}/state#{serial}", at)
        yield (*who, workspace, f"product-{workspace % 20:02d}", str(serial), None, None, None, at, None, "{}", None)


def _state_details(size: Size, before: int) -> Iterator[Row]:
    for number in range(size.workspaces * SERIALS):
        lineage = f"lineage-{number // SERIALS + 1}"
        yield (before + number + 1, lineage, "1.9.8", size.resources, size.resources, "[]", "{}", False)


def _serials(size: Size) -> Iterator[Row]:
    for workspace in range(1, size.workspaces + 1):
        for serial in range(1, SERIALS + 1):
            yield (workspace, serial, f"lineage-{workspace}", _applied(size, serial), _applied(size, serial))


def _resources(size: Size) -> Iterator[Row]:
    """Each resource changes about every fifty serials."""
    chance = random.Random(size.seed + 3)
    for workspace in range(1, size.workspaces + 1):
        for number in range(size.resources):
            address = f"google_storage_bucket.bucket_{number}"
            turns = [1, *sorted(chance.sample(range(2, SERIALS + 1), 3))]
            for begin, end in zip(turns, [*turns[1:], None], strict=True):
                mark = f"{workspace}-{number}-{begin}"
                attributes = json.dumps({"name": f"bucket-{number}", "location": "EU"})
                yield (workspace, address, address, "google_storage_bucket", "managed", attributes, mark, begin, end)
