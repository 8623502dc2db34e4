"""The closed vocabularies: what a thing did, how good our copy of it is, and how environments are named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum


class RunState(StrEnum):
    """What a run, a step or a deployment did. Stored beside the upstream's own word."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILING = "failing"
    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"
    WAITING = "waiting"
    SKIPPED = "skipped"
    CACHED = "cached"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class Freshness(StrEnum):
    """How good our copy is; decided when it is read, from the health of the stream it came by."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"
    NO_ACCESS = "no-access"
    BROKEN = "broken"


class Tier(StrEnum):
    """The kinds of environment, in the order in which they are shown."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"
    OTHER = "other"


class WorkspaceState(StrEnum):
    """What is known of a Terraform workspace; *in sync* never stands without the time of its check."""

    IN_SYNC = "in sync"
    DRIFTED = "drifted"
    PENDING = "pending"
    ERRORED = "errored"
    LOCKED = "locked"
    NOT_CHECKED = "not checked"
    STALE = "stale"
    PAUSED = "paused"


class ScheduleState(StrEnum):
    """What is known of a schedule beside its runs."""

    ON_TIME = "on time"
    LATE = "late"
    MISSED = "missed"
    PAUSED = "paused"
    OWNER_LOST = "owner lost"
    SKIPPED_SILENTLY = "skipped silently"
    COMPLETED = "completed"
    UNKNOWN = "unknown"


FINAL = frozenset({
    RunState.SUCCEEDED, RunState.WARNING, RunState.FAILED, RunState.SKIPPED, RunState.CACHED, RunState.CANCELED,
})  # fmt: skip
"""States that do not change by themselves. *unknown* is not among them: it is read again."""

BAD = frozenset({RunState.FAILED, RunState.FAILING})

WORST_FIRST = (
    RunState.FAILED, RunState.FAILING, "no-access", RunState.UNKNOWN, RunState.WAITING, RunState.WARNING,
    RunState.RUNNING, RunState.QUEUED, RunState.CANCELED, RunState.SUCCEEDED, RunState.CACHED, RunState.SKIPPED,
)  # fmt: skip
"""The order of lists, and the order by which one word stands for many."""

_RANK = {str(state): rank for rank, state in enumerate(WORST_FIRST)}


def rank(state: str) -> int:
    """The place of a state in worst-first order; a word that is not ours ranks as *unknown*."""
    return _RANK.get(state, _RANK[RunState.UNKNOWN])


def worst(states: Iterable[str]) -> str | None:
    """The one word that stands for many; None where there is none."""
    return min(states, key=rank, default=None)


PLATFORM_REASONS = frozenset({
    "runner_system_failure", "stuck_or_timeout_failure", "api_failure", "runner_unsupported", "scheduler_failure",
    "data_integrity_failure", "ci_quota_exceeded", "trace_size_exceeded", "secrets_provider_not_found",
})  # fmt: skip
YOUR_REASONS = frozenset({
    "script_failure", "missing_dependency_failure", "unmet_prerequisites", "job_execution_timeout",
})  # fmt: skip


def failure_owner(reason: str | None) -> str | None:
    """Whose failure it is: "yours", "the platform's", "the setup's"; None where no reason is known.

    `forward_deployment_failure` is nobody's: an outdated deployment was stopped, which is good news.
    """
    if not reason or reason in ("unknown_failure", "forward_deployment_failure"):
        return None
    if reason in PLATFORM_REASONS:
        return "the platform's"
    return "yours" if reason in YOUR_REASONS else "the setup's"


_TIER_WORDS = {
    Tier.DEVELOPMENT: ("dev", "development", "sandbox", "review"),
    Tier.TESTING: ("test", "testing", "qa", "int", "uat"),
    Tier.STAGING: ("staging", "stage", "stg", "preprod", "pre-prod"),
    Tier.PRODUCTION: ("prod", "prd", "production", "live"),
}
_NOT_PRODUCTION = re.compile(r"(?<![a-z0-9])non-?prod", re.IGNORECASE)


def guess_tier(name: str) -> Tier:
    """The tier that a name tells by a whole word of it; `nonprod` is tested first and is never production."""
    if _NOT_PRODUCTION.search(name):
        return Tier.OTHER
    for tier in (Tier.STAGING, Tier.DEVELOPMENT, Tier.TESTING, Tier.PRODUCTION):
        words = "|".join(re.escape(word) for word in _TIER_WORDS[tier])
        if re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", name, re.IGNORECASE):
            return tier
    return Tier.OTHER


TIER_ORDER = {tier: place for place, tier in enumerate(Tier)}
