"""Pipelines: the window's runs worst first, each with why it is not well, and true figures by project."""

import pytest

from services.queries import pipelines
from services.queries.base import Filters
from services.queries.windows import recent
from services.records import Ref
from services.vocabulary import RunState
from tests.builders import NOW, SHA, a_config, a_project, a_run, a_source, a_step, a_stream, ago, belongs, put

DAY = Filters(window=recent(24, NOW))


def ask(store, filters=DAY, now=NOW):
    with store.read() as conn:
        return pipelines.pipelines(conn, a_config(), filters, now)


def runs(store, filters=DAY):
    return [one["id"].rpartition(":")[2] for one in ask(store, filters).data["runs"]]


def collected(store, *things):
    with store.write() as conn:
        return put(conn, a_source(conn), a_project(), *things)


def only(store):
    (one,) = ask(store).data["runs"]
    return one


def figures(store, filters=DAY):
    (one,) = ask(store, filters).data["projects"]
    return one


def test_runs_are_worst_first_then_newest(store):
    collected(store, a_run("1"), a_run("2", RunState.FAILED), a_run("3", RunState.WAITING),
              a_run("4", RunState.FAILED, created_at=ago(minutes=5)))  # fmt: skip
    assert runs(store) == ["4", "2", "3", "1"]
    assert list(ask(store).data["counts"].items()) == [("failed", 2), ("waiting", 1), ("succeeded", 1)]


def test_without_a_window_it_is_the_one_since_the_standup(store):
    collected(store, a_run("1"), a_run("2", created_at=ago(days=2)))
    assert runs(store, Filters()) == ["1"]
    assert ask(store, Filters()).window.why == "since the standup of Tue 24 Nov, 09:30"


def test_any_old_window_can_be_asked_for(store):
    collected(store, a_run("1"), a_run("2", created_at=ago(days=1500)))
    assert runs(store, Filters(window=recent(24, ago(days=1499.5)))) == ["2"]


def test_a_state_narrows_the_list_and_neither_the_counts_nor_the_figures(store):
    collected(store, a_run("1"), a_run("2", RunState.FAILED))
    answer = ask(store, Filters(window=DAY.window, state="failed"))
    assert (answer.shown, answer.of) == (1, 1)
    assert answer.data["counts"] == {"failed": 1, "succeeded": 1}
    assert answer.data["projects"][0]["success_rate"] == 0.5


def test_a_page_says_how_much_there_is(store):
    collected(store, *(a_run(str(number)) for number in range(1, 8)))
    answer = ask(store, Filters(window=DAY.window, page=2, limit=3))
    assert answer.truncated == {"shown": 3, "of": 7}
    assert runs(store, Filters(window=DAY.window, page=3, limit=3)) == ["1"]


def test_product_project_and_words_narrow_the_list_and_the_figures(store):
    with store.write() as conn:
        keys = put(conn, a_source(conn), a_project(), a_project("12", "acme/other"), a_run("1"),
                   a_run("2", project=Ref("project", "12"), title="Fix the week"))  # fmt: skip
        belongs(conn, "demand-forecast", "project", keys["11"])
    window = DAY.window
    assert runs(store, Filters(window=window, product="demand-forecast")) == ["1"]
    assert runs(store, Filters(window=window, product="unassigned")) == ["2"]
    assert runs(store, Filters(window=window, project="acme/other")) == ["2"]
    assert runs(store, Filters(window=window, text="WEEK fix")) == ["2"]
    assert [one["project"] for one in ask(store, Filters(window=window, text="week")).data["projects"]] == [
        "acme/other"
    ]


# --- why a run is not well


@pytest.mark.parametrize(
    ("step", "why"),
    [
        pytest.param({"failure_reason": "script_failure"}, "unit failed: script failure, yours", id="ours"),
        pytest.param({"failure_reason": "runner_system_failure", "message": "the runner system failed"},
                     "unit failed: runner system failure, the platform's", id="the platform's"),
        pytest.param({"failure_reason": "stale_schedule"}, "unit failed: stale schedule, the setup's", id="setup"),
        pytest.param({}, "unit failed", id="nothing is told"),
    ],
)  # fmt: skip
def test_a_failed_run_tells_the_step_that_failed_first_and_whose_fault_it_is(store, step, why):
    collected(store, a_run("501", RunState.FAILED), a_step("1", name="lint"),
              a_step("2", RunState.FAILED, name="deploy", finished_at=ago(minutes=5)),
              a_step("3", RunState.FAILED, name="unit", finished_at=ago(minutes=40), **step))  # fmt: skip
    assert only(store)["why"] == why
    assert only(store)["first_failing_step"]["name"] == "unit"


def test_retried_attempts_and_allowed_failures_are_not_what_failed(store):
    collected(store, a_run("501", RunState.FAILED),
              a_step("1", RunState.FAILED, name="flaky", retried=True, finished_at=ago(minutes=58)),
              a_step("2", RunState.FAILED, name="scan", allow_failure=True, finished_at=ago(minutes=57)),
              a_step("3", RunState.FAILED, name="unit"))  # fmt: skip
    assert only(store)["first_failing_step"]["name"] == "unit"


