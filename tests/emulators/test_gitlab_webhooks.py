"""The local GitLab's webhooks arrive signed and with their token, carry GitLab's headers, and pause when refused."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import threading
from datetime import timedelta
from email.message import Message
from pathlib import Path

import httpx
import pytest

from emulators.data import Hook
from emulators.gitlab.webhook_payloads import payload
from emulators.gitlab.webhooks import deliver
from tests.emulators.gitlab_builders import NOON, TOKEN, a_commit, a_small_gitlab, serving

SECRET = b"thirty-two bytes of a signing key"
SIGNING = f"whsec_{base64.b64encode(SECRET).decode()}"


class Inbox:
    """A receiver of webhooks that keeps what came and answers with a status."""

    def __init__(self) -> None:
        inbox = self
        self.status, self.got = 202, list[tuple[Message, bytes]]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.got.append((self.headers, body))
                self.send_response(inbox.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is printed in a test."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/gitlab"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def inbox():
    made = Inbox()
    yield made
    made.stop()


@pytest.fixture
def client():
    with httpx.Client() as made:
        yield made


def a_hook(inbox: Inbox, **changes) -> Hook:
    return Hook(**({"project_id": 1, "url": inbox.url, "token": "secret-token", "signing_token": None} | changes))


def body_of(kind: str):
    data = a_small_gitlab().gitlab
    names = {"pipeline": "pipelines", "job": "jobs", "deployment": "deployments", "merge_request": "merge_requests",
             "release": "releases", "issue": "issues"}  # fmt: skip
    item = data.items(1, names[kind])[0] if kind in names else {
        "ref": "refs/heads/main", "before": "0" * 40, "after": "1" * 40, "commits": [a_commit()]}  # fmt: skip
    return payload(data, kind, 1, item)


@pytest.mark.parametrize(
    ("kind", "event", "object_kind"),
    [
        ("pipeline", "Pipeline Hook", "pipeline"),
        ("job", "Job Hook", "build"),
        ("deployment", "Deployment Hook", "deployment"),
        ("merge_request", "Merge Request Hook", "merge_request"),
        ("push", "Push Hook", "push"),
        ("release", "Release Hook", "release"),
        ("issue", "Issue Hook", "incident"),
    ],
)
def test_an_event_arrives_with_gitlabs_headers_and_names(inbox, client, kind, event, object_kind):
    sent = deliver(a_hook(inbox), kind, body_of(kind), NOON, client, instance="http://gitlab.local")
    assert sent.ok
    [(headers, body)] = inbox.got
    assert headers["X-Gitlab-Event"] == event
    assert headers["X-Gitlab-Token"] == "secret-token"
    assert headers["X-Gitlab-Instance"] == "http://gitlab.local"
    assert headers["Idempotency-Key"] == sent.key
    assert headers["X-Gitlab-Event-UUID"] != headers["X-Gitlab-Webhook-UUID"]
    assert headers["webhook-signature"] is None
    assert json.loads(body)["object_kind"] == object_kind


@pytest.mark.parametrize(
    ("kind", "recorded", "ours"),
    [
        ("pipeline", "fixtures_gitlab4j/pipeline-event.json", set()),
        ("deployment", "fixtures_gitlab4j/deployment-event.json", {"ref", "environment_tier",
                                                                   "environment_external_url"}),
        ("job", "fixtures_gogitlab/webhooks_job.json", {"project"}),
        ("merge_request", "fixtures_gogitlab/webhooks_merge_request.json", set()),
        ("release", "fixtures_gogitlab/webhooks_release.json", set()),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)  # fmt: skip
def test_a_body_has_the_names_of_a_recorded_one(shared_data: Path, kind, recorded, ours):
    known = json.loads((shared_data / "gitlab" / recorded).read_text())
    assert set(body_of(kind)) <= set(known) | ours
    if "object_attributes" in known:
        newer = {"detailed_status", "draft", "merge_commit_sha"}
        assert set(body_of(kind)["object_attributes"]) <= set(known["object_attributes"]) | newer


def test_a_signing_token_signs_id_time_and_body(inbox, client):
    deliver(a_hook(inbox, token=None, signing_token=SIGNING), "pipeline", body_of("pipeline"), NOON, client)
    [(headers, body)] = inbox.got
    assert headers["X-Gitlab-Token"] is None
    assert headers["webhook-id"] == headers["Idempotency-Key"]
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_hook_may_carry_both(inbox, client):
    deliver(a_hook(inbox, signing_token=SIGNING), "pipeline", {}, NOON, client)
    [(headers, _)] = inbox.got
    assert headers["X-Gitlab-Token"]
    assert headers["webhook-signature"]


def test_a_second_try_has_the_same_key(inbox, client):
    hook = a_hook(inbox)
    first = deliver(hook, "pipeline", {}, NOON, client)
    deliver(hook, "pipeline", {}, NOON, client, key=first.key)
    deliver(hook, "pipeline", {}, NOON, client)
    keys = [headers["Idempotency-Key"] for headers, _ in inbox.got]
    assert keys[0] == keys[1] != keys[2]


def test_an_event_that_the_hook_did_not_ask_for_is_not_sent(inbox, client):
    assert deliver(a_hook(inbox, events=("push",)), "pipeline", {}, NOON, client).sent is False
    assert inbox.got == []


def test_four_failures_in_a_row_pause_a_hook_and_one_success_clears_them(inbox, client):
    hook = a_hook(inbox)
    inbox.status = 500
    for _ in range(3):
        deliver(hook, "pipeline", {}, NOON, client)
    inbox.status = 202
    assert deliver(hook, "pipeline", {}, NOON, client).ok
    inbox.status = 302
    for _ in range(4):
        assert deliver(hook, "pipeline", {}, NOON, client).sent
    assert deliver(hook, "pipeline", {}, NOON, client).sent is False
    inbox.status = 200
    assert deliver(hook, "pipeline", {}, NOON + timedelta(minutes=2), client).ok


def test_forty_failures_disable_a_hook_for_good(inbox, client):
    hook, now = a_hook(inbox), NOON
    inbox.status = 401
    for _ in range(40):
        now += timedelta(days=2)
        assert deliver(hook, "pipeline", {}, now, client).sent
    inbox.status = 200
    assert deliver(hook, "pipeline", {}, now + timedelta(days=900), client).sent is False


def test_a_receiver_that_is_not_there_is_a_failure_and_no_crash(client):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hook = Hook(1, f"http://127.0.0.1:{port}/")
    sent = deliver(hook, "pipeline", {}, NOON, client)
    assert (sent.sent, sent.status, hook.failures) == (True, None, 1)


def test_the_hooks_api_says_which_hook_is_paused_and_never_its_secrets(inbox, client):
    upstreams = a_small_gitlab()
    hook = a_hook(inbox, signing_token=SIGNING)
    upstreams.gitlab.hooks.append(hook)
    inbox.status = 500
    for _ in range(4):
        deliver(hook, "pipeline", {}, NOON, client)
    with serving(upstreams) as (url, _):
        path = f"{url}/api/v4/projects/1/hooks"
        answer = client.get(path, headers={"PRIVATE-TOKEN": TOKEN})
        [shown] = answer.json()
        assert (shown["alert_status"], shown["disabled_until"]) == ("temporarily_disabled", "2026-11-23T12:01:00+00:00")
        assert "secret-token" not in answer.text
        assert SIGNING not in answer.text
        upstreams.gitlab.denied[1, "hooks"] = 403
        assert client.get(path, headers={"PRIVATE-TOKEN": TOKEN}).status_code == 403
