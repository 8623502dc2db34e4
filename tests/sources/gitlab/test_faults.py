"""What becomes of each way in which GitLab can fail: one of our five words, the neighbours unharmed, nothing lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emulators.data import Token
from services.records import Deployment, Run
from services.sources.base import AccessDenied, RateLimited, Unreachable, Unreadable
from services.sources.gitlab import SOURCE
from services.sources.gitlab.streams import STREAMS
from tests.emulators.gitlab_builders import TOKEN, a_deployment, a_pipeline, a_project, a_small_gitlab, at
from tests.sources.gitlab.local import Local, Secrets, reading_from, stream_of

LISTS = ("projects", "pipelines", "merge_requests", "schedules", "states", "incidents", "releases")


@pytest.mark.parametrize("stream", LISTS)
def test_a_401_is_access_denied_with_the_mend(stream: str):
    with reading_from(a_small_gitlab(), token="wrong") as gitlab:
        with pytest.raises(AccessDenied) as caught:
            gitlab.read(stream)
        assert "read_api" in caught.value.mend


def test_a_403_on_one_project_leaves_the_others_fresh(gitlab: Local):
    """devlake 8550: a 403 on one project killed the whole collection."""
    gitlab.data.items(2, "pipelines").append(a_pipeline(30, 2))
    gitlab.data.items(2, "deployments").append(a_deployment(61))
    gitlab.data.denied |= {(1, "pipelines"): 403, (1, "deployments"): 403, (1, "environments"): 403}
    found = gitlab.read("pipelines")
    assert [run.native_id for run in found.of(Run)] == ["30"]
    assert "GitLab gives none" in found.parts["1"]
    assert found.parts["2"] is None
    deployed = gitlab.read("deployments", "1", "2")
    assert [row.native_id for row in deployed.of(Deployment)] == ["61"]
    assert "403" in deployed.parts["1"]
    assert {key for batch in deployed.batches for key in batch.done} == {"1", "2"}
    assert "403" in gitlab.read("environments", "1").parts["1"]


def test_a_project_that_becomes_readable_is_filled_from_its_history(gitlab: Local):
    gitlab.data.denied[1, "pipelines"] = 403
    gitlab.read("pipelines")
    assert ("pipeline", "10") not in gitlab.rows
    del gitlab.data.denied[1, "pipelines"]
    gitlab.advance(hours=5)
    found = gitlab.read("pipelines")
    assert ("pipeline", "10") in gitlab.rows
    assert found.parts["1"] is None


def test_a_group_that_is_not_there_leaves_the_others(gitlab: Local):
    with reading_from(gitlab.upstreams, groups=("shop", "nowhere")) as both:
        found = both.read("projects")
        assert {row.native_id for row in found.records} == {"1", "2"}
        assert "404" in found.parts["nowhere"]
        assert found.batches[0].present == {}, "what is gone is not known while a group cannot be read"


def test_a_404_on_everything_is_said_with_the_mend(gitlab: Local):
    with reading_from(gitlab.upstreams, groups=("nowhere",)) as lost, pytest.raises(AccessDenied, match="404"):
        lost.read("projects")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param((("retry-after", "17"),), 17, id="with Retry-After"),
        pytest.param((), 60, id="with nothing but the status"),
    ],
)
def test_a_429_rests_as_long_as_gitlab_asks_and_is_never_data(gitlab: Local, headers: tuple, seconds: int):
    """devlake 5849: the body of a 429 was stored as data."""
    gitlab.read("projects")
    body = b'[{"id": 99, "name": "Retry later"}]'
    gitlab.fault(path="merge_requests", status=429, headers=headers, body=body)
    with pytest.raises(RateLimited) as caught:
        gitlab.read("merge_requests")
    assert abs((caught.value.resume_at - gitlab.now).total_seconds() - seconds) < 2
    before = gitlab.controls.calls.total
    with pytest.raises(RateLimited):
        gitlab.read("pipelines")
    assert gitlab.controls.calls.total == before, "nobody calls while GitLab rests"


def test_a_429_by_the_reset_of_the_limit_is_reckoned_by_gitlabs_own_clock():
    with reading_from(a_small_gitlab(), requests_per_minute=1) as gitlab:
        gitlab.controls.clock_offset = timedelta(0)
        with pytest.raises(RateLimited) as caught:
            gitlab.read("projects")
        assert timedelta(0) < caught.value.resume_at - gitlab.now <= timedelta(seconds=62)


def test_a_tenth_of_the_limit_is_left_to_others():
    with reading_from(a_small_gitlab(), requests_per_minute=20) as gitlab:
        gitlab.client.align(gitlab.now)
        for _ in range(19):
            gitlab.client.get("/version")
        with pytest.raises(RateLimited, match="1 of 20 calls"):
            gitlab.client.get("/version")
        assert gitlab.controls.calls.total == 19
        assert (gitlab.client.meter.limit, gitlab.client.meter.remaining) == (20, 1)


def test_a_5xx_is_tried_again_and_then_unreachable(gitlab: Local):
    gitlab.fault(path="merge_requests", status=502, times=2)
    gitlab.read("merge_requests")
    assert ("merge-request", "701") in gitlab.rows
    gitlab.controls.faults.clear()
    gitlab.fault(path="issues", status=500, headers=(("ratelimit-reset", "9999999999"),))
    with pytest.raises(Unreachable, match="500"):
        gitlab.read("incidents")
    assert gitlab.controls.calls.count("/api/v4/groups/shop/issues") == 3


def test_a_hang_is_unreachable_after_the_time_out(gitlab: Local):
    gitlab.client.api.timeout = 0.2
    gitlab.fault(path="issues", delay_seconds=2)
    with pytest.raises(Unreachable, match="ReadTimeout"):
        gitlab.read("incidents")


def test_a_connection_cut_in_the_middle_of_a_body_is_unreachable(gitlab: Local):
    gitlab.fault(path="graphql", cut_after_bytes=100)
    with pytest.raises(Unreachable):
        gitlab.read("pipelines")
    assert not gitlab.rows
    gitlab.controls.faults.clear()
    gitlab.read("pipelines")
    assert ("pipeline", "10") in gitlab.rows


def test_a_server_that_is_not_there_is_unreachable_and_the_token_is_not_told():
    with reading_from(a_small_gitlab()) as gitlab:
        pass
    with pytest.raises(Unreachable) as caught:
        gitlab.read("projects")
    assert TOKEN not in f"{caught.value!r} {caught.value.mend} {gitlab.client!r}"


@pytest.mark.parametrize("stream", LISTS)
def test_json_that_ends_in_the_middle_is_unreadable(gitlab: Local, stream: str):
    gitlab.read("projects")
    gitlab.fault(mangle=lambda body: body[: len(body) // 2])
    if stream == "projects":
        gitlab.advance(hours=2)
    with pytest.raises(Unreadable):
        gitlab.read(stream)


@pytest.mark.parametrize("body", [b"null", b"3", b'"text"', b'{"message": "odd"}', b"<html>sign in</html>"])
def test_an_answer_of_another_kind_is_unreadable(gitlab: Local, body: bytes):
    gitlab.fault(path="(merge_requests|graphql)", body=body)
    for stream in ("merge_requests", "pipelines"):
        with pytest.raises(Unreadable):
            gitlab.read(stream)


def test_one_malformed_record_is_kept_aside_and_the_rest_goes_on(gitlab: Local):
    items = gitlab.data.items(1, "merge_requests")
    items.append(items[0] | {"id": 702, "iid": 2, "merged_at": "yesterday"})
    items.append(items[0] | {"id": 703, "iid": 3, "state": None})
    items.append(items[0] | {"id": 704, "iid": 4, "author": None, "title": None})
    found = gitlab.read("merge_requests")
    assert {row.native_id for row in found.records} == {"701", "704"}
    assert sorted(found.notes.rejected) == [
        ("merge request 702", "merged_at is not a time"),
        ("merge request 703", "has no state"),
    ]
    assert gitlab.rows["merge-request", "704"].author is None


def test_partial_data_beside_errors_is_kept_and_the_error_is_told_of_its_project(gitlab: Local):
    """devlake 5849: partial data was dropped."""
    gitlab.data.items(2, "pipelines").append(a_pipeline(30, 2))
    broken = gitlab.data.items(1, "pipelines")[0]
    broken["created_at"] = None  # a field that GitLab promises never to be null: GraphQL nulls what holds it
    found = gitlab.read("pipelines")
    assert ("pipeline", "30") in gitlab.rows
    assert "10" not in {run.native_id for run in found.of(Run)}


def test_a_query_that_is_too_dear_is_asked_in_smaller_pages():
    upstreams = a_small_gitlab()
    for number in range(100, 160):
        upstreams.gitlab.projects[number] = a_project(number, f"shop/p{number}")
        upstreams.gitlab.items(number, "pipelines").append(a_pipeline(number * 10, number))
    with reading_from(upstreams) as gitlab:
        too_dear = b'{"errors":[{"message":"Query has complexity of 300, which exceeds max complexity of 250"}]}'
        gitlab.fault(path="graphql", body=too_dear, times=2)  # the first page, and its first half
        gitlab.read("pipelines")
        assert {f"{number * 10}" for number in range(100, 160)} <= {key[1] for key in gitlab.rows}
        assert gitlab.client.memory["page pipelines"] < 25


def test_a_page_of_a_hundred_projects_stays_under_gitlabs_limit_of_complexity():
    upstreams = a_small_gitlab()
    for number in range(100, 198):
        upstreams.gitlab.projects[number] = a_project(number, f"shop/p{number}")
    with reading_from(upstreams) as gitlab:
        gitlab.read("projects")
        gitlab.read("pipelines")
        gitlab.calls()
        gitlab.advance(minutes=1)
        gitlab.read("pipelines")
        assert "page pipelines" not in gitlab.client.memory, "the score was under four fifths of the limit"
        assert gitlab.calls() == 2


def test_gitlabs_clock_an_hour_off_loses_nothing(gitlab: Local):
    """Filters compare with GitLab's clock, so the watermark is reckoned by the Date of its answers."""
    gitlab.controls.clock_offset = timedelta(hours=-1)
    gitlab.read("pipelines")
    gitlab.read("merge_requests")
    gitlab.advance(minutes=1)
    an_hour_ago = at(60 - 1)
    gitlab.data.items(1, "pipelines").append(a_pipeline(90, created_at=an_hour_ago, updated_at=an_hour_ago))
    gitlab.data.items(1, "merge_requests")[0] |= {"title": "Moved", "updated_at": an_hour_ago}
    gitlab.read("pipelines")
    gitlab.read("merge_requests")
    assert ("pipeline", "90") in gitlab.rows
    assert gitlab.rows["merge-request", "701"].title == "Moved"


