"""A client that nobody here wrote, `@gitbeaker/rest`, reads the local GitLab too."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulators.gitlab_builders import TOKEN, a_pipeline, a_small_gitlab, serving

HOME = Path(__file__).parent / "gitbeaker"


@pytest.fixture(scope="module")
def seen() -> dict:
    if not (HOME / "node_modules" / "@gitbeaker" / "rest").is_dir():
        npm = shutil.which("npm")
        assert npm, "npm is needed to install the second client; install Node.js 20 or newer"
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HOME, check=True, timeout=240, capture_output=True)
    upstreams = a_small_gitlab()
    upstreams.gitlab.items(1, "pipelines").extend(a_pipeline(number) for number in range(30, 34))
    upstreams.gitlab.denied[2, "pipeline_schedules"] = 403
    with serving(upstreams) as (url, _):
        ran = subprocess.run(
            ["node", "read.mjs", url, TOKEN], cwd=HOME, capture_output=True, text=True, timeout=120, check=False
        )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_it_finds_projects_by_their_path_and_by_their_group(seen):
    assert seen["projectByPath"] == 1
    assert seen["nestedProjectByPath"] == 2
    assert sorted(seen["groupProjects"]) == [1, 2]


def test_it_follows_the_links_of_offset_pages_to_the_end(seen):
    assert seen["pipelines"] == [33, 32, 31, 30, 10]
    page = seen["pipelinePage"]
    assert (page["total"], page["totalPages"], page["current"], page["next"]) == (5, 3, 2, 3)


def test_it_follows_the_opaque_cursor_of_keyset_pages_to_the_end(seen):
    assert seen["jobsByKey"] == [103, 102, 101, 100]
    assert seen["projectsByKey"] == [1, 2]


def test_child_pipelines_are_listed_only_when_they_are_asked_for(seen):
    assert seen["children"] == [20]
    assert 20 not in seen["pipelines"]


def test_it_reads_every_list_and_detail(seen):
    wanted = {
        "metadata": "18.9.0-ee", "token": ["read_api"], "pipeline": 60, "jobs": [102, 101, 100], "bridges": [20],
        "log": "line one\nline two\n", "tests": 0, "mergeRequests": [701], "mergeRequest": 10, "approved": True,
        "commits": 2, "compare": 1, "deployments": [60], "deployment": "success", "environments": [50],
        "environment": 60, "releases": ["v1.0.0"], "tags": ["v1.0.0"], "branches": ["main"], "schedules": [30],
        "schedule": 10, "images": [80], "imageTags": ["v0", "v1"], "digest": f"sha256:{1:064x}", "issues": [901],
        "packages": [40],
    }  # fmt: skip
    assert {name: seen[name] for name in wanted} == wanted


def test_it_is_told_what_it_may_not_read(seen):
    assert seen["denied"] == 403
