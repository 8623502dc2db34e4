"""Infrastructure: drift and pending changes are two things, and *in sync* is never said without a check."""

import pytest

from services import records
from services.queries import infrastructure
from services.queries.base import Filters
from services.records import Ref
from tests.builders import (
    NOW,
    a_config,
    a_plan,
    a_problem,
    a_project,
    a_source,
    a_stream,
    a_version,
    a_workspace,
    ago,
    belongs,
    put,
)

CHANGED = {"address": "google_storage_bucket.a", "type": "google_storage_bucket", "actions": ["update"],
           "attributes": ["labels"]}  # fmt: skip
MOVED = {"address": "google_storage_bucket.b", "type": "google_storage_bucket", "actions": ["no-op"]}


def ask(store, filters=None, **sections):
    with store.read() as conn:
        return infrastructure.infrastructure(conn, a_config(**sections), filters or Filters(), NOW)


def collected(store, *things):
    with store.write() as conn:
        return put(conn, a_source(conn, "terraform"), *things)


def only(store, *things):
    collected(store, *things)
    (one,) = ask(store).data["workspaces"]
    return one


def status(store, *things):
    return only(store, *things)["status"]


def test_without_any_plan_it_is_not_checked_and_never_in_sync(store):
    one = only(store, a_workspace())
    assert (one["status"], one["drift"]["status"], one["drift"]["checked_at"]) == ("not checked", "not checked", None)
    assert one["pending"] == {
        "status": "not checked", "checked_at": None, "create": None, "update": None, "delete": None, "replace": None,
        "superseded": False, "destroys": [], "changes": [], "web_url": None,
    }  # fmt: skip


def test_in_sync_comes_with_the_time_of_its_check(store):
    one = only(store, a_workspace(), a_plan())
    assert (one["status"], one["drift"]["checked_at"]) == ("in sync", "2026-11-24T10:00:00.000Z")


def test_a_check_of_over_a_day_ago_is_stale(store):
    assert status(store, a_workspace(), a_plan(checked_at=ago(hours=25))) == "stale"


def test_drift_is_told_by_address_action_and_attribute(store):
    one = only(store, a_workspace(), a_plan(drift=(CHANGED,)))
    assert one["status"] == "drifted"
    assert one["drift"]["resources"] == [
        {"address": "google_storage_bucket.a", "actions": ["update"], "attributes": ["labels"]}
    ]


def test_a_moved_block_is_no_drift(store):
    assert status(store, a_workspace(), a_plan(drift=(MOVED,))) == "in sync"  # tfcmt 358


def test_old_drift_is_still_drift_and_is_marked_as_old(store):
    one = only(store, a_workspace(), a_plan(drift=(CHANGED,), checked_at=ago(days=3)))
    assert (one["status"], one["drift"]["stale"]) == ("drifted", True)


def test_a_newer_check_without_drift_ends_it(store):
    assert status(store, a_workspace(), a_plan(native_id="1", drift=(CHANGED,), checked_at=ago(hours=9)),
                  a_plan(native_id="2")) == "in sync"  # fmt: skip


def test_pending_changes_are_no_drift(store):
    one = only(store, a_workspace(), a_plan(mode="normal", create=1, update=2))
    assert (one["status"], one["drift"]["status"], one["pending"]["status"]) == ("pending", "in sync", "pending")
    assert {name: one["pending"][name] for name in ("create", "update", "delete", "replace")} == {
        "create": 1, "update": 2, "delete": 0, "replace": 0,
    }  # fmt: skip


def test_a_check_of_drift_alone_says_nothing_of_the_code(store):
    one = only(store, a_workspace(), a_plan(native_id="1", mode="normal", create=1, checked_at=ago(hours=9)),
               a_plan(native_id="2"))  # fmt: skip
    assert (one["status"], one["pending"]["checked_at"]) == ("pending", "2026-11-24T04:00:00.000Z")


def test_a_plan_from_before_the_last_write_is_superseded(store):
    one = only(store, a_workspace(updated_at=ago(hours=1)), a_plan(mode="normal", create=1))
    assert (one["pending"]["superseded"], one["status"]) == (True, "in sync")


@pytest.mark.parametrize(
    ("type_", "actions", "destroys"),
    [
        ("google_bigquery_dataset", ["delete", "create"], True),
        ("google_storage_bucket", ["delete"], True),
        ("google_storage_bucket", ["update"], False),
        ("google_cloud_run_v2_service", ["delete", "create"], False),
    ],
)
def test_what_would_lose_data_is_named_and_comes_before_all_else(store, type_, actions, destroys):
    change = {"address": "x.lake", "type": type_, "actions": actions}
    collected(store, a_workspace("a-errored"), a_plan("a-errored", errored=True),
              a_workspace("lake"), a_plan("lake", mode="normal", replace=1, changes=(change,)))  # fmt: skip
    answer = ask(store)
    assert answer.data["counts"]["destroying"] == destroys
    assert answer.data["workspaces"][0]["name"] == ("lake" if destroys else "a-errored")