def test_a_warning_names_the_failure_that_is_allowed(store):
    collected(store, a_run("501", RunState.WARNING), a_step("1", RunState.FAILED, name="scan", allow_failure=True))
    assert only(store)["why"] == "scan failed, which is allowed"


def test_a_waiting_run_names_what_somebody_must_start(store):
    collected(store, a_run("501", RunState.WAITING, final=False), a_step("1", RunState.WAITING, name="deploy-prod"))
    assert only(store)["why"] == "somebody must start deploy-prod"


def test_a_run_whose_downstream_failed_says_where(store):
    with store.write() as conn:
        put(conn, a_source(conn), a_project(), a_project("12", "acme/training"),
            a_run("501", RunState.FAILED, state_raw="success"),
            a_run("502", RunState.FAILED, project=Ref("project", "12"), parent=Ref("pipeline", "501")))  # fmt: skip
    one = next(one for one in ask(store).data["runs"] if one["id"].endswith(":501"))
    assert one["why"] == "a pipeline that it started in acme/training failed"


# --- figures


def test_the_success_rate_is_over_final_runs_and_neither_canceled_nor_skipped_ones_count(store):
    collected(
        store, a_run("1"), a_run("2", RunState.WARNING), a_run("3", RunState.FAILED), a_run("4", RunState.CANCELED),
        a_run("5", RunState.SKIPPED), a_run("6", RunState.RUNNING, final=False),
        a_run("7", RunState.FAILED, final=False), a_run("8", RunState.SUCCEEDED, created_at=ago(days=3)),
    )  # fmt: skip
    one = figures(store)
    assert one["success_rate"] == pytest.approx(2 / 3)
    counted = {name: one[name] for name in ("runs", "succeeded", "warning", "failed", "canceled", "other")}
    assert counted == {"runs": 7, "succeeded": 2, "warning": 1, "failed": 2, "canceled": 1, "other": 2}


def test_nothing_final_has_no_success_rate_which_is_not_0(store):
    collected(store, a_run("1", RunState.CANCELED))
    assert figures(store)["success_rate"] is None


def test_durations_are_the_upstreams_own_and_never_finished_minus_started(store):
    collected(store, a_run("1", duration_seconds=100.0, queued_seconds=4.0, coverage=80.0),
              a_run("2", duration_seconds=300.0, queued_seconds=None, coverage=90.0),
              a_run("3", duration_seconds=None, started_at=ago(hours=9), finished_at=ago(minutes=1)))  # fmt: skip
    one = figures(store)
    assert one["duration_seconds"] == {"median": 200.0, "p95": 290.0, "max": 300.0, "mean": 200.0, "n": 2}
    assert one["queued_seconds"] == {"median": 4.0, "p95": 4.0, "n": 1}
    assert one["coverage"] == {"mean": 85.0, "n": 2}


def test_projects_of_the_same_path_on_two_instances_are_not_mixed(store):
    for instance in ("one.example", "two.example"):
        with store.write() as conn:
            put(conn, a_source(conn, instance=instance, name=instance), a_project(), a_run("1"))
    assert [one["runs"] for one in ask(store).data["projects"]] == [1, 1]


def test_the_project_with_the_worst_rate_comes_first(store):
    with store.write() as conn:
        put(conn, a_source(conn), a_project(), a_project("12", "acme/other"), a_run("1"),
            a_run("2", RunState.FAILED, project=Ref("project", "12")))  # fmt: skip
    assert [one["project"] for one in ask(store).data["projects"]] == ["acme/other", "acme/forecast-training"]


# --- one opened


def test_one_run_is_opened_with_its_steps_and_its_kin(store):
    collected(store, a_run("501", RunState.FAILED), a_step("1", name="lint", ordinal=1),
              a_step("2", RunState.FAILED, name="unit", ordinal=2, failure_reason="script_failure"),
              a_run("502", parent=Ref("pipeline", "501")))  # fmt: skip
    opened = ask(store, Filters(window=DAY.window, selected="gitlab.example:pipeline:501")).data["selected"]
    assert [one["name"] for one in opened["steps"]] == ["lint", "unit"]
    assert [one["id"] for one in opened["downstream"]] == ["gitlab.example:pipeline:502"]
    assert opened["first_failing_step"] == {"name": "unit", "message": "script failure, yours", "owner": "yours"}
    assert opened["sha"] == SHA


@pytest.mark.parametrize("selected", ["gitlab.example:pipeline:9", "gitlab.example:project:11"])
def test_what_is_not_there_or_no_run_opens_nothing(store, selected):
    collected(store, a_run("501"))
    assert ask(store, Filters(selected=selected)).data["selected"] is None


def test_an_answer_tells_how_good_its_streams_are_and_why_it_is_empty(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), good_at=ago(hours=2))
    answer = ask(store)
    assert {one.stream: str(one.status) for one in answer.sources}["pipelines"] == "stale"
    assert answer.empty_because == "No pipelines last 24 hours; choose a longer window to see older ones."
