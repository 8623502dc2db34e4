"""Real GitLab payloads, laid in a folder, give through the whole product the values that were computed apart."""

from __future__ import annotations

import json

import pytest

from tests.replay.replaying import collected, lay, raw_objects, replayed, show, tally

TABLES = "gitlab/devlake_raw/_raw_gitlab_api_{}.csv"
YEAR = ("--since", "2022-01-01", "--until", "2023-01-01")
BAD_PIPELINE, GOOD_PIPELINE = 901, 902


@pytest.fixture(scope="module")
def expected(shared_data):
    return json.loads((shared_data / "expected" / "gitlab_stats.shared.json").read_text())


@pytest.fixture(scope="module")
def jobs(shared_data):
    return raw_objects(shared_data / TABLES.format("job"))


@pytest.fixture(scope="module")
def played(shared_data, jobs, tmp_path_factory):
    """(configuration, store) of the recorded pipelines of one project, jobs of a second, and a third made by hand."""
    home = tmp_path_factory.mktemp("replay")
    folder = home / "recorded"
    lay(folder, "gitlab/projects/12345678/pipelines.json", raw_objects(shared_data / TABLES.format("pipeline")))
    lay(folder, "gitlab/projects/44/jobs.json", jobs)
    lay(folder, "gitlab/projects/7/pipelines.json", list(by_hand()))
    with replayed(folder, home) as config:
        yield config, collected(config, home)


def by_hand():
    """Full pipelines of which every figure can be worked out on paper; the last is outside the window."""
    for id_, status, duration, queued, coverage, day in (
        (901, "failed", 100, 4, "80.0", 1), (902, "success", 300, 8, "90.0", 2), (903, "success", 200, None, None, 3),
        (904, "canceled", 50, 2, None, 4), (905, "skipped", None, None, None, 5), (906, "running", None, 6, None, 6),
        (907, "success", 400, 12, "70.0", 7), (908, "failed", 9000, 1, "1.0", 400),
    ):  # fmt: skip
        year, rest = divmod(day, 365)
        at = f"{2021 + year}-06-{max(1, rest):02}"
        yield {
            "id": id_, "iid": id_, "project_id": 7, "sha": f"{id_}".rjust(40, "a"), "ref": "main", "status": status,
            "source": "push", "created_at": f"{at}T08:00:00.000Z", "updated_at": f"{at}T23:00:00.000Z",
            "started_at": f"{at}T08:00:10.000Z", "finished_at": f"{at}T22:59:00.000Z", "duration": duration,
            "queued_duration": queued, "coverage": coverage, "web_url": f"https://gitlab.example/p/-/pipelines/{id_}",
        }  # fmt: skip


def of_project(envelope, project):
    return [run for run in envelope["data"]["runs"] if run["project"] == project]


def figures(envelope, project):
    (found,) = [one for one in envelope["data"]["projects"] if one["project"] == project]
    return found


def test_recorded_pipelines_are_shown_with_their_statuses_and_sources(played, expected, capsys):
    wanted = expected["gitlab/devlake_raw/_raw_gitlab_api_pipeline.csv"]
    envelope = show(capsys, *played, "pipelines", *YEAR)
    runs = of_project(envelope, "replay/project-12345678")
    assert len(runs) == wanted["count"]
    assert tally(runs, "state_raw") == wanted["statuses"]
    assert tally(runs, "trigger") == wanted["sources"]


def test_their_figures_are_those_that_the_statuses_give(played, expected, capsys):
    statuses = expected["gitlab/devlake_raw/_raw_gitlab_api_pipeline.csv"]["statuses"]
    one = figures(show(capsys, *played, "pipelines", *YEAR), "replay/project-12345678")
    assert {name: one[name] for name in ("runs", "succeeded", "failed", "canceled", "other")} == {
        "runs": 29, "succeeded": statuses["success"], "failed": statuses["failed"], "canceled": statuses["canceled"],
        "other": 10,
    }  # fmt: skip
    assert one["success_rate"] == pytest.approx(1 / 18)
    assert one["duration_seconds"] == {"median": None, "p95": None, "max": None, "mean": None, "n": 0}


def test_pipelines_that_only_their_jobs_tell_of_are_shown(played, expected, jobs, capsys):
    wanted = expected["gitlab/devlake_raw/_raw_gitlab_api_job.csv"]
    envelope = show(capsys, *played, "pipelines", *YEAR)
    runs = of_project(envelope, "replay/project-44")
    assert len(runs) == wanted["pipelines"]
    assert {run["id"].rpartition(":")[2] for run in runs} == {str(job["pipeline"]["id"]) for job in jobs}
    recorded = {str(job["pipeline"]["id"]): job["pipeline"]["status"] for job in jobs}
    assert {run["id"].rpartition(":")[2]: run["state_raw"] for run in runs} == recorded


def test_all_recorded_jobs_are_in_the_pipelines_that_hold_them(played, expected, jobs, capsys):
    wanted = expected["gitlab/devlake_raw/_raw_gitlab_api_job.csv"]
    runs = of_project(show(capsys, *played, "pipelines", *YEAR), "replay/project-44")
    counted: dict[str, int] = {}
    for run in runs:
        for attempts in (run["jobs"]["by_status"], run["jobs"]["retried"]):
            for state, number in attempts.items():
                counted[state] = counted.get(state, 0) + number
    assert sum(counted.values()) == wanted["count"]
    same = {"failed": "failed", "success": "succeeded", "canceled": "canceled", "running": "running"}
    assert {theirs: counted[ours] for theirs, ours in same.items()} == {
        theirs: wanted["statuses"][theirs] for theirs in same
    }
    queued = ("created", "waiting_for_resource", "preparing", "pending", "scheduled")
    assert counted["queued"] == sum(wanted["statuses"][word] for word in queued)


def test_figures_worked_out_by_hand_come_out(played, capsys):
    one = figures(show(capsys, *played, "pipelines", "--since", "2021-06-01", "--until", "2021-07-01"),
                  "replay/project-7")  # fmt: skip
    assert {name: one[name] for name in ("runs", "succeeded", "failed", "canceled", "other")} == {
        "runs": 7, "succeeded": 3, "failed": 1, "canceled": 1, "other": 2,
    }  # fmt: skip
    assert one["success_rate"] == 0.75
    # 50, 100, 200, 300, 400 seconds: p95 lies at 0.95 · 4 = 3.8, so 300 + 0.8 · 100.
    assert one["duration_seconds"] == {"median": 200.0, "p95": 380.0, "max": 400.0, "mean": 210.0, "n": 5}
    # 2, 4, 6, 8, 12 seconds: 8 + 0.8 · 4.
    assert one["queued_seconds"] == {"median": 6.0, "p95": pytest.approx(11.2), "n": 5}
    assert one["coverage"] == {"mean": 80.0, "n": 3}


def test_a_window_without_pipelines_is_empty_and_says_so(played, capsys):
    envelope = show(capsys, *played, "pipelines", "--since", "2019-01-01", "--until", "2019-02-01")
    assert envelope["data"]["runs"] == []
    assert envelope["window"] == {"from": "2019-01-01T00:00:00.000Z", "to": "2019-02-01T00:00:00.000Z"}
