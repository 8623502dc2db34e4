"""What is told of pipeline runs, their tasks and custom jobs."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import quote

import pytest
import yaml
from google.cloud.aiplatform_v1 import types

from emulators.faults import Fault
from services.records import Ref, Run, Step
from services.sources.vertex import SOURCE, graph
from services.vocabulary import RunState
from tests.sources.reading import NOON, a_config, read
from tests.sources.vertex.messages import PARENT, PIPELINE, PROJECT, TASK, a_custom_job, a_job, a_task, ago, put

SECRET = "Zebra-Quartz-77-Lantern"
ALL = [a_task(2, "extract"), a_task(3, "train"), a_task(4, "condition-1"), a_task(5, "register", parent=4),
       a_task(6, "deploy", parent=4)]  # fmt: skip


def detail(vertex, *names: str):
    work = tuple(f"{PARENT}/pipelineJobs/{name}" for name in names or ("run-1",))
    return read(SOURCE, "tasks", *vertex, work=work)


def test_a_first_fill_reads_the_newest_runs_first_and_asks_for_their_tasks(google, vertex):
    put(
        google[0],
        "pipelineJobs",
        *[a_job(f"r{n}", create_time=ago(hours=n), update_time=ago(hours=n)) for n in range(1, 251)],
    )
    found = read(SOURCE, "pipeline_jobs", *vertex)
    ids = [run.title for run in found.of(Run)]
    assert ids[:2] == ["r1", "r2"]
    assert len(set(ids)) == 250
    assert len(found.batches) == 3
    assert 0 < found.batches[0].progress < found.batches[1].progress < found.batches[2].progress == 1.0
    assert len(found.touched["tasks"]) == 250


def test_a_fill_that_is_broken_off_goes_on_where_it_was(google, vertex):
    put(google[0], "pipelineJobs", *[a_job(f"r{n}", create_time=ago(hours=n)) for n in range(1, 251)])
    cursor, seen, rounds = {}, set(), 0
    while not seen or cursor.get("tail"):
        found = read(SOURCE, "pipeline_jobs", *vertex, cursor=cursor, stop_after=1 if not seen else 2)
        cursor, seen, rounds = found.cursor, seen | {run.title for run in found.of(Run)}, rounds + 1
        assert rounds < 9
    assert len(seen) == 250


def test_runs_older_than_the_history_are_left(google, vertex):
    put(google[0], "pipelineJobs", a_job("new"), a_job("old", create_time=ago(days=200), update_time=ago(days=200)))
    assert [run.title for run in read(SOURCE, "pipeline_jobs", *vertex).of(Run)] == ["new"]
    assert len(read(SOURCE, "pipeline_jobs", *vertex, since=None).of(Run)) == 2


def test_only_what_changed_is_asked_for_again_and_a_known_run_is_told_by_its_detail(google, vertex):
    running = a_job("run-1", state=PIPELINE.PIPELINE_STATE_RUNNING, update_time=ago(minutes=20))
    put(google[0], "pipelineJobs", running, a_job("over"))
    first = read(SOURCE, "pipeline_jobs", *vertex)
    later = NOON + timedelta(minutes=10)
    put(
        google[0],
        "pipelineJobs",
        a_job("run-1", update_time=later - timedelta(minutes=1)),
        a_job("new", update_time=later),
    )
    second = read(SOURCE, "pipeline_jobs", *vertex, cursor=first.cursor, now=later)
    assert [run.title for run in second.of(Run)] == ["new"]
    assert {name.rpartition("/")[2] for name in second.touched["tasks"]} == {"run-1", "new"}
    third = read(SOURCE, "pipeline_jobs", *vertex, cursor=second.cursor, now=later + timedelta(minutes=1))
    assert (third.records, third.touched) == ([], {})


def test_a_pipeline_that_finishes_late_is_seen_again_through_the_overlap(google, vertex):
    put(google[0], "pipelineJobs", a_job("run-1", state=PIPELINE.PIPELINE_STATE_RUNNING, update_time=ago(minutes=9)))
    first = read(SOURCE, "pipeline_jobs", *vertex)
    put(google[0], "pipelineJobs", a_job("run-1", update_time=NOON - timedelta(seconds=30)))
    again = read(SOURCE, "pipeline_jobs", *vertex, cursor=first.cursor, now=NOON + timedelta(minutes=1))
    assert again.touched["tasks"] == {f"{PARENT}/pipelineJobs/run-1"}


def test_a_run_carries_what_google_tells_of_it(google, vertex):
    job = a_job(
        labels={"git_sha": "3f2a9c1e", "environment": "prod"}, schedule_name=f"{PARENT}/schedules/9",
        start_time=ago(hours=1.9), end_time=ago(hours=1), template_uri="https://x/templates/churn/v3",
        runtime_config={"parameter_values": {"epochs": 12, "rate": 0.5, "db_password": SECRET}},
        error={"code": 8, "message": "out of quota"},
    )  # fmt: skip
    put(google[0], "pipelineJobs", job)
    run = read(SOURCE, "pipeline_jobs", *vertex).of(Run)[0]
    assert (run.name, run.title, run.sha, run.environment) == ("churn-training", "run-1", "3f2a9c1e", "prod")
    assert (run.trigger, run.schedule) == ("schedule", Ref("vertex-schedule", f"{PARENT}/schedules/9"))
    assert (run.failure_reason, run.failure_message) == ("RESOURCE_EXHAUSTED", "out of quota")
    assert run.parameters == {"epochs": 12, "rate": 0.5, "db_password": "«redacted»"}
    assert run.finished_at == ago(hours=1)
    assert run.duration_seconds is None
    assert run.web_url.startswith(
        "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/run-1"
    )


def test_the_environment_is_the_label_or_the_configured_project(google, vertex):
    put(google[0], "pipelineJobs", a_job("a"), a_job("b", labels={"env": "QA"}))
    config = a_config(environment=[{"name": "qa"}, {"name": "live", "google_project": PROJECT}])
    found = read(SOURCE, "pipeline_jobs", *vertex, config=config).newest(Run)
    assert {run.title: run.environment for run in found.values()} == {"a": "live", "b": "qa"}


def test_tasks_have_the_parents_of_the_compiled_pipeline(google, vertex):
    put(google[0], "pipelineJobs", a_job("run-1", *ALL))
    steps = {step.name: step for step in detail(vertex).of(Step)}
    assert list(steps) == ["extract", "train", "condition-1", "register", "deploy"]
    assert steps["train"].parents == (steps["extract"].native_id,)
    assert steps["condition-1"].parents == (steps["train"].native_id,)
    assert steps["register"].parent_step == steps["condition-1"].native_id
    assert steps["deploy"].parents == (steps["register"].native_id,)
    assert steps["extract"].parent_step is None
    assert steps["train"].run == Ref("pipeline-job", f"{PARENT}/pipelineJobs/run-1")


def test_a_cache_hit_is_cached_and_a_false_condition_is_skipped(google, vertex):
    put(
        google[0],
        "pipelineJobs",
        a_job("run-1", a_task(2, "extract", TASK.SKIPPED), a_task(3, "condition-1", TASK.NOT_TRIGGERED)),
    )
    steps = {step.name: step.state for step in detail(vertex).of(Step)}
    assert steps == {"extract": RunState.CACHED, "condition-1": RunState.SKIPPED}


def test_a_run_in_which_everything_was_cached_trained_nothing_new(google, vertex):
    cached = [a_task(2, "extract", TASK.SKIPPED), a_task(3, "train", TASK.SKIPPED)]
    put(google[0], "pipelineJobs", a_job("all", *cached, a_task(4, "condition-1", TASK.NOT_TRIGGERED)))
    put(google[0], "pipelineJobs", a_job("part", *cached, a_task(4, "condition-1")))
    runs = {run.title: run for run in detail(vertex, "all", "part").of(Run)}
    assert (runs["all"].fully_cached, runs["all"].state, runs["all"].final) == (True, RunState.WARNING, True)
    assert (runs["part"].fully_cached, runs["part"].state) == (False, RunState.SUCCEEDED)


def test_a_running_run_with_a_failed_task_is_failing(google, vertex):
    put(
        google[0],
        "pipelineJobs",
        a_job("run-1", a_task(2, "extract", TASK.FAILED), state=PIPELINE.PIPELINE_STATE_RUNNING),
    )
    run = detail(vertex).of(Run)[0]
    assert (run.state, run.state_raw, run.final) == (RunState.FAILING, "PIPELINE_STATE_RUNNING", False)


def test_a_task_with_an_error_that_still_runs_is_being_retried(google, vertex):
    task = a_task(2, "extract", TASK.RUNNING, error={"code": 14, "message": "the worker was lost"})
    put(google[0], "pipelineJobs", a_job("run-1", task, state=PIPELINE.PIPELINE_STATE_RUNNING))
    run, step = detail(vertex).records
    assert (run.state, step.state) == (RunState.RUNNING, RunState.RUNNING)
    assert (step.failure_reason, step.message) == ("UNAVAILABLE", "being retried: the worker was lost")


def test_a_run_that_is_gone_is_done_and_one_of_another_region_is_left_to_it(google, vertex):
    names = (f"{PARENT}/pipelineJobs/gone", f"projects/{PROJECT}/locations/us-central1/pipelineJobs/x")
    found = read(SOURCE, "tasks", *vertex, work=names)
    assert (found.records, found.batches[0].done) == ([], names)
    assert found.batches[0].gone == {"pipeline-job": names[:1]}
    assert google[1].calls.total == 1


def test_a_word_we_do_not_know_is_unknown_and_is_counted(google, vertex):
    put(google[0], "pipelineJobs", a_job("run-1", a_task(2, "extract")))
    google[1].faults.add(Fault(replace=(b'"state": 4', b'"state": 77')))
    listed = read(SOURCE, "pipeline_jobs", *vertex)
    run = listed.of(Run)[0]
    assert (run.state, run.state_raw, run.final) == (RunState.UNKNOWN, "77", False)
    assert listed.notes.unknown_words == {"77": 1}


def test_null_where_a_value_was_is_not_known(google, vertex):
    put(google[0], "pipelineJobs", a_job("run-1", labels={"a": "b"}))
    google[1].faults.add(Fault(replace=(b'"displayName": "churn-training"', b'"displayName": null, "startTime": null')))
    run = read(SOURCE, "pipeline_jobs", *vertex).of(Run)[0]
    assert (run.name, run.started_at) == ("run-1", None)


def test_a_row_without_a_name_is_set_aside_and_the_others_go_on(google, vertex):
    put(google[0], "pipelineJobs", a_job("run-1"), a_job("run-2", create_time=ago(hours=3)))
    name = f'"name": "{PARENT}/pipelineJobs/run-1"'.encode()
    google[1].faults.add(Fault(replace=(name, b'"name": null')))
    found = read(SOURCE, "pipeline_jobs", *vertex)
    assert [run.title for run in found.of(Run)] == ["run-2"]
    assert found.notes.rejected == [("one of pipelineJobs", "it has no name")]


HIDDEN = {
    "parameter": {"runtime_config": {"parameter_values": {"api_token": SECRET, "note": f"password={SECRET}"}}},
    "base64": {"runtime_config": {"parameter_values": {"x": base64.b64encode(f"password={SECRET}".encode()).decode()}}},
    "url": {"runtime_config": {"parameter_values": {"x": quote(f"password={SECRET}", safe="")}}},
    "nested": {"runtime_config": {"parameter_values": {"x": json.dumps({"a": {"secret": SECRET}})}}},
    "error": {"error": {"code": 3, "message": f"cannot log in to postgres://u:{SECRET}@h/d"}},
    "label": {"labels": {"token": "zebra-quartz-77-lantern"}},
}


@pytest.mark.parametrize("more", HIDDEN.values(), ids=HIDDEN)
def test_secrets_of_a_run_are_not_in_its_record(google, vertex, more):
    put(google[0], "pipelineJobs", a_job("run-1", a_task(2, "extract", TASK.FAILED, error=more.get("error")), **more))
    kept = repr((read(SOURCE, "pipeline_jobs", *vertex).records, detail(vertex).records)).lower()
    assert "zebra" not in kept
    assert base64.b64encode(f"password={SECRET}".encode()).decode().lower() not in kept


def test_parameters_are_bounded(google, vertex):
    many = {f"p{n}": "x" * 1000 for n in range(200)}
    put(google[0], "pipelineJobs", a_job("run-1", runtime_config={"parameter_values": many}))
    kept = read(SOURCE, "pipeline_jobs", *vertex).of(Run)[0].parameters
    assert len(kept) == 61
    assert kept["…"] == "140 more"
    assert max(map(len, kept.values())) <= 301


def test_custom_jobs_are_listed_by_creation_and_open_ones_read_again(google, vertex):
    put(google[0], "customJobs", a_custom_job("1"), a_custom_job("2", state=types.JobState.JOB_STATE_RUNNING))
    first = read(SOURCE, "custom_jobs", *vertex)
    assert {run.title: run.state for run in first.of(Run)} == {"1": RunState.SUCCEEDED, "2": RunState.RUNNING}
    put(google[0], "customJobs", a_custom_job("2", state=types.JobState.JOB_STATE_EXPIRED))
    second = read(SOURCE, "custom_jobs", *vertex, cursor=first.cursor, now=NOON + timedelta(minutes=1))
    assert [(run.title, run.state, run.final) for run in second.of(Run)] == [("2", RunState.FAILED, True)]
    third = read(SOURCE, "custom_jobs", *vertex, cursor=second.cursor, now=NOON + timedelta(minutes=2))
    assert third.records == []


def test_a_custom_job_that_was_deleted_before_it_ended_is_gone(google, vertex):
    job = a_custom_job("2", state=types.JobState.JOB_STATE_RUNNING)
    put(google[0], "customJobs", job)
    first = read(SOURCE, "custom_jobs", *vertex)
    del google[0].vertex.items("customJobs")[job.name]
    second = read(SOURCE, "custom_jobs", *vertex, cursor=first.cursor, now=NOON + timedelta(minutes=1))
    assert [batch.gone for batch in second.batches if batch.gone] == [{"custom-job": (job.name,)}]
    assert second.cursor["open"] == {}


def test_a_fill_of_custom_jobs_goes_on_by_its_token_and_starts_again_when_that_ran_out(google, vertex):
    put(google[0], "customJobs", *[a_custom_job(str(n), create_time=ago(hours=n)) for n in range(1, 151)])
    first = read(SOURCE, "custom_jobs", *vertex, stop_after=1)
    rest = read(SOURCE, "custom_jobs", *vertex, cursor=first.cursor)
    assert len(first.of(Run)) + len(rest.of(Run)) == 150
    broken = {**first.cursor, "filling": {**first.cursor["filling"], "token": "worn-out"}}
    assert len(read(SOURCE, "custom_jobs", *vertex, cursor=broken).of(Run)) == 150


def test_what_a_custom_job_runs_is_told_without_its_secrets(google, vertex):
    pool = {
        "machine_spec": {"machine_type": "n1-highmem-8"}, "replica_count": 2,
        "container_spec": {"image_uri": "eu.gcr.io/x/train@sha256:1f", "command": ["python", "train.py"],
                           "args": ["--password", SECRET, "--epochs", "3"],
                           "env": [{"name": "DB_TOKEN", "value": SECRET}, {"name": "MODE", "value": "fast"}]},
    }  # fmt: skip
    put(google[0], "customJobs", a_custom_job(job_spec={"worker_pool_specs": [pool]}))
    kept = read(SOURCE, "custom_jobs", *vertex).of(Run)[0].parameters
    assert kept["image"] == "eu.gcr.io/x/train@sha256:1f"
    assert kept["command"] == "python train.py --password «redacted» --epochs 3"
    assert kept["env"] == {"DB_TOKEN": "«redacted»", "MODE": "fast"}
    assert (kept["machine"], kept["replicas"]) == ("n1-highmem-8", "2")


def test_every_task_of_real_compiled_pipelines_has_its_place(shared_data):
    expected = json.loads((shared_data / "expected" / "kfp_counts.shared.json").read_text())
    for file, counts in expected.items():
        documents = yaml.safe_load_all((shared_data / file).read_text())
        specs = [found for doc in documents if (found := doc.get("pipelineSpec", doc)) and "root" in found]
        found = graph.before(specs[0])
        holders = {path[:-1] for path in found}
        assert sum(len(path) == 1 for path in found) == counts["root_tasks"], file
        assert sum(path not in holders for path in found) == counts["leaf_expanded"], file
        for path, before in found.items():
            for name in before:
                assert (*path[:-1], name) in found, (file, path)
