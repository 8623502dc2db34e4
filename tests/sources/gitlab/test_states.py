"""Terraform states that GitLab manages, and the plans that jobs leave: serials, locks, drift, and not one secret."""

from __future__ import annotations

import json

import pytest

from services.records import Ref, StateContents, Version
from services.sources.base import AccessDenied, FeatureOff
from services.sources.gitlab import SOURCE
from services.sources.gitlab.plans import state_of
from tests.emulators.gitlab_builders import a_job, a_state, at
from tests.sources.gitlab.local import Local, stream_of

PASSWORD = "correct-horse-battery-staple"


def state_bytes(serial: int, *, lineage: str = "l-1", machine: str = "n1-standard-4") -> bytes:
    document = {
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": {"password": {"value": PASSWORD, "type": "string", "sensitive": True}},
        "resources": [{
            "mode": "managed", "type": "google_vertex_ai_endpoint", "name": "churn",
            "provider": 'provider["registry.terraform.io/hashicorp/google"]',
            "instances": [{"attributes": {"name": "churn", "machine_type": machine, "password": PASSWORD}}],
        }],
        "check_results": [{"object_kind": "resource", "config_addr": "check.threshold", "status": "fail"}],
    }  # fmt: skip
    return json.dumps(document).encode()


def write(gitlab: Local, serial: int, name: str = "prod", **more: str) -> None:
    state = gitlab.data.states.setdefault((1, name), a_state(name, serials=()))
    now = gitlab.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    state.versions[serial] = {
        "data": state_bytes(serial, **more), "created_at": now, "username": "ada", "job_id": 102,
    }  # fmt: skip
    state.updated_at = now


def test_a_state_is_a_place_with_a_serial_and_a_lock(gitlab: Local):
    gitlab.data.states[1, "prod"].lock = {"ID": "x", "Who": "ada@laptop", "_at": at(3), "_username": "ada"}
    gitlab.read("states")
    row = gitlab.rows["workspace", "1/prod"]
    assert (row.name, row.serial, row.locked_by, row.project) == ("prod", 2, "ada", Ref("project", "1"))
    assert row.locked_at is not None
    assert gitlab.work["state_versions"] == ["1/prod"]


def test_a_state_that_did_not_move_is_not_read_again_and_a_lock_alone_is_seen(gitlab: Local):
    gitlab.read("states")
    gitlab.work.clear()
    gitlab.advance(minutes=1)
    assert gitlab.read("states").touched == {}
    gitlab.data.states[1, "prod"].lock = {"ID": "x", "_at": at(0), "_username": "bob"}
    gitlab.data.states[1, "prod"].updated_at = at(0)
    gitlab.read("states")
    assert gitlab.rows["workspace", "1/prod"].locked_by == "bob"


def test_a_serial_is_told_with_its_counts_its_author_and_its_job(gitlab: Local):
    gitlab.data.states.clear()
    write(gitlab, 7)
    gitlab.read("states")
    gitlab.read("state_versions")
    version = gitlab.rows["state-version", "1/prod#7"]
    assert (version.label, version.author, version.step, version.run) == (
        "7", "ada", Ref("job", "102"), Ref("pipeline", "10"),
    )  # fmt: skip
    assert (version.detail.managed, version.detail.terraform_version, version.detail.checks) == (
        1,
        "1.11.4",
        {"fail": 1},
    )
    assert gitlab.rows["workspace", "1/prod"].lineage == "l-1"


def test_the_lineage_stays_known_between_readings_and_over_a_restart(gitlab: Local):
    gitlab.data.states.clear()
    write(gitlab, 7)
    for stream in ("states", "state_versions", "states"):
        gitlab.read(stream)
    gitlab.restart()
    gitlab.read("states")
    assert gitlab.rows["workspace", "1/prod"].lineage == "l-1"


def test_serials_between_two_readings_are_read_too_and_each_once(gitlab: Local):
    gitlab.data.states.clear()
    write(gitlab, 1)
    gitlab.read("states")
    gitlab.read("state_versions")
    for serial in (2, 3, 4):
        write(gitlab, serial)
    gitlab.advance(minutes=1)
    write(gitlab, 5, machine="n1-highmem-8")
    gitlab.read("states")
    found = gitlab.read("state_versions")
    assert sorted(int(row.label) for row in found.of(Version)) == [2, 3, 4, 5]


def test_history_of_a_state_ends_at_fifty_serials(gitlab: Local):
    gitlab.data.states.clear()
    for serial in range(1, 71):
        write(gitlab, serial)
    gitlab.read("states")
    found = gitlab.read("state_versions")
    assert {int(row.label) for row in found.of(Version)} == set(range(21, 71))


def test_a_deleted_serial_and_one_that_is_no_json_leave_the_others(gitlab: Local):
    gitlab.data.states.clear()
    for serial in (1, 2, 4, 5):
        write(gitlab, serial)
    gitlab.data.states[1, "prod"].versions[2]["data"] = b'{"version": 4, "ser'
    gitlab.read("states")
    found = gitlab.read("state_versions")
    assert {int(row.label) for row in found.of(Version)} == {1, 4, 5}
    assert [what for what, _ in found.notes.rejected] == ["state 1/prod serial 2"]


