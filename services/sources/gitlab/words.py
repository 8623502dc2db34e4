"""Our words for GitLab's: pipelines, jobs and deployments, and what is final among them."""

from __future__ import annotations

from services.sources.base import Notes
from services.vocabulary import RunState, Tier

PIPELINE_STATES = {
    "created": RunState.QUEUED,
    "waiting_for_resource": RunState.QUEUED,
    "preparing": RunState.QUEUED,
    "pending": RunState.QUEUED,
    "waiting_for_callback": RunState.QUEUED,
    "scheduled": RunState.QUEUED,
    "running": RunState.RUNNING,
    "canceling": RunState.RUNNING,
    "success": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "manual": RunState.WAITING,
    "skipped": RunState.SKIPPED,
    "canceled": RunState.CANCELED,
}
DEPLOYMENT_STATES = {
    "created": RunState.QUEUED,
    "running": RunState.RUNNING,
    "success": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "canceled": RunState.CANCELED,
    "skipped": RunState.SKIPPED,
    "blocked": RunState.WAITING,
}
FINISHED = frozenset(("success", "failed", "canceled", "skipped"))
"""A manual job is not among them: somebody may still start it."""


def raw_word(found: object) -> str:
    """GitLab's word as REST writes it; GraphQL writes the same in capitals."""
    return found.lower() if isinstance(found, str) else ""


def job_state(notes: Notes, raw: str, allow_failure: bool) -> RunState:
    """A manual job that may be left out waits for nobody."""
    if raw == "manual" and allow_failure:
        return RunState.SKIPPED
    return notes.state(raw)


def pipeline_state(notes: Notes, raw: str, has_failed_job: bool, has_warnings: bool) -> RunState:
    """The pipeline's own word, told apart by its jobs: already sure to fail, or good but for an allowed failure."""
    state = notes.state(raw)
    if state is RunState.RUNNING and has_failed_job:
        return RunState.FAILING
    if state is RunState.SUCCEEDED and has_warnings:
        return RunState.WARNING
    return state


def tier_of(raw: object) -> Tier | None:
    """The tier that an environment states; None where it states none that we know."""
    word = raw_word(raw)
    return Tier(word) if word in set(Tier) else None
