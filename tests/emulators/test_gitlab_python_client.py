"""python-gitlab, the client that the product uses, reads every list and detail of the local GitLab."""

import gitlab
import pytest

from emulators.data import Token
from tests.emulators.gitlab_builders import TOKEN, a_job, a_pipeline, a_small_gitlab, at, serving


@pytest.fixture(scope="module")
def served():
    upstreams = a_small_gitlab()
    data = upstreams.gitlab
    data.items(1, "pipelines").extend(a_pipeline(number, updated_at=at(1000 - number)) for number in range(200, 450))
    data.items(2, "pipelines").extend(a_pipeline(number, 2, status="failed") for number in range(500, 503))
    data.items(1, "jobs").extend(a_job(number, f"job-{number}", pipeline=449) for number in range(1000, 1250))
    data.denied[2, "deployments"] = 403
    data.tokens["glpat-narrow"] = Token("glpat-narrow", scopes=("read_user",))
    data.tokens["glpat-old"] = Token("glpat-old", expires_at="2026-11-01")
    with serving(upstreams) as (url, _):
        yield url


@pytest.fixture
def client(served):
    with gitlab.Gitlab(served, private_token=TOKEN, per_page=100, retry_transient_errors=False) as found:
        yield found


@pytest.fixture
def project(client):
    return client.projects.get("shop/churn")


def test_who_one_is_and_what_the_token_may_do(client):
    client.auth()
    assert client.user.username == "ada"
    token = client.personal_access_tokens.get("self")
    assert (token.scopes, token.active, token.expires_at) == (["read_api"], True, "2027-06-01")
    assert client.version()[0] == "18.9.0-ee"


def test_projects_by_number_path_group_and_key(client):
    assert client.projects.get(1).path_with_namespace == "shop/churn"
    assert client.projects.get("shop/platform/infra").id == 2
    group = client.groups.get("shop")
    assert [one.id for one in group.projects.list(get_all=True)] == [1]
    assert {one.id for one in group.projects.list(include_subgroups=True, get_all=True)} == {1, 2}
    keyed = client.projects.list(iterator=True, pagination="keyset", order_by="id", sort="asc", per_page=1)
    assert [one.id for one in keyed] == [1, 2]


def test_pages_by_offset_hold_every_pipeline_once(project):
    found = [one.id for one in project.pipelines.list(iterator=True)]
    assert found == [*range(449, 199, -1), 10]


def test_an_iterator_knows_the_total(project):
    assert project.pipelines.list(iterator=True).total == 251


def test_pages_by_key_hold_every_job_once_though_new_ones_arrive(project):
    keyed = project.jobs.list(iterator=True, pagination="keyset", order_by="id", sort="desc", per_page=100)
    assert [one.id for one in keyed] == [*range(1249, 999, -1), 103, 102, 101, 100]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"updated_after": at(553)}, {447, 448, 449, 10}),
        ({"updated_before": at(799)}, {200, 201}),
        ({"source": "parent_pipeline"}, {20}),
        ({"sha": "f" * 40}, set()),
        ({"ref": "main", "username": "ada", "updated_after": at(30)}, {10}),
    ],
    ids=["updated after", "updated before", "children", "another commit", "several"],
)
def test_pipelines_are_filtered_as_asked(project, filters, found):
    assert {one.id for one in project.pipelines.list(get_all=True, **filters)} == found


def test_pipelines_in_the_order_of_their_change(project):
    found = project.pipelines.list(order_by="updated_at", sort="asc", get_all=True)
    times = [one.updated_at for one in found]
    assert times == sorted(times)


def test_a_pipeline_its_jobs_bridges_and_tests(project):
    pipeline = project.pipelines.get(10)
    assert (pipeline.duration, pipeline.coverage) == (540, "81.50")
    assert [one.id for one in pipeline.jobs.list(get_all=True)] == [102, 101]
    assert [one.id for one in pipeline.jobs.list(include_retried=True, get_all=True)] == [102, 101, 100]
    assert [one.id for one in pipeline.jobs.list(scope="failed", include_retried=True, get_all=True)] == [100]
    assert pipeline.bridges.list(get_all=True)[0].downstream_pipeline["id"] == 20
    assert pipeline.test_report_summary.get().total["count"] == 0
    assert project.pipelines.latest(ref="main").id == 449


