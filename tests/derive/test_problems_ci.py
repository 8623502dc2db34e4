"""What is bad in CI: each kind with something bad, something good, and what must not be mistaken for either."""

from __future__ import annotations

from datetime import timedelta

from services.records import Ref, Schedule, Step
from services.store import schema
from services.timestamps import to_millis
from services.vocabulary import RunState as S
from tests.builders import (
    NOW,
    SHA,
    a_deployment,
    a_project,
    a_run,
    ago,
    an_environment,
)
from tests.derive.conftest import Team


def run(native_id: str, state: S = S.SUCCEEDED, hours: float = 1, **more):
    at = ago(hours=hours)
    final = state not in (S.RUNNING, S.FAILING, S.WAITING)
    return a_run(native_id, state, created_at=at, finished_at=at + timedelta(minutes=9) if final else None,
                 updated_at=at + timedelta(minutes=9), sha=f"{int(native_id):040x}",
                 **{"final": final} | more)  # fmt: skip


def job(native_id: str, state: S = S.FAILED, pipeline: str = "1", **more) -> Step:
    values = {"name": f"job-{native_id}", "kind": "job", "state_raw": str(state)}
    return Step(native_id=native_id, run=Ref("pipeline", pipeline), state=state, **values | more)


def test_a_red_default_branch_is_a_problem_that_says_where_since_when_and_whose(team: Team):
    team.arrive(
        a_project(), run("1", hours=9), run("2", S.FAILED, 6), run("3", S.FAILED, 3),
        job("31", pipeline="3", name="pytest", failure_reason="script_failure", finished_at=ago(hours=2)),
    )  # fmt: skip
    found = team.problem("run-failed")
    assert found.title == "The pipeline of forecast-training on main failed in the job pytest"
    assert (found.subject_table, found.place, found.severity, found.product) == (
        "project", "main", "red", "demand-forecast",
    )  # fmt: skip
    assert found.opened_at == to_millis(ago(hours=6) + timedelta(minutes=9))
    assert (found.first_bad, found.last_good) == (f"{2:040x}", f"{1:040x}")
    assert found.facts["first_failing_step"]["owner"] == "yours"


def test_the_next_red_run_does_not_lose_the_episode_and_a_green_one_ends_it(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 6))
    first = team.problem("run-failed")
    team.arrive(run("2", S.FAILED, 3))
    assert (team.problem("run-failed").id, team.problem("run-failed").opened_at) == (first.id, first.opened_at)
    team.arrive(run("3", hours=1))
    (closed,) = team.rows(schema.problem, kind="run-failed")
    assert closed.closed_at == to_millis(ago(hours=1) + timedelta(minutes=9))
    assert closed.state == "succeeded"
    team.arrive(run("4", S.FAILED, 0.5))
    assert team.problem("run-failed").id != first.id


def test_superseded_failures_do_not_count_in_whatever_order_they_arrive(team: Team):
    team.arrive(a_project(), run("3", hours=1))
    team.arrive(run("2", S.FAILED, 5), first_fill=True)
    team.arrive(run("1", S.FAILED, 7), first_fill=True)
    assert not team.problems()


def test_the_beginning_moves_back_as_older_history_arrives(team: Team):
    team.arrive(a_project(), run("3", S.FAILED, 1))
    team.arrive(run("2", S.FAILED, 5), first_fill=True)
    assert team.problem("run-failed").opened_at == to_millis(ago(hours=5) + timedelta(minutes=9))


def test_a_green_latest_run_on_another_ref_hides_nothing(team: Team):
    """airflow 67094: a green newest run hid a red backlog."""
    team.arrive(a_project(protected_branches=("release/*",)), run("1", S.FAILED, 4), run("2", hours=1, ref="release/1"))
    assert team.problem("run-failed").place == "main"


def test_a_run_that_is_still_going_on_or_was_canceled_leaves_the_verdict_of_the_one_before(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 6), run("2", S.RUNNING, 1))
    assert team.problem("run-failed").facts["sha"] == f"{1:040x}"
    team.arrive(run("2", S.CANCELED, 1))
    assert team.problem("run-failed").facts["sha"] == f"{1:040x}"


def test_a_feature_branch_is_its_authors_own_matter_and_a_protected_one_is_not(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, ref="feature/x"), run("2", S.FAILED, ref="release/7"))
    assert not team.problems()
    team.arrive(a_project(protected_branches=("main", "release/*")), run("3", S.FAILED, ref="release/7"))
    assert team.problem("run-failed").place == "release/7"


def test_the_newest_tag_supersedes_the_tags_before_it(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 5, ref="v1", is_tag=True))
    assert team.problem("run-failed").place == "tags"
    team.arrive(run("2", hours=1, ref="v2", is_tag=True))
    assert not team.problems()


def test_the_nightly_run_of_a_schedule_is_not_mended_by_a_push_to_its_branch(team: Team):
    nightly = run("1", S.FAILED, 5, trigger="schedule")
    schedule = Schedule(native_id="9", kind="pipeline-schedule", project=Ref("project", "11"), name="Nightly",
                        state_raw="active", last_run=Ref("pipeline", "1"), last_run_at=ago(hours=5))  # fmt: skip
    team.arrive(a_project(), nightly)
    team.arrive(schedule)
    team.arrive(run("2", hours=1))
    found = [row for row in team.problems("run-failed") if row.subject_table == "schedule"]
    assert [row.title for row in found] == ["The scheduled pipeline of forecast-training on main failed"]


