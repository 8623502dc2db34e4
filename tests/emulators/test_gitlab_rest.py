"""How the local GitLab's REST behaves at its edges: pages, paths, conditions, ranges, redirects, bad input."""

import httpx
import pytest

from tests.emulators.gitlab_builders import (
    TOKEN,
    a_commit,
    a_deployment,
    a_job,
    a_merge_request,
    a_pipeline,
    a_small_gitlab,
    an_issue,
    at,
    serving,
    sha,
)


@pytest.fixture
def upstreams():
    return a_small_gitlab()


@pytest.fixture
def api(upstreams):
    with serving(upstreams) as (url, _), httpx.Client(
        base_url=f"{url}/api/v4", headers={"PRIVATE-TOKEN": TOKEN}
    ) as client:  # fmt: skip
        yield client


def test_the_links_of_a_page_lead_to_its_neighbours_and_keep_the_filters(api, upstreams):
    upstreams.gitlab.items(1, "pipelines").extend(a_pipeline(number) for number in range(30, 38))
    answer = api.get("/projects/1/pipelines", params={"per_page": 3, "page": 2, "ref": "main"})
    links = {name: httpx.URL(link["url"]) for name, link in answer.links.items()}
    assert {name: link.params["page"] for name, link in links.items()} == {
        "prev": "1", "next": "3", "first": "1", "last": "3",
    }  # fmt: skip
    assert all(link.params["ref"] == "main" and link.params["per_page"] == "3" for link in links.values())
    assert (answer.headers["x-total"], answer.headers["x-total-pages"], answer.headers["x-next-page"]) == (
        "9",
        "3",
        "3",
    )


def test_over_ten_thousand_rows_the_total_is_not_told(api, upstreams):
    upstreams.gitlab.items(1, "pipelines").extend(a_pipeline(number) for number in range(1000, 11_050))
    answer = api.get("/projects/1/pipelines", params={"per_page": 500})
    assert len(answer.json()) == 100
    assert not {"x-total", "x-total-pages"} & set(answer.headers)
    assert set(answer.links) == {"next", "first"}


def test_too_far_an_offset_is_refused_where_a_key_would_do(api):
    assert api.get("/projects/1/jobs", params={"per_page": 100, "page": 502}).status_code == 405
    assert api.get("/projects/1/pipelines", params={"pagination": "keyset"}).status_code == 405


def test_a_nested_path_is_one_segment_and_a_double_slash_is_none(api):
    assert api.get("/projects/shop%2Fplatform%2Finfra").json()["id"] == 2
    assert api.get("/projects/SHOP%2FCHURN").json()["id"] == 1
    assert api.get("/projects/shop/churn").status_code == 404
    assert api.get("/nothing").json() == {"error": "404 Not Found"}
    assert api.post("/projects/1/pipelines").status_code == 405


def test_a_renamed_project_is_found_by_its_old_path_through_a_redirect(api, upstreams):
    upstreams.gitlab.projects[1].update(path_with_namespace="shop/retention", _redirects=["shop/churn"])
    moved = api.get("/projects/shop%2fchurn/pipelines?ref=main")
    assert moved.status_code == 301
    assert moved.headers["location"].endswith("/api/v4/projects/1/pipelines?ref=main")
    assert api.get("/projects/shop%2Fchurn", follow_redirects=True).json()["id"] == 1
    assert api.get("/projects/shop%2Fretention").json()["id"] == 1