def test_fingerprints_compare_over_a_restart(gitlab: Local):
    gitlab.data.states.clear()
    write(gitlab, 1)
    gitlab.read("states")
    before = gitlab.read("state_versions").of(StateContents)[-1].resources[0].fingerprint
    gitlab.restart()
    gitlab.advance(minutes=1)
    write(gitlab, 2)
    gitlab.read("states")
    after = gitlab.read("state_versions").of(StateContents)[0].resources[0].fingerprint
    assert before == after


def test_no_secret_of_a_state_reaches_a_record(gitlab: Local):
    gitlab.data.states.clear()
    write(gitlab, 1)
    gitlab.read("states")
    gitlab.read("state_versions")
    assert PASSWORD not in repr(gitlab.rows)


def test_states_that_may_not_be_read_are_a_part_with_a_reason(gitlab: Local):
    gitlab.data.denied[1, "terraform_states"] = 403
    found = gitlab.read("states")
    assert "GitLab gives none" in found.parts["1"]
    assert found.batches[-1].present == {}
    found = gitlab.read("state_versions", "1/prod")
    assert "403" in found.parts["1/prod"]


def test_a_token_that_may_not_download_is_told_the_role_and_the_scope(gitlab: Local):
    scope = SOURCE.scopes(gitlab.client, gitlab.entry)[0]
    gitlab.fault(path="/terraform/state/", status=403)
    with pytest.raises(AccessDenied) as caught:
        stream_of(SOURCE, "state_versions").check(gitlab.client, scope)
    assert "Developer" in caught.value.mend
    assert "api" in caught.value.mend


def test_states_may_be_switched_off(gitlab: Local):
    gitlab.entry = gitlab.entry.model_copy(update={"terraform_states": False})
    with pytest.raises(FeatureOff):
        gitlab.read("states")


PLAN = {
    "format_version": "1.2", "terraform_version": "1.11.4", "timestamp": "2026-11-23T11:00:00Z", "mode": "refresh-only",
    "errored": False, "complete": True, "changes": [], "checks": [],
    "drift": [{"address": "google_vertex_ai_endpoint.churn", "type": "google_vertex_ai_endpoint",
               "actions": ["update"], "attributes": ["machine_type"]}],
}  # fmt: skip


def leave_plan(gitlab: Local, job: int, name: str, content: bytes | None = None) -> None:
    gitlab.data.items(1, "jobs").append(a_job(job, name, 10))
    gitlab.data.artifacts[job, "throughline-plan.json"] = content or json.dumps(PLAN).encode()


def test_a_plan_is_of_the_state_that_its_job_names(gitlab: Local):
    leave_plan(gitlab, 120, "drift:prod")
    gitlab.read("plans", f"1/120/10/{at(5)}/drift:prod")
    plan = gitlab.rows["plan", "1/120"]
    assert plan.workspace == Ref("workspace", "1/prod")
    assert (plan.mode, plan.run, plan.step) == ("refresh-only", Ref("pipeline", "10"), Ref("job", "120"))
    assert [entry["address"] for entry in plan.drift] == ["google_vertex_ai_endpoint.churn"]
    assert plan.checked_at.isoformat() == "2026-11-23T11:00:00+00:00"


def test_a_job_without_the_artifact_made_no_plan_and_is_done(gitlab: Local):
    found = gitlab.read("plans", "1/101/10/x/plan:prod")
    assert found.records == []
    assert {key for batch in found.batches for key in batch.done} == {"1/101/10/x/plan:prod"}
    assert found.notes.rejected == []


def test_a_plan_that_cannot_be_read_is_kept_aside_and_the_next_one_is_read(gitlab: Local):
    leave_plan(gitlab, 120, "drift:prod", b'{"drift": [')
    leave_plan(gitlab, 121, "drift:prod")
    found = gitlab.read("plans", "1/120", "1/121")
    assert [row.native_id for row in found.records] == ["1/121"]
    assert [what for what, _ in found.notes.rejected] == ["plan of job 120"]


def test_a_plan_of_which_the_state_is_not_known_is_kept_aside_with_the_mend(gitlab: Local):
    gitlab.data.states[1, "qa"] = a_state("qa")
    leave_plan(gitlab, 120, "drift")
    found = gitlab.read("plans", "1/120")
    assert found.records == []
    assert "drift:prod" in found.notes.rejected[0][1]


@pytest.mark.parametrize(
    ("job", "states", "ours"),
    [
        pytest.param("drift:prod", {"prod": {}, "qa": {}}, "prod", id="the name is a word of the job's"),
        pytest.param("plan non-prod", {"prod": {}, "non-prod": {}}, "non-prod", id="the longest name wins"),
        pytest.param("plan:production", {"prod": {}, "qa": {}}, None, id="a part of a word is none"),
        pytest.param("drift", {"only": {}}, "only", id="the only one there is"),
        pytest.param(
            "plan live",
            {
                "a": {"latestVersion": {"job": {"name": "apply live"}}},
                "b": {"latestVersion": {"job": {"name": "apply"}}},
            },
            "a",
            id="the job of the same words wrote it",
        ),
    ],
)
def test_which_state_a_job_is_of(job: str, states: dict, ours: str | None):
    assert state_of(job, states) == ours
