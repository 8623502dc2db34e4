"""A folder of recorded payloads, served through the same local upstreams and read by the real clients."""

import csv
import json
import shutil
import tomllib
from datetime import date

import gitlab
import httpx
import pytest
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient

from emulators.clock import ManualClock
from emulators.configuration import Places, found_configuration
from emulators.gitlab.app import make_app as gitlab_app
from emulators.http import serve
from emulators.replay import load
from tests.emulators.bigquery_builders import ask
from tests.emulators.local_google import NOON, options, serving

PLACE = "projects/192756378758/locations/us-central1"
RUN = {"name": f"{PLACE}/pipelineJobs/hello-1", "displayName": "hello-1", "state": "PIPELINE_STATE_SUCCEEDED"}
JOB = {"id": 7, "name": "test", "status": "failed", "stage": "test", "created_at": "2020-01-01T00:00:00.000Z",
       "pipeline": {"id": 6, "ref": "main", "sha": "0ff3ae19", "status": "failed"}}  # fmt: skip


@pytest.fixture
def record(tmp_path):
    """Write one file of the replay folder: text and bytes as they are, anything else as JSON."""

    def write(path, content):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return write


def replayed(folder):
    return load(folder, ManualClock(NOON))


@pytest.fixture
def projects(tmp_path):
    """The recorded project 44, as python-gitlab reads it."""
    servers = []

    def read():
        server = serve(gitlab_app(replayed(tmp_path)))
        servers.append(server)
        return gitlab.Gitlab(server.url, private_token="any", per_page=100).projects

    yield read
    for server in servers:
        server.stop()


def raw(shared_data, name):
    """The API objects that DevLake kept in the column `data`."""
    csv.field_size_limit(10**8)
    with (shared_data / f"gitlab/devlake_raw/_raw_gitlab_api_{name}.csv").open() as file:
        return [json.loads(row["data"]) for row in csv.DictReader(file)]


def test_recorded_pipelines_are_listed_with_their_own_words(record, projects, shared_data):
    recorded = raw(shared_data, "pipeline")
    record("gitlab/projects/44/pipelines.json", recorded)
    found = projects().get(44).pipelines.list(get_all=True)
    assert {one.id: one.status for one in found} == {one["id"]: one["status"] for one in recorded}


def test_jobs_without_their_pipelines_bring_these_along(record, projects, shared_data):
    recorded = raw(shared_data, "job")
    record("gitlab/projects/44/jobs.json", recorded)
    project = projects().get(44)
    pipelines = project.pipelines.list(get_all=True)
    assert {one.id for one in pipelines} == {one["pipeline"]["id"] for one in recorded}
    shown = [job.id for one in pipelines for job in one.jobs.list(get_all=True, include_retried=True)]
    assert sorted(shown) == sorted(one["id"] for one in recorded)


def test_a_made_up_pipeline_says_what_its_job_says_of_it(record, projects):
    record("gitlab/projects/44/jobs.json", [JOB])
    found = projects().get(44).pipelines.get(6)
    assert (found.status, found.ref, found.sha) == ("failed", "main", "0ff3ae19")
    assert found.created_at == JOB["created_at"]


def test_a_recorded_pipeline_is_not_changed_by_its_jobs(record, projects):
    record("gitlab/projects/44/jobs.json", [JOB])
    record("gitlab/projects/44/pipelines.json", [{"id": 6, "status": "success", "ref": "v1", "sha": "abc"}])
    found = projects().get(44).pipelines.get(6)
    assert (found.status, found.ref) == ("success", "v1")


def test_a_bridge_brings_the_pipeline_and_the_project_that_it_started(record, projects):
    downstream = {"id": 90, "project_id": 45, "status": "running", "ref": "main", "sha": "d1"}
    record("gitlab/projects/44/bridges.json", [JOB | {"downstream_pipeline": downstream}])
    read = projects()
    assert read.get(45).pipelines.get(90).status == "running"
    assert read.get(44).pipelines.get(6).bridges.list()[0].downstream_pipeline["id"] == 90


def test_a_child_pipeline_in_the_same_project_is_a_child(record, projects):
    record("gitlab/projects/44/bridges.json", [JOB | {"downstream_pipeline": {"id": 90, "status": "success"}}])
    project = projects().get(44)
    assert [one.id for one in project.pipelines.list(get_all=True)] == [6]
    assert project.pipelines.get(90).source == "parent_pipeline"