def test_a_gitlab_under_a_path_prefix_is_read_the_same():
    with reading_from(a_small_gitlab(), prefix="/gitlab") as gitlab:
        gitlab.read("projects")
        gitlab.read("pipelines")
        gitlab.read("merge_requests")
        assert {("project", "1"), ("pipeline", "10"), ("merge-request", "701")} <= gitlab.rows.keys()
        assert SOURCE.instance(gitlab.client, gitlab.entry).endswith("/gitlab")


@pytest.mark.parametrize("stream", [stream.name for stream in STREAMS])
def test_each_stream_can_be_tried_by_its_cheapest_call(gitlab: Local, stream: str):
    scope = SOURCE.scopes(gitlab.client, gitlab.entry)[0]
    stream_of(SOURCE, stream).check(gitlab.client, scope)
    assert 1 <= gitlab.calls() <= 3
    with pytest.raises(AccessDenied):
        stream_of(SOURCE, stream).check(SOURCE.connect(gitlab.entry, Secrets("wrong")), scope)


def test_a_token_without_the_scope_is_told_which_scope_it_lacks(gitlab: Local):
    gitlab.data.tokens["poor"] = Token("poor", scopes=("read_repository",))
    poor = SOURCE.connect(gitlab.entry, Secrets("poor"))
    with pytest.raises(AccessDenied, match="read_repository") as caught:
        stream_of(SOURCE, "projects").check(poor, SOURCE.scopes(poor, gitlab.entry)[0])
    assert "read_api" in caught.value.mend


@pytest.mark.parametrize(("ends", "told"), [("2026-11-30", True), ("2027-06-01", False), (None, False)])
def test_a_token_that_ends_within_two_weeks_is_told_before_it_does(gitlab: Local, ends: str | None, told: bool):
    gitlab.data.tokens[TOKEN].expires_at = ends
    gitlab.read("projects")
    assert ("in 7 days" in gitlab.client.notices.get("token", "")) is told
