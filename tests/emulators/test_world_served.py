"""The demo team as the real clients see it, over HTTP."""

from __future__ import annotations

import gitlab
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage
from google.cloud.aiplatform_v1 import PipelineServiceClient

from emulators.gitlab.app import make_app as gitlab_app
from emulators.google.app import make_app as google_app
from emulators.http import serve
from tests.emulators.world_builders import read_only_world

PARENT = "projects/acme-ml-prod/locations/europe-west4"


@pytest.fixture(scope="module")
def world():
    return read_only_world()


@pytest.fixture(scope="module")
def client(world):
    with serve(gitlab_app(world)) as server:
        token = next(iter(world.gitlab.tokens))
        connection = gitlab.Gitlab(server.url, private_token=token, per_page=100)
        yield connection
        connection.session.close()


@pytest.fixture(scope="module")
def google(world):
    with serve(google_app(world)) as server:
        yield server.url


def test_python_gitlab_reads_the_whole_team(client, world):
    projects = client.groups.get("acme-ml").projects.list(include_subgroups=True, get_all=True)
    assert len(projects) == 12
    project = client.projects.get("acme-ml/churn/serving-api")
    listed = project.pipelines.list(get_all=True)
    held = world.gitlab.items(project.id, "pipelines")
    assert {one.id for one in listed} == {one["id"] for one in held}
    detail = project.pipelines.get(held[-1]["id"])
    assert len(detail.jobs.list(include_retried=True, get_all=True)) >= 10
    assert project.deployments.list(get_all=True)
    assert project.mergerequests.list(state="merged", get_all=True)


def test_one_project_answers_403_for_its_deployments_and_its_pipelines_are_there(client):
    project = client.projects.get("acme-ml/platform/access-broker")
    with pytest.raises(gitlab.GitlabListError) as refused:
        project.deployments.list()
    assert refused.value.response_code == 403
    assert project.pipelines.list()


def test_a_plan_artifact_and_a_state_can_be_downloaded(client, world):
    number, path = next(reversed(world.gitlab.artifacts))
    infra = client.projects.get("acme-ml/platform/infra")
    assert infra.jobs.get(number, lazy=True).artifact(path).startswith(b'{"format_version"')
    state = client.http_get(f"/projects/{infra.id}/terraform/state/prod")
    content = state if isinstance(state, dict) else state.json()
    assert content["version"] == 4


def test_google_clients_read_runs_states_and_metrics(google):
    options = {"api_endpoint": google}
    runs = PipelineServiceClient(transport="rest", credentials=AnonymousCredentials(), client_options=options)
    found = list(runs.list_pipeline_jobs(request={"parent": PARENT, "page_size": 100}, retry=None, timeout=30))
    assert len(found) > 300
    assert runs.get_pipeline_job(name=found[-1].name, retry=None, timeout=30).job_detail.task_details
    bucket = storage.Client(project="acme-ml-prod", credentials=AnonymousCredentials(), client_options=options)
    states = bucket.list_blobs("acme-ml-terraform-state", prefix="terraform/", versions=True, retry=None)
    assert len({blob.generation for blob in states}) > 10
    tables = bigquery.Client(project="acme-ml-prod", credentials=AnonymousCredentials(), client_options=options)
    rows = tables.query_and_wait(
        "SELECT metric, COUNT(*) AS n FROM `acme-ml-prod.ml_metrics.churn_metrics` GROUP BY metric", retry=None
    )
    assert {row["metric"] for row in rows} == {"auc", "log_loss"}
    for one in (bucket, tables):
        one.close()
