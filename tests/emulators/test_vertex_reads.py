"""The local Vertex AI, read by Google's own clients over REST: what a list, a get and a page give."""

from datetime import timedelta

import httpx
import pytest
from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
from google.cloud.aiplatform_v1.services.feature_online_store_admin_service import FeatureOnlineStoreAdminServiceClient
from google.cloud.aiplatform_v1.services.feature_registry_service import FeatureRegistryServiceClient
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
from google.cloud.aiplatform_v1.types import PipelineState

from emulators.google.vertex_catalog import COLLECTIONS
from tests.emulators import vertex_builders as make
from tests.emulators.discovery import unknown_fields
from tests.emulators.local_google import LOCATION, empty_upstreams, options, serving

CALL = {"retry": None, "timeout": 10}


@pytest.fixture
def upstreams():
    return empty_upstreams()


@pytest.fixture
def url(upstreams):
    with serving(upstreams) as address:
        yield address


@pytest.fixture
def client(url):
    def connect(kind):
        return kind(transport="rest", **options(url))

    return connect


def test_a_run_shows_its_tasks_when_it_is_asked_for_alone(upstreams, client):
    run = make.a_run(upstreams)
    found = client(PipelineServiceClient).get_pipeline_job(name=run.name, **CALL)
    assert found == run
    assert [task.task_name for task in found.job_detail.task_details] == ["train"]


def test_a_list_of_runs_shows_contexts_and_no_tasks(upstreams, client):
    """As Google's own answer does (vertex/rest_outputs/pipelineJobs_list_cell64.json)."""
    make.a_run(upstreams)
    (run,) = client(PipelineServiceClient).list_pipeline_jobs(parent=LOCATION, **CALL)
    assert run.job_detail.pipeline_context.name.endswith("contexts/churn-train")
    assert not run.job_detail.task_details


def test_runs_come_newest_first_and_over_all_pages(upstreams, client):
    for hours in range(5):
        make.a_run(upstreams, f"run-{hours}", age_hours=hours)
    request = {"parent": LOCATION, "page_size": 2}
    pages = client(PipelineServiceClient).list_pipeline_jobs(request=request, **CALL).pages
    names = [[run.display_name for run in page.pipeline_jobs] for page in pages]
    assert names == [["run-0", "run-1"], ["run-2", "run-3"], ["run-4"]]


def test_a_page_never_holds_more_than_a_hundred(upstreams, client):
    for number in range(101):
        make.a_run(upstreams, f"run-{number}", age_hours=number)
    pages = client(PipelineServiceClient).list_pipeline_jobs(request={"parent": LOCATION, "page_size": 500}, **CALL)
    assert [len(page.pipeline_jobs) for page in pages.pages] == [100, 1]


def test_a_read_mask_leaves_out_what_it_does_not_name(upstreams, client):
    make.a_run(upstreams)
    request = {"parent": LOCATION, "read_mask": {"paths": ["name", "state", "pipeline_spec.pipeline_info"]}}
    (run,) = client(PipelineServiceClient).list_pipeline_jobs(request=request, **CALL)
    assert run.state == PipelineState.PIPELINE_STATE_SUCCEEDED
    assert dict(run.pipeline_spec) == {"pipelineInfo": {"name": "churn-train"}}
    assert not run.display_name
    assert not run.labels


def test_another_location_lists_none_of_these(upstreams, client):
    make.a_run(upstreams)
    elsewhere = LOCATION.replace("europe-west1", "us-central1")
    assert list(client(PipelineServiceClient).list_pipeline_jobs(parent=elsewhere, **CALL)) == []


def test_a_model_is_its_default_version_and_lists_them_all(upstreams, client):
    make.a_model(upstreams, versions=3, default=2)
    models = client(ModelServiceClient)
    (listed,) = models.list_models(parent=LOCATION, **CALL)
    assert listed.version_id == "2"
    versions = models.list_model_versions(request={"name": listed.name, "order_by": "update_time desc"}, **CALL)
    assert [model.version_id for model in versions] == ["3", "2", "1"]


@pytest.mark.parametrize(("suffix", "version"), [("", "2"), ("@3", "3"), ("@default", "2")])
def test_a_model_version_is_found_by_number_and_by_alias(upstreams, client, suffix, version):
    make.a_model(upstreams, versions=3, default=2)
    found = client(ModelServiceClient).get_model(name=f"{LOCATION}/models/7{suffix}", **CALL)
    assert found.version_id == version


def test_evaluations_belong_to_their_model(upstreams, client):
    make.a_model(upstreams)
    make.an_evaluation(upstreams, auc=0.81)
    (found,) = client(ModelServiceClient).list_model_evaluations(parent=f"{LOCATION}/models/7", **CALL)
    assert found.metrics["auPrc"] == pytest.approx(0.81)
    assert client(ModelServiceClient).get_model_evaluation(name=found.name, **CALL) == found


def test_evaluations_of_the_default_version_are_found_by_either_name(upstreams, client):
    make.a_model(upstreams, versions=3, default=2)
    make.an_evaluation(upstreams, model="7@2", name="of-default")
    make.an_evaluation(upstreams, model="7@3", name="of-newest")

    def of(model):
        found = client(ModelServiceClient).list_model_evaluations(parent=f"{LOCATION}/models/{model}", **CALL)
        return [one.name.rpartition("/")[2] for one in found]

    assert (of("7"), of("7@2"), of("7@3"), of("7@1")) == (["of-default"], ["of-default"], ["of-newest"], [])


