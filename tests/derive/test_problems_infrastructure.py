"""What is bad about Terraform states, and what only looks so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.records import Ref, Resource, StateContents, StateDetail, Step
from services.store import schema
from services.timestamps import to_millis
from services.vocabulary import RunState as S
from tests.builders import NOW, a_plan, a_project, a_run, a_version, a_workspace, ago, an_endpoint
from tests.derive.conftest import Team

CHANGED = {"address": "google_storage_bucket.data", "type": "google_storage_bucket", "actions": ["update"],
           "attributes": ["labels"]}  # fmt: skip


def plan(native_id: str, hours: float, **more):
    return a_plan(native_id=native_id, checked_at=ago(hours=hours), **more)


def version(serial: int, hours: float, lineage: str = "L", step: str | None = None, **detail):
    return a_version(
        f"forecast-prod#{serial}#{lineage}", "state-version", of="forecast-prod", label=str(serial),
        created_at=ago(hours=hours), step=Ref("job", step) if step else None, project=Ref("project", "11"),
        detail=StateDetail(lineage=lineage, **detail),
    )  # fmt: skip


def state(**more):
    return a_workspace(project=Ref("project", "11"), **more)


def test_drift_has_a_beginning_that_the_next_check_does_not_move_and_ends_with_a_clean_check(team: Team):
    team.arrive(state(), plan("p1", 20), plan("p2", 12, drift=(CHANGED,)))
    team.arrive(plan("p3", 2, drift=(CHANGED, CHANGED | {"address": "x.y"})))
    found = team.problem("drift")
    assert found.title == (
        "2 resources of forecast-prod are no longer as Terraform left them: google_storage_bucket.data and x.y"
    )
    assert (found.opened_at, found.last_good, found.severity) == (to_millis(ago(hours=12)), "p1", "red")
    team.arrive(plan("p4", 1))
    assert not team.problems("drift")


def test_moved_blocks_are_not_drift_and_neither_is_a_pending_change(team: Team):
    """tfcmt 358, digger 1667: only entries that change something in reality count."""
    moved = {"address": "a.b", "type": "x", "actions": ["no-op"], "previous_address": "a.c"}
    pending = {"address": "a.b", "type": "x", "actions": ["update"]}
    team.arrive(state(), plan("p1", 2, drift=(moved,), changes=(pending,), mode="normal", update=1))
    assert not team.problems()


def test_an_errored_check_says_nothing_about_drift_but_is_bad_itself(team: Team):
    team.arrive(state(), plan("p1", 5, drift=(CHANGED,)), plan("p2", 1, errored=True))
    assert sorted(row.kind for row in team.problems()) == ["drift", "plan-errored"]
    team.arrive(plan("p3", 0.5))
    assert not team.problems()


@pytest.mark.parametrize(
    ("kind", "actions", "bad"),
    [
        pytest.param("google_bigquery_dataset", ["delete", "create"], True, id="a replaced dataset"),
        pytest.param("google_sql_database_instance", ["delete"], True, id="a deleted database"),
        pytest.param("google_bigquery_dataset", ["update"], False, id="an updated dataset"),
        pytest.param("google_cloud_run_service", ["delete", "create"], False, id="a replaced service holds nothing"),
    ],
)
def test_a_pending_replace_or_delete_of_what_holds_data_is_red(team: Team, kind: str, actions: list, bad: bool):
    change = {"address": f"{kind}.x", "type": kind, "actions": actions}
    team.arrive(state(), plan("p1", 1, mode="normal", changes=(change,)))
    assert [row.severity for row in team.problems("pending-replace")] == (["red"] if bad else [])


def test_a_refresh_only_check_does_not_close_a_pending_replace(team: Team):
    change = {"address": "b.x", "type": "google_storage_bucket", "actions": ["delete"]}
    team.arrive(state(), plan("p1", 3, mode="normal", changes=(change,)), plan("p2", 1))
    assert team.problems("pending-replace")


def test_a_lock_is_bad_after_an_hour_and_over_when_it_is_given_back(team: Team):
    team.arrive(state(locked_at=ago(minutes=50), locked_by="nadia.roth"))
    assert not team.problems()
    team.sweep(NOW + timedelta(minutes=11))
    assert "is locked by nadia.roth since" in team.problem("locked").title
    team.arrive(state(updated_at=ago(hours=1)))
    assert not team.problems()


def test_a_check_grows_stale_after_a_day_by_time_alone(team: Team):
    team.arrive(state(), plan("p1", 23))
    team.sweep()
    assert not team.problems()
    team.sweep(NOW + timedelta(hours=2))
    assert team.problem("check-stale").opened_at == to_millis(ago(hours=23) + timedelta(days=1))


def test_a_state_that_was_never_checked_is_bad_only_where_others_are_checked(team: Team):
    team.arrive(state(created_at=ago(days=9)))
    assert not team.problems()
    team.arrive(a_workspace("other-prod"), a_plan("other-prod"))
    team.sweep()
    assert team.problem("not-checked").title == "forecast-prod has never been checked for drift"


def test_a_failed_apply_is_known_by_the_job_that_last_wrote_the_state(team: Team):
    def apply(native_id: str, pipeline: str, state: S, name: str = "apply:prod"):
        return Step(native_id=native_id, kind="job", run=Ref("pipeline", pipeline), name=name, state=state,
                    state_raw=str(state), finished_at=ago(hours=1))  # fmt: skip

    team.arrive(
        a_project(),
        state(),
        a_run("1", created_at=ago(hours=9)),
        apply("10", "1", S.SUCCEEDED),
        version(41, 9, step="10"),
    )
    assert not team.problems("apply-failed")
    team.arrive(a_run("2", created_at=ago(hours=2)), apply("20", "2", S.FAILED, "apply:dev"))
    assert not team.problems("apply-failed")
    team.arrive(apply("21", "2", S.FAILED))
    assert team.problem("apply-failed").title == "The last apply of forecast-prod failed: it may be half done"
    team.arrive(a_run("3", created_at=ago(hours=1)), apply("30", "3", S.SUCCEEDED), version(42, 1, step="30"))
    assert not team.problems("apply-failed")


def test_a_state_that_was_replaced_stays_bad_until_a_version_follows_properly(team: Team):
    team.arrive(state(), version(41, 9), version(1, 2, "M"))
    assert "of another lineage" in team.problem("lineage-changed").title
    team.arrive(version(2, 1, "M"))
    assert not team.problems()


def test_a_serial_that_went_down_is_told(team: Team):
    team.arrive(state(), version(41, 9), version(40, 2))
    assert "serial 41 → 40" in team.problem("lineage-changed").title


def test_failing_checks_and_tainted_resources_are_amber_until_the_next_version(team: Team):
    team.arrive(state(), version(41, 9, checks={"pass": 3, "fail": 1}, tainted=2))
    assert {row.kind: row.severity for row in team.problems()} == {"check-failing": "amber", "tainted": "amber"}
    team.arrive(version(42, 1, checks={"pass": 4, "fail": 0}, tainted=0))
    assert not team.problems()


def an_endpoint_resource(name: str = "1") -> StateContents:
    where = Ref("workspace", "forecast-prod")
    held = {"name": name, "location": "europe-west4", "project": "acme-prod"}
    one = Resource(native_id=f"e.{name}", workspace=where, address=f"e.{name}", type="google_vertex_ai_endpoint",
                   mode="managed", attributes=held, fingerprint="x")  # fmt: skip
    return StateContents(workspace=where, serial=41, lineage="L", created_at=ago(days=2), resources=(one,))


def test_an_endpoint_in_no_state_is_unmanaged_only_where_terraform_manages_others(team: Team):
    place = "projects/acme-prod/locations/europe-west4/endpoints"
    team.arrive(an_endpoint(f"{place}/1"), an_endpoint(f"{place}/2", name="shadow"), family="vertex")
    assert not team.problems()
    team.arrive(state(), an_endpoint_resource())
    assert team.problem("unmanaged").title == (
        "The endpoint shadow exists in the cloud and in no Terraform state that we know"
    )


def test_nothing_is_unmanaged_while_a_state_that_was_just_found_is_not_read_yet(team: Team):
    place = "projects/acme-prod/locations/europe-west4/endpoints"
    team.arrive(an_endpoint(f"{place}/2"), family="vertex")
    team.arrive(state(), an_endpoint_resource(), a_workspace("other", serial=3))
    assert not team.problems("unmanaged")
    team.sweep(NOW + timedelta(minutes=15))
    assert team.problems("unmanaged")


def test_an_endpoint_that_a_state_holds_and_the_cloud_does_not_list_is_missing(team: Team):
    place = "projects/acme-prod/locations/europe-west4/endpoints"
    team.arrive(state(), an_endpoint_resource("1"))
    assert not team.problems("missing")
    team.arrive(an_endpoint(f"{place}/2"), family="vertex")
    assert team.problem("missing").place == "e.1"


def test_a_state_that_is_gone_has_no_problems_that_count_as_mended(team: Team):
    team.arrive(state(), plan("p1", 2, drift=(CHANGED,)))
    team.gone("workspace")
    (closed,) = team.rows(schema.problem, kind="drift")
    assert (closed.state, closed.reason) == ("unknown", "gone")