def test_a_deployment_brings_its_environment(record, projects, shared_data):
    recorded = json.loads((shared_data / "gitlab/fixtures_narkoz/deployments.json").read_text())
    record("gitlab/projects/44/deployments.json", recorded)
    project = projects().get(44)
    assert [one.id for one in project.deployments.list(get_all=True)] == sorted(one["id"] for one in recorded)
    assert {one.name for one in project.environments.list()} == {one["environment"]["name"] for one in recorded}


def test_a_project_that_was_recorded_keeps_its_path(record, projects):
    record("gitlab/projects.json", [{"id": 44, "path_with_namespace": "acme/ml/churn", "default_branch": "trunk"}])
    record("gitlab/projects/44/jobs.json", [JOB])
    found = projects().get("acme/ml/churn")
    assert (found.id, found.default_branch) == (44, "trunk")


def test_merge_requests_show_their_commits_and_a_comparison_its_answer(record, projects):
    record("gitlab/projects/44/merge_requests.json", [{"id": 9, "iid": 3, "state": "merged", "title": "x"}])
    record("gitlab/projects/44/merge_request_commits.json", {"3": [{"id": "abc", "title": "first"}]})
    record("gitlab/projects/44/compare.json", {"a...b": {"commits": [{"id": "abc"}], "diffs": []}})
    project = projects().get(44)
    assert [one.id for one in project.mergerequests.get(3).commits()] == ["abc"]
    assert [one["id"] for one in project.repository_compare("a", "b")["commits"]] == ["abc"]


def test_a_log_is_served_as_recorded(record, projects):
    record("gitlab/projects/44/jobs.json", [JOB])
    record("gitlab/projects/44/traces/7.log", "line one\n")
    assert projects().get(44).jobs.get(7).trace() == b"line one\n"


STATES = {"data": {"project": {"id": "gid://gitlab/Project/44", "terraformStates": {"nodes": [
    {"name": "prod", "lockedAt": None, "updatedAt": "2026-01-02T00:00:00Z",
     "latestVersion": {"serial": 5, "createdAt": "2026-01-02T00:00:00Z", "createdByUser": {"username": "ada"},
                       "job": {"id": "gid://gitlab/Ci::Build/7"}}}]}}}}  # fmt: skip


def test_terraform_states_have_the_recorded_versions_and_bytes(record):
    record("gitlab/graphql/terraformStates.json", STATES)
    record("gitlab/projects/44/terraform_states/prod/4.tfstate", b'{"serial": 4}')
    folder = record("gitlab/projects/44/terraform_states/prod/5.tfstate", b'{"serial": 5}')
    with serve(gitlab_app(replayed(folder))) as server:
        where = f"{server.url}/api/v4/projects/44/terraform/state/prod"
        assert httpx.get(where, trust_env=False).json() == {"serial": 5}
        assert httpx.get(f"{where}/versions/4", trust_env=False).json() == {"serial": 4}
        query = '{project(fullPath:"replay/project-44"){terraformStates{nodes{name latestVersion{serial}}}}}'
        answer = httpx.post(f"{server.url}/api/graphql", json={"query": query}, trust_env=False).json()
    assert answer["data"]["project"]["terraformStates"]["nodes"] == [{"name": "prod", "latestVersion": {"serial": 5}}]


def test_a_state_without_bytes_is_a_record_without_a_file(record):
    record("gitlab/projects/44/jobs.json", [JOB])
    folder = record("gitlab/graphql/terraformStates.json", STATES)
    with serve(gitlab_app(replayed(folder))) as server:
        where = f"{server.url}/api/v4/projects/44/terraform/state/prod"
        assert httpx.get(where, trust_env=False).status_code == 204


def test_states_and_plans_are_kept_byte_for_byte(record, shared_data):
    state = (shared_data / "terraform/generated_real/1_initial.tfstate").read_bytes()
    record("terraform/prod.tfstate", state)
    folder = record("terraform/broken.plan.json", b"{not json")
    assert replayed(folder).files == {"prod.tfstate": state, "broken.plan.json": b"{not json"}


def test_a_recorded_list_of_runs_is_read_by_the_client(record, shared_data):
    recorded = (shared_data / "vertex/rest_outputs/pipelineJobs_list_cell64.json").read_text()
    folder = record("vertex/pipelineJobs.json", recorded)
    with serving(replayed(folder)) as url:
        client = PipelineServiceClient(transport="rest", **options(url))
        (run,) = client.list_pipeline_jobs(parent=PLACE, retry=None, timeout=10)
    assert run.display_name == json.loads(recorded)["pipelineJobs"][0]["displayName"]
    assert run.job_detail.pipeline_context.name


