"""The state that counts: a run's own, and that of all it started."""

from __future__ import annotations

import pytest

from services.effective import Parts, judge
from services.records import Ref, Step
from services.store import schema
from services.vocabulary import RunState as S
from tests.builders import a_project, a_run, a_training
from tests.derive.conftest import Team


@pytest.mark.parametrize(
    ("own", "parts", "expected"),
    [
        pytest.param(S.SUCCEEDED, Parts(), S.SUCCEEDED, id="nothing else to say"),
        pytest.param(S.RUNNING, Parts(failed=1), S.FAILING, id="running and sure to fail"),
        pytest.param(S.RUNNING, Parts(allowed=1), S.RUNNING, id="an allowed failure does not doom a run"),
        pytest.param(S.SUCCEEDED, Parts(allowed=1), S.WARNING, id="succeeded with an allowed failure"),
        pytest.param(S.SUCCEEDED, Parts(below=(S.FAILED,)), S.FAILED, id="a downstream failure counts"),
        pytest.param(S.SUCCEEDED, Parts(below=(S.RUNNING,)), S.RUNNING, id="what it started is still running"),
        pytest.param(S.SUCCEEDED, Parts(below=(S.FAILED, S.RUNNING)), S.FAILING, id="one below failed, one goes on"),
        pytest.param(S.RUNNING, Parts(below=(S.FAILED,)), S.FAILING, id="running above a failure"),
        pytest.param(S.FAILED, Parts(below=(S.SUCCEEDED,)), S.FAILED, id="its own failure stays"),
        pytest.param(S.SUCCEEDED, Parts(allowed_below=(S.FAILED,)), S.WARNING, id="a bridge that may fail"),
        pytest.param(S.FAILED, Parts(outdated=1), S.CANCELED, id="an outdated deployment was stopped: good news"),
        pytest.param(S.FAILED, Parts(failed=1, outdated=1), S.FAILED, id="and something else failed as well"),
        pytest.param(S.WAITING, Parts(below=(S.SUCCEEDED,)), S.WAITING, id="waits for a person"),
    ],
)
def test_one_word_stands_for_a_run_and_what_it_started(own, parts, expected):
    assert judge(own, parts) == expected


def test_a_run_that_took_everything_from_the_cache_is_a_warning_but_a_failed_one_stays_failed():
    assert judge(S.SUCCEEDED, Parts(), fully_cached=True) == S.WARNING
    assert judge(S.FAILED, Parts(), fully_cached=True) == S.FAILED


def a_job(native_id: str, state: S = S.SUCCEEDED, run: str = "501", kind: str = "job", **more) -> Step:
    values = {"name": f"job {native_id}", "state_raw": str(state), "final": True}
    return Step(native_id=native_id, kind=kind, run=Ref("pipeline", run), state=state, **values | more)


def state_of(team: Team, native_id: str) -> tuple[str, str]:
    (row,) = team.rows(schema.run, native_id=native_id)
    return row.state, row.own_state


def test_a_failed_downstream_pipeline_reddens_its_parent_whatever_the_strategy_says(team: Team):
    team.arrive(a_project(), a_run("501"), a_job("1", kind="bridge", downstream=Ref("pipeline", "502")))
    assert state_of(team, "501") == (S.SUCCEEDED, S.SUCCEEDED)
    team.arrive(a_run("502", S.FAILED, trigger="parent_pipeline", parent=Ref("pipeline", "501")))
    assert state_of(team, "501") == (S.FAILED, S.SUCCEEDED)
    assert team.problem("run-failed").place == "main"


def test_a_change_three_levels_down_reaches_the_top(team: Team):
    team.arrive(
        a_project(),
        a_run("1"),
        a_run("2", trigger="parent_pipeline", parent=Ref("pipeline", "1")),
        a_run("3", S.RUNNING, trigger="parent_pipeline", parent=Ref("pipeline", "2"), final=False, finished_at=None),
    )
    assert state_of(team, "1")[0] == S.RUNNING
    team.arrive(a_run("3", S.FAILED, trigger="parent_pipeline", parent=Ref("pipeline", "2"), duration_seconds=1.0))
    assert state_of(team, "1")[0] == S.FAILED
    team.arrive(a_run("3", S.SUCCEEDED, trigger="parent_pipeline", parent=Ref("pipeline", "2"), duration_seconds=2.0))
    assert state_of(team, "1")[0] == S.SUCCEEDED


def test_a_parent_that_is_read_again_unchanged_stays_red(team: Team):
    child = a_run("502", S.FAILED, trigger="parent_pipeline", parent=Ref("pipeline", "501"))
    team.arrive(a_project(), a_run("501"), child)
    team.arrive(a_run("501", coverage=81.0))
    assert state_of(team, "501") == (S.FAILED, S.SUCCEEDED)


def test_what_a_retried_bridge_started_is_left_out(team: Team):
    team.arrive(
        a_project(),
        a_run("501"),
        a_run("502", S.FAILED, trigger="parent_pipeline", parent=Ref("pipeline", "501")),
        a_run("503", trigger="parent_pipeline", parent=Ref("pipeline", "501")),
        a_job("1", S.FAILED, kind="bridge", downstream=Ref("pipeline", "502"), retried=True),
        a_job("2", kind="bridge", downstream=Ref("pipeline", "503")),
    )
    assert state_of(team, "501")[0] == S.SUCCEEDED


def test_a_running_pipeline_with_a_failed_job_is_failing_and_a_retried_job_does_not_count(team: Team):
    running = a_run("501", S.RUNNING, final=False, finished_at=None)
    team.arrive(a_project(), running, a_job("1", S.FAILED, retried=True))
    assert state_of(team, "501")[0] == S.RUNNING
    team.arrive(a_job("2", S.FAILED))
    assert state_of(team, "501") == (S.FAILING, S.RUNNING)
    assert team.problem("run-failed").state == S.FAILING


def test_runs_that_claim_to_have_started_each_other_do_not_hang_us(team: Team):
    team.arrive(a_project(), a_run("1", parent=Ref("pipeline", "2")), a_run("2", S.FAILED, parent=Ref("pipeline", "1")))
    assert state_of(team, "1")[0] == S.FAILED


def test_a_failed_custom_job_does_not_redden_a_pipeline_that_tried_it_again(team: Team):
    team.arrive(
        a_training("p1"),
        a_training("j1", kind="custom-job", state=S.FAILED, parent=Ref("pipeline-job", "p1")),
        family="vertex",
    )
    assert state_of(team, "p1")[0] == S.SUCCEEDED


def test_a_child_deleted_while_it_ran_holds_up_its_parent_no_longer(team: Team):
    child = a_run("502", S.RUNNING, trigger="parent_pipeline", parent=Ref("pipeline", "501"), final=False)
    team.arrive(a_project(), a_run("501"), child)
    assert state_of(team, "501") == (S.RUNNING, S.SUCCEEDED)
    team.gone("pipeline", "501")
    assert state_of(team, "501") == (S.SUCCEEDED, S.SUCCEEDED)
    assert state_of(team, "502") == (S.RUNNING, S.RUNNING)