def test_without_a_pipeline_the_latest_is_forbidden_not_missing(project):
    with pytest.raises(gitlab.GitlabHttpError) as refused:
        project.pipelines.latest(ref="nowhere")
    assert refused.value.response_code == 403


def test_a_log_and_a_file_of_the_archive(project):
    job = project.jobs.get(101)
    assert job.trace() == b"line one\nline two\n"
    assert job.artifact("reports/plan.json") == b'{"drift": []}'
    assert job.artifacts().startswith(b"PK")


def test_requests_deployments_environments_and_the_rest(client, project):
    group = client.groups.get("shop")
    listed = group.mergerequests.list(state="all", scope="all", updated_after=at(50), get_all=True)
    assert [one.iid for one in listed] == [1]
    request = project.mergerequests.get(1)
    assert request.approvals.get().approved is True
    assert [one.title for one in request.commits()] == ["Change 2"]
    listed = project.deployments.list(updated_after=at(50), order_by="updated_at", sort="asc", get_all=True)
    assert [one.id for one in listed] == [60]
    assert project.environments.get(50).last_deployment["id"] == 60
    assert [one.tag_name for one in project.releases.list(get_all=True)] == ["v1.0.0"]
    assert [one.name for one in project.tags.list(order_by="updated", get_all=True)] == ["v1.0.0"]
    assert [one.name for one in project.branches.list(get_all=True)] == ["main"]
    assert [one.name for one in project.protectedbranches.list(get_all=True)] == ["main"]
    assert project.pipelineschedules.get(30).last_pipeline["id"] == 10
    assert [one.id for one in project.pipelineschedules.get(30).pipelines.list(get_all=True)] == [10]
    repository = project.repositories.list(get_all=True)[0]
    assert repository.tags.get("v1").digest == f"sha256:{1:064x}"
    assert [one.iid for one in group.issues.list(issue_type="incident", get_all=True)] == [1]
    assert [one.id for one in project.packages.list(package_type="ml_model", get_all=True)] == [40]
    assert len(project.repository_compare(f"{1:040x}", f"{2:040x}")["commits"]) == 1
    assert client.http_get("/projects/1/terraform/state/prod/versions/1").json()["serial"] == 1


def test_a_deployment_filter_without_its_order_is_a_bad_request(project):
    for filters in ({"updated_after": at(50)}, {"finished_after": at(50), "order_by": "finished_at"}):
        with pytest.raises(gitlab.GitlabListError) as refused:
            project.deployments.list(get_all=True, **filters)
        assert refused.value.response_code == 400


@pytest.mark.parametrize(
    ("token", "status"), [("glpat-none", 401), ("glpat-old", 401), ("glpat-narrow", 403)], ids=str
)  # fmt: skip
def test_a_token_that_is_not_enough_is_refused(served, token, status):
    with gitlab.Gitlab(served, private_token=token) as stranger, pytest.raises(gitlab.GitlabError) as refused:
        stranger.projects.get(1)
    assert refused.value.response_code == status


def test_a_403_on_one_collection_of_one_project_leaves_the_rest_readable(client):
    infra = client.projects.get(2)
    with pytest.raises(gitlab.GitlabListError) as refused:
        infra.deployments.list(get_all=True)
    assert refused.value.response_code == 403
    assert len(infra.pipelines.list(get_all=True)) == 3
    assert len(client.projects.get(1).deployments.list(get_all=True)) == 1


def test_a_project_that_is_not_there_is_not_found(client):
    with pytest.raises(gitlab.GitlabGetError) as refused:
        client.projects.get("shop/nothing")
    assert refused.value.response_code == 404
