"""How the local GitLab tells others what happened: signed or with a token, and paused after failures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from emulators.data import GitLabData, Hook, Json

EVENTS = {
    "pipeline": "Pipeline Hook",
    "job": "Job Hook",
    "deployment": "Deployment Hook",
    "merge_request": "Merge Request Hook",
    "push": "Push Hook",
    "tag_push": "Tag Push Hook",
    "release": "Release Hook",
    "issue": "Issue Hook",
}
FLAGS = {
    "push": "push_events", "tag_push": "tag_push_events", "merge_request": "merge_requests_events",
    "pipeline": "pipeline_events", "job": "job_events", "deployment": "deployment_events",
    "release": "releases_events", "issue": "issues_events",
}  # fmt: skip
PAUSED_AFTER = 4
DISABLED_AFTER = 40
TIMEOUT_SECONDS = 10.0
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True)
class Delivery:
    """One attempt: `status` is None when the receiver could not be reached, or when nothing was sent."""

    sent: bool
    status: int | None
    key: str

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def signature(signing_token: str, key: str, timestamp: str, body: bytes) -> str:
    """`v1,<base64 HMAC-SHA256>` over `{webhook-id}.{webhook-timestamp}.{body}`, as GitLab's signing tokens do."""
    secret = base64.b64decode(signing_token.removeprefix("whsec_"))
    digest = hmac.new(secret, f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers_of(hook: Hook, kind: str, body: bytes, now: datetime, key: str, instance: str) -> dict[str, str]:
    """The headers of one delivery; `key` stays the same when it is tried again."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.9.0-ee",
        "Idempotency-Key": key,
        "X-Gitlab-Event": EVENTS[kind],
        "X-Gitlab-Event-UUID": str(uuid.uuid5(NAMESPACE, f"event:{key}")),
        "X-Gitlab-Webhook-UUID": str(uuid.uuid5(NAMESPACE, f"hook:{hook.project_id}:{hook.url}")),
        "X-Gitlab-Instance": instance,
    }
    if hook.token is not None:
        headers["X-Gitlab-Token"] = hook.token
    if hook.signing_token is not None:
        timestamp = str(int(now.timestamp()))
        headers["webhook-id"] = key
        headers["webhook-timestamp"] = timestamp
        headers["webhook-signature"] = signature(hook.signing_token, key, timestamp, body)
    return headers


def deliver(
    hook: Hook,
    kind: str,
    payload: Json,
    now: datetime,
    client: httpx.Client | None = None,
    *,
    key: str | None = None,
    instance: str = "http://127.0.0.1",
) -> Delivery:
    """Send one event, unless the hook does not want it or is paused; anything but 2xx within 10 s is a failure.

    `key` (the Idempotency-Key) is that of an earlier delivery when it is tried again, else a new one.
    """
    key = key or str(uuid.uuid4())
    if kind not in hook.events or alert_status(hook, now) != "executable":
        return Delivery(sent=False, status=None, key=key)
    body = json.dumps(payload, separators=(",", ":")).encode()
    headers = headers_of(hook, kind, body, now, key, instance)
    status: int | None
    try:
        post = client.post if client is not None else httpx.post
        status = post(hook.url, content=body, headers=headers, timeout=TIMEOUT_SECONDS).status_code
    except httpx.TransportError:
        status = None
    delivery = Delivery(sent=True, status=status, key=key)
    _remember(hook, delivery.ok, now)
    return delivery


def _remember(hook: Hook, ok: bool, now: datetime) -> None:
    if ok:
        hook.failures, hook.disabled_until = 0, None
        return
    hook.failures += 1
    if hook.failures >= PAUSED_AFTER:
        pause = min(timedelta(minutes=1) * 2 ** (hook.failures - PAUSED_AFTER), timedelta(hours=24))
        hook.disabled_until = (now + pause).isoformat()


def alert_status(hook: Hook, now: datetime) -> str:
    """`executable`, `temporarily_disabled` until its time, or `disabled` for good."""
    if hook.failures >= DISABLED_AFTER:
        return "disabled"
    until = datetime.fromisoformat(hook.disabled_until) if hook.disabled_until else None
    return "temporarily_disabled" if until and now < until else "executable"


def hook_objects(data: GitLabData, project_id: int, now: datetime) -> list[Json]:
    """The hooks of a project as the hooks API lists them: never with their secrets."""
    return [
        {
            "id": number,
            "url": hook.url,
            "name": None,
            "description": None,
            "created_at": "2026-01-01T00:00:00.000Z",
            "project_id": project_id,
            "enable_ssl_verification": True,
            "alert_status": alert_status(hook, now),
            "disabled_until": hook.disabled_until,
            "url_variables": [],
            **{flag: kind in hook.events for kind, flag in FLAGS.items()},
        }
        for number, hook in enumerate(data.hooks, start=1)
        if hook.project_id == project_id
    ]
