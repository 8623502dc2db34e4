"""A local GitLab beside a client of ours, and the streams of it read turn by turn as the collector does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emulators.data import GitLabData, Upstreams
from emulators.http import Controlled, Fault
from services.config import GitLabSource
from services.sources.gitlab import SOURCE
from services.sources.gitlab.client import GitLabClient
from tests.emulators.gitlab_builders import TOKEN, serving
from tests.sources.reading import Read, read, stream_of


class Secrets:
    """Gives one token, whatever it is asked for."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token

    def get(self, ref: Any) -> str:
        return self.token


@dataclass
class Local:
    """The data, the controls, and a client that remembers each stream's cursor and work."""

    upstreams: Upstreams
    controls: Controlled
    entry: GitLabSource
    client: GitLabClient
    cursors: dict[str, Any] = field(default_factory=dict)
    work: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def data(self) -> GitLabData:
        return self.upstreams.gitlab

    @property
    def now(self) -> datetime:
        return self.upstreams.clock.now()

    def advance(self, **by: float) -> None:
        self.upstreams.clock.advance(timedelta(**by))

    def fault(self, **what: Any) -> None:
        self.controls.faults.add(Fault(**what))

    def read(self, stream: str, *work: str, days: int | None = 120, stop_after: int | None = None) -> Read:
        """One turn; the cursor and the work it leaves are those of the next one."""
        wanted = work or tuple(self.work.get(stream, ()))
        found = read(
            SOURCE, stream, self.client, self.entry, cursor=self.cursors.get(stream), work=wanted, now=self.now,
            since=None if days is None else self.now - timedelta(days=days), stop_after=stop_after,
        )  # fmt: skip
        self.cursors[stream] = found.cursor or self.cursors.get(stream)
        for target, ids in found.touched.items():
            self.work[target] = [*self.work.get(target, []), *sorted(ids - set(self.work.get(target, [])))]
        done = {key for batch in found.batches for key in batch.done}
        self.work[stream] = [key for key in self.work.get(stream, []) if key not in done]
        self.rows |= {(record.kind, record.native_id): record for record in found.records if hasattr(record, "kind")}
        return found

    def calls(self) -> int:
        """Calls since this was asked last."""
        count = self.controls.calls.total
        self.controls.calls.clear()
        return count

    def restart(self) -> None:
        """A new process: cursors are kept in the store, memory is not."""
        self.client.close()
        self.client = SOURCE.connect(self.entry, Secrets())


@contextmanager
def reading_from(
    upstreams: Upstreams, token: str = TOKEN, groups: tuple[str, ...] = ("shop",), **options: Any
) -> Iterator[Local]:
    """A client of ours on a local GitLab; `options` are those of the server, and `projects` of the configuration."""
    projects = options.pop("projects", ())
    with serving(upstreams, **options) as (url, controls):
        entry = GitLabSource(
            kind="gitlab", name="g", url=url + options.get("prefix", ""), token={"env": "T"}, groups=groups,
            projects=projects, calls_per_minute=100_000,
        )  # fmt: skip
        client = SOURCE.connect(entry, Secrets(token))
        yield Local(upstreams, controls, entry, client)
        client.close()


__all__ = ["SOURCE", "Local", "Secrets", "reading_from", "stream_of"]
