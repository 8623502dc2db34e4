"""A source while it is collected: who it is, what it is read by, when each of its streams is due, what a turn gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.config import Config
from services.sources.base import Scope, Source, SourceError, Stream
from services.store.database import Store


@dataclass
class Health:
    """What is kept in memory between the turns of one stream in one scope."""

    next_at: datetime
    failures: int = 0
    filled: bool = False
    fill_started: datetime | None = None
    rows: int = 0
    """Records stored so far, over restarts."""
    rejected: int = 0
    """Records kept aside so far, over restarts."""


@dataclass
class Live:
    """A source that is connected: who it is, what it is read by, and when each stream is due."""

    config: Any
    source: Source
    client: Any
    source_id: int
    scopes: list[Scope]
    whole: Config
    store: Store
    clock: Callable[[], datetime]
    health: dict[tuple[str, str], Health] = field(default_factory=dict)
    resume_at: datetime | None = None

    def of(self, scope: Scope, stream: Stream) -> Health:
        return self.health.setdefault((scope.key, stream.name), Health(next_at=self.clock()))


@dataclass(frozen=True)
class Outcome:
    """What a turn came to: whether it finished, and how many records and batches it stored."""

    finished: bool
    records: int = 0
    batches: int = 0
    error: SourceError | Exception | None = None
