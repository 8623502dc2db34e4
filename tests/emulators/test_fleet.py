"""A generated GitLab that changes at a known pace, and remembers each change."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import gitlab
import pytest

from emulators.clock import ManualClock
from emulators.fleet import generate
from emulators.gitlab.app import make_app
from emulators.http import serve

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def a_fleet(projects=5, pipelines=3, seed=7, **more):
    return generate(projects, pipelines, ManualClock(START), seed, **more)


def played(upstreams, minutes, step=timedelta(minutes=1)):
    ends = upstreams.clock.now() + timedelta(minutes=minutes)
    while upstreams.clock.now() < ends:
        upstreams.clock.advance(step)
        upstreams.refresh()
    return upstreams.advance.log


def test_it_begins_with_what_was_asked_for():
    data = a_fleet(projects=4, pipelines=3, jobs_per_pipeline=6).gitlab
    assert len(data.projects) == 4
    assert {len(data.items(project, "pipelines")) for project in data.projects} == {3}
    assert {len(data.items(project, "jobs")) for project in data.projects} == {18}
    assert {one["status"] for one in data.items(1, "pipelines")} <= {"success", "failed", "canceled"}


def test_pipelines_and_deployments_change_at_the_pace_asked_for():
    log = played(a_fleet(projects=20), 20)
    steady = [one for one in log if one.at >= START + timedelta(minutes=6)]
    counts = Counter(one.kind for one in steady)
    assert counts["pipeline"] / 14 == pytest.approx(20, rel=0.15)
    assert Counter(one.kind for one in steady if one.status == "success")["deployment"] / 14 == pytest.approx(
        5, rel=0.1
    )


def test_the_size_of_the_steps_changes_nothing():
    one, other = a_fleet(), a_fleet()
    played(one, 10, timedelta(minutes=10))
    played(other, 10, timedelta(seconds=6))
    assert one.advance.log == other.advance.log
    assert one.gitlab == other.gitlab


def test_another_seed_is_another_fleet():
    assert played(a_fleet(seed=1), 5) != played(a_fleet(seed=2), 5)


def test_nothing_happens_in_the_future():
    upstreams = a_fleet()
    played(upstreams, 7)
    now = upstreams.clock.now().isoformat().replace("+00:00", "Z")
    for items in upstreams.gitlab.collections.values():
        for item in items:
            times = [item.get(key) for key in ("created_at", "updated_at", "started_at", "finished_at")]
            assert all(at is None or at <= now for at in times)


def test_the_data_is_in_the_state_that_the_log_tells():
    upstreams = a_fleet()
    log = played(upstreams, 15)
    last = {(one.kind, one.project_id, one.id): one for one in log}
    for (kind, project, number), change in last.items():
        found = next(one for one in upstreams.gitlab.items(project, f"{kind}s") if one["id"] == number)
        assert found["status"] == change.status
        assert datetime.fromisoformat(found["updated_at"]) == change.at


def test_a_failed_pipeline_has_a_failed_job_with_a_reason():
    data = a_fleet(projects=10, pipelines=20).gitlab
    pipeline = next(one for one in data.items(1, "pipelines") if one["status"] == "failed")
    jobs = [one for one in data.items(1, "jobs") if one["pipeline"]["id"] == pipeline["id"]]
    assert Counter(one["status"] for one in jobs) == {"success": 4, "failed": 1, "skipped": 3}
    assert [one["failure_reason"] for one in jobs if one["status"] == "failed"] == ["script_failure"]


def test_a_client_sees_a_change_in_the_pipelines_updated_since():
    upstreams = a_fleet()
    with serve(make_app(upstreams)) as server:
        client = gitlab.Gitlab(server.url, private_token="any")
        group = client.groups.get("fleet")
        assert len(group.projects.list(get_all=True)) == 5
        upstreams.clock.advance(timedelta(minutes=3))
        found = set()
        for project in group.projects.list(get_all=True):
            listed = client.projects.get(project.id).pipelines.list(updated_after=START.isoformat(), get_all=True)
            found |= {one.id for one in listed}
        assert found == {one.id for one in upstreams.advance.log if one.kind == "pipeline"}


@pytest.mark.parametrize(("projects", "pipelines"), [(0, 1), (1, 0)])
def test_a_fleet_of_nothing_is_refused(projects, pipelines):
    with pytest.raises(ValueError, match="at least one"):
        a_fleet(projects, pipelines)
