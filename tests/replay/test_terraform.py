"""Real states and plans, laid in a folder, give through the whole product the values that were computed apart."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from services.config_file import load
from services.queries import discover
from services.queries.base import Filters
from services.store.database import open_store
from services.sync import Collector
from services.timestamps import utc_now


@pytest.fixture(scope="module")
def expected() -> dict[str, dict]:
    """Recorded file -> what was computed of it apart from us."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("THROUGHLINE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.fail(f"no recorded payloads at {folder}; set THROUGHLINE_SHARED_DATA to their folder")
    kinds = ("terraform_state_counts", "terraform_plan_counts")
    lists = [json.loads((folder / "expected" / f"{kind}.shared.json").read_text()) for kind in kinds]
    return {str(folder / file): counts for found in lists for file, counts in found.items()}


def name_of(file: str) -> str:
    return "--".join(Path(file).parts[-2:]).replace(".", "_")


@pytest.fixture(scope="module")
def shown(expected, tmp_path_factory) -> dict[str, dict]:
    """What `show infrastructure` says of each, by name."""
    home = tmp_path_factory.mktemp("replay")
    (home / "terraform").mkdir()
    for file, counts in expected.items():
        ending = ".plan.json" if "format_version" in counts else ".tfstate"
        shutil.copyfile(file, home / "terraform" / (name_of(file) + ending))
    config = home / "throughline.toml"
    source = f'[[source]]\nkind = "terraform"\nname = "files"\ndirectory = "{home / "terraform"}"\n'
    config.write_text('[team]\nname = "Replay"\n' + source)
    loaded = load(config)
    store = open_store(str(home / "store.sqlite3"))
    try:
        store.migrate(utc_now())
        for outcome in Collector(loaded, store).once():
            assert outcome.error is None
        with store.read() as conn:
            answer = discover()["infrastructure"].ask(conn, loaded.config, Filters(limit=1000), utc_now())
    finally:
        store.close()
    return {one["name"]: one for one in answer.data["workspaces"]}


def test_states_are_shown_with_their_counts(expected, shown):
    compared = 0
    for file, counts in expected.items():
        if counts.get("version") != 4:
            continue
        found = shown[name_of(file)]
        names = ("serial", "lineage", "terraform_version", "tainted", "deposed", "modules")
        wanted = {name: counts[name] for name in names} | {
            "managed": counts["managed_resources"],
            "instances": counts["managed_instances"],
            "data_sources": counts["data_resources"],
        }
        assert {name: found[name] for name in wanted} == wanted, file
        compared += 1
    assert compared > 25


def test_states_of_older_formats_are_shown_as_far_as_they_tell(expected, shown):
    older = {file: counts for file, counts in expected.items() if counts.get("version") in (1, 2, 3)}
    assert older
    for file, counts in older.items():
        found = shown[name_of(file)]
        assert (found["serial"], found["lineage"], found["instances"]) == (
            counts["serial"], counts["lineage"], counts["resources"],
        ), file  # fmt: skip


def test_plans_are_shown_with_what_is_pending_and_what_has_drifted(expected, shown):
    compared = 0
    for file, counts in expected.items():
        if "format_version" not in counts:
            continue
        pending, drift = shown[name_of(file)]["pending"], shown[name_of(file)]["drift"]
        replaced = counts["replace"]
        assert {name: pending[name] for name in ("create", "update", "delete", "replace")} == {
            "create": counts["add"] - replaced,
            "update": counts["change"],
            "delete": counts["destroy"] - replaced,
            "replace": replaced,
        }, file
        assert sorted(one["address"] for one in drift["resources"]) == counts["real_drift_addresses"], file
        compared += 1
    assert compared > 30


def test_no_canary_of_a_recorded_state_or_plan_is_on_the_screen(shown):
    assert "example-not-a-secret" not in json.dumps(shown, default=str)
