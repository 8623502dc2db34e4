"""The client by itself: what it counts, how it paces, and that the token goes to GitLab and nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from emulators.http import Controlled, serve
from services.sources.base import SourceError
from services.sources.gitlab import SOURCE
from services.sources.gitlab.reading import Malformed, clean, ident, next_page, number, when
from tests.emulators.gitlab_builders import TOKEN, a_small_gitlab
from tests.sources.gitlab.local import Local, Secrets, reading_from


def test_connecting_makes_no_call(gitlab: Local):
    SOURCE.connect(gitlab.entry, Secrets())
    assert gitlab.calls() == 0


def test_every_call_is_counted_and_what_is_left_is_kept(gitlab: Local):
    gitlab.read("projects")
    gitlab.read("pipelines")
    assert gitlab.client.meter.calls == gitlab.controls.calls.total
    assert sum(gitlab.client.meter.drain().values()) == gitlab.client.meter.calls
    assert gitlab.client.meter.remaining == 2000 - gitlab.client.meter.calls


def test_retries_and_time_outs_are_counted_too(gitlab: Local):
    gitlab.fault(path="/version", status=503, times=2)
    gitlab.client.get("/version")
    assert gitlab.client.meter.calls == gitlab.controls.calls.total == 3


def test_the_configured_pace_is_kept():
    with reading_from(a_small_gitlab()) as gitlab:
        slept: list[float] = []
        gitlab.client.calls_per_minute = 60
        gitlab.client._tokens, gitlab.client._sleep = 2.0, slept.append
        for _ in range(4):
            gitlab.client.get("/version")
        assert len(slept) == 2
        assert 0.8 < slept[0] <= 1.0


def test_the_token_is_in_no_repr_no_error_no_log_and_no_address(gitlab: Local, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    told: list[str] = [repr(gitlab.client), repr(gitlab.client.meter)]
    for fault in (
        {"status": 500},
        {"status": 403},
        {"status": 404},
        {"status": 418},
        {"body": b"{"},
        {"cut_after_bytes": 1},
    ):
        gitlab.controls.faults.clear()
        gitlab.fault(path="merge_requests", **fault)
        with pytest.raises(SourceError) as caught:
            gitlab.read("merge_requests")
        told += [
            repr(caught.value),
            str(caught.value.mend),
            repr(caught.value.__cause__),
            repr(caught.value.__traceback__),
        ]
        assert caught.value.__suppress_context__
    told.append(caplog.text)
    assert TOKEN not in "\n".join(told)
    assert all(TOKEN not in f"{call.path}{call.parameters}" for call in gitlab.controls.calls.all())


def test_a_redirect_to_another_host_does_not_carry_the_token(gitlab: Local):
    seen: list[dict[str, str]] = []

    async def storage(scope: Any, receive: Any, send: Any) -> None:
        seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    with serve(Controlled(storage, "storage", gitlab.upstreams.clock)) as elsewhere:
        address = elsewhere.url.replace("127.0.0.1", "localhost") + "/object?signature=abc"
        gitlab.fault(path="/artifacts/", status=302, headers=(("location", address),))
        assert gitlab.client.raw("/projects/1/jobs/101/artifacts/x.json") == b"{}"
    assert len(seen) == 1
    assert TOKEN not in repr(seen)


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("https://gitlab.com", "gitlab.com"),
        ("https://Git.Acme.com/gitlab/", "git.acme.com/gitlab"),
        ("https://user:secret@git.acme.com:8443", "git.acme.com:8443"),
    ],
)
def test_an_instance_is_its_host_and_prefix(gitlab: Local, url: str, instance: str):
    entry = gitlab.entry.model_copy(update={"url": url})
    assert SOURCE.instance(SOURCE.connect(entry, Secrets()), entry) == instance


def test_proxy_and_ca_file_are_those_of_the_configuration(gitlab: Local):
    entry = gitlab.entry.model_copy(update={"proxy": "http://proxy:3128", "ca_file": "/etc/ca.pem"})
    client = SOURCE.connect(entry, Secrets())
    assert client.session.proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert client.api.ssl_verify == "/etc/ca.pem"


def test_webhooks_ask_for_what_they_name():
    assert SOURCE.hooks("pipeline", {"project": "1", "pipeline": "10"}) == {"jobs": ("1/10",)}
    assert SOURCE.hooks("build", {"project": "1", "pipeline": "10", "job": "5"}) == {"jobs": ("1/10",)}
    assert SOURCE.hooks("deployment", {"project": "1", "deployment": "7"}) == {"deployments": ("1",)}
    assert SOURCE.hooks("merge_request", {"project": "1", "merge_request": "3"}) == {"approvals": ("1/3",)}
    assert SOURCE.hooks("push", {"project": "1"}) == {}
    assert SOURCE.hooks("pipeline", {}) == {}


def test_a_request_named_by_a_webhook_is_read_anew_and_not_from_memory(gitlab: Local):
    gitlab.read("merge_requests")
    gitlab.read("approvals")
    gitlab.data.items(1, "merge_requests")[0]["title"] = "Renamed"
    gitlab.read("approvals", *SOURCE.hooks("merge_request", {"project": "1", "merge_request": "1"})["approvals"])
    assert gitlab.rows["merge-request", "701"].title == "Renamed"


@pytest.mark.parametrize(
    ("read", "item"),
    [
        (lambda item: when(item, "x"), {"x": "soon"}),
        (lambda item: when(item, "x"), {"x": 12}),
        (lambda item: number(item, "x"), {"x": "much"}),
        (lambda item: number(item, "x"), {"x": True}),
        (lambda item: ident(item, "x"), {"x": None}),
        (lambda item: ident(item, "x"), {}),
    ],
)
def test_a_field_of_another_kind_is_malformed(read: Any, item: dict[str, Any]):
    with pytest.raises(Malformed):
        read(item)


def test_a_missing_time_or_number_is_not_known_and_no_zero():
    assert when({}, "x") is None
    assert when({"x": ""}, "x") is None
    assert number({"x": None}, "x") is None
    assert number({"x": "0.0"}, "x") == 0


def test_control_characters_are_no_text():
    assert clean("a\x00b\x1b[31m") == "a b [31m"
    assert clean("") is None


def test_a_connection_without_page_info_has_no_next_page():
    assert next_page(None) is None
    assert next_page({"nodes": []}) is None
    assert next_page({"pageInfo": {"hasNextPage": True, "endCursor": None}}) is None
