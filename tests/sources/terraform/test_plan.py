"""What a Terraform plan is reduced to: drift that is real, changes that are pending, and no value at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from services.records import Ref
from services.sources.base import Unreadable
from services.sources.terraform.plan import read_plan, summarise
from services.stateful import is_stateful
from tests.sources.reading import NOON
from tests.sources.terraform.states import a_change, a_plan

WORKSPACE = Ref("workspace", "w")


def reduced(raw: bytes):
    return read_plan(raw, native_id=None, workspace=WORKSPACE, checked_at=NOON)


def test_real_plans_give_the_counts_that_were_computed_apart(shared_data):
    expected = json.loads((shared_data / "expected" / "terraform_plan_counts.shared.json").read_text())
    for file, counts in expected.items():
        raw = (shared_data / file).read_bytes()
        for plan in (reduced(raw), reduced(json.dumps(summarise(json.loads(raw))).encode())):
            assert plan.create + plan.replace == counts["add"], file
            assert plan.delete + plan.replace == counts["destroy"], file
            assert (plan.update, plan.replace) == (counts["change"], counts["replace"]), file
            assert sorted(one["address"] for one in plan.drift) == counts["real_drift_addresses"], file
            assert plan.terraform_version == counts["terraform_version"], file
    assert len(expected) >= 30


def test_no_value_of_a_real_plan_is_kept(shared_data):
    for file in (shared_data / "terraform" / "generated_real").glob("*.plan.json"):
        assert b"example-not-a-secret" in file.read_bytes()
        assert "example-not-a-secret" not in repr(reduced(file.read_bytes()))


def test_drift_is_told_by_address_and_attribute_names():
    drift = a_change("google_vertex_ai_endpoint.churn", before={"machine_type": "n1", "a": {"b": [1, 2]}},
                     after={"machine_type": "n2", "a": {"b": [1, 3]}})  # fmt: skip
    plan = reduced(a_plan(drift=(drift,)))
    assert plan.drift == (
        {"address": "google_vertex_ai_endpoint.churn", "type": "google_vertex_ai_endpoint", "actions": ["update"],
         "attributes": ["a.b.1", "machine_type"]},
    )  # fmt: skip


@pytest.mark.parametrize(
    "moved",
    [
        a_change(actions=("no-op",), previous_address="google_storage_bucket.old"),
        a_change(before={"a": 1}, after={"a": 1}, previous_address="google_storage_bucket.old"),
    ],
)
def test_a_moved_block_is_not_drift(moved):
    assert reduced(a_plan(drift=(moved,))).drift == ()


@pytest.mark.parametrize("order", [("delete", "create"), ("create", "delete")])
def test_a_replace_is_counted_as_a_replace_and_says_what_forces_it(order):
    change = a_change(
        actions=order, replace_paths=[["location"], ["spec", 0, "name"]], action_reason="replace_because_cannot_update"
    )
    plan = reduced(a_plan(change))
    assert (plan.create, plan.delete, plan.replace) == (0, 0, 1)
    assert plan.changes[0]["replace_paths"] == ["location", "spec.0.name"]
    assert plan.changes[0]["action_reason"] == "replace_because_cannot_update"


def test_reads_and_no_ops_are_no_changes():
    assert reduced(a_plan(a_change(actions=("no-op",)), a_change(actions=("read",)))).changes == ()


def test_what_is_known_only_after_apply_counts_as_changed():
    plan = reduced(a_plan(a_change(before={"id": "x", "n": 1}, after={"n": 1}, after_unknown={"id": True})))
    assert plan.changes[0]["attributes"] == ["id"]


def test_an_errored_plan_says_so():
    plan = reduced(a_plan(errored=True, complete=False))
    assert (plan.errored, plan.complete) == (True, False)


def test_a_plan_is_dated_by_itself_and_else_by_its_file():
    assert reduced(a_plan()).checked_at == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert reduced(a_plan(timestamp=None)).checked_at == NOON


def test_a_refresh_only_plan_is_known_by_its_missing_changes():
    prior = {"values": {"root_module": {"resources": [{"mode": "managed", "address": "a.b"}]}}}
    assert reduced(a_plan(prior_state=prior)).mode == "refresh-only"
    assert reduced(a_plan(a_change(actions=("no-op",)), prior_state=prior)).mode == "normal"
    assert reduced(a_plan()).mode == "normal"


def test_the_value_free_summary_is_read_whoever_wrote_it():
    summary = {
        "timestamp": "2026-11-23T06:00:00Z", "mode": "refresh-only", "errored": False,
        "drift": [{"address": "a_b.c", "type": "a_b", "actions": ["update"], "keys": ["size"]},
                  {"address": "a_b.d", "actions": ["no-op"], "previous_address": "a_b.e"}],
        "changes": [{"address": 'module.x["y.z"].a_b.c["k.v"]', "actions": ["create"]}],
        "checks": [{"address": "check.a", "status": "fail"}, {"address": "check.b", "status": "strange"}],
    }  # fmt: skip
    plan = reduced(json.dumps(summary).encode())
    assert (plan.mode, plan.create, plan.checks) == ("refresh-only", 1, {"fail": 1, "unknown": 1})
    assert [one["attributes"] for one in plan.drift] == [["size"]]
    assert plan.changes[0]["type"] == "a_b"


def test_secrets_of_variables_and_values_are_not_in_the_plan():
    change = a_change(before={"password": "old-Secret-1"}, after={"password": "new-Secret-2"})
    plan = repr(reduced(a_plan(change, drift=(change,), variables={"db": {"value": "var-Secret-3"}})))
    assert "Secret" not in plan
    assert "password" in plan


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b"{}", b'{"format_version": "2.0", "resource_changes": []}', b'{"format_version": "1.2", "x": 1}',
     b'{"format_version": "1.2", "resource_changes": [{"address": "a.b"}]}',
     b'{"drift": [{"address": "x"}]}', b'{"drift": [], "timestamp": "yesterday"}'],
)  # fmt: skip
def test_what_is_no_plan_is_unreadable(raw):
    with pytest.raises(Unreadable) as caught:
        reduced(raw)
    assert "terraform show -json" in caught.value.mend


@pytest.mark.parametrize(
    ("type_", "stateful"),
    [("google_storage_bucket", True), ("google_bigquery_table", True), ("google_vertex_ai_endpoint", True),
     ("google_vertex_ai_feature_online_store_featureview", True), ("google_sql_database_instance", True),
     ("google_storage_bucket_iam_member", False), ("google_cloud_run_v2_service", False), ("null_resource", False)],
)  # fmt: skip
def test_what_holds_data_is_stateful(type_, stateful):
    assert is_stateful(type_) is stateful
