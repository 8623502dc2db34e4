"""ML runs: how they went, what failed first, what trained nothing new, and whether the schedules are kept."""

import pytest

from services import records
from services.queries import ml_runs
from services.queries.base import Filters
from services.queries.windows import recent
from services.records import Ref
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    SHA,
    a_config,
    a_problem,
    a_run,
    a_source,
    a_step,
    a_training,
    ago,
    belongs,
    put,
)

RUN = "projects/1/pipelineJobs/t1"


def ask(store, filters=None):
    with store.read() as conn:
        return ml_runs.ml_runs(conn, a_config(), filters or Filters(), NOW)


def collected(store, *things):
    with store.write() as conn:
        return put(conn, a_source(conn, "vertex"), *things)


def names(store, **filters):
    return [one["name"] for one in ask(store, Filters(**filters)).data["runs"]]


def a_task(native_id, state=RunState.SUCCEEDED, **more):
    return a_step(native_id, state, kind="task", run=Ref("pipeline-job", RUN), **{"name": native_id} | more)


def a_schedule(native_id="s1", **more):
    values = {"kind": "vertex-schedule", "name": "nightly", "state_raw": "ACTIVE", "cron": "0 2 * * *",
              "environment": "prod"}  # fmt: skip
    return records.Schedule(native_id=native_id, **values | more)


def test_runs_of_the_last_seven_days_are_listed_worst_first(store):
    collected(store, a_training("t1", name="a"), a_training("t2", name="b", state=RunState.FAILED),
              a_training("t3", name="c", created_at=ago(days=8)), a_run("501"))  # fmt: skip
    assert names(store) == ["b", "a"]
    assert names(store, window=recent(24 * 9, NOW)) == ["b", "a", "c"]
    assert ask(store).data["counts"] == {"failed": 1, "succeeded": 1}


def test_steps_are_counted_by_state_without_retried_attempts(store):
    collected(store, a_training(RUN), a_task("1"), a_task("2", RunState.FAILED, retried=True), a_task("3"),
              a_task("4", RunState.CACHED))  # fmt: skip
    (one,) = ask(store).data["runs"]
    assert one["steps"] == {"total": 3, "by_status": {"succeeded": 2, "cached": 1}, "retried": {"failed": 1}}


def test_the_first_failing_step_is_the_earliest_whose_parents_did_well(store):
    collected(
        store, a_training(RUN, state=RunState.FAILED),
        a_task("train", RunState.FAILED, parents=("validate",), finished_at=ago(minutes=55)),
        a_task("validate", RunState.FAILED, message="column missing", finished_at=ago(minutes=50)),
        a_task("notify", RunState.FAILED, finished_at=ago(minutes=40)),
    )  # fmt: skip
    (one,) = ask(store).data["runs"]
    assert one["first_failing_step"] == {"name": "validate", "message": "column missing", "owner": None}
    assert one["why"] == "validate failed: column missing"


def test_the_step_that_holds_the_failed_one_is_not_what_failed_first(store):
    collected(
        store, a_training(RUN, state=RunState.FAILED), a_task("loop", RunState.FAILED, finished_at=ago(minutes=57)),
        a_task("inner", RunState.FAILED, parent_step="loop", message="boom", finished_at=ago(minutes=56)),
    )  # fmt: skip
    assert ask(store).data["runs"][0]["first_failing_step"]["name"] == "inner"


def test_without_steps_the_runs_own_message_says_why(store):
    collected(store, a_training(RUN, state=RunState.FAILED, failure_message="quota exceeded"))
    (one,) = ask(store).data["runs"]
    assert (one["why"], one["first_failing_step"]) == ("quota exceeded", None)


def test_a_run_of_cache_hits_alone_trained_nothing_new(store):
    collected(store, a_training(RUN, state=RunState.WARNING, fully_cached=True))
    answer = ask(store)
    assert answer.data["fully_cached"] == 1
    assert answer.data["runs"][0]["why"] == "every task was a cache hit: nothing new was made"


@pytest.mark.parametrize(
    ("times", "elapsed"),
    [
        pytest.param({"started_at": ago(minutes=30), "finished_at": ago(minutes=10)}, 1200.0, id="from start to end"),
        pytest.param({"started_at": ago(minutes=30), "finished_at": None}, None, id="still running"),
        pytest.param({"duration_seconds": 7.0, "started_at": ago(minutes=30)}, 7.0, id="the upstream's own"),
    ],
)
def test_how_long_it_took_is_from_its_start_to_its_end_where_the_upstream_gives_no_duration(store, times, elapsed):
    collected(store, a_training(RUN, **{"duration_seconds": None} | times))
    assert ask(store).data["runs"][0]["elapsed_seconds"] == elapsed


def test_the_commit_is_the_label_of_the_run(store):
    collected(store, a_training(RUN))
    assert ask(store).data["runs"][0]["sha"] == SHA


def test_environment_product_kind_state_and_words_narrow_the_list(store):
    keys = collected(store, a_training("t1", name="a"), a_training("t2", name="b", environment="dev"),
                     a_training("t3", name="c", kind="custom-job", state=RunState.FAILED))  # fmt: skip
    with store.write() as conn:
        belongs(conn, "churn", "run", keys["t2"])
    assert names(store, environment="dev") == ["b"]
    assert names(store, product="churn") == ["b"]
    assert names(store, kind="custom-job") == ["c"]
    assert names(store, state="failed") == ["c"]
    assert names(store, text="A") == ["a"]
    assert ask(store, Filters(state="failed")).data["counts"] == {"failed": 1, "succeeded": 2}


# --- schedules


@pytest.mark.parametrize(
    ("schedule", "reason", "status"),
    [
        pytest.param({}, None, "on time", id="nothing is wrong"),
        pytest.param({}, "late", "late", id="late"),
        pytest.param({}, "missed", "missed", id="missed"),
        pytest.param({}, "skipped silently", "skipped silently", id="skipped without a word"),
        pytest.param({"active": False}, None, "paused", id="paused long ago: no problem any more, and still paused"),
        pytest.param({"active": False, "ended": True}, None, "completed", id="ended"),
    ],
)
def test_a_schedule_says_whether_it_is_kept(store, schedule, reason, status):
    keys = collected(store, a_schedule(**schedule))
    if reason:
        with store.write() as conn:
            a_problem(conn, kind="schedule-late", subject_table="schedule", subject_id=keys["s1"], reason=reason,
                      title="It has not run")  # fmt: skip
    (one,) = ask(store).data["schedules"]
    assert one["status"] == status
    assert (one["problem"] or {}).get("title") == ("It has not run" if reason else None)


def test_schedules_that_are_not_kept_come_first(store):
    keys = collected(store, a_schedule("s1", name="a"), a_schedule("s2", name="b"))
    with store.write() as conn:
        a_problem(conn, kind="schedule-late", subject_table="schedule", subject_id=keys["s2"], reason="missed")
    assert [one["name"] for one in ask(store).data["schedules"]] == ["b", "a"]


def test_schedules_of_ci_are_not_among_them(store):
    collected(store, a_schedule(kind="pipeline-schedule"))
    assert ask(store).data["schedules"] == []


def test_one_run_is_opened_with_its_steps(store):
    collected(store, a_training(RUN), a_task("1"))
    opened = ask(store, Filters(selected=f"vertex.example:pipeline-job:{RUN}")).data["selected"]
    assert [one["name"] for one in opened["steps"]] == ["1"]