def test_an_endpoint_shows_the_traffic_of_each_deployed_model(upstreams, client):
    make.an_endpoint(upstreams, split={"11": 90, "12": 10})
    (found,) = client(EndpointServiceClient).list_endpoints(parent=LOCATION, **CALL)
    assert dict(found.traffic_split) == {"11": 90, "12": 10}
    assert [one.model_version_id for one in found.deployed_models] == ["1", "2"]


def test_schedules_and_custom_jobs_are_listed_and_got(upstreams, client):
    schedule, job = make.a_schedule(upstreams), make.a_custom_job(upstreams)
    assert list(client(ScheduleServiceClient).list_schedules(parent=LOCATION, **CALL)) == [schedule]
    assert client(ScheduleServiceClient).get_schedule(name=schedule.name, **CALL) == schedule
    assert list(client(JobServiceClient).list_custom_jobs(parent=LOCATION, **CALL)) == [job]
    assert client(JobServiceClient).get_custom_job(name=job.name, **CALL) == job


def test_a_monitor_tells_the_anomalies_of_one_model_objective_and_feature(upstreams, client):
    job = make.a_monitor(upstreams)
    jobs = client(JobServiceClient)
    assert list(jobs.list_model_deployment_monitoring_jobs(parent=LOCATION, **CALL)) == [job]
    request = {
        "model_deployment_monitoring_job": job.name,
        "deployed_model_id": "11",
        "feature_display_name": "plan",
        "objectives": [{"type_": "RAW_FEATURE_DRIFT"}],
    }
    (stats,) = jobs.search_model_deployment_monitoring_stats_anomalies(request=request, **CALL)
    assert [one.feature_display_name for one in stats.feature_stats] == ["plan"]
    other = request | {"deployed_model_id": "99"}
    assert list(jobs.search_model_deployment_monitoring_stats_anomalies(request=other, **CALL)) == []


def test_feature_groups_stores_views_and_syncs_hang_together(upstreams, client):
    view = make.a_feature_store(upstreams)
    registry, admin = client(FeatureRegistryServiceClient), client(FeatureOnlineStoreAdminServiceClient)
    (group,) = registry.list_feature_groups(parent=LOCATION, **CALL)
    (feature,) = registry.list_features(parent=group.name, **CALL)
    assert feature.name == f"{group.name}/features/age"
    (store,) = admin.list_feature_online_stores(parent=LOCATION, **CALL)
    assert [one.name for one in admin.list_feature_views(parent=store.name, **CALL)] == [view]
    syncs = list(admin.list_feature_view_syncs(parent=view, **CALL))
    assert [sync.sync_summary.row_synced for sync in syncs] == [20, 10]
    assert admin.get_feature_view_sync(name=syncs[0].name, **CALL) == syncs[0]


def test_a_project_is_found_by_its_id_where_names_carry_its_number(upstreams, client):
    upstreams.vertex.numbers["acme"] = "acme-ml-prod"
    run = make.a_run(upstreams)
    by_id = LOCATION.replace("acme-ml-prod", "acme")
    (found,) = client(PipelineServiceClient).list_pipeline_jobs(parent=by_id, **CALL)
    assert found.name == run.name


def test_the_data_is_moved_on_before_each_answer(upstreams, client):
    upstreams.advance = lambda now: make.a_run(upstreams, f"at-{now:%H%M}")
    runs = client(PipelineServiceClient)
    assert [run.display_name for run in runs.list_pipeline_jobs(parent=LOCATION, **CALL)] == ["at-1200"]
    upstreams.clock.advance(timedelta(minutes=5))
    assert len(list(runs.list_pipeline_jobs(parent=LOCATION, **CALL))) == 2


def test_enums_are_words_unless_numbers_are_asked_for(upstreams, url):
    run = make.a_run(upstreams)
    assert httpx.get(f"{url}/v1/{run.name}", trust_env=False).json()["state"] == "PIPELINE_STATE_SUCCEEDED"
    numbered = httpx.get(f"{url}/v1/{run.name}", params={"$alt": "json;enum-encoding=int"}, trust_env=False)
    assert numbered.json()["state"] == PipelineState.PIPELINE_STATE_SUCCEEDED


@pytest.mark.parametrize("key", sorted(COLLECTIONS))
def test_no_answer_holds_a_field_that_google_does_not_have(upstreams, url, shared_data, key):
    make.one_of_everything(upstreams)
    collection, discovery = COLLECTIONS[key], shared_data / "vertex/discovery/aiplatform.v1.json"
    names = list(upstreams.vertex.items(key))
    parent = names[0].rpartition("/")[0].removesuffix(f"/{key}") + f"/{key}"
    listing_path = f"{LOCATION}/models/7:listVersions" if key == "modelVersions" else parent
    listing = httpx.get(f"{url}/v1/{listing_path}", trust_env=False).json()
    assert len(next(iter(listing.values()))) == len(names)
    prefix = "GoogleCloudAiplatformV1"
    assert unknown_fields(discovery, f"{prefix}List{collection.listing}Response", listing) == []
    for name in names:
        one = httpx.get(f"{url}/v1/{name}", trust_env=False).json()
        assert unknown_fields(discovery, prefix + collection.message, one) == []


def test_the_check_against_google_finds_a_field_that_is_made_up(shared_data):
    discovery = shared_data / "vertex/discovery/aiplatform.v1.json"
    made_up = {"name": "x", "state": "PIPELINE_STATE_FINE", "owner": "me", "jobDetail": {"taskDetails": {}}}
    assert len(unknown_fields(discovery, "GoogleCloudAiplatformV1PipelineJob", made_up)) == 3
