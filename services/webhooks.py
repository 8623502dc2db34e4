"""Is this webhook really GitLab's, and which ids does it tell us to fetch? Its content is never taken as data."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

LONGEST_BODY = 25 << 20
"""GitLab sends at most 25 MB."""
SKEW = timedelta(minutes=5)
"""A signed delivery older than this is a replay."""


class Refused(Exception):
    """The delivery is not proved to come from GitLab."""


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Raises Refused unless the signature or, where none was sent, the token is right.

    A signature that is present decides alone: one that is wrong is never rescued by a right token.
    Signing tokens have the form `whsec_<base64>`, and sign "{webhook-id}.{webhook-timestamp}.{body}".
    """
    signature = headers.get("webhook-signature")
    if signature is not None:
        _verify_signature(headers, signature, body, secret, now)
        return
    if secret.startswith("whsec_"):
        raise Refused("a signing token is configured, and the delivery is not signed")
    if not hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), secret.encode()):
        raise Refused("the token is wrong")


def _verify_signature(headers: Mapping[str, str], signature: str, body: bytes, secret: str, now: datetime) -> None:
    delivery, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now.timestamp() - int(stamp)) > SKEW.total_seconds():
        raise Refused("the delivery's time stamp is missing or more than 5 minutes away")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Refused("the configured secret is no signing token") from None
    signed = b".".join((delivery.encode(), stamp.encode(), body))
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(given.encode(), right.encode()) for given in signature.split()):
        raise Refused("the signature is wrong")


def delivery_id(headers: Mapping[str, str], body: bytes) -> str:
    """What stays the same when GitLab sends a delivery again."""
    return headers.get("idempotency-key") or headers.get("webhook-id") or hashlib.sha256(body).hexdigest()


def ids(payload: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """(kind, ids) of a payload; what has no ids that we know gives an empty mapping."""
    kind = str(payload.get("object_kind", ""))
    attributes = payload.get("object_attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    project = payload.get("project")
    project = project if isinstance(project, Mapping) else {}
    found = {
        "project": payload.get("project_id") or project.get("id"),
        "pipeline": attributes.get("id") if kind == "pipeline" else payload.get("pipeline_id"),
        "merge_request": attributes.get("iid") if kind == "merge_request" else None,
        "deployment": payload.get("deployment_id"),
        "job": payload.get("build_id"),
    }
    return kind, {name: str(value) for name, value in found.items() if isinstance(value, int)}
