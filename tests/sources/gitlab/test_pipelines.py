"""Pipelines with their jobs: what they say, and that none is missed, whatever happens between two readings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.records import Ref, Run, Step, Version
from services.vocabulary import RunState
from tests.emulators.gitlab_builders import a_bridge, a_job, a_pipeline, at, sha
from tests.sources.gitlab.local import Local


def add(gitlab: Local, number: int, *, jobs: int = 1, project: int = 1, **changes: object) -> dict:
    """A pipeline that changed just now, with its jobs."""
    now = gitlab.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    item = a_pipeline(number, project, **{"updated_at": now, "created_at": now, **changes})
    gitlab.data.items(project, "pipelines").append(item)
    made = [a_job(number * 1000 + n, f"job-{n}", number, status=item["status"]) for n in range(jobs)]
    gitlab.data.items(project, "jobs").extend(made)
    return item


def runs(gitlab: Local) -> dict[str, Run]:
    return {key[1]: row for key, row in gitlab.rows.items() if key[0] == "pipeline"}


def test_a_pipeline_is_told_with_its_own_duration_its_commit_and_its_link(gitlab: Local):
    gitlab.read("projects")
    gitlab.read("pipelines")
    run = runs(gitlab)["10"]
    assert (run.state, run.state_raw, run.final) == (RunState.SUCCEEDED, "success", True)
    assert (run.duration_seconds, run.queued_seconds, run.coverage) == (540, 60, 81.5)
    assert (run.name, run.ref, run.sha, run.author, run.trigger) == ("shop/churn", "main", sha(1), "ada", "push")
    assert run.project == Ref("project", "1")
    assert run.created_at == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    assert run.web_url == "https://gitlab.example.com/shop/churn/-/pipelines/10"
    commit = gitlab.rows["commit", sha(1)]
    assert isinstance(commit, Version)
    assert (commit.title, commit.author, commit.label) == ("Change 1", "Ada", sha(1)[:8])
    assert run.title == "Change 1"


def test_retried_attempts_stay_with_why_they_failed(gitlab: Local):
    gitlab.read("pipelines")
    tries = {row.native_id: row for row in gitlab.rows.values() if isinstance(row, Step) and row.name == "train"}
    assert tries["100"].retried
    assert tries["100"].state is RunState.FAILED
    assert tries["100"].failure_reason == "script_failure"
    assert not tries["101"].retried
    assert tries["101"].failure_reason is None


def test_steps_know_their_stage_in_order_and_what_they_need(gitlab: Local):
    gitlab.read("pipelines")
    train, deploy = gitlab.rows["job", "101"], gitlab.rows["job", "102"]
    assert (train.stage, deploy.stage) == ("test", "deploy")
    assert train.ordinal < deploy.ordinal
    assert deploy.parents == ("train",)


def test_a_child_pipeline_is_found_and_hangs_on_its_parent(gitlab: Local):
    gitlab.read("pipelines")
    assert runs(gitlab)["20"].parent == Ref("pipeline", "10")
    assert gitlab.rows["bridge", "190"].downstream == Ref("pipeline", "20")


def test_a_downstream_pipeline_of_another_project_is_linked_by_its_bridge(gitlab: Local):
    add(gitlab, 40, project=2, source="pipeline")
    gitlab.data.items(1, "bridges").append(
        a_bridge(191, downstream=40, pipeline=a_job(pipeline=10)["pipeline"], name="roll-out")
        | {"downstream_pipeline": a_pipeline(40, 2, status="failed")}
    )
    gitlab.read("pipelines")
    assert gitlab.rows["bridge", "191"].downstream == Ref("pipeline", "40")
    assert runs(gitlab)["40"].project == Ref("project", "2")


@pytest.mark.parametrize(
    ("pipeline", "job", "allowed", "ours"),
    [
        pytest.param("running", "failed", False, RunState.FAILING, id="a failed job makes it sure to fail"),
        pytest.param("running", "failed", True, RunState.RUNNING, id="an allowed failure does not"),
        pytest.param("success", "failed", True, RunState.WARNING, id="an allowed failure is a warning"),
        pytest.param("manual", "manual", False, RunState.WAITING, id="a person must act"),
        pytest.param("success", "manual", True, RunState.SUCCEEDED, id="what may be left out waits for nobody"),
    ],
)
def test_the_jobs_tell_apart_what_the_pipeline_calls_by_one_word(
    gitlab: Local, pipeline: str, job: str, allowed: bool, ours: RunState
):
    add(gitlab, 50, jobs=0, status=pipeline)
    gitlab.data.items(1, "jobs").append(a_job(5001, "eval", 50, status=job, allow_failure=allowed))
    gitlab.read("pipelines")
    assert runs(gitlab)["50"].state is ours


def test_an_optional_manual_job_is_skipped_and_a_blocking_one_waits(gitlab: Local):
    add(gitlab, 50, jobs=0, status="manual")
    gitlab.data.items(1, "jobs").append(a_job(5001, "ship", 50, status="manual", allow_failure=False))
    gitlab.data.items(1, "jobs").append(a_job(5002, "docs", 50, status="manual", allow_failure=True))
    gitlab.read("pipelines")
    assert gitlab.rows["job", "5001"].state is RunState.WAITING
    assert gitlab.rows["job", "5002"].state is RunState.SKIPPED
    assert not gitlab.rows["job", "5002"].final


def test_thirty_pipelines_in_one_minute_are_all_read_before_the_cursor_moves(gitlab: Local):
    gitlab.read("pipelines")
    head = gitlab.cursors["pipelines"]["head"]
    gitlab.advance(minutes=1)
    for number in range(200, 230):
        add(gitlab, number)
    first = gitlab.read("pipelines", stop_after=1)
    assert gitlab.cursors["pipelines"]["head"] == head, "the sweep has pages left"
    assert len(first.of(Run)) < 30
    gitlab.read("pipelines")
    assert {str(number) for number in range(200, 230)} <= runs(gitlab).keys()
    assert gitlab.cursors["pipelines"]["head"] > head


def test_a_collector_that_was_down_for_two_hours_misses_nothing(gitlab: Local):
    gitlab.read("pipelines")
    for number in range(300, 420):
        gitlab.advance(minutes=1)
        add(gitlab, number, project=1 + number % 2, source="parent_pipeline" if number % 5 == 0 else "push")
    gitlab.restart()
    gitlab.read("pipelines")
    assert {str(number) for number in range(300, 420)} <= runs(gitlab).keys()


def test_a_pipeline_with_more_jobs_than_a_page_is_read_whole_as_work(gitlab: Local):
    add(gitlab, 60, jobs=130)
    gitlab.read("pipelines")
    assert gitlab.work["jobs"] == ["1/60"]
    gitlab.read("jobs")
    assert len([row for key, row in gitlab.rows.items() if key[0] == "job" and row.run == Ref("pipeline", "60")]) == 130
    assert gitlab.work["jobs"] == []


def test_the_history_comes_after_the_present_and_tells_its_progress(gitlab: Local):
    for number in range(1000, 1150):
        add(gitlab, number, created_at=at(60 * (1150 - number)), updated_at=at(60 * (1150 - number)))
    found = gitlab.read("pipelines")
    newest = [run.native_id for run in found.batches[0].records if isinstance(run, Run)]
    assert "1149" in newest
    assert "1000" not in newest
    assert found.batches[0].progress is None
    shares = [batch.progress for batch in found.batches if batch.progress is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {str(number) for number in range(1000, 1150)} <= runs(gitlab).keys()


def test_a_fill_broken_off_anywhere_goes_on_where_it_was(gitlab: Local):
    for number in range(1000, 1150):
        add(gitlab, number, created_at=at(60 * (1150 - number)), updated_at=at(60 * (1150 - number)))
    told: list[str] = []
    for _ in range(30):
        gitlab.restart()
        found = gitlab.read("pipelines", stop_after=1)
        told += [run.native_id for run in found.of(Run)]
        if not gitlab.cursors["pipelines"]["tail"] and not gitlab.cursors["pipelines"]["sweep"]:
            break
    filled = [number for number in told if 1000 <= int(number) < 1145]
    assert len(filled) == len(set(filled)) == 145, "nothing lost, and no page of the history twice"


def test_history_ends_where_configuration_says_but_what_is_not_final_counts_whatever_its_age(gitlab: Local):
    add(gitlab, 70, created_at=at(60 * 24 * 50), updated_at=at(60 * 24 * 50))
    add(gitlab, 71, created_at=at(60 * 24 * 50), updated_at=at(60 * 24 * 50), status="manual")
    gitlab.read("pipelines", days=30)
    assert "70" not in runs(gitlab)
    assert runs(gitlab)["71"].state is RunState.WAITING


def test_a_pipeline_that_finishes_late_is_seen_again_through_the_overlap(gitlab: Local):
    """gitlab-ci-pipelines-exporter 1080: shown running for hours after it ended."""
    item = add(gitlab, 80, status="running")
    gitlab.read("pipelines")
    just_before_the_sweep = gitlab.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    gitlab.advance(seconds=50)
    gitlab.read("pipelines")
    item |= {"status": "success", "updated_at": just_before_the_sweep}
    gitlab.advance(seconds=50)
    gitlab.read("pipelines")
    assert runs(gitlab)["80"].state is RunState.SUCCEEDED


def test_the_first_of_two_pipelines_on_one_ref_ends_too(gitlab: Local):
    """gitlab-ci-pipelines-exporter 1090 and 456: only the latest of a ref was followed."""
    first = add(gitlab, 81, status="running")
    add(gitlab, 82, status="running")
    gitlab.read("pipelines")
    gitlab.advance(minutes=5)
    first |= {"status": "failed", "updated_at": gitlab.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    gitlab.read("pipelines")
    assert runs(gitlab)["81"].state is RunState.FAILED
    assert runs(gitlab)["82"].state is RunState.RUNNING


def test_a_job_that_moves_without_its_pipeline_moving_is_seen(gitlab: Local):
    add(gitlab, 83, jobs=2, status="running")
    gitlab.read("pipelines")
    gitlab.advance(minutes=10)
    gitlab.data.items(1, "jobs")[-1]["status"] = "success"
    gitlab.read("pipelines")
    assert gitlab.rows["job", "83001"].state is RunState.SUCCEEDED


def test_all_pipelines_are_read_however_many_there_are(gitlab: Local):
    """gitlab-ci-pipelines-exporter 827: thousands there, 300 shown, and no word of it."""
    for number in range(2000, 2900):
        add(gitlab, number, jobs=0)
    gitlab.read("pipelines")
    assert len(runs(gitlab)) == 902


def test_a_pipeline_long_not_seen_is_found_by_its_id_alone(gitlab: Local):
    gitlab.read("jobs", "10")
    assert runs(gitlab)["10"].project == Ref("project", "1")


def test_a_pipeline_that_is_nowhere_any_more_is_done_and_said(gitlab: Local):
    found = gitlab.read("jobs", "999", "1/998")
    assert {key for batch in found.batches for key in batch.done} == {"999", "1/998"}
    assert found.notes.rejected[0][0] == "pipeline 999"


def test_a_pipeline_that_was_deleted_before_it_ended_is_gone(gitlab: Local):
    add(gitlab, 30, status="running", finished_at=None)
    gitlab.read("pipelines")
    gitlab.data.items(1, "pipelines").pop()
    for key in ("1/30", "30"):
        (batch,) = gitlab.read("jobs", key).batches
        assert (batch.gone, batch.done, batch.parts) == ({"pipeline": ("30",)}, (key,), {})


@pytest.mark.parametrize("key", ["1/30", "30"])
def test_a_pipeline_that_may_no_longer_be_read_is_not_gone(gitlab: Local, key: str):
    add(gitlab, 30, status="running", finished_at=None)
    gitlab.read("pipelines")
    gitlab.data.denied[1, "pipelines"] = 403
    gitlab.advance(minutes=1)
    gitlab.read("pipelines")
    (batch,) = gitlab.read("jobs", key).batches
    assert (batch.gone, batch.done) == ({}, (key,))


def test_what_still_runs_in_an_archived_project_is_read_to_its_end(gitlab: Local):
    item = add(gitlab, 30, status="running", finished_at=None, project=2)
    gitlab.read("pipelines")
    gitlab.data.projects[2]["archived"] = True
    item |= {"status": "success", "finished_at": item["updated_at"]}
    gitlab.advance(hours=2)
    gitlab.read("projects")
    (batch,) = gitlab.read("jobs", "30").batches
    assert not batch.gone
    assert runs(gitlab)["30"].final


def test_what_the_overlap_shows_again_asks_for_nothing(gitlab: Local):
    add(gitlab, 84, status="failed")
    gitlab.read("pipelines")
    gitlab.work.clear()
    gitlab.advance(seconds=45)
    again = gitlab.read("pipelines")
    assert "84" in {run.native_id for run in again.of(Run)}
    assert again.touched == {}


def test_why_jobs_failed_is_asked_once(gitlab: Local):
    for number in range(900, 930):
        add(gitlab, number, status="failed")
    gitlab.read("pipelines")
    asked = gitlab.controls.calls.count("/api/v4/projects/1/jobs")
    assert 1 <= asked <= 2
    gitlab.advance(seconds=45)
    gitlab.read("pipelines")
    assert gitlab.controls.calls.count("/api/v4/projects/1/jobs") == asked


def test_a_commit_that_gitlab_no_longer_tells_leaves_the_run(gitlab: Local):
    add(gitlab, 85, jobs=0, sha=sha(77))
    gitlab.read("pipelines")
    assert runs(gitlab)["85"].sha == sha(77)
    assert ("commit", sha(77)) not in gitlab.rows


def test_finished_plan_jobs_of_the_default_branch_are_work_and_those_of_requests_are_not(gitlab: Local):
    for number, source, ref in ((86, "schedule", "main"), (87, "merge_request_event", "b1")):
        add(gitlab, number, jobs=0, source=source, ref=ref)
        gitlab.data.items(1, "jobs").append(a_job(number * 1000, "drift:prod", number))
    gitlab.read("pipelines")
    assert [key.split("/")[:3] for key in gitlab.work["plans"]] == [["1", "86000", "86"]]
