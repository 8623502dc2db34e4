"""The demo team's GitLab, read from nothing: everything is there, and no secret that is planted in it."""

from __future__ import annotations

import time

import pytest

from emulators.data import Upstreams
from services.records import Change, Deployment, Incident, Plan, Run, Schedule, Step, Version, Workspace
from services.sources.gitlab.streams import STREAMS
from services.vocabulary import RunState
from tests.emulators.world_builders import planted, read_only_world
from tests.sources.gitlab.local import Local, reading_from

FILL_SECONDS = 60
"""On a machine that does other things too; alone it takes a fifth of it."""


@pytest.fixture(scope="module")
def filled() -> tuple[Local, float]:
    upstreams = read_only_world()
    group, token = upstreams.gitlab.groups[0]["full_path"], next(iter(upstreams.gitlab.tokens))
    with reading_from(upstreams, token=token, groups=(group,), requests_per_minute=100_000) as local:
        began = time.monotonic()
        for stream in STREAMS:
            if not stream.detail or local.work.get(stream.name):
                local.read(stream.name)
        yield local, time.monotonic() - began


def held(upstreams: Upstreams, collection: str) -> list[dict]:
    found = upstreams.gitlab.collections.items()
    return [item for (_, name), items in found if name == collection for item in items]


def rows(local: Local, kind: type) -> list:
    return [row for row in local.rows.values() if isinstance(row, kind)]


def test_everything_that_the_team_did_within_the_history_is_read(filled: tuple[Local, float]):
    local, _ = filled
    upstreams = local.upstreams
    assert {row.native_id for row in rows(local, Run)} == {str(item["id"]) for item in held(upstreams, "pipelines")}
    jobs = [*held(upstreams, "jobs"), *held(upstreams, "bridges")]
    assert {row.native_id for row in rows(local, Step)} == {str(item["id"]) for item in jobs}
    requests = held(upstreams, "merge_requests")
    assert {row.native_id for row in rows(local, Change)} == {str(item["id"]) for item in requests}
    schedules = held(upstreams, "pipeline_schedules")
    assert {row.native_id for row in rows(local, Schedule)} == {str(item["id"]) for item in schedules}
    incidents = [item for item in held(upstreams, "issues") if item["issue_type"] == "incident"]
    assert {row.native_id for row in rows(local, Incident)} == {str(item["id"]) for item in incidents}
    refused = {project for (project, name), _ in upstreams.gitlab.denied.items() if name == "deployments"}
    readable = [item for (project, name), items in upstreams.gitlab.collections.items()
                if name == "deployments" and project not in refused for item in items]  # fmt: skip
    assert {row.native_id for row in rows(local, Deployment)} == {str(item["id"]) for item in readable}
    assert len(rows(local, Workspace)) == len(upstreams.gitlab.states)
    images = {row.native_id for row in rows(local, Version) if row.kind == "image"}
    digests = {tag["digest"] for item in held(upstreams, "registry_repositories") for tag in item["tags"]}
    assert len(images) == len(digests)


def test_every_failed_job_says_why(filled: tuple[Local, float]):
    local, _ = filled
    why = {str(item["id"]): item.get("failure_reason") for item in held(local.upstreams, "jobs")}
    failed = [row for row in rows(local, Step) if row.kind == "job" and row.state is RunState.FAILED]
    assert len(failed) > 50
    assert all(row.failure_reason == why[row.native_id] for row in failed)


def test_each_workspace_has_its_serials_and_its_checks(filled: tuple[Local, float]):
    local, _ = filled
    checked = {row.workspace.native_id for row in rows(local, Plan)}
    for (project, name), state in local.upstreams.gitlab.states.items():
        serials = {f"{project}/{name}#{serial}" for serial in sorted(state.versions)[-50:]}
        assert serials <= {row.native_id for row in rows(local, Version)}
    assert len(checked) >= 3


def test_no_planted_secret_is_in_a_record_or_in_work(filled: tuple[Local, float]):
    local, _ = filled
    kept = f"{local.rows!r}{local.work!r}{local.cursors!r}"
    secrets = planted(local.upstreams, "canary_secret")
    assert secrets
    found = [secret["where"] for secret in secrets if secret["value"] in kept or secret["core"] in kept]
    assert found == []


def test_the_first_fill_takes_seconds(filled: tuple[Local, float]):
    _, seconds = filled
    assert seconds < FILL_SECONDS
