"""The local GitLab fails on purpose, counts every call, keeps its limit, and tells both over HTTP."""

import json
import time
from datetime import timedelta

import gitlab
import httpx
import pytest

from emulators.http import Fault
from tests.emulators.gitlab_builders import TOKEN, a_small_gitlab, serving

PIPELINES = "/api/v4/projects/1/pipelines"


@pytest.fixture
def upstreams():
    return a_small_gitlab()


@pytest.fixture
def local(upstreams):
    with serving(upstreams) as (url, controls), httpx.Client(
        base_url=url, headers={"PRIVATE-TOKEN": TOKEN}, timeout=5
    ) as client:  # fmt: skip
        yield client, controls


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502, 503])
def test_a_status_on_one_path_leaves_its_neighbours_alone(local, status):
    client, controls = local
    controls.faults.add(Fault(path=r"/pipelines(\?|$)", status=status, body=b'{"message":"no"}'))
    assert client.get(PIPELINES).status_code == status
    assert client.get(f"{PIPELINES}/10").status_code == 200
    controls.faults.clear()
    assert client.get(PIPELINES).status_code == 200


@pytest.mark.parametrize("headers", [(("Retry-After", "1"),), ()], ids=["with Retry-After", "without"])
def test_a_429_is_plain_text_and_python_gitlab_tries_again_if_it_is_told_when(local, headers):
    client, controls = local
    controls.faults.add(Fault(path="/projects/1$", status=429, body=b"Retry later\n", times=1,
                              headers=(*headers, ("Content-Type", "text/plain"))))  # fmt: skip
    with gitlab.Gitlab(str(client.base_url), private_token=TOKEN) as real:
        if headers:
            assert real.projects.get(1, max_retries=1).id == 1
        else:
            with pytest.raises(gitlab.GitlabError):
                real.projects.get(1, obey_rate_limit=False)
    assert controls.calls.count("/api/v4/projects/1", status=429) == 1


def test_a_body_that_is_cut_in_the_middle_is_not_a_whole_answer(local):
    client, controls = local
    controls.faults.add(Fault(path="/pipelines", cut_after_bytes=40, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(PIPELINES)
    assert client.get(PIPELINES).status_code == 200


def test_a_hang_lasts_longer_than_the_caller_waits_and_does_not_stop_the_others(local):
    client, controls = local
    controls.faults.add(Fault(path="/pipelines", delay_seconds=30, times=1))
    with pytest.raises(httpx.ReadTimeout):
        client.get(PIPELINES, timeout=0.2)
    started = time.monotonic()
    assert client.get("/api/v4/projects/1").status_code == 200
    assert time.monotonic() - started < 20, "not only after the hang"


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault(replace=(b'"status":"success"', b'"status":"pondering"')), "pondering"),
        (Fault(replace=(b'"status":"success"', b'"status":null')), None),
        (Fault(mangle=lambda body: body.replace(b"success", b"odd")), "odd"),
    ],
    ids=["a word we do not know", "null where a value was", "a change in the process"],
)
def test_a_value_is_replaced_on_the_way(local, fault, found):
    client, controls = local
    controls.faults.add(fault)
    assert client.get(f"{PIPELINES}/10").json()["status"] == found


def test_json_that_is_broken(local):
    client, controls = local
    controls.faults.add(Fault(mangle=lambda body: body[:-5]))
    with pytest.raises(json.JSONDecodeError):
        client.get(PIPELINES).json()


def test_a_fault_spares_the_first_calls_and_ends_after_its_times(local):
    client, controls = local
    controls.faults.add(Fault(path="/pipelines", status=500, skip=1, times=2))
    assert [client.get(PIPELINES).status_code for _ in range(5)] == [200, 500, 500, 200, 200]


def test_a_fault_may_hit_one_page_only(local):
    client, controls = local
    controls.faults.add(Fault(path=r"[?&]page=2\b", status=500))
    assert client.get(PIPELINES, params={"page": 1}).status_code == 200
    assert client.get(PIPELINES, params={"page": 2}).status_code == 500


def test_every_call_is_counted_without_the_values_of_its_query(local):
    client, controls = local
    controls.faults.add(Fault(path="/jobs", status=500))
    client.get(PIPELINES, params={"ref": "a-secret-branch", "page": 1})
    client.get("/api/v4/projects/shop%2Fchurn/jobs")
    assert controls.calls.total == 2
    assert controls.calls.count("/api/v4/projects/shop%2Fchurn", status=500) == 1
    [first, _] = controls.calls.all()
    assert (first.method, first.path, first.parameters, first.status) == ("GET", PIPELINES, ("page", "ref"), 200)
    assert "a-secret-branch" not in repr(controls.calls.all())


def test_calls_faults_and_clock_are_switched_over_http_and_not_counted(local):
    client, controls = local
    client.post(
        "/_emulator/faults", json={"path": "/pipelines", "status": 503, "body": "busy", "headers": {"X-A": "b"}}
    )
    refused = client.get(PIPELINES)
    assert (refused.status_code, refused.text, refused.headers["x-a"]) == (503, "busy", "b")
    told = client.get("/_emulator/calls").json()
    assert (told["upstream"], told["total"], told["calls"][0]["status"]) == ("gitlab", 1, 503)
    client.delete("/_emulator/faults")
    client.delete("/_emulator/calls")
    assert controls.calls.total == 0
    client.put("/_emulator/clock", json={"offset_seconds": 3600})
    assert client.get(PIPELINES).headers["date"] == "Mon, 23 Nov 2026 13:00:00 GMT"
    assert client.get("/_emulator/nothing").status_code == 404
    assert client.post("/_emulator/faults", json={"pathe": "/pipelines"}).status_code == 400
    assert client.post("/_emulator/faults", json={"path": "("}).status_code == 400


def test_the_limit_of_a_token_is_told_on_every_answer_and_then_kept():
    upstreams = a_small_gitlab()
    with serving(upstreams, requests_per_minute=3) as (url, _), httpx.Client(
        base_url=url, headers={"PRIVATE-TOKEN": TOKEN}
    ) as client:  # fmt: skip
        answers = [client.get("/api/v4/projects/1") for _ in range(4)]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert answers[0].headers["ratelimit-limit"] == "3"
        assert answers[2].headers["ratelimit-observed"] == "3"
        last = answers[3]
        assert (last.status_code, last.text, last.headers["content-type"]) == (429, "Retry later\n", "text/plain")
        assert 0 < int(last.headers["retry-after"]) <= 60
        assert client.get("/api/v4/projects/1", headers={"PRIVATE-TOKEN": "other"}).status_code == 401
        upstreams.clock.advance(timedelta(seconds=61))
        assert client.get("/api/v4/projects/1").status_code == 200
