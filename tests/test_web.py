"""The routes beside the pages: what they answer, to whom, and what they give away."""

import base64
import hashlib
import hmac
import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services import places
from services.queries import discover
from services.store import progress
from services.store.database import open_store
from services.timestamps import utc_now
from services.web import Web, routes

KEY = b"a key of thirty-two bytes length"
TOKEN = "a token for scripts"
CONFIG = f"""
[team]
name = "Forecasting"

[api]
token_sha256 = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]

[[source]]
kind = "gitlab"
name = "gitlab"
url = "https://gitlab.example.com"
token = {{ env = "GITLAB_TOKEN" }}
webhook = {{ env = "HOOK" }}
groups = ["acme"]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A configuration and an empty, current store, as the web server finds them."""
    (tmp_path / "throughline.toml").write_text(CONFIG)
    monkeypatch.setenv(places.CONFIG_VARIABLE, str(tmp_path / "throughline.toml"))
    monkeypatch.setenv(places.STORE_VARIABLE, str(tmp_path / "store.sqlite3"))
    monkeypatch.setenv("HOOK", "whsec_" + base64.b64encode(KEY).decode())
    store = open_store(tmp_path / "store.sqlite3")
    store.migrate(utc_now())
    yield store
    store.close()


def client(sign_in: bool = False) -> TestClient:
    return TestClient(Starlette(routes=routes(Web(lambda: sign_in))))


def signed(body: bytes, delivery: str = "delivery-1") -> dict[str, str]:
    stamp = str(int(utc_now().timestamp()))
    digest = hmac.new(KEY, f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": delivery, "webhook-timestamp": stamp, "webhook-signature": signature}


def waiting(store) -> list:
    with store.read() as conn:
        return list(progress.waiting_inbox(conn, "gitlab"))


def test_health_is_open_and_says_nothing_else(place):
    answer = client(sign_in=True).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_health_is_bad_where_the_store_has_not_our_tables(tmp_path, monkeypatch):
    monkeypatch.setenv(places.STORE_VARIABLE, str(tmp_path / "nothing.sqlite3"))
    assert client().get("/healthz").status_code == 503


@pytest.mark.parametrize("view", sorted(discover()))
def test_each_view_answers_with_the_envelope_even_from_an_empty_store(place, view):
    answer = client().get(f"/api/v1/{view}")
    assert answer.status_code == 200
    assert set(answer.json()) == {"view", "as_of", "window", "sources", "truncated", "data"}
    assert answer.json()["view"] == view


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/v1/sources?prodct=x", "prodct"),
        ("/api/v1/sources?product=nope", "unknown"),
        ("/api/v1/sources?since=yesterday", "since"),
        ("/api/v1/sources?page=-1", "page"),
        ("/api/v1/sources?selected=x", "id"),
    ],
)
def test_a_wrong_parameter_is_named_and_not_taken_for_all(place, path, says):
    answer = client().get(path)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/sources", "/api/", "/webhooks/gitlab", "/webhooks/a/b"])
def test_a_path_that_is_none_of_ours_is_not_found(place, path):
    assert client().get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/sources", "/metrics"])
def test_with_sign_in_on_scripts_need_a_token(place, path):
    guarded = client(sign_in=True)
    assert guarded.get(path).status_code == 401
    assert guarded.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_metrics_tell_a_collector_that_never_ran_from_one_that_runs(place):
    assert "throughline_collector_up 0.0" in client().get("/metrics").text
    with place.write() as conn:
        progress.set_meta(conn, {"heartbeat": "somebody"}, utc_now())
    assert "throughline_collector_up 1.0" in client().get("/metrics").text


def test_a_signed_webhook_is_written_down_once_however_often_it_comes(place):
    body = json.dumps({"object_kind": "pipeline", "object_attributes": {"id": 31}, "project": {"id": 7}}).encode()
    for _ in range(2):
        answer = client().post("/webhooks/gitlab", content=body, headers=signed(body))
        assert answer.status_code == 202
    assert [(row.kind, row.ids) for row in waiting(place)] == [("pipeline", {"project": "7", "pipeline": "31"})]


def test_an_unsigned_webhook_is_refused_and_not_written_down(place):
    body = b'{"object_kind": "pipeline"}'
    assert client().post("/webhooks/gitlab", content=body).status_code == 401
    assert waiting(place) == []


def test_a_signed_webhook_that_is_no_json_is_refused(place):
    assert client().post("/webhooks/gitlab", content=b"{", headers=signed(b"{")).status_code == 400


def test_a_webhook_that_is_too_long_is_refused_though_its_length_is_not_told(place, monkeypatch):
    monkeypatch.setattr("services.webhooks.LONGEST_BODY", 10)
    answer = client().post("/webhooks/gitlab", content=iter([b"x" * 8, b"x" * 8]))
    assert answer.status_code == 413


def test_a_webhook_for_a_source_that_takes_none_is_not_found(place):
    assert client().post("/webhooks/other", content=b"{}").status_code == 404
