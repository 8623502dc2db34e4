"""GitLab's side of the demo team: full objects that agree with each other, and every situation of delivery in them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.emulators.world_builders import a_moving_world, all_of, of_id, planted, read_only_world

SEEDS = (7, 8)
KEYS = {
    "pipelines": "id iid project_id sha ref status source created_at updated_at web_url name before_sha tag "
    "yaml_errors user started_at finished_at committed_at duration queued_duration coverage detailed_status",
    "jobs": "id status stage name ref tag coverage allow_failure created_at started_at finished_at erased_at duration "
    "queued_duration user commit pipeline web_url project artifacts runner artifacts_expire_at archived tag_list",
    "bridges": "id status stage name ref created_at started_at finished_at user commit pipeline downstream_pipeline",
    "merge_requests": "id iid project_id title description state created_at updated_at merged_by merged_at closed_at "
    "target_branch source_branch author assignees reviewers labels draft sha merge_commit_sha references web_url "
    "head_pipeline diff_refs first_deployed_to_production_at changes_count",
    "deployments": "id iid ref sha created_at updated_at user environment deployable status pending_approval_count "
    "approvals approval_summary",
    "environments": "id name slug external_url created_at updated_at tier state last_deployment",
    "commits": "id short_id created_at parent_ids title message author_name author_email authored_date committer_name "
    "committed_date web_url",
    "pipeline_schedules": "id description ref cron cron_timezone next_run_at active owner last_pipeline created_at",
    "releases": "name tag_name description created_at released_at author commit _links",
    "tags": "name message target commit release protected",
    "issues": "id iid project_id title state created_at updated_at closed_at labels author issue_type severity",
    "registry_repositories": "id name path project_id location created_at tags",
}


@pytest.fixture(params=SEEDS)
def world(request):
    return read_only_world(request.param)


def test_the_history_has_the_size_of_a_real_team(world):
    assert 1250 <= len(all_of(world, "pipelines")) <= 1800
    assert 7000 <= len(all_of(world, "jobs")) <= 10000
    assert len(world.gitlab.projects) == 12


@pytest.mark.parametrize("collection", KEYS)
def test_every_object_has_the_keys_of_the_detail_endpoint(collection):
    items = all_of(read_only_world(), collection)
    assert items
    missing = {key for item in items for key in KEYS[collection].split() if key not in item}
    assert missing == set()


def test_a_pipeline_agrees_with_its_newest_attempts(world):
    newest = {}
    for job in [*all_of(world, "jobs"), *all_of(world, "bridges")]:
        if not job["_retried"]:
            newest.setdefault(job["pipeline"]["id"], []).append(job)
    for pipeline in all_of(world, "pipelines"):
        jobs = newest.get(pipeline["id"], [])
        hard = {job["status"] for job in jobs if not job["allow_failure"]}
        if pipeline["status"] == "success":
            assert hard <= {"success", "skipped"}, pipeline["web_url"]
        if pipeline["status"] == "failed" and jobs:
            assert "failed" in hard, pipeline["web_url"]
        for job in jobs:
            assert job["pipeline"]["status"] == pipeline["status"]


def test_a_finished_pipeline_has_its_times_in_order(world):
    for pipeline in all_of(world, "pipelines"):
        stamps = [pipeline[key] for key in ("created_at", "started_at", "finished_at") if pipeline[key]]
        assert stamps == sorted(stamps)
        assert pipeline["updated_at"] >= stamps[-1]
        if pipeline["status"] in ("created", "pending", "running"):
            assert pipeline["finished_at"] is None


def test_a_merged_request_ends_in_a_commit_of_main(world):
    merged = [request for request in all_of(world, "merge_requests") if request["state"] == "merged"]
    assert merged
    for request in merged:
        commits = {commit["id"]: commit for commit in world.gitlab.items(request["project_id"], "commits")}
        merge = commits[request["merge_commit_sha"]]
        assert request["sha"] in merge["parent_ids"]
        assert merge["committed_date"] == request["merged_at"]


def test_every_deployment_names_the_job_that_made_it(world):
    jobs = {job["id"]: job for job in all_of(world, "jobs")}
    expected = {"blocked": {"manual"}, "success": {"success"}, "failed": {"failed"}, "running": {"running"}}
    for deployment in all_of(world, "deployments"):
        job = jobs[deployment["deployable"]["id"]]
        assert deployment["sha"] == job["commit"]["id"]
        assert job["status"] in expected.get(deployment["status"], {job["status"]}), deployment["id"]


def test_what_a_deployment_brought_can_be_compared(world):
    for project in world.gitlab.projects:
        landed = {}
        for deployment in sorted(
            (one for one in world.gitlab.items(project, "deployments") if one["status"] == "success"),
            key=lambda one: one["_finished_at"],
        ):
            before = landed.get(deployment["environment"]["name"])
            if before and before != deployment["sha"]:
                answer = world.gitlab.mapping(project, "compare")[f"{before}...{deployment['sha']}"]
                shas = [commit["id"] for commit in answer["commits"]]
                assert not shas or deployment["sha"] in shas
            landed[deployment["environment"]["name"]] = deployment["sha"]


def test_a_flaky_job_failed_and_succeeded_on_the_same_commit(world):
    found = planted(world, "flaky_job")
    assert found
    for one in found[-3:]:
        attempts = [
            job["status"]
            for job in world.gitlab.items(one["project"], "jobs")
            if job["name"] == one["job"] and job["commit"]["id"] == one["sha"]
        ]
        assert attempts[:2] in (["failed", "success"], ["skipped"], ["created"]) or attempts == ["skipped"]
    assert any(
        [
            job["status"]
            for job in world.gitlab.items(one["project"], "jobs")
            if job["name"] == one["job"] and job["commit"]["id"] == one["sha"]
        ]
        == ["failed", "success"]
        for one in found
    )


def test_a_broken_main_fails_on_three_commits_in_a_row(world):
    for one in planted(world, "broken_since"):
        results = [
            (job["commit"]["id"], job["status"])
            for job in world.gitlab.items(one["project"], "jobs")
            if job["name"] == one["job"] and job["ref"] == "main" and job["status"] in ("success", "failed")
            and job["created_at"] > one["since"] and not job["_retried"]
        ]  # fmt: skip
        assert len({sha for sha, status in results if status == "failed"}) >= 3
        assert all(status == "failed" for _, status in results[-3:])


def test_the_platform_is_to_blame_for_some_failures(world):
    reasons = Counter(job.get("failure_reason") for job in all_of(world, "jobs"))
    for reason in (
        "script_failure", "runner_system_failure", "stuck_or_timeout_failure", "forward_deployment_failure",
    ):  # fmt: skip
        assert reasons[reason], reason


def test_every_way_for_a_pipeline_to_stand_is_there(world):
    statuses = {pipeline["status"] for pipeline in all_of(world, "pipelines")}
    assert {"success", "failed", "canceled", "skipped", "manual"} <= statuses
    assert {"child", "multi"} == {
        "child" if bridge["downstream_pipeline"]["project_id"] == bridge["pipeline"]["project_id"] else "multi"
        for bridge in all_of(world, "bridges")
        if bridge["downstream_pipeline"]
    }
    assert any(job["status"] == "failed" and job["allow_failure"] for job in all_of(world, "jobs"))
    assert any(pipeline["yaml_errors"] for pipeline in all_of(world, "pipelines"))


def test_a_delayed_job_waits_for_its_time():
    world, clock = a_moving_world()
    for _ in range(24 * 12):
        if any(job["status"] == "scheduled" for job in all_of(world, "jobs")):
            return
        clock.advance(timedelta(minutes=5))
        world.refresh()
    pytest.fail("no delayed job within a day")


def test_a_downstream_failure_is_hidden_behind_a_green_parent(world):
    hidden = []
    for one in planted(world, "downstream_failed_parent_green"):
        parent = of_id(world, one["project"], "pipelines", one["pipeline"])
        below = of_id(world, one["downstream_project"], "pipelines", one["downstream"])
        hidden.append((parent["status"], below["status"], below["source"]))
    assert ("success", "failed", "pipeline") in hidden


def test_the_churn_service_waits_at_its_gate_with_merged_work_behind_it(world):
    project = next(key for key, one in world.gitlab.projects.items() if one["path"] == "serving-api")
    newest = [one for one in world.gitlab.items(project, "pipelines") if one["ref"] == "main"][-1]
    unshipped = [
        request
        for request in world.gitlab.items(project, "merge_requests")
        if request["state"] == "merged" and request["first_deployed_to_production_at"] is None
    ]
    assert newest["status"] in ("manual", "running", "failed")
    assert any(
        job["name"] == "deploy-prod" and job["status"] == "manual" and not job["allow_failure"]
        for job in world.gitlab.items(project, "jobs")[-60:]
    )
    assert len(unshipped) >= 2


def test_one_pipeline_deploys_two_services(world):
    pairs = Counter(
        (one["deployable"]["pipeline"]["id"])
        for one in all_of(world, "deployments")
        if one["environment"]["name"].startswith("prod/") and one["status"] == "success"
    )
    assert max(pairs.values()) >= 2


def test_deployments_wait_for_approval_fail_and_are_rolled_back(world):
    statuses = Counter(one["status"] for one in all_of(world, "deployments"))
    assert statuses["blocked"]
    assert statuses["failed"]
    assert any(one["pending_approval_count"] for one in all_of(world, "deployments"))
    for one in planted(world, "rollback"):
        landed = [
            deployment["sha"]
            for deployment in world.gitlab.items(one["project"], "deployments")
            if deployment["environment"]["name"] == one["environment"] and deployment["status"] == "success"
        ]
        assert landed.count(one["sha"]) >= 2 or one["sha"] in landed


def test_requests_wait_for_review_and_drafts_are_forgotten(world):
    for situation in ("waiting_for_review", "stale_draft", "approved_not_merged"):
        for one in planted(world, situation):
            request = of_id(world, one["project"], "merge_requests", one["request"], "iid")
            approvals = world.gitlab.mapping(one["project"], "merge_request_approvals")[str(one["request"])]
            assert request["state"] == "opened"
            assert request["draft"] == (situation == "stale_draft")
            assert approvals["approved"] == (situation == "approved_not_merged")


def test_an_incident_names_its_deployment_and_one_is_still_open(world):
    incidents = [issue for issue in all_of(world, "issues") if issue["issue_type"] == "incident"]
    assert {issue["state"] for issue in incidents} == {"opened", "closed"}
    for one in planted(world, "incident"):
        deployment = of_id(world, one["project"], "deployments", one["deployment"])
        assert deployment["sha"] in of_id(world, one["project"], "issues", one["issue"], "iid")["description"]


def test_a_schedule_whose_owner_left_no_longer_runs(world):
    (one,) = planted(world, "schedule_owner_lost")
    schedule = of_id(world, one["project"], "pipeline_schedules", one["schedule"])
    assert schedule["owner"]["state"] == "blocked"
    assert schedule["next_run_at"] < "2026-11-17"


def test_some_environments_have_no_tier_and_one_is_called_nonprod(world):
    environments = {one["name"]: one["tier"] for one in all_of(world, "environments")}
    assert environments["nonprod"] == "other"
    assert environments["production"] == "production"
    assert environments["dashboard-live"] is None


def test_titles_and_branches_hold_markup_and_control_characters(world):
    texts = "".join(request["title"] + request["source_branch"] for request in all_of(world, "merge_requests"))
    for text in ("<script>", "javascript:", "\x1b[31m", "\u202e", "onerror=", "=HYPERLINK"):
        assert text in texts


def test_one_project_refuses_its_environments_and_the_token_ends_soon(world):
    assert set(world.gitlab.denied.values()) == {403}
    (token,) = world.gitlab.tokens.values()
    assert token.scopes == ("read_api",)
    assert token.expires_at == "2026-12-03"


def test_an_image_is_known_only_as_latest_and_others_by_their_commit(world):
    tags = {
        registry["path"]: [tag["name"] for tag in registry["tags"]]
        for registry in all_of(world, "registry_repositories")
    }
    assert tags["acme-ml/demand-forecast/dashboard"] == ["latest"]
    assert len(tags["acme-ml/churn/serving-api"]) > 10
    digests = {tag["digest"] for one in all_of(world, "registry_repositories") for tag in one["tags"]}
    assert all(len(digest) == len("sha256:") + 64 for digest in digests)


def test_the_tests_of_a_pipeline_add_up_and_fail_with_their_job(world):
    failed = 0
    for project in world.gitlab.projects:
        for summary in world.gitlab.mapping(project, "test_report_summary").values():
            total = summary["total"]
            assert total["count"] == total["success"] + total["failed"] + total["skipped"]
            assert total["count"] == sum(suite["total_count"] for suite in summary["test_suites"])
            failed += total["failed"]
    assert failed
