"""What Vertex AI answers over REST: one resource, a page of a list, a model's versions, a monitor's anomalies."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from google.protobuf import field_mask_pb2, json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from emulators.data import Upstreams, VertexData
from emulators.google.answers import denied, refuse, service_disabled
from emulators.google.filters import READERS, BadFilter, compile_filter, snake, value_at
from emulators.google.vertex_catalog import COLLECTIONS, Collection, by_segments

SERVICE = "aiplatform.googleapis.com"
EVERYWHERE = {"$alt", "alt", "key", "prettyPrint", "quotaUser", "fields", "$prettyPrint"}
"""Parameters that every Google API takes."""

Query = Mapping[str, str]


def answer(upstreams: Upstreams, request: Request, body: bytes) -> Message:
    """The answer to one request, a message of its own. Call with `upstreams.lock` held. Raises Refusal."""
    data, query = upstreams.vertex, request.query_params
    path = request.url.path.removeprefix("/v1/").strip("/")
    name, _, verb = path.partition(":")
    name = _numbered(data, name)
    parts = name.split("/")
    if len(parts) < 5 or parts[0] != "projects" or parts[2] != "locations":
        raise refuse(404, f"The path '{request.url.path}' is not served here.")
    if parts[1] in {data.numbers.get(project, project) for project in data.disabled}:
        raise service_disabled(SERVICE, "Vertex AI API", parts[1])
    segments = tuple(parts[4::2])
    known = by_segments(segments)
    if known is None:
        raise refuse(404, f"The collection '{'/'.join(segments)}' is not served here.")
    key, collection = known
    if verb:
        return _verb(data, request.method, name, key, verb, query, body)
    if request.method != "GET":
        raise refuse(405, f"{request.method} is not served here: this Vertex AI is only read.")
    if len(parts) % 2:
        _admit(data, name, key, "list")
        return _listing(data, "/".join(parts[:-1]), key, collection, query)
    _admit(data, name, key, "get")
    found = _one(data, name, key)
    copy = type(found)()
    copy.CopyFrom(found)
    return copy


def _verb(data: VertexData, method: str, name: str, key: str, verb: str, query: Query, body: bytes) -> Message:
    if (method, key, verb) == ("GET", "models", "listVersions"):
        _admit(data, name, "modelVersions", "list")
        _one(data, name, "models")
        return _listing(data, name, "modelVersions", COLLECTIONS["modelVersions"], query)
    if (method, key, verb) == (
        "POST",
        "modelDeploymentMonitoringJobs",
        "searchModelDeploymentMonitoringStatsAnomalies",
    ):
        _admit(data, name, "modelDeploymentMonitoringJobs", verb)
        return _anomalies(data, name, body)
    raise refuse(404, f"'{key}:{verb}' is not served here.")


def _numbered(data: VertexData, name: str) -> str:
    """A request may name a project by its id; resource names carry its number where one is known."""
    parts = name.split("/")
    if len(parts) > 1:
        parts[1] = data.numbers.get(parts[1], parts[1])
    return "/".join(parts)


def _admit(data: VertexData, name: str, key: str, action: str) -> None:
    for given, status in data.denied.items():
        prefix = _numbered(data, given).rstrip("/")
        if given == key or name == prefix or name.startswith(prefix + "/"):
            raise denied(status, SERVICE, f"aiplatform.{key}.{action}", name)


def _one(data: VertexData, name: str, key: str) -> Message:
    found = data.items(key).get(name)
    if found is None and key == "models" and "@" in name:
        found = _version(data, name)
    if found is None:
        raise refuse(404, f"The {COLLECTIONS[key].message} '{name}' does not exist.")
    return type(found).pb(found)


def _version(data: VertexData, name: str) -> Any:
    """`models/ID@VERSION`, where the version may also be an alias such as `default` or `prod`."""
    versions = data.items("modelVersions")
    if name in versions:
        return versions[name]
    base, _, wanted = name.partition("@")
    for key, model in versions.items():
        if key.startswith(base + "@") and wanted in model.version_aliases:
            return model
    default = data.items("models").get(base)
    return default if default is not None and wanted in (default.version_id, "default") else None


def _listing(data: VertexData, parent: str, key: str, collection: Collection, query: Query) -> Message:
    _check_parameters(collection, query)
    if "-" in parent.split("/"):
        raise refuse(400, "The wildcard '-' is not served here; name each parent.")
    if len(collection.segments) > 1:
        owner = by_segments(collection.segments[:-1])
        _one(data, parent, owner[0] if owner else "")
    try:
        rows = _rows(data, parent, key, collection, query)
    except BadFilter as error:
        raise refuse(400, f"List request is invalid: {error}.") from error
    start, size = _place(query, collection)
    response = collection.response().pb()()
    mask = _mask(query, collection)
    for row in rows[start : start + size]:
        getattr(response, collection.rows).append(_shown(row, mask, collection))
    if start + size < len(rows):
        response.next_page_token = _token(start + size, query)
    return response


def _check_parameters(collection: Collection, query: Query) -> None:
    """A parameter that the list request does not have is refused, as Google refuses it."""
    fields = {field.json_name for field in collection.request().pb().DESCRIPTOR.fields}
    for name in query:
        if name not in fields | EVERYWHERE and snake(name) not in collection.request().meta.fields:
            raise refuse(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.')


def _rows(data: VertexData, parent: str, key: str, collection: Collection, query: Query) -> list[Message]:
    wanted = compile_filter(query.get("filter", ""), collection.fields, collection.type().pb().DESCRIPTOR)
    separator = "@" if key == "modelVersions" else f"/{key}/"
    starts = [owner + separator for owner in ([parent] if key == "modelVersions" else _owners(data, parent))]
    rows = [
        pb
        for name, resource in data.items(key).items()
        if any(name.startswith(start) and "/" not in name[len(start) :] for start in starts)
        for pb in [type(resource).pb(resource)]
        if wanted(pb)
    ]
    order = query.get("orderBy", "")
    for part in reversed([part.strip() for part in (order or collection.default_order).split(",")]):
        field, _, direction = part.partition(" ")
        field = snake(field)
        if direction.strip() not in ("", "asc", "desc") or (order and field not in collection.orders):
            raise BadFilter(f"ordering by '{part}' is not supported")
        rows.sort(key=lambda row: _sortable(row, field), reverse=direction.strip() == "desc")
    return rows


def _owners(data: VertexData, parent: str) -> list[str]:
    """A model without a version is its default version: what hangs on either name belongs to both."""
    base, _, version = parent.partition("@")
    model = data.items("models").get(base)
    if model is None:
        return [parent]
    default = version in ("", "default", model.version_id)
    return [base, f"{base}@{model.version_id}"] if default else [parent]


def _sortable(row: Message, field: str) -> tuple[bool, Any]:
    value = READERS[field](row) if field in READERS else value_at(row, field)
    return (value is not None, value)


def _place(query: Query, collection: Collection) -> tuple[int, int]:
    try:
        size = int(query.get("pageSize") or 0)
    except ValueError as error:
        raise refuse(400, "page_size must be a number.") from error
    if size < 0:
        raise refuse(400, "page_size must not be negative.")
    size = min(size or collection.page, collection.page)
    if not query.get("pageToken"):
        return 0, size
    try:
        start, same = json.loads(base64.urlsafe_b64decode(query["pageToken"]))
    except (ValueError, binascii.Error, TypeError) as error:
        raise refuse(400, "The page token is invalid.") from error
    if same != _question(query):
        raise refuse(400, "The page token belongs to a request with other parameters.")
    return start, size


def _token(start: int, query: Query) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, _question(query)]).encode()).decode()


def _question(query: Query) -> int:
    """What must stay the same from page to page."""
    return zlib.crc32(json.dumps([query.get(name, "") for name in ("filter", "orderBy")]).encode())


def _mask(query: Query, collection: Collection) -> list[str]:
    """Read-mask paths in snake_case. A path inside a Struct (pipeline_spec.pipelineInfo) is taken too."""
    paths = [".".join(snake(part) for part in path.split(".")) for path in query.get("readMask", "").split(",") if path]
    for path in paths:
        if path != "*" and path.split(".")[0] not in collection.type().pb().DESCRIPTOR.fields_by_name:
            raise refuse(400, f"The read mask names an unknown field: {path}.")
    return [] if "*" in paths else paths


def _shown(row: Message, paths: list[str], collection: Collection) -> Message:
    shown = type(row)()
    if paths:
        inside = [path for path in paths if path.startswith("pipeline_spec.")]
        field_mask_pb2.FieldMask(paths=[path for path in paths if path not in inside]).MergeMessage(row, shown)
        for path in inside:
            _copy_spec_part(row, shown, path.split(".")[1])
    else:
        shown.CopyFrom(row)
    for outer, inner in collection.hidden_in_lists:
        if shown.HasField(outer):
            getattr(shown, outer).ClearField(inner)
    return shown


def _copy_spec_part(row: Any, shown: Any, part: str) -> None:
    for key in row.pipeline_spec.fields:
        if snake(key) == part:
            shown.pipeline_spec.fields[key].CopyFrom(row.pipeline_spec.fields[key])


def _anomalies(data: VertexData, name: str, body: bytes) -> Message:
    """Anomalies of a monitoring job: of one deployed model, one feature where asked, and of the asked objectives."""
    from google.cloud.aiplatform_v1.types import (
        SearchModelDeploymentMonitoringStatsAnomaliesRequest as Asked,
    )
    from google.cloud.aiplatform_v1.types import (
        SearchModelDeploymentMonitoringStatsAnomaliesResponse as Answer,
    )

    _one(data, name, "modelDeploymentMonitoringJobs")
    asked = Asked.pb()()
    try:
        json_format.Parse(body or b"{}", asked)
    except json_format.ParseError as error:
        raise refuse(400, f"Invalid JSON payload received. {error}") from error
    if not asked.deployed_model_id or not asked.objectives:
        raise refuse(400, "deployed_model_id and objectives are required.")
    objectives = {objective.type_ for objective in asked.objectives}
    response = Answer.pb()()
    for stats in data.items("monitoringStats").get(name, []):
        pb = type(stats).pb(stats)
        if pb.deployed_model_id == asked.deployed_model_id and pb.objective in objectives:
            response.monitoring_stats.append(_of_feature(pb, asked.feature_display_name))
    return response


def _of_feature(stats: Any, feature: str) -> Any:
    kept = type(stats)()
    kept.CopyFrom(stats)
    if feature:
        del kept.feature_stats[:]
        kept.feature_stats.extend(one for one in stats.feature_stats if one.feature_display_name == feature)
    return kept


def render(message: Message, query: Query) -> Response:
    """Google's JSON: enums by name, or by number where the client asks for `enum-encoding=int`.

    Called without the lock, since writing takes the most time.
    """
    numbers = "enum-encoding=int" in query.get("$alt", "")
    text = json_format.MessageToJson(message, use_integers_for_enums=numbers, indent=None)
    return Response(text, media_type="application/json; charset=UTF-8")
