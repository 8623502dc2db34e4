"""What the local GitLab serves has GitLab's own field names, and every field that GitLab requires."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.clock import ManualClock
from emulators.world import make_world
from tests.emulators.gitlab_builders import NOON, TOKEN, a_small_gitlab, serving
from tests.emulators.gitlab_schemas import faults, names_of, parameters_of

V4 = "public_api/v4/"
SERVED = [
    ("/metadata", "/metadata", None),
    ("/personal_access_tokens/self", "/personal_access_tokens/self", None),
    ("/groups/9", "/groups/{id}", None),
    ("/groups/shop/projects?include_subgroups=true", "/groups/{id}/projects", None),
    ("/projects/1", "/projects/{id}", None),
    ("/projects/1/pipelines", "/projects/{id}/pipelines", f"{V4}pipeline/basic.json"),
    ("/projects/1/pipelines/10", "/projects/{id}/pipelines/{pipeline_id}", f"{V4}pipeline/detail.json"),
    ("/projects/1/pipelines/latest", "/projects/{id}/pipelines/latest", f"{V4}pipeline/detail.json"),
    ("/projects/1/pipelines/10/jobs", "/projects/{id}/pipelines/{pipeline_id}/jobs", None),
    ("/projects/1/pipelines/10/bridges", "/projects/{id}/pipelines/{pipeline_id}/bridges", None),
    ("/projects/1/pipelines/10/test_report_summary",
     "/projects/{id}/pipelines/{pipeline_id}/test_report_summary", None),
    ("/projects/1/jobs", "/projects/{id}/jobs", None),
    ("/projects/1/jobs/101", "/projects/{id}/jobs/{job_id}", None),
    ("/projects/1/merge_requests", "/projects/{id}/merge_requests", None),
    ("/groups/shop/merge_requests", "/groups/{id}/merge_requests", None),
    ("/projects/1/merge_requests/1", "/projects/{id}/merge_requests/{merge_request_iid}", None),
    ("/projects/1/merge_requests/1/commits",
     "/projects/{id}/merge_requests/{merge_request_iid}/commits", f"{V4}commit/basic.json"),
    ("/projects/1/merge_requests/1/approvals",
     "/projects/{id}/merge_requests/{merge_request_iid}/approvals", None),
    ("/projects/1/merge_requests/1/approval_state",
     "/projects/{id}/merge_requests/{merge_request_iid}/approval_state", None),
    ("/projects/1/repository/commits", "/projects/{id}/repository/commits", f"{V4}commit/basic.json"),
    (f"/projects/1/repository/commits/{1:040x}", "/projects/{id}/repository/commits/{sha}", f"{V4}commit/basic.json"),
    (f"/projects/1/repository/compare?from={1:040x}&to={2:040x}", "/projects/{id}/repository/compare", None),
    ("/projects/1/repository/tags", "/projects/{id}/repository/tags", None),
    ("/projects/1/repository/branches", "/projects/{id}/repository/branches", None),
    ("/projects/1/protected_branches", "/projects/{id}/protected_branches", None),
    ("/projects/1/deployments", "/projects/{id}/deployments", None),
    ("/projects/1/deployments/60", "/projects/{id}/deployments/{deployment_id}", None),
    ("/projects/1/environments", "/projects/{id}/environments", f"{V4}environment.json"),
    ("/projects/1/environments/50", "/projects/{id}/environments/{environment_id}", f"{V4}environment.json"),
    ("/projects/1/releases", "/projects/{id}/releases", f"{V4}release/release_for_guest.json"),
    ("/groups/shop/releases", "/groups/{id}/releases", f"{V4}release/release_for_guest.json"),
    ("/projects/1/pipeline_schedules", "/projects/{id}/pipeline_schedules", None),
    ("/projects/1/pipeline_schedules/30", "/projects/{id}/pipeline_schedules/{pipeline_schedule_id}", None),
    ("/projects/1/pipeline_schedules/30/pipelines",
     "/projects/{id}/pipeline_schedules/{pipeline_schedule_id}/pipelines", f"{V4}pipeline/basic.json"),
    ("/projects/1/registry/repositories?tags_count=true", "/projects/{id}/registry/repositories",
     "registry/repository.json"),
    ("/groups/shop/registry/repositories", "/groups/{id}/registry/repositories", "registry/repository.json"),
    ("/projects/1/registry/repositories/80/tags",
     "/projects/{id}/registry/repositories/{repository_id}/tags", None),
    ("/projects/1/registry/repositories/80/tags/v1",
     "/projects/{id}/registry/repositories/{repository_id}/tags/{tag_name}", None),
    ("/groups/shop/issues?issue_type=incident", "/groups/{id}/issues", None),
    ("/projects/1/packages", "/projects/{id}/packages", None),
]  # fmt: skip
NEWER_THAN_THE_FILE = {
    "/projects/{id}/pipelines": {"name"},
    "/projects/{id}/pipeline_schedules/{pipeline_schedule_id}/pipelines": {"name"},
}
STRICTER_THAN_TODAY = {
    # GitLab's transcribed schemas lack what later versions added; the OpenAPI file has these names.
    f"{V4}environment.json": {"auto_stop_at", "description", "auto_stop_setting", "kubernetes_namespace",
                              "flux_resource_path"},
    f"{V4}release/release_for_guest.json": {"tag_name", "commit", "evidences"},
}  # fmt: skip


@pytest.fixture(scope="module")
def api():
    with (
        serving(a_small_gitlab()) as (url, _),
        httpx.Client(base_url=f"{url}/api/v4", headers={"PRIVATE-TOKEN": TOKEN}) as client,
    ):
        yield client


def objects_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(("path", "template", "schema"), SERVED, ids=[path for path, _, _ in SERVED])
def test_an_answer_has_the_names_that_gitlab_gives_and_all_that_it_requires(
    api: httpx.Client, shared_data: Path, path: str, template: str, schema: str | None
):
    found = objects_of(api.get(path))
    assert found, "an empty list proves nothing"
    allowed = names_of(shared_data, template) | NEWER_THAN_THE_FILE.get(template, set())
    for item in found:
        assert set(item) <= allowed
        if schema is not None:
            known = {key: value for key, value in item.items() if key not in STRICTER_THAN_TODAY.get(schema, set())}
            assert faults(shared_data, schema, known) == []


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/projects/1/jobs/101", "artifact.json"),
        ("/projects/1/jobs/101", "artifact_file.json"),
        ("/projects/1/jobs/101", "runner.json"),
        ("/projects/1/jobs/101", "user/basic.json"),
    ],
    ids=["artifact", "artifact file", "runner", "user"],
)
def test_the_parts_of_a_job_have_what_gitlab_requires(api, shared_data, path, schema):
    job = api.get(path).json()
    newer = {"paused", "runner_type"}
    part = {"artifact.json": job["artifacts"][0], "artifact_file.json": job["artifacts_file"],
            "runner.json": {key: value for key, value in job["runner"].items() if key not in newer},
            "user/basic.json": job["user"]}[schema]  # fmt: skip
    assert faults(shared_data, f"{V4}{schema}", part) == []


def test_the_check_can_fail(shared_data):
    assert faults(shared_data, f"{V4}environment.json", {"id": "fifty"}) != []
    assert "surprise" not in names_of(shared_data, "/projects/{id}/pipelines")


@pytest.mark.parametrize(
    ("listed", "detail", "missing"),
    [
        ("/projects/1/pipelines", "/projects/1/pipelines/10", {"before_sha", "user", "duration", "queued_duration",
         "started_at", "finished_at", "coverage", "detailed_status", "yaml_errors", "tag", "committed_at"}),
        ("/projects/1/merge_requests", "/projects/1/merge_requests/1", {"head_pipeline", "diff_refs", "changes_count",
         "merge_error", "first_deployed_to_production_at"}),
        ("/projects/1/pipeline_schedules", "/projects/1/pipeline_schedules/30", {"last_pipeline"}),
        ("/projects/1/environments", "/projects/1/environments/50", {"last_deployment"}),
        ("/projects/1/registry/repositories/80/tags", "/projects/1/registry/repositories/80/tags/v0",
         {"digest", "created_at", "total_size", "revision", "short_revision"}),
        ("/projects/1/deployments", "/projects/1/deployments/60", {"approvals", "approval_summary",
                                                                   "pending_approval_count"}),
        ("/projects/1/repository/commits", f"/projects/1/repository/commits/{1:040x}", {"stats", "status",
                                                                                        "last_pipeline", "project_id"}),
    ],
    ids=["pipeline", "merge request", "schedule", "environment", "image tag", "deployment", "commit"],
)  # fmt: skip
def test_what_only_the_detail_has_is_truly_missing_from_the_list(api, listed, detail, missing):
    whole, row = api.get(detail).json(), api.get(listed).json()[0]
    assert missing <= set(whole)
    assert missing.isdisjoint(row)
    assert set(row) <= set(whole)


def test_what_the_emulators_keep_for_themselves_is_never_served(api):
    for path in ("/projects/1", "/projects/1/pipelines/10", "/projects/1/jobs", "/projects/1/deployments/60"):
        text = api.get(path).text
        assert not any(own in text for own in ("_secret", "_internal", "_retried", "_stage_index", "_needs"))


def test_a_schedule_never_shows_its_variables_to_a_reader(api):
    assert "hunter2" not in api.get("/projects/1/pipeline_schedules/30").text


@pytest.mark.parametrize(
    ("template", "used"),
    [
        ("/projects/{id}/pipelines", {"source": "parent_pipeline", "order_by": "updated_at", "scope": "finished",
                                      "updated_after": None, "status": "waiting_for_callback"}),
        ("/projects/{id}/deployments", {"order_by": "finished_at", "status": "blocked", "finished_after": None}),
        ("/groups/{id}/merge_requests", {"state": "locked", "scope": "all", "order_by": "updated_at"}),
        ("/groups/{id}/projects", {"include_subgroups": None, "order_by": "last_activity_at", "with_shared": None}),
        ("/groups/{id}/issues", {"issue_type": "incident", "updated_after": None}),
        ("/projects/{id}/repository/tags", {"order_by": "updated", "sort": "desc"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_parameter_that_is_honoured_here_exists_there(shared_data, template, used):
    known = parameters_of(shared_data, template)
    for name, word in used.items():
        assert name in known
        assert word is None or word in (known[name] or [])


LISTED = (
    "pipelines", "jobs", "merge_requests", "environments", "deployments", "releases", "pipeline_schedules",
    "registry/repositories", "repository/commits", "repository/tags", "repository/branches", "protected_branches",
    "issues", "packages",
)  # fmt: skip


@pytest.fixture(scope="module")
def demo():
    upstreams = make_world(7, NOON - timedelta(hours=2), ManualClock(NOON))
    token = next(iter(upstreams.gitlab.tokens))
    with (
        serving(upstreams) as (url, _),
        httpx.Client(base_url=f"{url}/api/v4", headers={"PRIVATE-TOKEN": token}) as client,
    ):
        yield client, list(upstreams.gitlab.projects)


@pytest.mark.parametrize("collection", LISTED)
def test_the_demo_team_has_no_field_that_gitlab_does_not_have(demo, shared_data, collection):
    client, projects = demo
    template = f"/projects/{{id}}/{collection}"
    allowed = names_of(shared_data, template) | NEWER_THAN_THE_FILE.get(template, set())
    answers = [client.get(f"/projects/{number}/{collection}?per_page=50") for number in projects]
    found = [item for answer in answers if answer.status_code == 200 for item in answer.json()]
    assert found, "no project of the demo team has one"
    assert {name for item in found for name in item} <= allowed