def test_a_child_pipeline_does_not_speak_for_the_branch(team: Team):
    team.arrive(a_project(), run("1", hours=2), run("2", S.FAILED, 1, trigger="parent_pipeline"))
    assert not team.problems()


def test_a_pipeline_that_failed_only_because_an_outdated_deployment_was_stopped_is_not_bad(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 2), job("10", failure_reason="forward_deployment_failure"))
    assert not team.problems("run-failed")


def test_a_red_branch_of_a_project_that_is_gone_is_closed_as_gone_and_not_as_mended(team: Team):
    team.arrive(a_project(), run("1", S.FAILED))
    team.gone("project")
    (closed,) = team.rows(schema.problem, kind="run-failed")
    assert (closed.state, closed.reason) == ("unknown", "gone")


def test_a_manual_step_waits_on_the_newest_pipeline_of_the_default_branch_only(team: Team):
    team.arrive(a_project(), run("1", S.WAITING, 5), job("10", S.WAITING, name="deploy-prod"))
    assert team.problem("waiting").title == (
        "The pipeline of forecast-training on main waits for somebody to start deploy-prod"
    )
    team.arrive(run("2", S.WAITING, 3, ref="feature/x"), run("3", hours=1))
    assert not team.problems()


def test_an_optional_manual_step_waits_for_nobody(team: Team):
    team.arrive(a_project(), run("1"), job("10", S.SKIPPED, manual=True, allow_failure=True))
    assert not team.problems()


def test_a_blocked_deployment_says_it_once_and_not_again_for_its_pipeline(team: Team):
    team.arrive(a_project(), run("1", S.WAITING), a_deployment(state=S.WAITING, run=Ref("pipeline", "1"), final=False))
    assert [row.kind for row in team.problems()] == ["deployment-waiting"]


def test_a_failed_deployment_of_production_is_red_until_a_newer_one_succeeds(team: Team):
    failed = a_deployment("71", "production/api", state=S.FAILED, tier="production", created_at=ago(hours=3))
    team.arrive(a_project(), failed)
    found = team.problem("deployment-failed")
    assert (found.severity, found.environment, found.place) == ("red", "prod", "production/api")
    team.arrive(a_deployment("72", "production/web", created_at=ago(hours=2)))
    assert team.problems("deployment-failed")
    team.arrive(a_deployment("73", "production/api", created_at=ago(hours=1)))
    assert not team.problems()


def test_nonprod_is_not_production_when_its_deployment_fails(team: Team):
    """gitlab 377916: the tier is guessed from a part of the name."""
    team.arrive(a_project(), a_deployment("71", "nonprod", state=S.FAILED, tier="production"))
    found = team.problem("deployment-failed")
    assert (found.severity, found.environment) == ("amber", None)


def test_stopped_and_review_environments_are_nobodys_problem(team: Team):
    team.arrive(
        a_project(), an_environment("qa", available=False), a_deployment("71", "qa", state=S.FAILED),
        a_deployment("72", "review/feature-x", state=S.FAILED),
    )  # fmt: skip
    assert not team.problems()


def test_a_deployment_that_was_stopped_because_a_newer_was_there_first_is_not_bad(team: Team):
    stopped = a_deployment("72", state=S.FAILED, created_at=ago(hours=1), step=Ref("job", "10"), sha=f"{1:040x}")
    team.arrive(a_project(), run("1"), a_deployment("71", created_at=ago(hours=2)), stopped)
    assert team.problems("deployment-failed")
    team.arrive(job("10", failure_reason="forward_deployment_failure"))
    assert not team.problems("deployment-failed")


def test_a_pipeline_of_a_project_not_read_yet_counts_on_main(team: Team):
    team.arrive(run("1", S.FAILED, project=Ref("project", "99")))
    assert team.problem("run-failed").title == "The pipeline of a project not read yet on main failed"


def test_first_fill_is_marked_so_that_an_old_problem_is_not_told_as_news(team: Team):
    team.arrive(a_project(), run("1", S.FAILED), first_fill=True)
    assert team.problem("run-failed").first_fill


def test_thirty_pipelines_of_one_minute_are_ordered_by_their_number(team: Team):
    """gitlab-ci-pipelines-exporter 827: the newest of many at once is the one with the highest number."""
    at = ago(minutes=5)
    runs = [a_run(str(key), S.FAILED if key == 99 else S.SUCCEEDED, created_at=at) for key in range(80, 111)]
    team.arrive(a_project(), *reversed(runs))
    assert not team.problems()
    team.arrive(a_run("111", S.FAILED, created_at=at, sha=SHA))
    assert team.problem("run-failed").facts["sha"] == SHA


def test_now_is_when_we_saw_it_and_not_when_it_happened(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 30))
    found = team.problem("run-failed")
    assert found.seen_at == to_millis(NOW) > found.opened_at
