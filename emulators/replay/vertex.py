"""A recorded Vertex AI: proto JSON read into Google's own types, where a field that Google lacks is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from emulators.data import VertexData
from emulators.google.vertex_catalog import COLLECTIONS, Collection
from emulators.replay.files import BadReplay, Json, entries, read_json

PLACE = "projects/replay/locations/us-central1"
PARENTS = {"evaluations": "models", "features": "featureGroups", "featureViews": "featureOnlineStores",
           "featureViewSyncs": "featureViews"}  # fmt: skip


def load_vertex(folder: Path, data: VertexData) -> None:
    """Fill `data` from `COLLECTION.json` files and from `specs/`. Raises BadReplay."""
    for path in entries(folder):
        if path.name == "specs":
            continue
        if path.suffix != ".json" or path.stem not in COLLECTIONS:
            raise BadReplay(path, "is no collection", f"name it COLLECTION.json, of {', '.join(COLLECTIONS)}")
        for index, item in enumerate(_items(path)):
            _add(data, path.stem, _message(path, index, item, COLLECTIONS[path.stem]))
    _choose_defaults(data)
    for collection, parent in reversed(PARENTS.items()):
        _make_parents(data, collection, parent)
    specs = folder / "specs"
    for path in entries(specs) if specs.exists() else []:
        _add_spec(data, path, _spec(path))


def _items(path: Path) -> list[Json]:
    """A list of resources, or Google's list answer that holds one."""
    found = read_json(path)
    if isinstance(found, dict):
        found = next((value for value in found.values() if isinstance(value, list)), None if "name" in found else [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadReplay(path, "holds no list of resources", "it must be a list of objects, or Google's list answer")
    return found


def _message(path: Path, index: int, item: Json, collection: Collection) -> Any:
    kind = collection.type()
    message = kind.pb()()
    try:
        json_format.ParseDict(item, message)
    except json_format.ParseError as error:
        mend = f"it must be a {collection.message} of Vertex AI v1 as proto JSON"
        raise BadReplay(path, f"item {index}: {error}", mend) from error
    if not message.name:
        if len(collection.segments) > 1:
            raise BadReplay(path, f"item {index} has no 'name'", "give it its full resource name")
        message.name = f"{PLACE}/{collection.segments[0]}/{index + 1}"
    parts = message.name.split("/")
    if len(parts) < 6 or parts[0] != "projects" or tuple(parts[4::2]) != collection.segments:
        wanted = "/".join(f"{segment}/ID" for segment in collection.segments)
        raise BadReplay(path, f"item {index} is named '{message.name}'", f"projects/P/locations/L/{wanted} is wanted")
    return kind.wrap(message)


def _add(data: VertexData, collection: str, message: Any) -> None:
    if collection not in ("models", "modelVersions"):
        data.items(collection)[message.name] = message
        return
    base, _, version = message.name.partition("@")
    message.version_id = message.version_id or version or "1"
    data.items("modelVersions")[f"{base}@{message.version_id}"] = message


def _choose_defaults(data: VertexData) -> None:
    """A model is its default version: the one with that alias, else the one with the highest number."""
    for key, message in data.items("modelVersions").items():
        base = key.partition("@")[0]
        before = data.items("models").get(base)
        if before is None or _rank(message) > _rank(before):
            data.items("models")[base] = message


def _rank(model: Any) -> tuple[bool, int, str]:
    number = int(model.version_id) if model.version_id.isdecimal() else 0
    return ("default" in model.version_aliases, number, model.version_id)


def _make_parents(data: VertexData, collection: str, parent: str) -> None:
    for name in list(data.items(collection)):
        owner = name.rsplit("/", 2)[0]
        if owner.partition("@")[0] in data.items(parent) or owner in data.items(parent):
            continue
        message = COLLECTIONS[parent].type()(name=owner)
        if parent == "models":
            message.display_name = owner.rpartition("/")[2]
        _add(data, parent, message)
    if parent == "models":
        _choose_defaults(data)


def _spec(path: Path) -> Json:
    """A compiled pipeline: YAML (its first document) or JSON, bare or as the `pipelineSpec` of a job."""
    try:
        found = read_json(path) if path.suffix == ".json" else next(iter(yaml.safe_load_all(path.read_text())), None)
    except yaml.YAMLError as error:
        raise BadReplay(path, f"is not YAML ({str(error).splitlines()[0]})", "compile the pipeline anew") from error
    if isinstance(found, dict) and "pipelineSpec" in found:
        found = found["pipelineSpec"]
    if not isinstance(found, dict) or "root" not in found or not isinstance(found.get("pipelineInfo"), dict):
        raise BadReplay(path, "is no compiled pipeline", "it must hold pipelineInfo and root, as `kfp` compiles it")
    return found


def _add_spec(data: VertexData, path: Path, spec: Json) -> None:
    """To the runs that lack their spec and have its name; else on a paused schedule, which invents no run."""
    name = str(spec["pipelineInfo"].get("name") or path.stem)
    runs = [
        run
        for run in data.items("pipelineJobs").values()
        if not run.pipeline_spec and {name, path.stem} & {run.display_name, run.template_uri.rstrip("/").split("/")[-1]}
    ]
    for run in runs:
        json_format.ParseDict(spec, type(run).pb(run).pipeline_spec)
    if runs:
        return
    kind = COLLECTIONS["schedules"].type()
    schedule = kind(name=f"{PLACE}/schedules/{path.stem}", display_name=path.stem, state="PAUSED", cron="0 0 1 1 *")
    request = type(schedule).pb(schedule).create_pipeline_job_request
    request.parent = PLACE
    request.pipeline_job.display_name = name
    json_format.ParseDict(spec, request.pipeline_job.pipeline_spec)
    data.items("schedules")[schedule.name] = schedule
