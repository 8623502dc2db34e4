"""What happened, told once, when it happened, in a sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services import derive
from services.records import Change, Evaluation, ImageDetail, Incident, ModelDetail, Monitor, Ref, Schedule, StateDetail
from services.store import schema
from services.timestamps import to_millis
from services.vocabulary import RunState as S
from tests.builders import (
    NOW,
    SHA,
    a_deployment,
    a_model,
    a_model_version,
    a_plan,
    a_project,
    a_run,
    a_training,
    a_version,
    a_workspace,
    ago,
    an_endpoint,
)
from tests.derive.conftest import Team


def run(native_id: str, state: S = S.SUCCEEDED, hours: float = 1, **more):
    at = ago(hours=hours)
    return a_run(native_id, state, created_at=at, finished_at=at + timedelta(minutes=9), **more)


def deployed(native_id: str, hours: float, sha: str = SHA, **more):
    return a_deployment(native_id, created_at=ago(hours=hours), finished_at=ago(hours=hours), sha=sha, **more)


def titles(team: Team, *kinds: str) -> list[str]:
    return [row.title for row in team.events(*kinds)]


def test_reading_the_same_again_tells_nothing_twice(team: Team):
    things = (a_project(), run("1", S.FAILED), deployed("71", 1), a_version(SHA), a_plan(drift=({"address": "a"},)),
              a_workspace(locked_at=ago(hours=1)))  # fmt: skip
    team.arrive(*things)
    told = team.rows(schema.event)
    assert len(told) == 5
    team.arrive(*things, now=NOW + timedelta(minutes=5))
    team.arrive(run("1", S.FAILED, coverage=80.0), now=NOW + timedelta(minutes=6))
    assert team.rows(schema.event) == told


def test_an_event_has_the_time_it_occurred_and_the_time_we_saw_it(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 30), first_fill=True)
    (event,) = team.events("pipeline-failed")
    assert event.at == to_millis(ago(hours=30) + timedelta(minutes=9))
    assert (event.seen_at, event.first_fill) == (to_millis(NOW), True)
    assert (event.lane, event.product, event.state) == ("ci", "demand-forecast", "failed")


def test_a_branch_that_is_red_and_then_green_is_fixed_and_one_that_stays_green_succeeded(team: Team):
    team.arrive(a_project(), run("1", hours=9))
    team.arrive(run("2", S.FAILED, 6))
    team.arrive(run("3", hours=3))
    team.arrive(run("4", hours=1))
    assert [row.kind for row in team.rows(schema.event)] == [
        "pipeline-succeeded", "pipeline-failed", "pipeline-fixed", "pipeline-succeeded",
    ]  # fmt: skip
    assert titles(team, "pipeline-fixed") == ["The pipeline of forecast-training on main succeeds again"]


def test_feature_branches_and_child_pipelines_tell_nothing_by_themselves(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, ref="feature/x"), run("2", S.FAILED, trigger="parent_pipeline"))
    assert not team.events()


def test_a_nightly_run_does_not_make_a_push_look_fixed(team: Team):
    team.arrive(a_project(), run("1", S.FAILED, 5, trigger="schedule"), run("2", hours=1))
    assert team.kinds() == ["pipeline-failed", "pipeline-succeeded"]


def test_deployments_are_told_by_their_own_finish_and_the_same_commit_in_a_row_once(team: Team):
    """devlake 8145 and 6908: downstream pipelines counted again, and deployments dated by a later job."""
    team.arrive(a_project(), deployed("71", 9), deployed("72", 8))
    (event,) = team.events("deployed")
    assert (event.at, event.environment) == (to_millis(ago(hours=9)), "prod")
    assert event.title == f"forecast-training {SHA[:8]} was deployed to prod"


def test_several_services_deployed_by_one_pipeline_are_several_deployments(team: Team):
    """devlake 6959: several tenants in one pipeline were counted once."""
    places = [deployed(str(key), 2, environment=f"production/{name}", run=Ref("pipeline", "1"))
              for key, name in enumerate(("api", "web", "worker"))]  # fmt: skip
    team.arrive(a_project(), *places)
    assert len(team.events("deployed")) == 3


def test_a_return_to_an_earlier_commit_is_a_rollback(team: Team):
    team.arrive(a_project(), deployed("71", 9), deployed("72", 5, "f" * 40), deployed("73", 1))
    assert titles(team, "rolled-back") == [f"forecast-training in prod went back to {SHA[:8]} (from ffffffff)"]


def test_a_deployment_that_failed_or_waits_is_told_as_such(team: Team):
    waits = deployed("71", 2, state=S.WAITING, final=False)
    team.arrive(a_project(), waits, deployed("72", 1, state=S.FAILED, environment="qa"))
    assert team.kinds() == ["deployment-failed", "deployment-waiting"]
    team.arrive(deployed("71", 2))
    assert team.kinds() == ["deployed", "deployment-failed", "deployment-waiting"]


def test_a_request_is_told_as_opened_approved_and_merged(team: Team):
    def request(**more) -> Change:
        values = {"native_id": "c5", "project": Ref("project", "11"), "iid": "5", "title": "Add lags",
                  "state": "opened", "author": "mira", "target_branch": "main", "created_at": ago(hours=9),
                  "approved_by": ()}  # fmt: skip
        return Change(**values | more)

    team.arrive(a_project(), request())
    team.arrive(request(approved_by=("ravi",), updated_at=ago(hours=3)))
    team.arrive(request(approved_by=("ravi",), updated_at=ago(hours=2), state="merged", merged_at=ago(hours=2)))
    assert titles(team) == [
        "Merge request forecast-training !5 “Add lags” was opened by mira",
        "Merge request forecast-training !5 “Add lags” was approved by ravi",
        "Merge request forecast-training !5 “Add lags” was merged into main",
    ]


def test_commits_images_releases_model_versions_and_evaluations_are_told_when_they_were_made(team: Team):
    image = a_version("acme/x@sha256:1", "image", of="acme/x", label="v1", detail=ImageDetail(repository="acme/x"))
    team.arrive(a_project(), a_version(SHA, author="mira"), image, a_version("11#v2", "release", label="v2"))
    evaluation = Evaluation(native_id="ev", version=Ref("model-version", "m1@17"), metrics={"auc": 0.83123})
    team.arrive(
        a_model("m1"), a_model_version("17", "m1", detail=ModelDetail(model=Ref("model", "m1"))), family="vertex"
    )
    team.arrive(Evaluation(**{**_fields(evaluation), "created_at": ago(hours=1)}), family="vertex")
    assert team.kinds() == ["commit-pushed", "evaluated", "image-pushed", "model-registered", "released"]
    assert titles(team, "evaluated") == ["Version 17 of the model demand-forecast was evaluated: auc 0.8312"]


def _fields(record) -> dict:
    return {name: getattr(record, name) for name in record.__slots__}


def test_a_state_is_told_by_each_serial_and_its_lock_by_taking_and_giving_back(team: Team):
    def version(serial: int, hours: float):
        return a_version(f"forecast-prod#{serial}", "state-version", of="forecast-prod", label=str(serial),
                         created_at=ago(hours=hours), detail=StateDetail(lineage="L"))  # fmt: skip

    team.arrive(a_workspace(), version(41, 9))
    team.arrive(version(42, 1))
    assert titles(team, "state-applied")[-1] == "Infrastructure forecast-prod was applied (serial 41 → 42)"
    assert team.events("state-applied")[0].environment == "prod"
    team.arrive(a_workspace(locked_at=ago(hours=1), locked_by="nadia"))
    team.arrive(a_workspace())
    assert titles(team, "state-locked", "state-unlocked") == [
        "Infrastructure forecast-prod was locked by nadia", "Infrastructure forecast-prod is no longer locked",
    ]  # fmt: skip


def test_a_lineage_that_changed_and_a_serial_that_went_down_are_told(team: Team):
    team.arrive(a_workspace(lineage="L"))
    team.arrive(a_workspace(lineage="L", serial=40))
    team.arrive(a_workspace(lineage="M", serial=1))
    assert [row.kind for row in team.events()] == ["serial-down", "lineage-changed"]


def test_drift_and_pending_changes_are_told_apart_as_they_come_and_go(team: Team):
    one = {"address": "a.b", "actions": ["update"]}
    team.arrive(a_workspace(), a_plan(native_id="p1", checked_at=ago(hours=9), drift=(one,)))
    team.arrive(a_plan(native_id="p2", checked_at=ago(hours=8), drift=(one, one)))
    team.arrive(a_plan(native_id="p3", checked_at=ago(hours=7), mode="normal", changes=(one,), update=1))
    team.arrive(a_plan(native_id="p4", checked_at=ago(hours=6), mode="normal"))
    assert titles(team) == [
        "1 resource of forecast-prod is no longer as Terraform left it",
        "forecast-prod is as Terraform left it again",
        "1 change in the code of forecast-prod waits to be applied",
        "Nothing of the code of forecast-prod waits to be applied any more",
    ]


def test_ml_runs_are_told_by_how_they_ended_and_tasks_only_through_their_pipeline(team: Team):
    team.arrive(
        a_training("t1"), a_training("t2", state=S.FAILED), a_training("t3", fully_cached=True),
        a_training("j1", kind="custom-job", state=S.FAILED, parent=Ref("pipeline-job", "t1")),
        a_training("t4", state=S.RUNNING, finished_at=None, final=False), family="vertex",
    )  # fmt: skip
    assert team.kinds() == ["run-cached", "run-failed", "run-finished"]


def part(version: str, percent: int) -> dict:
    return {"deployed_id": version, "model": f"m1@{version}", "version": version, "percent": percent}


@pytest.mark.parametrize(
    ("before", "after", "kind", "title"),
    [
        pytest.param([part("16", 100)], [part("16", 90), part("17", 10)], "canary-started",
                     "Version 17 takes 10 % of the traffic of e as a canary", id="a canary"),
        pytest.param([part("16", 90), part("17", 10)], [part("16", 100)], "traffic-rolled-back",
                     "The canary 17 on e was taken back; version 16 has all traffic", id="a canary taken back"),
        pytest.param([part("16", 90), part("17", 10)], [part("17", 100)], "traffic-changed",
                     "Traffic of e is now v17 100 %", id="a canary that took over"),
        pytest.param([part("17", 100)], [part("16", 100)], "traffic-rolled-back",
                     "Traffic of e went back from version 17 to 16", id="a rollback"),
        pytest.param([part("16", 90), part("17", 10)], [part("16", 50), part("17", 50)], "traffic-changed",
                     "Traffic of e is now v16 50 %, v17 50 %", id="another split"),
    ],
)  # fmt: skip
def test_a_change_of_traffic_is_told_from_what_it_was_before(team: Team, before, after, kind, title):
    team.arrive(an_endpoint("e1", name="e", traffic=tuple(before), updated_at=ago(hours=2)), family="vertex")
    assert not team.events()
    team.arrive(an_endpoint("e1", name="e", traffic=tuple(after), updated_at=ago(hours=1)), family="vertex")
    (event,) = team.events()
    assert (event.kind, event.title, event.at) == (kind, title, to_millis(ago(hours=1)))


def test_schedules_monitors_and_incidents_are_told(team: Team):
    schedule = Schedule(native_id="s1", kind="vertex-schedule", name="Nightly", state_raw="ACTIVE")
    paused = Schedule(native_id="s1", kind="vertex-schedule", name="Nightly", state_raw="PAUSED", active=False,
                      paused_at=ago(hours=1))  # fmt: skip
    anomaly = {"feature": "tenure", "objective": "skew", "at": "2026-11-24T11:00:00Z"}
    monitor = Monitor(native_id="w1", name="watch", state=S.SUCCEEDED, state_raw="OK", anomalies=(anomaly,))
    incident = Incident(native_id="i1", iid="9", title="Down", state="closed", created_at=ago(hours=5),
                        closed_at=ago(hours=1))  # fmt: skip
    team.arrive(schedule, monitor, incident)
    team.arrive(paused)
    team.arrive(schedule)
    assert team.kinds() == [
        "incident-closed", "incident-opened", "monitor-anomaly", "schedule-paused", "schedule-resumed",
    ]  # fmt: skip
    assert titles(team, "monitor-anomaly") == ["watch: the input tenure shows skew"]


def test_a_fact_without_a_time_is_not_told(team: Team):
    team.arrive(a_version(SHA, created_at=None))
    assert not team.events()


def test_text_from_upstream_stays_text(team: Team):
    title = "<script>alert(1)</script> **bold** \u202e"
    change = Change(native_id="c5", project=Ref("project", "11"), iid="5", title=title, state="opened",
                    created_at=ago(hours=1))  # fmt: skip
    team.arrive(a_project(), change)
    assert title in team.events("change-opened")[0].title


def test_problems_that_are_rebuilt_keep_their_keys_and_tell_no_news(team: Team):
    team.arrive(
        a_project(), run("1", S.FAILED, 5), a_workspace(), a_plan(drift=({"address": "a", "actions": ["update"]},))
    )
    before, told = team.rows(schema.problem), team.rows(schema.event)
    derive.rebuild(team.conn, "problems", team.config, NOW + timedelta(minutes=1))
    assert [row.id for row in team.rows(schema.problem)] == [row.id for row in before]
    assert team.rows(schema.event) == told
