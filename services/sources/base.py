"""The contract of a source: what it declares, what it is given, what it yields, and how it may fail.

SourceError
├── Unreachable         the network, a time-out, a 5xx, a body cut short: tried again with back-off, rows kept
├── RateLimited         the upstream asks for a pause: the whole source rests until `resume_at`
├── AccessDenied        401 or 403: this scope is no-access, the others go on
├── FeatureOff          the feature does not exist here: not applicable, no alarm
└── Unreadable          an answer that is not what the API promises: the stream is broken, its cursor stays

A stream raises these and nothing else; anything else is a bug, and is logged as one with the stream's name.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.records import Record
from services.vocabulary import RunState


class SourceError(Exception):
    """Why a stream could not be read; `reason` is for people, `mend` says what to do about it."""

    def __init__(self, reason: str, mend: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend


class Unreachable(SourceError):
    """No answer that could be used: refused, timed out, cut short, or a 5xx."""


class RateLimited(SourceError):
    """The upstream asks for a pause until `resume_at` (aware UTC)."""

    def __init__(self, reason: str, resume_at: datetime) -> None:
        super().__init__(reason)
        self.resume_at = resume_at


class AccessDenied(SourceError):
    """401 or 403; `mend` names the permission that is missing and how to grant it."""


class FeatureOff(SourceError):
    """The feature is turned off or does not exist in this edition."""


class Unreadable(SourceError):
    """The answer is not what the API promises, for example JSON that ends in the middle."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a source that is read by itself: a GitLab group, a Google project and region, a bucket."""

    key: str
    """Stable id within the source."""
    name: str
    """For people."""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records, and what is true once they are committed, in one transaction."""

    records: tuple[Record, ...] = ()
    cursor: Mapping[str, Any] | None = None
    """The stream's new cursor (JSON); None leaves the old one."""
    touched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """stream name -> ids that this detail stream has to fetch."""
    done: tuple[str, ...] = ()
    """Ids of this stream's own work that the batch answers."""
    parts: Mapping[str, str | None] = field(default_factory=dict)
    """Part (project id, dataset …) -> why it could not be read; None where it was read well."""
    present: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """kind -> all native ids that exist now in this scope; what we hold beyond them is marked as gone."""
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """kind -> native ids that were asked for by themselves, and are no longer there."""
    progress: float | None = None
    """Share of the first fill that is done, 0–1; None outside of it."""


class Meter:
    """What a client has spent: calls made, and what the upstream's limit headers say is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = 0
        self.by_minute: Counter[int] = Counter()
        self.limit: int | None = None
        self.remaining: int | None = None
        self.resets_at: datetime | None = None

    def count(self, now: datetime) -> None:
        """Count one call that left for the upstream, whatever came back."""
        with self._lock:
            self.calls += 1
            self.by_minute[int(now.timestamp()) // 60] += 1

    def saw_limit(self, limit: int | None, remaining: int | None, resets_at: datetime | None) -> None:
        """Keep what the newest limit headers say."""
        with self._lock:
            self.limit, self.remaining, self.resets_at = limit, remaining, resets_at

    def drain(self) -> dict[int, int]:
        """Calls by epoch minute since the last drain."""
        with self._lock:
            counted, self.by_minute = dict(self.by_minute), Counter()
            return counted


class Client(Protocol):
    """What `connect` gives: the vendor's client in our wrapping, with a meter on it."""

    meter: Meter

    def close(self) -> None: ...


class Notes:
    """What a stream noticed beside its records: words we do not know, and records kept aside."""

    def __init__(self, states: Mapping[str, RunState]) -> None:
        self._states = states
        self.unknown_words: Counter[str] = Counter()
        self.rejected: list[tuple[str, str]] = []

    def state(self, raw: str | None) -> RunState:
        """Our word for the upstream's; one that is not listed is *unknown*, and is counted."""
        found = self._states.get(raw or "")
        if found is None:
            self.unknown_words[(raw or "(empty)")[:80]] += 1
            return RunState.UNKNOWN
        return found

    def reject(self, what: str, why: str) -> None:
        """Keep one malformed record aside: `what` names it by its id, never by its content."""
        self.rejected.append((what, why))


@dataclass(frozen=True, slots=True)
class Pull:
    """What a stream's `collect` gets to work with."""

    client: Any
    scope: Scope
    source: Any
    """The source's configuration (services.config)."""
    config: Any
    """The whole configuration, for environments and products."""
    cursor: Mapping[str, Any]
    """What the last committed batch left; empty at the first fill."""
    work: tuple[str, ...]
    """For a detail stream: the ids to fetch, most wanted first."""
    now: datetime
    since: datetime | None
    """How far back the first fill goes; None for all."""
    notes: Notes


Collect = Callable[[Pull], Iterator[Batch]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One kind of record from a source."""

    name: str
    title: str
    """For people, for example "Pipelines"."""
    yields: tuple[type, ...]
    collect: Collect
    check: Callable[[Any, Scope], None]
    """The cheapest probe of this stream for one scope: returns, or raises one of the errors."""
    every: timedelta
    stale_after: timedelta
    overlap: timedelta = timedelta(minutes=2)
    states: Mapping[str, RunState] = field(default_factory=dict)
    needs: str
    """The permission it needs, in the upstream's words."""
    grant: str
    """How to grant it, as one step or command a person can take."""
    detail: bool = False
    """True: works on the ids that other streams touched, and runs only when there are some."""
    reconciles: tuple[str, ...] = ()
    """Kinds whose rows that are not final become work of this detail stream when they were not seen for `every`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One upstream family; a module in this package that exports SOURCE is found by scanning."""

    family: str
    """The `kind` of a [[source]] in the configuration."""
    title: str
    connect: Callable[[Any, Any], Client]
    """(source configuration, secrets) -> client; makes no call."""
    instance: Callable[[Client, Any], str]
    """Identity of the instance, for example "gitlab.com"; stable over renames in the configuration."""
    scopes: Callable[[Client, Any], list[Scope]]
    streams: tuple[Stream, ...]
    """In the order in which a first fill should take its turns."""
    hooks: Callable[[str, Mapping[str, Any]], Mapping[str, tuple[str, ...]]] | None = None
    """(kind, ids) of a verified webhook -> detail stream and the ids it has to fetch."""
