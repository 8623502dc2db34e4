"""What is collected of states in a bucket and in a folder, and what happens when something is not as it should be."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from emulators.clock import ManualClock
from emulators.data import Upstreams
from emulators.faults import Fault
from services.config import TerraformSource
from services.records import Plan, StateContents, Version, Workspace
from services.sources.base import AccessDenied, FeatureOff, RateLimited, Unreachable, Unreadable
from services.sources.terraform import SOURCE
from tests.sources.reading import NOON, a_config, local_google, read, stream_of
from tests.sources.terraform.states import a_change, a_plan, a_resource, a_state

BUCKET = "acme-tf"


@pytest.fixture
def google():
    upstreams = Upstreams(clock=ManualClock(NOON))
    upstreams.storage.buckets[BUCKET] = {"name": BUCKET, "versioning": {"enabled": True}}
    with local_google(upstreams) as found:
        yield found


@pytest.fixture
def bucket(google):
    """(client, source) of the bucket."""
    source = TerraformSource(kind="terraform", name="tf", bucket=BUCKET, prefix="env", anonymous=True,
                             google_project="acme", api_endpoint=google[2])  # fmt: skip
    client = SOURCE.connect(source, None)
    yield client, source
    client.close()


@pytest.fixture
def folder(tmp_path):
    """(client, source) of a folder."""
    source = TerraformSource(kind="terraform", name="tf", directory=tmp_path)
    return SOURCE.connect(source, None), source


def put(google, path: str, data: bytes, ago: timedelta = timedelta(hours=1)) -> None:
    google[0].storage.put(BUCKET, path, data, NOON - ago)


def serials(found) -> list[str]:
    return [version.label for version in found.of(Version)]


def test_a_bucket_gives_workspaces_versions_and_contents(google, bucket):
    put(google, "env/prod.tfstate", a_state(a_resource(), serial=4))
    put(google, "env/churn/default.tfstate", a_state(serial=1))
    put(google, "other/x.tfstate", a_state(serial=1))
    found = read(SOURCE, "states", *bucket)
    assert {one.name: one.serial for one in found.newest(Workspace).values()} == {"prod": 4, "churn": 1}
    assert found.newest(Version)["env/prod.tfstate#4"].detail.managed == 1
    assert [len(one.resources) for one in found.of(StateContents) if one.serial == 4] == [1]
    assert found.batches[-1].present == {"workspace": frozenset({"env/prod.tfstate", "env/churn/default.tfstate"})}


def test_generations_are_the_history_newest_first(google, bucket):
    for serial in range(1, 14):
        put(google, "env/prod.tfstate", a_state(serial=serial), timedelta(days=20 - serial))
    found = read(SOURCE, "states", *bucket)
    assert serials(found)[0] == "13"
    assert sorted(serials(found), key=int) == [str(serial) for serial in range(1, 14)]
    assert found.batches[-1].progress == 1.0


def test_a_fill_that_is_broken_off_goes_on_where_it_was(google, bucket):
    for serial in range(1, 31):
        put(google, "env/prod.tfstate", a_state(serial=serial), timedelta(days=40 - serial))
    cursor, seen = {}, []
    for _ in range(10):
        found = read(SOURCE, "states", *bucket, cursor=cursor, stop_after=1 if not cursor else 2)
        cursor, seen = found.cursor, seen + serials(found)
    assert sorted(map(int, seen)) == list(range(1, 31))


def test_no_more_than_fifty_serials_are_fetched_of_a_state(google, bucket):
    for serial in range(1, 61):
        put(google, "env/prod.tfstate", a_state(serial=serial), timedelta(days=80 - serial))
    assert sorted(map(int, serials(read(SOURCE, "states", *bucket)))) == list(range(11, 61))


def test_nothing_is_downloaded_again_that_did_not_change(google, bucket):
    put(google, "env/prod.tfstate", a_state(serial=4))
    first = read(SOURCE, "states", *bucket)
    google[1].calls.clear()
    again = read(SOURCE, "states", *bucket, cursor=first.cursor)
    assert google[1].calls.total == 1
    assert serials(again) == []
    assert [one.serial for one in again.of(Workspace)] == [4]


def test_all_serials_written_while_nobody_looked_are_read(google, bucket):
    put(google, "env/prod.tfstate", a_state(serial=4))
    first = read(SOURCE, "states", *bucket)
    for serial in (5, 6, 7):
        put(google, "env/prod.tfstate", a_state(serial=serial), timedelta(minutes=20 - serial))
    later = read(SOURCE, "states", *bucket, cursor=first.cursor)
    assert serials(later) == ["5", "6", "7"]
    assert later.newest(Workspace)["env/prod.tfstate"].serial == 7


def test_a_lock_is_seen_with_its_holder_and_its_release(google, bucket):
    put(google, "env/prod.tfstate", a_state())
    lock = {"ID": "1", "Who": "ana@laptop", "Operation": "OperationTypeApply", "Created": "2026-11-23T11:00:00Z"}
    put(google, "env/prod.tflock", json.dumps(lock).encode())
    held = read(SOURCE, "states", *bucket)
    one = held.newest(Workspace)["env/prod.tfstate"]
    assert (one.locked_by, one.lock_operation, one.locked_at) == (
        "ana@laptop",
        "OperationTypeApply",
        NOON - timedelta(hours=1),
    )
    google[0].storage.delete(BUCKET, "env/prod.tflock", NOON)
    free = read(SOURCE, "states", *bucket, cursor=held.cursor)
    assert free.newest(Workspace)["env/prod.tfstate"].locked_at is None


def test_a_replaced_lineage_has_versions_of_its_own(google, bucket):
    put(google, "env/prod.tfstate", a_state(serial=4))
    first = read(SOURCE, "states", *bucket)
    put(google, "env/prod.tfstate", a_state(serial=1, lineage="new-lineage"), timedelta(minutes=1))
    later = read(SOURCE, "states", *bucket, cursor=first.cursor)
    assert list(later.newest(Version)) == ["env/prod.tfstate#1#new-lineage"]
    assert later.newest(Workspace)["env/prod.tfstate"].lineage == "new-lineage"


def test_a_state_that_is_deleted_is_no_longer_present(google, bucket):
    put(google, "env/prod.tfstate", a_state())
    put(google, "env/qa.tfstate", a_state())
    first = read(SOURCE, "states", *bucket)
    google[0].storage.delete(BUCKET, "env/qa.tfstate", NOON)
    later = read(SOURCE, "states", *bucket, cursor=first.cursor)
    assert later.batches[-1].present == {"workspace": frozenset({"env/prod.tfstate"})}


def test_one_state_that_cannot_be_read_leaves_its_neighbours(google, bucket):
    put(google, "env/bad.tfstate", b'{"version": 4, "resources": [')
    put(google, "env/prod.tfstate", a_state(serial=4))
    found = read(SOURCE, "states", *bucket)
    assert serials(found) == ["4"]
    assert "not valid JSON" in found.parts["bad"]
    assert found.parts["prod"] is None
    again = read(SOURCE, "states", *bucket, cursor=found.cursor)
    assert "not valid JSON" in again.parts["bad"]
    put(google, "env/bad.tfstate", a_state(serial=9), timedelta(0))
    assert read(SOURCE, "states", *bucket, cursor=again.cursor).parts["bad"] is None


def test_the_environment_is_the_configured_one(google, bucket):
    put(google, "env/churn-live.tfstate", a_state())
    config = a_config(environment=[{"name": "prod", "states": ["*-live"]}])
    assert read(SOURCE, "states", *bucket, config=config).of(Workspace)[0].environment == "prod"
    assert read(SOURCE, "states", *bucket).of(Workspace)[0].environment is None


def test_a_plan_beside_a_state_is_reduced_and_its_history_kept(google, bucket):
    put(google, "env/prod.tfstate", a_state())
    for day in (1, 2, 3):
        put(
            google,
            "env/prod.plan.json",
            a_plan(a_change(), timestamp=f"2026-11-2{day}T06:00:00Z"),
            timedelta(days=4 - day),
        )
    found = read(SOURCE, "plans", *bucket)
    assert [one.checked_at.day for one in found.of(Plan)] == [23, 22, 21]
    assert {one.workspace.native_id for one in found.of(Plan)} == {"env/prod.tfstate"}
    assert read(SOURCE, "plans", *bucket, cursor=found.cursor).of(Plan) == []


def test_a_plan_without_a_state_is_a_workspace_all_the_same(google, bucket):
    put(google, "env/new.plan.json", a_plan(a_change(actions=("create",))))
    found = read(SOURCE, "states", *bucket)
    assert [(one.name, one.serial) for one in found.of(Workspace)] == [("new", None)]
    assert found.batches[-1].present == {"workspace": frozenset({"env/new.tfstate"})}
    assert read(SOURCE, "plans", *bucket).of(Plan)[0].workspace.native_id == "env/new.tfstate"


def test_a_plan_that_cannot_be_read_is_said_and_the_others_go_on(google, bucket):
    put(google, "env/a.plan.json", b"{}")
    put(google, "env/b.plan.json", a_plan())
    found = read(SOURCE, "plans", *bucket)
    assert len(found.of(Plan)) == 1
    assert "no plan" in found.parts["a"]


DISABLED = {"error": {"code": 403, "message": "x", "errors": [{"reason": "accessNotConfigured"}]}}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=401, body=b"{}"), AccessDenied),
        (Fault(status=403, body=b"{}"), AccessDenied),
        (Fault(status=403, body=json.dumps(DISABLED).encode()), FeatureOff),
        (Fault(status=404, body=b"{}"), AccessDenied),
        (Fault(status=429, body=b"{}", headers=(("Retry-After", "90"),)), RateLimited),
        (Fault(status=500, body=b"oops"), Unreachable),
        (Fault(status=503, body=b"{}"), Unreachable),
        (Fault(delay_seconds=3), Unreachable),
        (Fault(cut_after_bytes=30), Unreachable),
        (Fault(status=200, body=b'{"items": ['), Unreadable),
    ],
)
def test_what_the_bucket_answers_is_told_in_our_errors(google, bucket, fault, error):
    put(google, "env/prod.tfstate", a_state())
    bucket[0].timeout = 0.5
    google[1].faults.add(fault)
    for call in (
        lambda: read(SOURCE, "states", *bucket),
        lambda: SOURCE.streams[0].check(bucket[0], SOURCE.scopes(*bucket)[0]),
    ):
        with pytest.raises(error) as caught:
            call()
        if error is RateLimited:
            assert caught.value.resume_at > NOON
        if error is AccessDenied:
            assert caught.value.mend


def test_a_body_that_is_cut_while_a_state_is_downloaded_moves_no_cursor(google, bucket):
    put(google, "env/prod.tfstate", a_state())
    google[1].faults.add(Fault(path="alt=media", cut_after_bytes=40))
    with pytest.raises(Unreachable):
        read(SOURCE, "states", *bucket)


def test_calls_are_counted(google, bucket):
    put(google, "env/prod.tfstate", a_state())
    read(SOURCE, "states", *bucket)
    assert bucket[0].meter.calls == google[1].calls.total == 2


def test_a_folder_gives_states_workspaces_locks_and_plans(folder, tmp_path):
    (tmp_path / "infra" / "terraform.tfstate.d" / "qa").mkdir(parents=True)
    (tmp_path / "churn.tfstate").write_bytes(a_state(serial=2))
    (tmp_path / "churn.plan.json").write_bytes(a_plan(a_change()))
    (tmp_path / "infra" / "terraform.tfstate").write_bytes(a_state(serial=3))
    (tmp_path / "infra" / "terraform.tfstate.d" / "qa" / "terraform.tfstate").write_bytes(a_state(serial=5))
    (tmp_path / "infra" / ".terraform.tfstate.lock.info").write_text('{"Who": "ana@laptop", "Operation": "apply"}')
    (tmp_path / "churn.tfstate.backup").write_bytes(a_state(serial=1))
    found = read(SOURCE, "states", *folder)
    names = {one.name: one.serial for one in found.newest(Workspace).values()}
    assert names == {"churn": 2, "infra": 3, "infra/qa": 5}
    assert found.newest(Workspace)["infra/terraform.tfstate"].locked_by == "ana@laptop"
    plans = read(SOURCE, "plans", *folder).of(Plan)
    assert [one.workspace.native_id for one in plans] == ["churn.tfstate"]


def test_a_file_that_changes_is_read_again_and_one_that_is_restored_too(folder, tmp_path):
    file = tmp_path / "churn.tfstate"
    file.write_bytes(a_state(serial=2))
    first = read(SOURCE, "states", *folder)
    assert serials(read(SOURCE, "states", *folder, cursor=first.cursor)) == []
    file.write_bytes(a_state(serial=3))
    second = read(SOURCE, "states", *folder, cursor=first.cursor)
    assert second.newest(Workspace)["churn.tfstate"].serial == 3


def test_fingerprints_stay_comparable_over_restarts(folder, tmp_path):
    (tmp_path / "a.tfstate").write_bytes(a_state(a_resource(), serial=2))
    first = read(SOURCE, "states", *folder)
    (tmp_path / "a.tfstate").write_bytes(a_state(a_resource(), a_resource(name="new"), serial=3))
    later = read(SOURCE, "states", *folder, cursor=first.cursor)
    before, after = first.of(StateContents)[0], later.of(StateContents)[0]
    assert before.resources[0].fingerprint == after.resources[0].fingerprint
    assert before.resources[0].fingerprint not in str(first.cursor)


def test_a_folder_that_is_not_there_is_said(folder, tmp_path):
    tmp_path.rmdir()
    with pytest.raises(Unreachable) as caught:
        read(SOURCE, "states", *folder)
    assert "directory" in caught.value.mend


def test_every_stream_says_what_it_needs_and_how_to_grant_it():
    for stream in SOURCE.streams:
        assert "roles/" in stream.grant
        assert stream.needs
    assert stream_of(SOURCE, "states").stale_after > stream_of(SOURCE, "states").every
