"""What a whole pipeline is, by the newest attempts of its jobs, and how long it took."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emulators.world.engine import Sim, iso
from emulators.world.objects import detailed_status

DONE = ("success", "failed", "canceled", "skipped")


def _whole(run: Any) -> tuple[str, bool]:
    """A pipeline's status by those of its newest attempts, and whether a tolerated failure is among them."""
    jobs = list(run.jobs.values())
    words = {job["status"] for job in jobs}
    hard = {job["status"] for job in jobs if not job["allow_failure"]}
    warned = any(job["status"] == "failed" and job["allow_failure"] for job in jobs)
    if "running" in words or ("pending" in words and run.began):
        return "running", warned
    for word in ("pending", "scheduled"):
        if word in words:
            return word, warned
    for word in ("failed", "canceled", "manual"):
        if word in hard:
            return word, warned
    return ("skipped" if words == {"skipped"} else "success"), warned


def settle(sim: Sim, at: datetime, run: Any) -> None:
    """Write down what the whole pipeline is now; tell those who wait for its end."""
    pipeline = run.pipeline
    status, warned = _whole(run)
    pipeline["updated_at"] = run.summary["updated_at"] = iso(at)
    if status == "running" and pipeline["started_at"] is None:
        pipeline["started_at"] = iso(at)
        pipeline["queued_duration"] = _seconds(pipeline["created_at"], at)
    if status == pipeline["status"]:
        return
    pipeline["status"] = run.summary["status"] = status
    path = pipeline["detailed_status"]["details_path"]
    pipeline["detailed_status"] = detailed_status(status, path, warned and status == "success")
    ended = status in DONE
    pipeline["finished_at"] = iso(at) if ended else None
    pipeline["duration"] = _covered(run.busy) if ended or status == "manual" else None
    if ended:
        for act in list(run.on_end):
            act(at, run)


def _seconds(since: str, at: datetime) -> int:
    return int((at - datetime.fromisoformat(since)).total_seconds())


def _covered(spans: list[tuple[datetime, datetime]]) -> int:
    """Seconds in which at least one job was running, as GitLab counts a pipeline's duration."""
    total, reach = 0.0, None
    for begin, end in sorted(spans):
        since = begin if reach is None or begin > reach else reach
        if end > since:
            total += (end - since).total_seconds()
            reach = end
    return int(total)
