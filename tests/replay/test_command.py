"""The replay command itself: recorded states and plans reach `show infrastructure`, and old dates are no hindrance."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.replay.replaying import collected, lay, replayed, show

FOLDER = "terraform/generated_real"


@pytest.fixture(scope="module")
def played(shared_data, tmp_path_factory):
    """(configuration, store) of three real states with the plans beside them, a drifted plan, and a GitLab request."""
    home = tmp_path_factory.mktemp("replay")
    folder = home / "recorded"
    (folder / "terraform").mkdir(parents=True)
    for name in ("1_initial", "2_rev_b", "4_job_fixed"):
        shutil.copy(shared_data / FOLDER / f"{name}.tfstate", folder / "terraform")
        shutil.copy(shared_data / FOLDER / f"{name}.plan.json", folder / "terraform")
    plan = shared_data / "terraform/plans_opentofu/drift_simple.plan.json"
    shutil.copy(plan, folder / "terraform/drift_simple.plan.json")
    request = {"id": 70, "iid": 3, "project_id": 5, "title": "Old request", "state": "merged", "target_branch": "main",
               "source_branch": "feat", "created_at": "2019-03-01T08:00:00.000Z", "author": {"username": "mira"},
               "merged_at": "2019-03-02T08:00:00.000Z", "updated_at": "2019-03-02T08:00:00.000Z"}  # fmt: skip
    lay(folder, "gitlab/projects/5/merge_requests.json", [request])
    with replayed(folder, home) as config:
        yield config, collected(config, home)


@pytest.fixture(scope="module")
def counts(shared_data):
    """Recorded file -> what was computed of it apart from us."""
    found = {}
    for kind in ("terraform_state_counts", "terraform_plan_counts"):
        found |= json.loads((shared_data / "expected" / f"{kind}.shared.json").read_text())
    return found


def workspaces(capsys, played):
    return {one["name"]: one for one in show(capsys, *played, "infrastructure")["data"]["workspaces"]}


@pytest.mark.parametrize("name", ["1_initial", "2_rev_b", "4_job_fixed"])
def test_a_state_and_the_plan_beside_it_are_one_workspace(played, counts, capsys, name):
    one = workspaces(capsys, played)[name]
    state, plan = counts[f"{FOLDER}/{name}.tfstate"], counts[f"{FOLDER}/{name}.plan.json"]
    assert [one[key] for key in ("serial", "lineage", "managed", "instances", "tainted", "deposed", "modules")] == [
        state[key]
        for key in ("serial", "lineage", "managed_resources", "managed_instances", "tainted", "deposed", "modules")
    ]
    replaced = plan["replace"]
    assert {verb: one["pending"][verb] for verb in ("create", "update", "delete", "replace")} == {
        "create": plan["add"] - replaced, "update": plan["change"], "delete": plan["destroy"] - replaced,
        "replace": replaced,
    }  # fmt: skip
    assert sorted(entry["address"] for entry in one["drift"]["resources"]) == plan["real_drift_addresses"]


def test_a_plan_without_a_state_is_shown_with_its_drift(played, counts, capsys):
    one = workspaces(capsys, played)["drift_simple"]
    wanted = counts["terraform/plans_opentofu/drift_simple.plan.json"]["real_drift_addresses"]
    assert wanted
    assert [entry["address"] for entry in one["drift"]["resources"]] == wanted
    assert (one["drift"]["status"], one["serial"]) == ("drifted", None)


def test_a_request_of_years_ago_is_found_by_its_window(played, capsys):
    asked = show(capsys, *played, "changes", "--since", "2019-03-01", "--until", "2019-04-01")
    (one,) = asked["data"]["changes"]
    assert (one["title"], one["state"], one["project"]) == ("Old request", "merged", "replay/project-5")
    assert show(capsys, *played, "changes")["data"]["changes"] == []