def test_versions_of_a_model_are_told_apart_and_the_default_is_the_model(record):
    name = f"{PLACE}/models/7"
    versions = [{"name": name, "versionId": number, "displayName": "churn"} for number in ("1", "10", "9")]
    versions[2]["versionAliases"] = ["default"]
    record("vertex/models.json", versions)
    folder = record("vertex/evaluations.json", [{"name": f"{PLACE}/models/8@2/evaluations/1", "metrics": {"auc": 0.9}}])
    with serving(replayed(folder)) as url:
        client = ModelServiceClient(transport="rest", **options(url))
        assert client.get_model(name=name).version_id == "9"
        assert len(list(client.list_model_versions(name=name))) == 3
        (evaluation,) = client.list_model_evaluations(parent=f"{PLACE}/models/8@2")
    assert dict(evaluation.metrics) == {"auc": 0.9}


def test_a_compiled_pipeline_without_a_run_is_a_definition_on_a_paused_schedule(record, shared_data, tmp_path):
    folder = record("vertex/pipelineJobs.json", [])
    shutil.copytree(shared_data / "kfp", folder / "vertex/specs")
    expected = json.loads((shared_data / "expected/kfp_counts.shared.json").read_text())
    upstreams = replayed(folder)
    assert not upstreams.vertex.items("pipelineJobs")
    with serving(upstreams) as url:
        client = ScheduleServiceClient(transport="rest", **options(url))
        schedules = list(client.list_schedules(parent="projects/replay/locations/us-central1"))
    found = {one.create_pipeline_job_request.pipeline_job.display_name for one in schedules}
    assert {one.state.name for one in schedules} == {"PAUSED"}
    assert found == {one["name"] for one in expected.values()}


def test_a_run_without_its_spec_gets_the_compiled_one_of_its_name(record):
    spec = {"pipelineInfo": {"name": "hello"}, "root": {"dag": {"tasks": {}}}, "schemaVersion": "2.1.0"}
    record("vertex/pipelineJobs.json", [RUN | {"templateUri": "https://x.pkg.dev/p/r/hello"}])
    folder = record("vertex/specs/hello.json", {"pipelineSpec": spec})
    upstreams = replayed(folder)
    run = upstreams.vertex.items("pipelineJobs")[RUN["name"]]
    assert run.pipeline_spec["pipelineInfo"]["name"] == "hello"
    assert not upstreams.vertex.items("schedules")


def test_rows_without_a_schema_are_typed_by_their_values(record):
    rows = [{"ts": "2026-10-01T00:00:00Z", "day": "2026-10-01", "auc": 1, "n": 3, "ok": True, "tags": ["a"]},
            {"ts": "2026-10-02 00:00:00 UTC", "day": "2026-10-02", "auc": 0.5, "n": 4, "ok": None}]  # fmt: skip
    folder = record("bigquery/ml.metrics.json", rows)
    with serving(replayed(folder)) as url:
        from google.cloud import bigquery

        client = bigquery.Client(project="replay", **options(url))
        sql = "SELECT DATE(ts), day, auc, n, ok, ARRAY_LENGTH(tags) FROM ml.metrics ORDER BY ts"
        found = ask(client, sql)
        client.close()
    assert found == [
        (date(2026, 10, 1), date(2026, 10, 1), 1.0, 3, True, 1),
        (date(2026, 10, 2), date(2026, 10, 2), 0.5, 4, None, 0),
    ]


def test_a_schema_beside_the_rows_decides(record):
    record(
        "bigquery/ml.metrics.schema.json", {"fields": [{"name": "n", "type": "FLOAT"}, {"name": "m", "type": "DATE"}]}
    )
    folder = record("bigquery/acme.ml.metrics.json", [])
    record("bigquery/ml.metrics.json", [{"n": 1}])
    tables = replayed(folder).bigquery.tables
    assert tables[("replay", "ml", "metrics")].rows == [{"n": 1.0, "m": None}]
    assert ("acme", "ml", "metrics") in tables


def test_recorded_regions_of_one_project_are_one_source_in_the_configuration(record, tmp_path):
    other = RUN | {"name": RUN["name"].replace("us-central1", "europe-west4")}
    upstreams = replayed(record("vertex/pipelineJobs.json", [RUN, other]))
    at = "http://127.0.0.1:1"
    text = found_configuration(upstreams, Places(at, at, tmp_path / "token", None))
    (source,) = tomllib.loads(text)["source"]
    assert source["regions"] == ["europe-west4", "us-central1"]


def test_airflow_answers_are_kept_as_they_are(record, shared_data):
    dags = (shared_data / "airflow/v1_airflow_2.10.5/dags.json").read_text()
    folder = record("airflow/v1/dags.json", dags)
    assert replayed(folder).airflow["v1/dags"] == json.loads(dags)
