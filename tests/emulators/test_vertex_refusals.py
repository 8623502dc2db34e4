"""What the local Vertex AI refuses, and in which of Google's words; and which filters it takes."""

from datetime import timedelta

import httpx
import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound, TooManyRequests
from google.cloud.aiplatform_v1.services.feature_registry_service import FeatureRegistryServiceClient
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient

from tests.emulators import vertex_builders as make
from tests.emulators.local_google import LOCATION, NOON, PROJECT, empty_upstreams, options, serving

CALL = {"retry": None, "timeout": 10}


@pytest.fixture
def upstreams():
    return empty_upstreams()


@pytest.fixture
def url(upstreams):
    with serving(upstreams) as address:
        yield address


@pytest.fixture
def runs(url):
    return PipelineServiceClient(transport="rest", **options(url))


@pytest.fixture
def named(runs):
    """Names of the runs that a filter lets through, in the order asked for."""

    def ask(filter_="", order_by="create_time desc"):
        request = {"parent": LOCATION, "filter": filter_, "order_by": order_by}
        return [run.display_name for run in runs.list_pipeline_jobs(request=request, **CALL)]

    return ask


def test_what_does_not_exist_is_not_found(runs):
    with pytest.raises(NotFound) as caught:
        runs.get_pipeline_job(name=f"{LOCATION}/pipelineJobs/none", **CALL)
    assert caught.value.response.json()["error"]["status"] == "NOT_FOUND"


def test_evaluations_of_a_model_that_is_not_there_are_not_an_empty_list(url):
    models = ModelServiceClient(transport="rest", **options(url))
    with pytest.raises(NotFound):
        models.list_model_evaluations(parent=f"{LOCATION}/models/none", **CALL)


def test_a_403_for_lack_of_a_role_says_so_and_leaves_other_collections_readable(upstreams, url, runs):
    make.one_of_everything(upstreams)
    upstreams.vertex.denied["pipelineJobs"] = 403
    with pytest.raises(Forbidden) as caught:
        runs.list_pipeline_jobs(parent=LOCATION, **CALL)
    assert caught.value.reason == "IAM_PERMISSION_DENIED"
    assert caught.value.metadata["permission"] == "aiplatform.pipelineJobs.list"
    schedules = ScheduleServiceClient(transport="rest", **options(url))
    assert len(list(schedules.list_schedules(parent=LOCATION, **CALL))) == 1


def test_a_403_for_an_api_that_is_off_has_another_reason(upstreams, runs):
    upstreams.vertex.disabled.add(PROJECT)
    with pytest.raises(Forbidden) as caught:
        runs.list_pipeline_jobs(parent=LOCATION, **CALL)
    assert caught.value.reason == "SERVICE_DISABLED"
    assert caught.value.metadata["service"] == "aiplatform.googleapis.com"


def test_a_project_is_refused_by_its_id_where_names_carry_its_number(upstreams, runs):
    upstreams.vertex.numbers["acme"] = PROJECT
    by_id = LOCATION.replace(PROJECT, "acme")
    upstreams.vertex.denied["projects/acme/locations/europe-west1"] = 403
    with pytest.raises(Forbidden) as caught:
        runs.list_pipeline_jobs(parent=by_id, **CALL)
    assert caught.value.reason == "IAM_PERMISSION_DENIED"
    upstreams.vertex.disabled.add("acme")
    with pytest.raises(Forbidden) as caught:
        runs.list_pipeline_jobs(parent=by_id, **CALL)
    assert caught.value.reason == "SERVICE_DISABLED"


def test_a_denied_resource_leaves_its_neighbour_readable(upstreams, runs):
    mine, other = make.a_run(upstreams, "mine"), make.a_run(upstreams, "mine-too")
    upstreams.vertex.denied[mine.name] = 403
    with pytest.raises(Forbidden):
        runs.get_pipeline_job(name=mine.name, **CALL)
    assert runs.get_pipeline_job(name=other.name, **CALL).name == other.name


@pytest.mark.parametrize(
    ("status", "word"), [(401, "UNAUTHENTICATED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")]
)
def test_a_bad_token_a_spent_quota_and_an_outage_have_their_own_words(upstreams, url, status, word):
    upstreams.vertex.denied["pipelineJobs"] = status
    answer = httpx.get(f"{url}/v1/{LOCATION}/pipelineJobs", trust_env=False)
    assert (answer.status_code, answer.json()["error"]["status"]) == (status, word)


def test_a_spent_quota_is_too_many_requests_to_the_client(upstreams, runs):
    upstreams.vertex.denied["pipelineJobs"] = 429
    with pytest.raises(TooManyRequests) as caught:
        runs.list_pipeline_jobs(parent=LOCATION, **CALL)
    assert caught.value.reason == "RATE_LIMIT_EXCEEDED"


