"""What every query takes and gives: filters and a window in, an answer with its freshness out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.timestamps import from_millis, iso, to_millis
from services.vocabulary import Freshness

__all__ = ["Answer", "Filters", "SourceHealth", "View", "Window", "from_millis", "iso", "to_millis"]


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, aware UTC, end excluded; `why` says in words how it was chosen."""

    start: datetime
    end: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What a person narrowed the picture to; the URL's parameters hold just these."""

    product: str | None = None
    environment: str | None = None
    window: Window | None = None
    text: str | None = None
    state: str | None = None
    project: str | None = None
    kind: str | None = None
    selected: str | None = None
    """Text id (source:kind:native) of the one thing that is opened."""
    page: int = 1
    limit: int = 30
    """Rows a page; the command line asks for more."""

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How good our copy of one stream is, and why."""

    name: str
    kind: str
    """The source's family: gitlab, terraform, vertex, bigquery."""
    stream: str
    status: Freshness
    as_of: datetime | None
    reason: str | None = None
    mend: str | None = None
    parts_unread: int = 0
    """Parts of it, such as projects, that cannot be read while the others can."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found, and how far it can be trusted. `data` is JSON-like, as the envelope has it."""

    view: str
    data: Mapping[str, Any]
    as_of: datetime
    """When the answer was read from the store."""
    window: Window | None = None
    sources: tuple[SourceHealth, ...] = ()
    """Only the streams that this answer rests on."""
    shown: int | None = None
    of: int | None = None
    """Where shown < of, the answer was cut, and says so."""
    empty_because: str | None = None
    """Where there is nothing to show: why, and what would fill it."""

    @property
    def truncated(self) -> dict[str, int] | None:
        if self.shown is None or self.of is None or self.shown >= self.of:
            return None
        return {"shown": self.shown, "of": self.of}

    def envelope(self) -> dict[str, Any]:
        """The one shape that scripts, the API and tests read."""
        window = self.window
        return {
            "view": self.view,
            "as_of": iso(to_millis(self.as_of)),
            "window": None if window is None else {
                "from": iso(to_millis(window.start)), "to": iso(to_millis(window.end)),
            },
            "sources": [
                {
                    "name": health.name, "kind": health.kind, "stream": health.stream, "status": str(health.status),
                    "as_of": None if health.as_of is None else iso(to_millis(health.as_of)), "reason": health.reason,
                }
                for health in self.sources
            ],
            "truncated": self.truncated,
            "data": dict(self.data),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """A query that has a name: what the command line, the API and a page ask by."""

    name: str
    title: str
    ask: Any
    """(connection: sqlalchemy Connection, config: Config, filters: Filters, now: datetime) -> Answer"""
    needs: tuple[str, ...] = field(default_factory=tuple)
    """Streams as family.stream, for example gitlab.pipelines."""
