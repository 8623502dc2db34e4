"""What the sweep over all pipelines remembers between two batches, and what it found for the next one.

The cursor (JSON; times by GitLab's own clock):
  head      start of the last sweep that was read to its end; None before the first
  sweep     the sweep under way: {"at": its start, "todo": [project ids], "more": [[part, page], …]}
  known     project ids whose history was begun; one that comes in, or becomes readable, is filled from the start
  tail      [[part, page], …] pages of history still to read, in turns; "total": how many parts there were
  old       status words still to look for beyond the history, because what is not final counts whatever its age
A part is "project id" or "project id/children": GitLab lists child pipelines only where they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.records import Record
from services.sources.base import Batch
from services.sources.gitlab.client import Json


@dataclass
class Cursor:
    """The cursor of the module's docstring."""

    head: str | None = None
    sweep: Json | None = None
    known: set[int] = field(default_factory=set)
    tail: list[list[str]] = field(default_factory=list)
    total: int = 0
    old: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, given: Any) -> Cursor:
        return cls(**{**given, "known": set(given.get("known", ()))}) if given else cls()

    def dump(self) -> Json:
        return {
            "head": self.head,
            "sweep": self.sweep,
            "known": sorted(self.known),
            "tail": list(self.tail),
            "total": self.total,
            "old": list(self.old),
        }


@dataclass
class Found:
    """What one or more answers gave: records, the work they ask for, and which parts could be read."""

    records: list[Record] = field(default_factory=list)
    touched: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, str | None] = field(default_factory=dict)
    more: list[list[str]] = field(default_factory=list)
    prints: dict[str, Any] = field(default_factory=dict)

    def touch(self, stream: str, *ids: str) -> None:
        self.touched.setdefault(stream, []).extend(ids)

    def add(self, other: Found) -> None:
        self.records += other.records
        self.prints |= other.prints
        for stream, ids in other.touched.items():
            self.touch(stream, *ids)

    def batch(self, cursor: Cursor, progress: float | None = None) -> Batch:
        touched = {stream: tuple(dict.fromkeys(ids)) for stream, ids in self.touched.items() if ids}
        return Batch(tuple(self.records), cursor.dump(), touched, parts=self.parts, progress=progress)
