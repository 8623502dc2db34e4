"""GitLab's Terraform state backend: versions by serial, and the lock that one holder has."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime

from emulators.data import Json, TerraformState
from emulators.gitlab.exchange import Answer, Refused, Request, not_found
from emulators.gitlab.routes import Table

DENIED = "terraform_states"
"""The collection's name in `GitLabData.denied`."""
LOCK_FIELDS = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")


def iso(at: datetime) -> str:
    """The time as GitLab writes it, in milliseconds and Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _key(request: Request, given: str, name: str) -> tuple[int, str]:
    project = request.project(given)
    request.allow(project["id"], DENIED)
    return project["id"], name


def _state(request: Request, given: str, name: str) -> TerraformState:
    found = request.data.states.get(_key(request, given, name))
    if found is None:
        raise not_found()
    return found


def _made(request: Request, given: str, name: str) -> TerraformState:
    key = _key(request, given, name)
    now = iso(request.now)
    return request.data.states.setdefault(key, TerraformState(key[0], name, created_at=now, updated_at=now))


def read(request: Request, id: str, name: str) -> Answer:
    """The newest version; 404 when there is no such state, 204 when it has no version yet, or none with bytes."""
    found = _state(request, id, name)
    data = found.versions[max(found.versions)]["data"] if found.versions else b""
    return Answer(content=data, content_type="application/octet-stream") if data else Answer(status=204)


def read_version(request: Request, id: str, name: str, serial: str) -> Answer:
    found = _state(request, id, name)
    version = found.versions.get(int(serial)) if serial.isdecimal() else None
    if version is None:
        raise not_found("File")
    return Answer(content=version["data"], content_type="application/octet-stream")


def save(request: Request, id: str, name: str) -> Answer:
    """A new version under the serial that the state itself tells; the lock's ID must be the holder's."""
    found = _made(request, id, name)
    if not request.body:
        return Answer(status=204)
    _check_digest(request)
    held = found.lock
    if (held or {}).get("ID") != request.text("ID"):
        raise _locked(held)
    try:
        serial = int(json.loads(request.body)["serial"])
    except (ValueError, KeyError, TypeError):
        raise Refused(422, {"message": "422 Unprocessable Entity"}) from None
    now = iso(request.now)
    found.versions[serial] = {
        "data": request.body, "created_at": now, "username": request.token.username, "job_id": None,
    }  # fmt: skip
    found.updated_at = now
    return Answer(status=200, content=b"", content_type="text/plain")


def _check_digest(request: Request) -> None:
    sent = request.headers.get("content-md5")
    if sent and sent != base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest()).decode():
        raise Refused(400, {"message": "400 Bad request - the content does not match its MD5"})


def _locked(held: Json | None) -> Refused:
    return Refused(409, _shown(held) if held else {"message": "409 Conflict: the state is not locked by that ID"})


def _shown(lock: Json) -> Json:
    return {field: lock.get(field, "") for field in LOCK_FIELDS}


def lock(request: Request, id: str, name: str) -> Answer:
    """Take the lock; 409 with the holder's lock when somebody has it, also when that is the caller."""
    found = _made(request, id, name)
    if found.lock is not None:
        raise _locked(found.lock)
    try:
        wanted = json.loads(request.body)
        wanted["ID"]
    except (ValueError, KeyError, TypeError):
        raise Refused(400, {"error": "ID is missing"}) from None
    now = iso(request.now)
    found.lock = {**wanted, "_at": now, "_username": request.token.username}
    found.updated_at = now
    return Answer(_shown(found.lock))


def unlock(request: Request, id: str, name: str) -> Answer:
    """Give the lock back; without an ID, as `terraform force-unlock` sends it, whoever holds it."""
    found = _state(request, id, name)
    try:
        sent = json.loads(request.body) if request.body else {}
    except ValueError:
        raise Refused(400, {"error": "invalid JSON"}) from None
    wanted = request.text("ID") or sent.get("ID")
    if found.lock is not None and wanted and found.lock["ID"] != wanted:
        raise _locked(found.lock)
    found.lock = None
    found.updated_at = iso(request.now)
    return Answer(status=200, content=b"", content_type="text/plain")


def delete_version(request: Request, id: str, name: str, serial: str) -> Answer:
    found = _state(request, id, name)
    if not serial.isdecimal() or found.versions.pop(int(serial), None) is None:
        raise not_found("File")
    return Answer(status=204)


def delete(request: Request, id: str, name: str) -> Answer:
    found = _state(request, id, name)
    if found.lock is not None:
        raise _locked(found.lock)
    del request.data.states[found.project_id, name]
    return Answer(status=200, content=b"", content_type="text/plain")


ROUTES: Table = {
    ("GET", "projects/:id/terraform/state/:name"): read,
    ("POST", "projects/:id/terraform/state/:name"): save,
    ("DELETE", "projects/:id/terraform/state/:name"): delete,
    ("POST", "projects/:id/terraform/state/:name/lock"): lock,
    ("DELETE", "projects/:id/terraform/state/:name/lock"): unlock,
    ("GET", "projects/:id/terraform/state/:name/versions/:serial"): read_version,
    ("DELETE", "projects/:id/terraform/state/:name/versions/:serial"): delete_version,
}