def test_an_errored_check_is_errored_and_tells_what_the_last_good_one_found(store):
    one = only(store, a_workspace(), a_plan(native_id="1", drift=(CHANGED,), checked_at=ago(hours=30)),
               a_plan(native_id="2", errored=True))  # fmt: skip
    assert (one["status"], one["drift"]["status"], one["drift"]["stale"]) == ("errored", "errored", True)
    assert one["drift"]["checked_at"] == "2026-11-23T07:00:00.000Z"
    assert len(one["drift"]["resources"]) == 1


def test_a_lock_is_told_with_who_and_since_when(store):
    one = only(store, a_workspace(locked_at=ago(hours=31), locked_by="piet", lock_operation="apply"), a_plan())
    assert one["status"] == "locked"
    assert one["lock"] == {"by": "piet", "at": "2026-11-23T06:00:00.000Z", "operation": "apply"}


def test_after_a_failed_apply_it_is_paused_with_the_sentence_of_its_problem(store):
    keys = collected(store, a_workspace(), a_plan())
    with store.write() as conn:
        a_problem(conn, kind="apply-failed", subject_table="workspace", subject_id=keys["forecast-prod"],
                  title="The last apply failed")  # fmt: skip
        a_problem(conn, kind="drift", subject_table="workspace", subject_id=keys["forecast-prod"], closed_at=NOW)
    (one,) = ask(store).data["workspaces"]
    assert one["status"] == "paused"
    assert [problem["title"] for problem in one["problems"]] == ["The last apply failed"]


def test_counts_are_those_of_the_newest_serial(store):
    detail = records.StateDetail(managed=3, instances=5, tainted=1, deposed=2, data_sources=1, modules=("module.a",),
                                 checks={"fail": 1}, terraform_version="1.11.4")  # fmt: skip
    older = records.StateDetail(instances=4)
    one = only(
        store, a_workspace(),
        a_version("forecast-prod#40", "state-version", of="forecast-prod", label="40", detail=older),
        a_version("forecast-prod#41", "state-version", of="forecast-prod", label="41", detail=detail, author="piet"),
    )  # fmt: skip
    names = ("serial", "managed", "instances", "tainted", "deposed", "data_sources", "modules", "applied_by")
    assert [one[name] for name in names] == [41, 3, 5, 1, 2, 1, ["module.a"], "piet"]
    assert one["checks"] == {"pass": 0, "fail": 1, "error": 0, "unknown": 0}


def test_what_was_not_read_is_unknown_and_not_0(store):
    assert only(store, a_workspace())["instances"] is None


def test_environment_state_product_and_words_narrow_the_list(store):
    keys = collected(store, a_workspace("lake", environment="prod"), a_workspace("sandbox", environment="dev"),
                     a_plan("lake"))  # fmt: skip
    with store.write() as conn:
        belongs(conn, "churn", "workspace", keys["sandbox"])

    def names(**filters):
        return [one["name"] for one in ask(store, Filters(**filters)).data["workspaces"]]

    assert names(environment="dev") == ["sandbox"]
    assert names(state="in sync") == ["lake"]
    assert names(product="churn") == ["sandbox"]
    assert names(text="LAK") == ["lake"]
    assert ask(store, Filters(state="in sync")).data["counts"] == {"not checked": 1, "in sync": 1, "destroying": 0}


def test_a_guess_of_the_environment_is_told_as_one(store):
    with store.write() as conn:
        put(
            conn, a_source(conn), a_project(), a_workspace("churn-prod", environment=None, project=Ref("project", "11"))
        )
    (one,) = ask(store).data["workspaces"]
    assert (one["environment"], one["guess"], one["project"]) == ("prod", True, "acme/forecast-training")


def test_one_workspace_is_opened_with_plans_serials_and_resources(store):
    space = Ref("workspace", "forecast-prod")
    bucket = records.Resource(
        native_id="r1", workspace=space, address="google_storage_bucket.a", type="google_storage_bucket",
        mode="managed", attributes={"location": "EU"}, fingerprint="f",
    )  # fmt: skip
    collected(
        store,
        a_workspace(),
        a_plan(native_id="1", checked_at=ago(hours=5)),
        a_plan(native_id="2", drift=(CHANGED, MOVED)),
        a_version("forecast-prod#41", "state-version", of="forecast-prod", label="41"),
        a_version("forecast-prod2#7", "state-version", of="forecast-prod2", label="7"),
        records.StateContents(workspace=space, serial=41, lineage="l", created_at=ago(days=2), resources=(bucket,)),
    )
    opened = ask(store, Filters(environment="dev", selected="terraform.example:workspace:forecast-prod")).data[
        "selected"
    ]
    assert [plan["drifted"] for plan in opened["plans"]] == [1, 0]
    assert [serial["label"] for serial in opened["serials"]] == ["41"]
    assert [(one["address"], one["attributes"]) for one in opened["resources"]] == [
        ("google_storage_bucket.a", {"location": "EU"})
    ]
    assert opened["status"] == "drifted"


def test_no_workspaces_says_why(store):
    with store.write() as conn:
        a_stream(
            conn, a_source(conn, "terraform", name="states"), "states", status="no-access", good_at=None, error="403"
        )
    assert "403" in ask(store).empty_because