def test_runs_are_filtered_by_what_changed_since(upstreams, named):
    for hours in (1, 2, 3):
        make.a_run(upstreams, f"run-{hours}", age_hours=hours)
    since = (NOON - timedelta(hours=2)).isoformat()
    assert named(f'update_time>"{since}"') == ["run-1"]
    assert named(f'update_time>="{since}"', "update_time") == ["run-2", "run-1"]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ('state="PIPELINE_STATE_FAILED"', ["bad"]),
        ('NOT state="PIPELINE_STATE_FAILED"', ["live", "good"]),
        ('state!="PIPELINE_STATE_FAILED"', ["live", "good"]),
        ('display_name:"*oo*"', ["good"]),
        ('displayName="bad"', ["bad"]),
        ('labels.env="qa"', ["bad"]),
        ("labels.env=prod", ["live", "good"]),
        ("labels.team:*", ["good"]),
        ("labels:team", ["good"]),
        ('labels."team"="ml"', ["good"]),
        ('pipeline_name="churn-train"', ["live", "bad", "good"]),
        ('pipeline_job_user_id:"g*"', ["good"]),
        ('end_time>"2020-01-01"', ["bad", "good"]),
        ('labels.env="qa" OR labels.team="ml"', ["bad", "good"]),
        ('display_name="bad" OR display_name="good" AND state="PIPELINE_STATE_SUCCEEDED"', ["good"]),
        ('display_name="bad" OR (display_name="good" AND labels.team="ml")', ["bad", "good"]),
    ],
)
def test_a_filter_means_what_google_documents(upstreams, named, filter_, found):
    """OR binds tighter than AND (AIP-160)."""
    make.a_run(upstreams, "good", age_hours=3, labels={"env": "prod", "team": "ml"})
    make.a_run(upstreams, "bad", age_hours=2, state="FAILED", labels={"env": "qa"})
    make.a_run(upstreams, "live", age_hours=1, state="RUNNING")
    assert named(filter_) == found


@pytest.mark.parametrize(
    "filter_",
    [
        'network="x"',
        'state>"PIPELINE_STATE_FAILED"',
        'state="FAILED"',
        'update_time>"yesterday"',
        "update_time>",
        '(state="PIPELINE_STATE_FAILED"',
        'display_name="a" XOR display_name="b"',
        "labels<3",
    ],
)
def test_a_filter_that_google_does_not_document_is_refused(named, filter_):
    with pytest.raises(BadRequest):
        named(filter_)


def test_lists_without_a_time_filter_refuse_one(url):
    """Models, custom jobs and schedules cannot be asked for what changed: readers need another way."""
    models = ModelServiceClient(transport="rest", **options(url))
    jobs = JobServiceClient(transport="rest", **options(url))
    schedules = ScheduleServiceClient(transport="rest", **options(url))
    changed = {"parent": LOCATION, "filter": 'update_time>"2026-01-01T00:00:00Z"'}
    for ask in (models.list_models, jobs.list_custom_jobs, schedules.list_schedules):
        with pytest.raises(BadRequest):
            ask(request=changed, **CALL)


def test_an_order_is_taken_only_where_the_list_has_one(upstreams, named, url):
    make.a_run(upstreams, "old", age_hours=2)
    make.a_run(upstreams, "new", age_hours=1)
    assert named(order_by="start_time asc") == ["old", "new"]
    with pytest.raises(BadRequest):
        named(order_by="display_name")
    answer = httpx.get(f"{url}/v1/{LOCATION}/customJobs", params={"orderBy": "create_time"}, trust_env=False)
    assert answer.status_code == 400
    assert "Unknown name" in answer.json()["error"]["message"]


def test_schedules_can_be_asked_for_what_they_start(upstreams, url):
    make.a_schedule(upstreams, "trains")
    make.a_schedule(upstreams, "empty", create_pipeline_job_request=None)
    schedules = ScheduleServiceClient(transport="rest", **options(url))
    request = {"parent": LOCATION, "filter": 'create_pipeline_job_request:* AND state="ACTIVE"'}
    assert [one.display_name for one in schedules.list_schedules(request=request, **CALL)] == ["trains"]


def test_a_page_token_belongs_to_one_question(upstreams, url):
    for number in range(3):
        make.a_run(upstreams, f"run-{number}", age_hours=number)
    where = f"{url}/v1/{LOCATION}/pipelineJobs"
    token = httpx.get(where, params={"pageSize": 1}, trust_env=False).json()["nextPageToken"]
    other = {"pageSize": 1, "pageToken": token, "filter": 'state="PIPELINE_STATE_FAILED"'}
    assert httpx.get(where, params=other, trust_env=False).status_code == 400
    assert httpx.get(where, params={"pageToken": "rubbish"}, trust_env=False).status_code == 400


def test_a_read_mask_that_names_no_field_is_refused(upstreams, runs):
    make.a_run(upstreams)
    with pytest.raises(BadRequest):
        runs.list_pipeline_jobs(request={"parent": LOCATION, "read_mask": {"paths": ["colour"]}}, **CALL)


def test_a_wildcard_parent_is_refused_and_not_answered_as_empty(url):
    registry = FeatureRegistryServiceClient(transport="rest", **options(url))
    with pytest.raises(BadRequest):
        registry.list_features(parent=f"{LOCATION}/featureGroups/-", **CALL)


def test_nothing_can_be_written(upstreams, url):
    run = make.a_run(upstreams)
    assert httpx.delete(f"{url}/v1/{run.name}", trust_env=False).status_code == 405
    assert httpx.post(f"{url}/v1/{run.name}:cancel", trust_env=False).status_code == 404
    assert httpx.get(f"{url}/v1/{LOCATION}/tensorboards", trust_env=False).status_code == 404
    assert len(upstreams.vertex.items("pipelineJobs")) == 1
