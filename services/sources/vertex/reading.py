"""How values of Vertex AI's JSON become ours: times, labels, parameters, errors, links."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.redaction import redact_text, redact_value
from services.sources.base import Pull, Scope
from services.sources.google import console, environment_of
from services.vocabulary import RunState

RUN_STATES = {
    "PIPELINE_STATE_QUEUED": RunState.QUEUED, "PIPELINE_STATE_PENDING": RunState.QUEUED,
    "PIPELINE_STATE_RUNNING": RunState.RUNNING, "PIPELINE_STATE_CANCELLING": RunState.RUNNING,
    "PIPELINE_STATE_SUCCEEDED": RunState.SUCCEEDED, "PIPELINE_STATE_FAILED": RunState.FAILED,
    "PIPELINE_STATE_CANCELLED": RunState.CANCELED, "PIPELINE_STATE_PAUSED": RunState.WAITING,
    "JOB_STATE_QUEUED": RunState.QUEUED, "JOB_STATE_PENDING": RunState.QUEUED, "JOB_STATE_RUNNING": RunState.RUNNING,
    "JOB_STATE_CANCELLING": RunState.RUNNING, "JOB_STATE_UPDATING": RunState.RUNNING,
    "JOB_STATE_SUCCEEDED": RunState.SUCCEEDED, "JOB_STATE_PARTIALLY_SUCCEEDED": RunState.WARNING,
    "JOB_STATE_FAILED": RunState.FAILED, "JOB_STATE_EXPIRED": RunState.FAILED,
    "JOB_STATE_CANCELLED": RunState.CANCELED, "JOB_STATE_PAUSED": RunState.WAITING,
}  # fmt: skip
TASK_STATES = {
    "PENDING": RunState.QUEUED, "RUNNING": RunState.RUNNING, "CANCEL_PENDING": RunState.RUNNING,
    "CANCELLING": RunState.RUNNING, "SUCCEEDED": RunState.SUCCEEDED, "FAILED": RunState.FAILED,
    "CANCELLED": RunState.CANCELED, "SKIPPED": RunState.CACHED, "NOT_TRIGGERED": RunState.SKIPPED,
}  # fmt: skip
"""A task that is SKIPPED was answered by the cache; one whose condition is false is NOT_TRIGGERED."""

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""google.rpc.Code by number."""

MAX_MESSAGE, MAX_PARAMETERS, MAX_TEXT = 2000, 60, 300
_SHA = re.compile(r"[0-9a-f]{7,40}")
_FRACTION = re.compile(r"(\.\d{6})\d+")


def when(text: Any) -> datetime | None:
    """An aware time from Google's JSON, which may have nanoseconds."""
    if not isinstance(text, str) or not text:
        return None
    found = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """A time as Google's filters want it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def labels_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Labels as text, without secrets."""
    found = {str(name): str(value) for name, value in (item.get("labels") or {}).items()}
    return {str(name): str(value) for name, value in redact_value(found).items()}


def title_of(item: Mapping[str, Any], name: str) -> str:
    """The display name, else the last part of the resource's own name."""
    return redact_text(item.get("displayName")) or last(name)


def last(name: str) -> str:
    """The id at the end of a resource name."""
    return name.rpartition("/")[2]


def sha_of(labels: Mapping[str, str]) -> str | None:
    """The commit that a label declares."""
    for label in ("git_sha", "commit_sha", "git_commit", "commit", "sha"):
        if (value := labels.get(label)) and _SHA.fullmatch(value):
            return value
    return None


def environment(pull: Pull, labels: Mapping[str, str]) -> str | None:
    """The environment by label, else by the configured Google project."""
    return environment_of(pull.config, pull.source.project, labels)


def failure(error: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """(code's name, message without secrets) of a google.rpc.Status."""
    if not error:
        return None, None
    code = int(error.get("code", 0))
    name = CODES[code] if 0 < code < len(CODES) else None
    return name, redact_text(str(error["message"])[:MAX_MESSAGE]) if error.get("message") else None


def parameters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without secrets and of bounded size: 60 of them, texts of 300 characters."""
    clean = redact_value(dict(list(given.items())[:MAX_PARAMETERS]))
    kept = {name: _short(value) for name, value in clean.items()}
    if len(given) > MAX_PARAMETERS:
        kept["…"] = f"{len(given) - MAX_PARAMETERS} more"
    return kept


def _short(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)  # a Struct has no integers
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if isinstance(value, Mapping | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
    return value


def link(pull: Pull, path: str) -> str:
    """A link into the Vertex AI console; {region} is the scope's."""
    return console("vertex-ai/" + path.replace("{region}", pull.scope.key), pull.source.project)


def resource_of(text: Any, collection: str) -> str | None:
    """A resource's full name where a text is one, for example `projects/1/locations/r/pipelineJobs/x`."""
    found = re.search(rf"projects/[^/]+/locations/[^/]+/{collection}/[^/\s\"',]+", str(text or ""))
    return found[0] if found else None


def scope_of(region: str) -> Scope:
    return Scope(key=region, name=region)
