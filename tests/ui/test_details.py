"""One thing opened: red is what cannot be made again, and what is not known is said."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.builders import NOW, SHA
from ui import details, moment


@pytest.fixture(autouse=True)
def here():
    token = moment._MOMENT.set(moment.Moment(NOW, ZoneInfo("Europe/Berlin"), (), None, "?selected=0selected0", "?"))
    yield
    moment._MOMENT.reset(token)


def ago(hours):
    return (NOW - timedelta(hours=hours)).isoformat()


def a_workspace(**more):
    counts = {"create": 0, "update": 0, "delete": 0, "replace": 0}
    values = {
        "id": "i", "name": "lake", "status": "drifted", "problems": [], "environment": "prod", "guess": False,
        "serial": 7, "updated_at": ago(50), "applied_by": None, "lock": None, "instances": 3, "tainted": 0,
        "deposed": 0, "terraform_version": "1.11", "lineage": "abcdefghij", "web_url": None, "plans": [], "serials": [],
        "resources": [], "drift": {"checked_at": ago(3), "resources": []},
        "pending": {"checked_at": ago(3), "changes": [], **counts},
    }  # fmt: skip
    return values | more


@pytest.mark.parametrize(
    ("type_", "actions", "said", "tone"),
    [
        ("google_bigquery_dataset", ["delete", "create"], "replace it, and lose its data", "tl-c-red"),
        ("google_bigquery_dataset", ["delete"], "delete it, and lose its data", "tl-c-red"),
        ("google_bigquery_dataset", ["update"], "update it", "tl-c-violet"),
        ("google_cloud_run_v2_service", ["create", "delete"], "replace it", "tl-c-violet"),
    ],
)
def test_what_an_apply_would_do_is_red_where_data_would_be_lost(type_, actions, said, tone):
    change = {"address": "x.lake", "type": type_, "actions": actions, "replace_paths": ["location"]}
    shown = details.workspace(a_workspace(pending={"checked_at": ago(3), "changes": [change]}))
    assert said in shown
    assert tone in shown
    assert "location" in shown


def test_drift_is_told_as_what_somebody_did():
    entries = [{"address": "x.a", "actions": ["update"], "attributes": ["labels"]},
               {"address": "x.b", "actions": ["delete"], "attributes": []}]  # fmt: skip
    shown = details.workspace(a_workspace(drift={"checked_at": ago(3), "resources": entries}))
    assert "changed it" in shown
    assert "deleted it" in shown
    assert "labels" in shown


def test_a_workspace_that_was_never_checked_says_that_nothing_is_known():
    shown = details.workspace(a_workspace(drift={"checked_at": None, "resources": []},
                                          pending={"checked_at": None, "changes": []}))  # fmt: skip
    assert "nothing is known about drift" in shown
    assert "The code was never compared with the state." in shown
    assert "never" in shown


def test_a_lock_says_who_and_since_when():
    shown = details.workspace(a_workspace(lock={"by": "piet", "at": ago(31), "operation": "apply"}))
    assert "piet" in shown
    assert ">31 h<" in shown


def a_run(**more):
    values = {
        "id": "gl:pipeline:5", "title": None, "name": None, "state": "failed", "state_raw": "failed",
        "first_failing_step": None, "fully_cached": False, "project": None, "ref": None, "environment": None,
        "sha": SHA, "labels": {}, "trigger": None, "author": None, "created_at": ago(1), "elapsed_seconds": None,
        "observed_at": ago(1), "web_url": None, "steps": [], "downstream": [], "upstream": [],
    }  # fmt: skip
    return values | more


def test_a_run_without_title_or_steps_says_so():
    shown = details.run(a_run())
    assert "#5" in shown
    assert "No steps are read of this run yet." in shown
    assert shown.count("not known") == 3


def test_a_run_names_what_failed_first_before_all_else():
    first = {"name": "unit", "message": "script failure, yours", "owner": "yours"}
    shown = details.run(a_run(first_failing_step=first))
    assert 'role="alert"' in shown
    assert shown.index("First failing step") < shown.index("Steps")


def test_a_run_of_cache_hits_says_that_nothing_new_was_made():
    assert "trained nothing new" in details.run(a_run(fully_cached=True))
