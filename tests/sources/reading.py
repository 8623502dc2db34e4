"""Reads a stream of a source as the collector does, and tells what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from emulators.clock import ManualClock
from emulators.data import Upstreams
from emulators.google.app import make_app
from emulators.http import Controlled, serve
from services.config import Config
from services.sources.base import Batch, Notes, Pull, Scope, Source, Stream

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"a key that a test alone knows"


def a_config(**more: Any) -> Config:
    team = {"name": "ML", "time_zone": "UTC"}
    gitlab = {
        "kind": "gitlab",
        "name": "g",
        "url": "https://gitlab.example.com",
        "token": {"env": "T"},
        "groups": ["x"],
    }
    return Config.model_validate({"team": team, "source": [gitlab], **more})


@contextmanager
def local_google(upstreams: Upstreams | None = None) -> Iterator[tuple[Upstreams, Controlled, str]]:
    """The data, the controls (calls, faults) and the address of a local Google Cloud."""
    upstreams = upstreams or Upstreams(clock=ManualClock(NOON))
    controls = Controlled(make_app(upstreams), "google", upstreams.clock)
    with serve(controls) as server:
        yield upstreams, controls, server.url


@dataclass
class Read:
    """What one call of `collect` gave."""

    batches: list[Batch] = field(default_factory=list)
    notes: Notes = field(default_factory=lambda: Notes({}))

    @property
    def records(self) -> list[Any]:
        return [record for batch in self.batches for record in batch.records]

    @property
    def cursor(self) -> Mapping[str, Any]:
        return next((batch.cursor for batch in reversed(self.batches) if batch.cursor is not None), {})

    @property
    def parts(self) -> dict[str, str | None]:
        return {part: why for batch in self.batches for part, why in batch.parts.items()}

    @property
    def touched(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for batch in self.batches:
            for stream, ids in batch.touched.items():
                found.setdefault(stream, set()).update(ids)
        return found

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]

    def newest(self, kind: type) -> dict[str, Any]:
        """The last record of a kind by its native id, as the store would hold it."""
        return {record.native_id: record for record in self.of(kind)}


def stream_of(source: Source, name: str) -> Stream:
    return next(stream for stream in source.streams if stream.name == name)


def read(
    source: Source, name: str, client: Any, entry: Any, *, cursor: Mapping[str, Any] | None = None,
    work: tuple[str, ...] = (), now: datetime = NOON, config: Config | None = None, scope: Scope | None = None,
    since: datetime | None = NOON - timedelta(days=120), stop_after: int | None = None,
) -> Read:  # fmt: skip
    """One turn of a stream; `stop_after` batches it is broken off, as a crash would."""
    stream = stream_of(source, name)
    found = Read(notes=Notes(stream.states))
    pull = Pull(
        client=client, scope=scope or source.scopes(client, entry)[0], source=entry, config=config or a_config(),
        cursor=cursor or {}, work=work, now=now, since=since, notes=found.notes,
    )  # fmt: skip
    for batch in stream.collect(pull):
        found.batches.append(batch)
        if stop_after is not None and len(found.batches) >= stop_after:
            break
    return found
