"""Requests, deployments, schedules, images, releases and incidents: what they say, and when they are asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.records import Change, Deployment, ImageDetail, Ref
from services.vocabulary import RunState, Tier
from tests.emulators.gitlab_builders import (
    a_deployment,
    a_job,
    a_merge_request,
    a_project,
    a_release,
    a_schedule,
    a_user,
    an_environment,
    an_image,
    an_issue,
    at,
    sha,
)
from tests.sources.gitlab.local import Local, reading_from


def test_a_request_is_listed_at_once_and_its_approvals_follow(gitlab: Local):
    gitlab.read("merge_requests")
    listed = gitlab.rows["merge-request", "701"]
    assert (listed.iid, listed.state, listed.author, listed.labels) == ("1", "opened", "ada", ("ml",))
    assert listed.approved_by is None, "not known is not nobody"
    assert gitlab.work["approvals"] == ["1/1"]
    gitlab.read("approvals")
    assert gitlab.rows["merge-request", "701"].approved_by == ("ada",)
    assert gitlab.rows["merge-request", "701"].title == listed.title
    assert gitlab.work["approvals"] == []


def test_approvals_are_read_after_a_restart_too(gitlab: Local):
    gitlab.restart()
    gitlab.read("approvals", "1/1", "1/404")
    assert gitlab.rows["merge-request", "701"].approved_by == ("ada",)
    assert gitlab.work["approvals"] == []


def test_a_merged_request_says_when_and_by_which_commit(gitlab: Local):
    gitlab.data.items(1, "merge_requests").append(
        a_merge_request(
            2, state="merged", merged_at=at(41), squash_commit_sha=sha(9), draft=True, reviewers=[a_user("bob", 6)]
        )
    )
    gitlab.read("merge_requests")
    merged = gitlab.rows["merge-request", "702"]
    assert (merged.state, merged.merge_sha, merged.final, merged.draft) == ("merged", sha(9), True, True)
    assert merged.reviewers == ("bob",)


def many_requests(gitlab: Local, count: int) -> list[dict]:
    made = [a_merge_request(iid, updated_at=at(2000 - iid)) for iid in range(10, 10 + count)]
    gitlab.data.items(1, "merge_requests").extend(made)
    return made


def test_requests_that_shift_between_pages_while_they_are_read_are_all_there(gitlab: Local):
    gitlab.read("merge_requests")
    made = many_requests(gitlab, 250)
    gitlab.cursors["merge_requests"]["shop"]["head"] = (gitlab.now - timedelta(days=3)).isoformat()
    gitlab.read("merge_requests", stop_after=1)
    for item in made[:50]:  # they move to the end of the list, and all the others move up
        item["updated_at"] = at(1)
    gitlab.read("merge_requests")
    assert {str(item["id"]) for item in made} <= {key[1] for key in gitlab.rows}


def test_two_hundred_requests_changed_in_one_instant_are_all_there(gitlab: Local):
    gitlab.read("merge_requests")
    made = many_requests(gitlab, 250)
    for item in made:
        item["updated_at"] = at(0)
    gitlab.read("merge_requests")
    assert {str(item["id"]) for item in made} <= {key[1] for key in gitlab.rows}


def test_open_requests_count_whatever_their_age(gitlab: Local):
    gitlab.data.items(1, "merge_requests").append(a_merge_request(2, updated_at=at(60 * 24 * 90)))
    gitlab.data.items(1, "merge_requests").append(a_merge_request(3, updated_at=at(60 * 24 * 90), state="closed"))
    gitlab.read("merge_requests", days=30)
    assert ("merge-request", "702") in gitlab.rows
    assert ("merge-request", "703") not in gitlab.rows


def test_a_fill_of_requests_broken_off_anywhere_goes_on_where_it_was(gitlab: Local):
    made = many_requests(gitlab, 450)
    seen: list[Change] = []
    for _ in range(12):
        gitlab.restart()
        seen += gitlab.read("merge_requests", stop_after=1).of(Change)
    assert {str(item["id"]) for item in made} <= {change.native_id for change in seen}
    assert gitlab.cursors["merge_requests"]["shop"]["tail"] is None


def test_a_deployment_is_dated_by_itself_and_told_its_job_and_run(gitlab: Local):
    gitlab.read("environments", "1")
    gitlab.read("deployments", "1")
    row = gitlab.rows["deployment", "60"]
    assert (row.place, row.tier, row.state, row.sha) == ("prod", Tier.PRODUCTION, RunState.SUCCEEDED, sha(1))
    assert (row.run, row.step, row.version) == (Ref("pipeline", "10"), Ref("job", "100"), Ref("commit", sha(1)))
    assert row.finished_at == datetime(2026, 11, 23, 11, 35, tzinfo=UTC)
    assert row.web_url == "https://gitlab.example.com/shop/churn/-/environments/50"


def test_the_environments_full_name_is_its_place(gitlab: Local):
    place = an_environment(51, "production/api")
    gitlab.data.items(1, "deployments").append(a_deployment(61, environment=place, status="blocked", deployable=None))
    gitlab.read("deployments", "1")
    row = gitlab.rows["deployment", "61"]
    assert (row.place, row.state, row.final, row.finished_at) == ("production/api", RunState.WAITING, False, None)


def test_deployments_are_asked_by_their_time_of_change_in_that_order(gitlab: Local):
    gitlab.read("deployments", "1")
    gitlab.advance(minutes=5)
    gitlab.data.items(1, "deployments").append(a_deployment(62, created_at=at(-5), updated_at=at(-5)))
    found = gitlab.read("deployments", "1")
    assert [row.native_id for row in found.of(Deployment)] == ["62"]


def test_current_and_previous_deployment_of_a_place_count_whatever_their_age(gitlab: Local):
    old = 60 * 24 * 90
    qa = an_environment(52, "qa")
    for number in range(70, 75):
        then = at(old - number)
        gitlab.data.items(1, "deployments").append(
            a_deployment(number, created_at=then, updated_at=then, environment=qa)
        )
    gitlab.data.items(1, "environments").append(an_environment(52, "qa", tier="testing"))
    gitlab.read("deployments", "1", days=30)
    assert {"60", "73", "74"} == {key[1] for key in gitlab.rows if key[0] == "deployment"}


def test_an_environment_keeps_the_tier_that_gitlab_states(gitlab: Local):
    gitlab.data.items(1, "environments").append(an_environment(52, "sandbox", tier=None, state="stopped"))
    gitlab.read("environments", "1")
    assert gitlab.rows["environment", "50"].tier is Tier.PRODUCTION
    assert (gitlab.rows["environment", "52"].tier, gitlab.rows["environment", "52"].available) == (None, False)


def test_an_environment_that_is_no_longer_listed_is_gone(gitlab: Local):
    gitlab.data.items(1, "environments").append(an_environment(52, "sandbox"))
    assert not any(batch.gone for batch in gitlab.read("environments", "1").batches)
    gitlab.data.items(1, "environments").pop()
    gitlab.data.denied[1, "environments"] = 403
    assert not any(batch.gone for batch in gitlab.read("environments", "1").batches), "not seen is not gone"
    del gitlab.data.denied[1, "environments"]
    assert [batch.gone for batch in gitlab.read("environments", "1").batches] == [{"environment": ("52",)}]


def test_a_schedule_tells_its_last_run_its_owner_and_its_next_turn(gitlab: Local):
    gitlab.read("schedules")
    row = gitlab.rows["pipeline-schedule", "30"]
    assert (row.cron, row.time_zone, row.ref, row.active) == ("0 3 * * *", "UTC", "main", True)
    assert (row.owner, row.owner_active, row.last_run) == ("ada", True, Ref("pipeline", "10"))
    assert row.next_run_at == datetime(2026, 11, 24, 3, tzinfo=UTC)


def test_an_owner_who_was_blocked_is_told(gitlab: Local):
    gitlab.data.items(1, "pipeline_schedules").append(
        a_schedule(31, owner=a_user() | {"state": "blocked"}, active=False)
    )
    gitlab.read("schedules")
    row = gitlab.rows["pipeline-schedule", "31"]
    assert (row.owner_active, row.active, row.state_raw) == (False, False, "inactive")


def test_a_schedule_costs_nothing_until_its_time_has_passed(gitlab: Local):
    gitlab.read("schedules")
    gitlab.calls()
    gitlab.advance(minutes=10)
    gitlab.read("schedules")
    assert gitlab.calls() == 0
    gitlab.advance(hours=16)
    schedule = gitlab.data.items(1, "pipeline_schedules")[0]
    schedule |= {
        "last_pipeline": {"id": 11, "sha": sha(1), "ref": "main", "status": "failed"},
        "next_run_at": at(-9000),
    }
    gitlab.read("schedules")
    assert gitlab.rows["pipeline-schedule", "30"].last_run == Ref("pipeline", "11")


def test_a_late_schedule_is_asked_again_every_five_minutes_only(gitlab: Local):
    gitlab.data.items(1, "pipeline_schedules")[0]["next_run_at"] = at(-10)
    gitlab.read("schedules")
    gitlab.advance(minutes=11)
    gitlab.calls()
    gitlab.read("schedules")
    assert gitlab.calls() == 1
    gitlab.advance(minutes=1)
    gitlab.read("schedules")
    assert gitlab.calls() == 0


def test_a_deleted_schedule_is_no_longer_present(gitlab: Local):
    gitlab.data.items(1, "pipeline_schedules").append(a_schedule(31))
    found = gitlab.read("schedules")
    assert found.batches[-1].present == {"pipeline-schedule": frozenset({"30", "31"})}
    gitlab.data.items(1, "pipeline_schedules").pop()
    gitlab.advance(hours=2)
    found = gitlab.read("schedules")
    assert found.batches[-1].present == {"pipeline-schedule": frozenset({"30"})}


def test_an_image_is_its_digest_and_tags_point_to_it(gitlab: Local):
    image = an_image(80, tags=2)
    image["tags"].append(image["tags"][1] | {"name": "latest"})
    gitlab.data.items(1, "registry_repositories")[:] = [image]
    gitlab.read("registry", "1")
    row = gitlab.rows["image", f"shop/churn/trainer@sha256:{1:064x}"]
    assert (row.label, row.of, row.digest) == ("v1", "shop/churn/trainer", f"sha256:{1:064x}")
    assert row.detail == ImageDetail(repository="shop/churn/trainer", tags=("latest", "v1"), size_bytes=1001)


def test_all_tags_of_a_repository_are_read(gitlab: Local):
    gitlab.data.items(1, "registry_repositories")[:] = [an_image(80, tags=230)]
    gitlab.read("registry", "1", "2")
    assert len([key for key in gitlab.rows if key[0] == "image"]) == 230
    assert gitlab.work["registry"] == []


def test_a_release_names_the_commit_and_its_project(gitlab: Local):
    gitlab.read("releases")
    row = gitlab.rows["release", "1#v1.0.0"]
    assert (row.of, row.label, row.sha, row.project) == ("shop/churn", "v1.0.0", sha(1), Ref("project", "1"))


def test_releases_are_read_down_to_the_last_one_known(gitlab: Local):
    for number in range(250):
        gitlab.data.items(1, "releases").append(a_release(f"v0.{number}", released_at=at(5000 + number * 60)))
    gitlab.read("releases")
    assert len([key for key in gitlab.rows if key[0] == "release"]) == 251
    gitlab.calls()
    gitlab.read("releases")
    assert gitlab.calls() == 1


def test_an_incident_opens_and_closes(gitlab: Local):
    gitlab.read("incidents")
    assert gitlab.rows["incident", "901"].state == "opened"
    gitlab.advance(minutes=1)
    gitlab.data.items(1, "issues")[0] |= {"state": "closed", "closed_at": at(0), "updated_at": at(0)}
    gitlab.read("incidents")
    row = gitlab.rows["incident", "901"]
    assert (row.state, row.final, row.closed_at) == ("closed", True, datetime(2026, 11, 23, 12, tzinfo=UTC))


def test_an_issue_that_is_no_incident_is_left_out(gitlab: Local):
    gitlab.data.items(1, "issues").append(an_issue(2, issue_type="issue"))
    gitlab.read("incidents")
    assert {key[1] for key in gitlab.rows if key[0] == "incident"} == {"901"}


def test_a_renamed_project_keeps_its_identity(gitlab: Local):
    gitlab.read("projects")
    gitlab.data.projects[1] |= a_project(1, "shop/attrition") | {"_redirects": ["shop/churn"]}
    gitlab.advance(hours=2)
    gitlab.read("projects")
    assert gitlab.rows["project", "1"].path == "shop/attrition"
    with reading_from(gitlab.upstreams, groups=(), projects=("shop/churn",)) as by_old_path:
        by_old_path.read("projects")
        assert by_old_path.rows["project", "1"].path == "shop/attrition"


def test_a_project_that_is_gone_is_not_present_after_the_hourly_sweep(gitlab: Local):
    found = gitlab.read("projects")
    assert found.batches[0].present == {"project": frozenset({"1", "2"})}
    del gitlab.data.projects[2]
    gitlab.advance(minutes=1)
    assert all(not batch.present for batch in gitlab.read("projects").batches)
    gitlab.advance(hours=1)
    assert gitlab.read("projects").batches[0].present == {"project": frozenset({"1"})}


def test_a_project_tells_its_default_and_protected_branches(gitlab: Local):
    gitlab.read("projects")
    row = gitlab.rows["project", "1"]
    assert (row.path, row.default_branch, row.protected_branches) == ("shop/churn", "main", ("main",))
    assert row.topics == ("product:churn",)


def test_what_is_only_told_project_by_project_takes_its_turn(gitlab: Local):
    gitlab.read("projects")
    assert gitlab.work["environments"] == gitlab.work["deployments"] == ["1", "2"]
    gitlab.work.clear()
    gitlab.advance(minutes=1)
    assert gitlab.read("projects").touched == {}
    gitlab.advance(hours=3)
    assert gitlab.read("projects").touched["environments"] == {"1"}, "an even share a minute, not all at once"


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_new_deployment_is_found_though_numbers_before_it_were_lost(gitlab: Local, lost: int):
    """GitLab takes a deployment back, and its number with it: the next one has a higher number."""
    gitlab.read("projects")
    gitlab.read("deployments", "1", "2")
    gitlab.advance(minutes=1)
    assert "deployments" not in gitlab.read("projects").touched
    highest = max(item["iid"] for item in gitlab.data.items(1, "deployments"))
    gitlab.data.items(1, "deployments").append(a_deployment(61) | {"iid": highest + 1 + lost})
    gitlab.advance(minutes=1)
    assert gitlab.read("projects").touched["deployments"] == {"1"}


@pytest.mark.parametrize("field", ["title", "source_branch"])
def test_a_secret_in_a_request_is_never_kept(gitlab: Local, field: str):
    secret = "glpat-AbCdEfGh1234567890xy"
    gitlab.data.items(1, "merge_requests")[0][field] = f"use {secret} here"
    gitlab.read("merge_requests")
    assert secret not in repr(gitlab.rows)


def test_secrets_in_jobs_commits_and_deployments_are_never_kept(gitlab: Local):
    secret = "glpat-AbCdEfGh1234567890xy"
    pipeline = gitlab.data.items(1, "pipelines")[0]
    pipeline |= {"name": f"run {secret}", "ref": f"fix/{secret}", "yaml_errors": f"bad {secret}"}
    gitlab.data.items(1, "commits")[0]["title"] = f"oops {secret}"
    gitlab.data.items(1, "jobs").append(a_job(110, f"deploy {secret}", status="failed", failure_reason=f"x {secret}"))
    gitlab.data.items(1, "deployments")[0]["ref"] = f"fix/{secret}"
    for stream in ("projects", "pipelines", "deployments", "plans", "jobs"):
        gitlab.read(stream)
    assert secret not in repr(gitlab.rows)
    assert secret not in repr(gitlab.work)
