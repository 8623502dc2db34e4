"""Terraform's side of the demo team: serials that grow by applies, drift, locks, plans, and secrets in states."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from emulators.world.tf_states import BUCKET, IN_BUCKET
from tests.emulators.world_builders import EPOCH, a_moving_world, all_of, of_id, plans_of, planted, read_only_world

INFRA = 41090


@pytest.fixture(params=[7, 8])
def world(request):
    return read_only_world(request.param)


def state_of(world, name, serial=None):
    state = world.gitlab.states[INFRA, name]
    return json.loads(state.versions[serial or max(state.versions)]["data"])


def test_serials_grow_by_applies_of_ci_jobs(world):
    jobs = {job["id"]: job for job in all_of(world, "jobs")}
    state = world.gitlab.states[INFRA, "dev"]
    assert len(state.versions) > 10
    assert list(state.versions) == list(range(1, len(state.versions) + 1))
    for serial, version in list(state.versions.items())[1:]:
        job = jobs[version["job_id"]]
        assert (job["name"], job["status"]) == ("apply:dev", "success")
        assert json.loads(version["data"])["serial"] == serial


def test_states_are_version_4_of_the_format_with_managed_and_data_resources(world):
    for _, name in world.gitlab.states:
        state = state_of(world, name)
        assert state["version"] == 4
        assert set(state) == {
            "version", "terraform_version", "serial", "lineage", "outputs", "resources", "check_results",
        }  # fmt: skip
        for resource in state["resources"]:
            assert {"mode", "type", "name", "provider", "instances"} <= set(resource)
    assert any(resource["mode"] == "data" for resource in state_of(world, "prod")["resources"])


def test_endpoints_of_the_state_are_those_of_vertex_but_one_is_missing_and_one_unmanaged(world):
    vertex = {name.rsplit("/", 1)[1] for name in world.vertex.items("endpoints") if "718203440339" in name}
    known = {
        instance["attributes"]["name"]
        for state in (state_of(world, "prod"), _in_bucket(world, "fraud-prod"))
        for resource in state["resources"]
        if resource["type"] == "google_vertex_ai_endpoint"
        for instance in resource["instances"]
    }
    assert len(vertex - known) == 1
    assert len(known - vertex) == 1
    assert planted(world, "unmanaged_endpoint")[0]["endpoint"].endswith((vertex - known).pop())
    assert planted(world, "missing_endpoint")[0]["endpoint"].endswith((known - vertex).pop())


def _in_bucket(world, name):
    return json.loads(world.storage.objects[BUCKET, IN_BUCKET[name]][-1].data)


def test_the_bucket_keeps_every_generation(world):
    versions = world.storage.objects[BUCKET, IN_BUCKET["fraud-prod"]]
    assert len(versions) > 5
    assert [json.loads(one.data)["serial"] for one in versions] == list(range(1, len(versions) + 1))
    assert [one.deleted is None for one in versions] == [False] * (len(versions) - 1) + [True]


def test_a_local_file_has_a_failing_check(world):
    state = json.loads(world.files["churn-sandbox.tfstate"])
    plan = json.loads(world.files["churn-sandbox.plan.json"])
    assert state["check_results"][0]["status"] == "fail"
    assert plan["checks"][0]["status"] == "fail"


def test_plan_artifacts_hold_names_and_no_values(world):
    keys = {
        "format_version", "terraform_version", "timestamp", "mode", "errored", "complete", "drift", "changes", "checks",
        "outputs_changed",
    }  # fmt: skip
    known = {"address", "type", "actions", "attributes", "previous_address", "action_reason", "replace_paths"}
    assert world.gitlab.artifacts
    for (_, path), data in world.gitlab.artifacts.items():
        plan = json.loads(data)
        assert path == "throughline-plan.json"
        assert set(plan) == keys
        assert all(set(one) <= known for one in [*plan["drift"], *plan["changes"]])


def test_production_has_drifted_for_days_and_is_mended_within_the_week():
    world, clock = a_moving_world()
    drifted = [plan for plan in plans_of(world, "prod") if plan["drift"]]
    assert plans_of(world, "prod")[-1]["drift"]
    assert drifted[0]["timestamp"] < (EPOCH - timedelta(days=3)).isoformat()
    clock.advance(timedelta(days=2, hours=22))
    world.refresh()
    assert not plans_of(world, "prod")[-1]["drift"]


def test_pending_changes_replace_a_stateful_resource(world):
    plan = plans_of(world, "data-lake")[-1]
    (dataset,) = (one for one in plan["changes"] if one["actions"] == ["delete", "create"])
    assert dataset["type"] == "google_bigquery_dataset"
    assert dataset["replace_paths"] == [["location"]]
    assert plan["drift"] == []


def test_a_moved_block_is_reported_as_drift_that_does_nothing(world):
    name = IN_BUCKET["fraud-prod"].replace(".tfstate", ".plan.json")
    plan = json.loads(world.storage.objects[BUCKET, name][-1].data)
    (moved,) = plan["resource_drift"]
    assert moved["change"]["actions"] == ["no-op"]
    assert moved["previous_address"]


def test_a_lock_is_older_than_a_day(world):
    (one,) = planted(world, "locked_state")
    lock = world.gitlab.states[INFRA, one["state"]].lock
    assert lock["_at"] < "2026-11-23T08"
    assert {"ID", "Operation", "Who", "Created"} <= set(lock)


def test_one_state_was_never_checked_one_not_for_days_and_one_cannot_be_planned(world):
    assert plans_of(world, "shared-network") == []
    assert plans_of(world, "monitoring")[-1]["timestamp"] < (EPOCH - timedelta(days=5)).isoformat()
    broken = plans_of(world, "experiments")[-1]
    assert broken["errored"]
    assert not broken["complete"]


def test_the_feature_stores_last_apply_failed_and_left_its_marks(world):
    applies = [job for job in world.gitlab.items(INFRA, "jobs") if job["name"] == "apply:feature-store"]
    assert applies[-1]["status"] == "failed"
    instances = [
        instance for resource in state_of(world, "feature-store")["resources"] for instance in resource["instances"]
    ]
    assert sum(instance.get("status") == "tainted" for instance in instances) == 1
    assert sum("deposed" in instance for instance in instances) == 2


def test_a_lineage_changed(world):
    (one,) = planted(world, "lineage_change")
    state = world.gitlab.states[INFRA, one["state"]]
    lineages = {json.loads(version["data"])["lineage"] for version in state.versions.values()}
    assert lineages == {one["before"], one["after"]}


def test_secrets_stand_where_people_leave_them(world):
    found = {one["where"] for one in planted(world, "canary_secret")}
    for place in ("cloud run", "random password", "sensitive output", "plan variable", "job log", "commit message",
                  "request title", "branch name", "vertex parameter", "custom job environment"):  # fmt: skip
        assert any(where.startswith(place) for where in found), place
    (leak,) = planted(world, "leaking_log")
    job = next(
        job
        for job in world.gitlab.items(leak["project"], "jobs")
        if job["pipeline"]["id"] == leak["pipeline"] and job["name"] == leak["job"]
    )
    secret = next(one["value"] for one in planted(world, "canary_secret") if one["where"] == "job log")
    assert secret in world.gitlab.traces[job["id"]]
    assert of_id(world, leak["project"], "pipelines", leak["pipeline"])["status"] == "failed"