def test_the_same_answer_is_304_until_it_changes(api, upstreams):
    first = api.get("/projects/1/pipelines/10")
    assert first.headers["etag"].startswith('W/"')
    again = api.get("/projects/1/pipelines/10", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "ratelimit-remaining" in again.headers
    upstreams.gitlab.items(1, "pipelines")[0]["status"] = "failed"
    changed = api.get("/projects/1/pipelines/10", headers={"If-None-Match": first.headers["etag"]})
    assert changed.json()["status"] == "failed"


@pytest.mark.parametrize(
    ("asked", "status", "text", "where"),
    [
        ("bytes=-4", 206, "two\n", "bytes 14-17/18"),
        ("bytes=5-7", 206, "one", "bytes 5-7/18"),
        ("bytes=9-", 206, "line two\n", "bytes 9-17/18"),
        ("bytes=99-", 416, "", "bytes */18"),
        ("lines=1-2", 200, "line one\nline two\n", None),
    ],
    ids=["a tail", "a middle", "the rest", "beyond the end", "another unit"],
)
def test_a_part_of_a_log(api, asked, status, text, where):
    answer = api.get("/projects/1/jobs/101/trace", headers={"Range": asked})
    assert (answer.status_code, answer.text, answer.headers.get("content-range")) == (status, text, where)


@pytest.mark.parametrize(
    "query",
    [
        "order_by=colour", "sort=up", "updated_after=yesterday", "per_page=0", "per_page=many", "status=happy",
        "scope=some",
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_a_bad_request(api, query):
    answer = api.get(f"/projects/1/pipelines?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_the_runs_of_a_pipelines_variables_are_for_maintainers(api):
    assert api.get("/projects/1/pipelines/10/variables").status_code == 403


def test_without_being_told_a_later_job_of_the_same_name_replaces_the_earlier(api, upstreams):
    jobs = upstreams.gitlab.items(1, "jobs")
    for number in (200, 201):
        jobs.append({key: value for key, value in a_job(number, "score", pipeline=10).items() if key != "_retried"})
    assert [job["id"] for job in api.get("/projects/1/pipelines/10/jobs").json()] == [201, 102, 101]


def test_compare_and_ref_name_follow_the_parents(api, upstreams):
    commits = upstreams.gitlab.items(1, "commits")
    commits += [a_commit(3, parent=2), a_commit(4, parent=1)]
    found = api.get("/projects/1/repository/compare", params={"from": sha(1), "to": sha(3)}).json()
    assert [commit["id"] for commit in found["commits"]] == [sha(2), sha(3)]
    on_main = api.get("/projects/1/repository/commits", params={"ref_name": "main"}).json()
    assert [commit["id"] for commit in on_main] == [sha(2), sha(1)]
    assert api.get("/projects/1/repository/compare", params={"from": sha(1), "to": "gone"}).status_code == 404
    assert api.get(f"/projects/1/repository/commits/{sha(3)}").json()["id"] == sha(3)


def test_a_deployments_requests_are_those_that_the_one_before_had_not(api, upstreams):
    data = upstreams.gitlab
    data.items(1, "commits").append(a_commit(3, parent=2))
    data.items(1, "merge_requests").extend([
        a_merge_request(2, state="merged", merge_commit_sha=sha(1)),
        a_merge_request(3, state="merged", merge_commit_sha=sha(3)),
    ])  # fmt: skip
    data.items(1, "deployments").append(a_deployment(61, sha=sha(3), updated_at=at(2)))
    first = api.get("/projects/1/deployments/60/merge_requests").json()
    second = api.get("/projects/1/deployments/61/merge_requests").json()
    assert ([one["iid"] for one in first], [one["iid"] for one in second]) == ([2], [3])


def test_deployments_are_oldest_first_and_filtered_by_their_change(api, upstreams):
    upstreams.gitlab.items(1, "deployments").append(a_deployment(61, status="failed", updated_at=at(2)))
    assert [one["id"] for one in api.get("/projects/1/deployments").json()] == [60, 61]
    late = api.get("/projects/1/deployments", params={"updated_after": at(10), "order_by": "updated_at"}).json()
    assert [one["id"] for one in late] == [61]
    done = api.get("/projects/1/deployments", params={
        "finished_after": at(40), "order_by": "finished_at", "status": "success", "environment": "prod",
    }).json()  # fmt: skip
    assert [one["id"] for one in done] == [60]


def test_a_group_list_leaves_out_what_may_not_be_read_and_shows_the_rest(api, upstreams):
    upstreams.gitlab.items(2, "merge_requests").append(a_merge_request(7, project=2))
    assert {one["iid"] for one in api.get("/groups/shop/merge_requests").json()} == {1, 7}
    upstreams.gitlab.denied[2, "merge_requests"] = 403
    assert {one["iid"] for one in api.get("/groups/shop/merge_requests").json()} == {1}
    assert api.get("/groups/nothing/merge_requests").status_code == 404


def test_projects_by_their_last_activity_and_in_short(api, upstreams):
    upstreams.gitlab.projects[2].update(archived=True, last_activity_at=at(600))
    recent = api.get("/projects", params={"membership": "true", "last_activity_after": at(60)}).json()
    assert [one["id"] for one in recent] == [1]
    path = "/groups/shop/projects?include_subgroups=true&with_shared=false&order_by=last_activity_at&sort=desc"
    assert [one["id"] for one in api.get(path).json()] == [1, 2]
    assert [one["id"] for one in api.get(f"{path}&archived=false").json()] == [1]
    assert "statistics" not in api.get("/projects/1").json()
    assert "statistics" in api.get("/projects/1?statistics=true").json()
    [short] = api.get("/groups/shop/projects?simple=true").json()
    assert {"path_with_namespace", "default_branch"} <= set(short)
    assert not {"visibility", "archived"} & set(short)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/projects/1/registry/repositories/80/tags?order_by=name", "name"),
        ("/projects/1/issues?order_by=updated_at", "iid"),
        ("/projects?order_by=id", "id"),
    ],
    ids=["image tags", "issues", "projects"],
)
def test_lists_that_gitlab_reads_by_key_are_read_by_key(api, upstreams, path, key):
    upstreams.gitlab.items(1, "issues").append(an_issue(2, updated_at=at(1)))
    first = api.get(f"{path}&pagination=keyset&per_page=1")
    assert "x-total" not in first.headers
    second = api.get(first.links["next"]["url"])
    assert "next" not in second.links
    assert first.json()[0][key] != second.json()[0][key]
    broken = httpx.URL(first.links["next"]["url"]).copy_set_param("cursor", "!")
    assert api.get(broken).status_code == 400


def test_a_project_denied_as_a_whole_answers_so_everywhere(api, upstreams):
    upstreams.gitlab.denied[1, "*"] = 403
    assert {api.get(path).status_code for path in ("/projects/1", "/projects/1/jobs")} == {403}
    upstreams.gitlab.denied[1, "*"] = 404
    assert api.get("/projects/1").status_code == 404
    assert [one["id"] for one in api.get("/groups/shop/projects?include_subgroups=true").json()] == [2]


def test_any_token_will_do_where_none_is_known(upstreams):
    upstreams.gitlab.tokens.clear()
    with serving(upstreams) as (url, _):
        assert httpx.get(f"{url}/api/v4/projects/1").status_code == 200
        assert httpx.get(f"{url}/api/v4/projects/1", headers={"Authorization": "Bearer x"}).status_code == 200


def test_a_server_under_a_path_prefix_links_under_it_too(upstreams):
    with serving(upstreams, prefix="/gitlab") as (url, _):
        answer = httpx.get(f"{url}/gitlab/api/v4/projects/1/jobs?per_page=1", headers={"PRIVATE-TOKEN": TOKEN})
        assert answer.links["next"]["url"].startswith(f"{url}/gitlab/api/v4/projects/1/jobs?")
        assert httpx.get(f"{url}/api/v4/projects/1", headers={"PRIVATE-TOKEN": TOKEN}).status_code == 404


def test_data_that_grows_and_changes_is_served_as_it_is_now(api, upstreams):
    assert api.get("/projects/1/pipelines/900").status_code == 404
    upstreams.gitlab.items(1, "pipelines").append(a_pipeline(900))
    assert api.get("/projects/1/pipelines/900").status_code == 200
    upstreams.gitlab.items(1, "pipelines").pop()
    assert api.get("/projects/1/pipelines/900").status_code == 404


def test_a_pipeline_without_a_time_of_change_is_found_by_its_creation(api, upstreams):
    upstreams.gitlab.items(1, "pipelines").append(a_pipeline(30, updated_at=None, created_at=at(5)))
    found = api.get("/projects/1/pipelines", params={"updated_after": at(10), "order_by": "updated_at"}).json()
    assert [(one["id"], one["updated_at"]) for one in found] == [(30, None)]


def test_the_upstream_is_played_on_to_the_present_before_each_answer(api, upstreams):
    def advance(now):
        upstreams.gitlab.items(1, "pipelines")[0]["updated_at"] = now.isoformat()

    upstreams.advance = advance
    assert api.get("/projects/1/pipelines/10").json()["updated_at"] == "2026-11-23T12:00:00+00:00"
