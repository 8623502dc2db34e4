"""What time alone makes bad: late schedules, waiting requests, sources that fell silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.config import Config
from services.firing import firings, grace, zone_of
from services.records import Change, Ref, Schedule
from services.store import progress
from services.timestamps import to_millis
from tests.builders import (
    NOW,
    a_config,
    a_deployment,
    a_heartbeat,
    a_project,
    a_run,
    a_stream,
    a_training,
    ago,
    an_environment,
)
from tests.derive.conftest import Team

NIGHTLY = "0 2 * * *"
DUE = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
"""02:00 in Berlin on the day of NOW."""


def a_schedule(**more) -> Schedule:
    values = {"native_id": "s1", "kind": "vertex-schedule", "name": "Nightly training", "state_raw": "ACTIVE",
              "cron": f"TZ=Europe/Berlin {NIGHTLY}", "environment": "dev", "created_at": ago(days=60)}  # fmt: skip
    return Schedule(**values | more)


def a_start(native_id: str, at: datetime, **more):
    return a_training(native_id, schedule=Ref("vertex-schedule", "s1"), created_at=at, finished_at=at, **more)


def a_request(iid: str = "5", **more) -> Change:
    values = {"native_id": f"c{iid}", "project": Ref("project", "11"), "iid": iid, "title": "Add lags",
              "state": "opened", "author": "mira", "target_branch": "main", "created_at": ago(days=3),
              "approved_by": ()}  # fmt: skip
    return Change(**values | more)


def test_a_schedule_is_late_after_its_grace_and_on_time_again_with_its_next_run(team: Team):
    team.arrive(a_schedule(), a_start("t1", DUE - timedelta(days=1)), family="vertex", now=DUE)
    team.sweep(DUE + timedelta(hours=1, minutes=59))
    assert not team.problems()
    team.sweep(DUE + timedelta(hours=2, minutes=1))
    found = team.problem("schedule-late")
    assert found.title == "Nightly training should have started on Tue 24 Nov 02:00 and has not"
    assert (found.opened_at, found.severity, found.facts["missed"]) == (to_millis(DUE), "amber", 1)
    assert [row.kind for row in team.events("schedule-missed")] == ["schedule-missed"]
    team.arrive(a_start("t2", DUE + timedelta(hours=3)), family="vertex", now=DUE + timedelta(hours=3))
    assert not team.problems("schedule-late")


def test_the_second_missed_start_makes_the_same_episode_red(team: Team):
    team.arrive(a_schedule(), a_start("t1", DUE - timedelta(days=1)), family="vertex", now=DUE)
    team.sweep(DUE + timedelta(hours=3))
    first = team.problem("schedule-late")
    team.sweep(DUE + timedelta(hours=27))
    found = team.problem("schedule-late")
    assert (found.id, found.severity, found.facts["state"]) == (first.id, "red", "missed")
    assert found.title == "Nightly training has missed 2 starts since Tue 24 Nov 02:00"


def test_a_schedule_in_winter_time_keeps_its_hour_when_the_clock_changes():
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    times = firings(NIGHTLY, "Europe/Berlin", before)
    assert [next(times).astimezone(UTC).hour for _ in range(3)] == [0, 1, 1]


def test_nothing_is_late_that_we_could_not_have_seen(team: Team):
    source = team.source("vertex")
    a_stream(team.conn, source, "pipeline_jobs", good_at=DUE + timedelta(minutes=30))
    team.arrive(a_schedule(), a_start("t1", DUE - timedelta(days=1)), family="vertex", now=DUE)
    team.sweep(DUE + timedelta(hours=5))
    assert not team.problems("schedule-late")


def test_a_schedule_without_any_run_owes_only_what_came_after_it_was_made(team: Team):
    team.arrive(a_schedule(created_at=DUE + timedelta(minutes=5)), family="vertex")
    team.sweep()
    assert not team.problems()


def test_a_schedule_that_was_resumed_owes_only_what_came_after(team: Team):
    team.arrive(a_schedule(updated_at=ago(hours=2)), a_start("t1", ago(days=9)), family="vertex")
    team.sweep()
    assert not team.problems()


def test_the_next_run_that_the_source_names_counts_where_the_cron_cannot_be_read(team: Team):
    due = ago(hours=3)
    team.arrive(a_schedule(cron="every full moon", next_run_at=due), a_start("t1", ago(days=2)), family="vertex")
    team.sweep()
    assert team.problem("schedule-late").opened_at == to_millis(due)


def test_a_start_that_was_dropped_while_the_run_before_went_on_is_skipped_silently_and_not_late(team: Team):
    yesterday = DUE - timedelta(days=1)
    still = a_training("t1", schedule=Ref("vertex-schedule", "s1"), created_at=yesterday, finished_at=None,
                       state="running", final=False)  # fmt: skip
    team.arrive(a_schedule(allow_queueing=False, max_concurrent=1), still, family="vertex")
    team.sweep()
    assert [row.kind for row in team.problems()] == ["schedule-skipped"]


def test_a_paused_schedule_and_one_without_owner_are_states_of_their_own_and_not_late(team: Team):
    team.arrive(a_schedule(active=False, paused_at=ago(days=4)), a_start("t1", ago(days=5)), family="vertex")
    assert [row.kind for row in team.problems()] == ["schedule-paused"]
    team.arrive(a_schedule(active=False, paused_at=ago(days=31), updated_at=ago(days=31)), family="vertex")
    assert not team.problems()
    lost = a_schedule(native_id="9", kind="pipeline-schedule", owner="oscar", owner_active=False, cron=NIGHTLY)
    team.arrive(lost)
    assert "has lost its owner oscar" in team.problem("owner-lost").title
    assert not team.problems("schedule-late")


@pytest.mark.parametrize(
    ("between", "allowed"),
    [(timedelta(minutes=15), timedelta(minutes=10)), (timedelta(hours=5), timedelta(minutes=30)),
     (timedelta(days=7), timedelta(hours=2)), (None, timedelta(minutes=10))],
)  # fmt: skip
def test_the_grace_is_a_tenth_of_the_interval_within_its_bounds(between, allowed):
    assert grace(a_config(), between) == allowed
    assert grace(a_config(late_grace="5m"), between) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("name", "zone"),
    [("Europe/Berlin", "Europe/Berlin"), ("Berlin", "Europe/Berlin"),
     ("Pacific Time (US & Canada)", "America/Los_Angeles"), (None, "UTC"), ("Middle-earth", None)],
)  # fmt: skip
def test_zones_are_known_by_iana_and_by_gitlabs_own_names(name, zone):
    assert (zone_of(name) and zone_of(name).key) == zone


def test_a_request_waits_for_review_after_two_days_and_no_longer_once_approved(team: Team):
    team.arrive(a_project(), a_request(created_at=ago(hours=47)))
    team.sweep()
    assert not team.problems()
    team.sweep(NOW + timedelta(hours=2))
    assert "!5" in team.problem("review-waiting").title
    team.arrive(a_request(created_at=ago(hours=47), approved_by=("ravi",)))
    assert not team.problems()


@pytest.mark.parametrize(
    "more",
    [{"draft": True}, {"state": "merged"}, {"state": "closed"}, {"approved_by": None},
     {"approved_by": ("a", "b"), "approvals_required": 2}],
    ids=["a draft", "merged", "closed", "approvals not read", "enough approvals"],
)  # fmt: skip
def test_what_waits_for_no_review(team: Team, more: dict):
    team.arrive(a_project(), a_request(**more))
    assert not team.problems("review-waiting")


def merged(iid: str, hours: float, **more) -> Change:
    return a_request(iid, state="merged", merged_at=ago(hours=hours), **more)


def shipped(native_id: str, hours: float, pipeline: str, **more):
    return a_deployment(native_id, created_at=ago(hours=hours), run=Ref("pipeline", pipeline), **more)


def test_merged_and_unshipped_counts_what_came_after_the_pipeline_that_production_runs(team: Team):
    team.arrive(
        a_project(), an_environment(), a_run("1", created_at=ago(hours=60)), shipped("71", 30, "1"),
        merged("4", 61), merged("5", 50), merged("6", 26), merged("7", 5),
    )  # fmt: skip
    found = team.problem("unshipped")
    assert found.title == "2 merged requests of forecast-training wait for production"
    assert found.opened_at == to_millis(ago(hours=26))
    team.arrive(a_run("2", created_at=ago(hours=4)), shipped("72", 1, "2"))
    assert not team.problems()
    team.arrive(shipped("73", 0.5, "1"))
    assert team.problem("unshipped").facts["count"] == 2, "after a rollback they are not in production any more"


def test_a_project_without_production_has_nothing_unshipped_and_neither_has_another_branch(team: Team):
    team.arrive(a_project(), an_environment("qa"), a_run("1", created_at=ago(hours=60)), merged("5", 50),
                shipped("71", 30, "1", environment="qa"))  # fmt: skip
    assert not team.problems()
    team.arrive(an_environment(), shipped("72", 30, "1"), merged("5", 50, target_branch="release/1"))
    assert not team.problems()


def test_a_source_out_of_reach_for_a_moment_is_no_problem_and_for_longer_than_promised_it_is(team: Team):
    source = team.source()
    a_stream(team.conn, source, status="unreachable", error="timed out", good_at=ago(minutes=4))
    team.sweep()
    assert not team.problems()
    team.sweep(NOW + timedelta(minutes=2))
    found = team.problem("source-unreadable")
    assert (found.title, found.opened_at) == ("gitlab: pipelines cannot be read", to_millis(ago(minutes=4)))
    assert [row.kind for row in team.events()] == ["source-lost"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        pytest.param({"status": "no-access", "mend": "grant read_api"}, "source-no-access", id="refused"),
        pytest.param({"status": "unreadable"}, "source-unreadable", id="an answer that is not one"),
        pytest.param({"status": "limited", "good_at": ago(hours=1)}, "source-limited", id="limited for long"),
        pytest.param({"status": "limited"}, None, id="limited for a moment"),
        pytest.param({"status": "ok", "good_at": ago(hours=1)}, "source-stale", id="silent"),
        pytest.param({"status": "off", "good_at": None}, None, id="a feature that is off is no alarm"),
    ],
)
def test_each_way_a_source_can_fail_is_a_problem_of_its_own(team: Team, more: dict, kind: str | None):
    a_stream(team.conn, team.source(), **more)
    team.sweep()
    assert [row.kind for row in team.problems()] == ([kind] if kind else [])


def test_a_source_that_is_no_longer_configured_breaks_no_promise(team: Team):
    left = team.source("terraform", "states of old")
    a_stream(team.conn, left, good_at=ago(days=9))
    progress.save_parts(team.conn, left, "states", {"old": "403: no access"}, NOW)
    team.sweep()
    assert not team.problems()


def test_a_403_on_one_project_is_told_and_its_neighbours_problems_go_on(team: Team):
    """devlake 8550: one forbidden project killed all."""
    team.arrive(a_project(), a_run("1", "failed"), a_project("12", "acme/secret"))
    progress.save_parts(team.conn, team.source(), "jobs", {"12": "403: no access"}, NOW)
    team.sweep()
    assert team.problem("part-no-access").title == "gitlab: 1 part could not be read: acme/secret"
    assert sorted(row.kind for row in team.problems()) == ["part-no-access", "run-failed"]


def test_a_collector_that_was_down_is_told_by_the_one_that_follows(team: Team):
    a_heartbeat(team.conn, ago(minutes=30))
    team.sweep()
    team.sweep(NOW + timedelta(seconds=30))
    (event,) = team.events("collector-down")
    assert event.title == "Nothing was collected from Tue 24 Nov 13:30 to Tue 24 Nov 14:00"


def test_the_configured_grace_is_used(team: Team):
    team.config = Config.model_validate({**team.config.model_dump(), "late_grace": timedelta(minutes=5)})
    team.arrive(a_schedule(), a_start("t1", DUE - timedelta(days=1)), family="vertex", now=DUE)
    team.sweep(DUE + timedelta(minutes=6))
    assert team.problems("schedule-late")
