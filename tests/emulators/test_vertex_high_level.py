"""The local Vertex AI through `google.cloud.aiplatform`, the SDK that most scripts use."""

import pytest
from google.auth.credentials import AnonymousCredentials

from tests.emulators import vertex_builders as make
from tests.emulators.local_google import PROJECT, empty_upstreams, serving


@pytest.fixture(scope="module")
def upstreams():
    made = empty_upstreams()
    make.one_of_everything(made)
    make.a_run(made, "churn-2", state="FAILED")
    return made


@pytest.fixture(scope="module")
def sdk(upstreams):
    from google.cloud import aiplatform

    with serving(upstreams) as url:
        aiplatform.init(
            project=PROJECT,
            location="europe-west1",
            api_endpoint=url,
            api_transport="rest",
            credentials=AnonymousCredentials(),
        )
        yield aiplatform


def test_runs_are_listed_and_each_gets_its_tasks(sdk):
    (failed,) = sdk.PipelineJob.list(filter='state="PIPELINE_STATE_FAILED"')
    assert failed.display_name == "churn-2"
    assert [task.task_name for task in sdk.PipelineJob.get(failed.resource_name).task_details] == ["train"]


@pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")
def test_the_simple_view_reads_only_the_name_of_the_pipeline(sdk):
    simple = sdk.PipelineJob.list(enable_simple_view=True)
    assert {dict(run.gca_resource.pipeline_spec["pipelineInfo"])["name"] for run in simple} == {"churn-train"}
    assert all("root" not in run.gca_resource.pipeline_spec for run in simple)


def test_a_model_knows_its_versions_and_its_evaluations(sdk):
    (model,) = sdk.Model.list()
    assert sorted(version.version_id for version in model.versioning_registry.list_versions()) == ["1", "2", "3"]
    assert [one.metrics["auPrc"] for one in model.list_model_evaluations()] == [pytest.approx(0.9)]


def test_endpoints_jobs_and_schedules_are_listed(sdk):
    (endpoint,) = sdk.Endpoint.list()
    assert endpoint.traffic_split == {"11": 90, "12": 10}
    assert [job.display_name for job in sdk.CustomJob.list()] == ["job-1"]
    assert [schedule.display_name for schedule in sdk.PipelineJobSchedule.list()] == ["nightly"]
