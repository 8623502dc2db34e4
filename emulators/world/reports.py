"""What the tests of a pipeline's jobs said, as GitLab sums it up for the whole pipeline."""

from __future__ import annotations

from datetime import datetime

from emulators.data import Json
from emulators.world import ci
from emulators.world.engine import Sim
from emulators.world.repositories import JobPlan

SUITE = ("total_time", "total_count", "success_count", "failed_count", "skipped_count", "error_count")
WHOLE = ("time", "count", "success", "failed", "skipped", "error")


def watch_tests(sim: Sim) -> None:
    """Each finished job with tests adds its suite; a newer attempt takes the place of the one before."""

    def heard(at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
        reason = job.get("failure_reason", "")
        if (
            plan.tests
            and job["duration"]
            and job["status"] in ("success", "failed")
            and reason in ("", "script_failure")
        ):
            _add(sim, run, job)

    ci.listen(sim, heard)


def _add(sim: Sim, run: ci.Run, job: Json) -> None:
    summaries = sim.up.gitlab.mapping(run.repo.id, "test_report_summary")
    summary = summaries.setdefault(str(run.pipeline["id"]), {"total": {}, "test_suites": []})
    chance = sim.rng("tests", run.repo.id, job["name"])
    count, skipped = 40 + chance.randrange(260), chance.randrange(4)
    failed = 1 if job["status"] == "failed" else 0
    numbers = (round(job["duration"] * 0.8, 3), count, count - skipped - failed, failed, skipped, 0)
    suites = [one for one in summary["test_suites"] if one["name"] != job["name"]]
    suite = {
        "name": job["name"],
        **dict(zip(SUITE, numbers, strict=True)),
        "build_ids": [job["id"]],
        "suite_error": None,
    }
    summary["test_suites"] = [*suites, suite]
    summary["total"] = {
        **{word: round(sum(one[key] for one in summary["test_suites"]), 3)
           for word, key in zip(WHOLE, SUITE, strict=True)},
        "suite_error": None,
    }  # fmt: skip
