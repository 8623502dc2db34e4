"""Job logs as a runner writes them, with colours, section marks and, on a failure, the reason."""

from __future__ import annotations

from typing import Any

from emulators.data import Json

FAULTS = {
    "script_failure": (
        "E       AssertionError: expected 24 windows, found 23\n"
        "tests/test_windows.py:87: AssertionError\n"
        "=========== short test summary info ============\n"
        "FAILED tests/test_windows.py::test_each_day_has_all_windows\n"
        "ERROR: Job failed: exit code 1"
    ),
    "runner_system_failure": "ERROR: Job failed (system failure): prepare environment: timed out waiting for pod",
    "job_execution_timeout": "ERROR: Job failed: execution took longer than 1h0m0s seconds",
    "missing_dependency_failure": "ERROR: artifacts of job build-image expired",
}


def job_log(run: Any, plan: Any, job: Json, reason: str) -> str:
    """A short but complete log; `run.labels` may hold a text of its own for a job ("log:NAME")."""
    sha = run.commit["short_id"]
    body = run.labels.get(f"log:{plan.name}", "")
    end = "\x1b[32;1mJob succeeded\x1b[0;m" if not reason else f"\x1b[31;1m{FAULTS.get(reason, reason)}\x1b[0;m"
    return (
        f"\x1b[0KRunning with gitlab-runner 18.9.0 (f1c2d3e4)\n"
        f"section_start:1700000000:get_sources\r\x1b[0K\x1b[36;1mGetting source from Git repository\x1b[0;m\n"
        f"Checking out {sha} as detached HEAD (ref is {run.pipeline['ref']})...\n"
        f"section_end:1700000000:get_sources\r\x1b[0K"
        f"\x1b[32;1m$ make {plan.name.split(':')[0]}\x1b[0;m\n{body}{end}\n"
    )
