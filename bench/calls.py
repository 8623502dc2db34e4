"""How many calls a steady state costs, and how late the latest change arrives, on a fleet that never rests."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import gitlab
from sqlalchemy import select

from emulators import fleet
from emulators.clock import ManualClock
from emulators.data import Token
from emulators.gitlab.app import make_app
from emulators.http import Controlled, Server
from services.config_file import Loaded, parse
from services.secrets import Secrets
from services.store import schema
from services.store.database import Store, open_store
from services.sync import Collector
from services.timestamps import utc_now

PROJECTS, PIPELINES = 200, 20
MINUTES = 10
LIMIT_CALLS = 40.0
LIMIT_SECONDS = 90.0
TOKEN = "glpat-bench"
TABLES = {"pipeline": schema.run, "deployment": schema.deployment}


@dataclass
class Seen:
    """Which changes of the fleet have reached the store, and after how many seconds."""

    waiting: dict[tuple[str, str], list[tuple[datetime, str]]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def expect(self, changes: Iterable[fleet.Change]) -> None:
        for change in changes:
            self.waiting.setdefault((change.kind, str(change.id)), []).append((change.at, change.status))

    def look(self, store: Store, now: datetime) -> None:
        """A change has arrived when its status stands in the store, or a later status of the same thing does."""
        for kind, table in TABLES.items():
            wanted = [key for at_kind, key in self.waiting if at_kind == kind]
            with store.read() as conn:
                query = select(table.c.native_id, table.c.state_raw).where(table.c.kind == kind)
                rows = conn.execute(query.where(table.c.native_id.in_(wanted))).all()
            for native_id, raw in rows:
                self._arrived(kind, native_id, (raw or "").lower(), now)

    def _arrived(self, kind: str, native_id: str, raw: str, now: datetime) -> None:
        changes = self.waiting[kind, native_id]
        places = [place for place, (_, status) in enumerate(changes) if status == raw]
        if not places:
            return
        done, left = changes[: places[-1] + 1], changes[places[-1] + 1 :]
        self.seconds += [(now - at).total_seconds() for at, _ in done]
        if left:
            self.waiting[kind, native_id] = left
        else:
            del self.waiting[kind, native_id]


@dataclass(frozen=True)
class Steady:
    """What the steady state came to."""

    calls_a_minute: list[int]
    naive: int
    changes: int
    missing: int
    latest_seconds: float


def measure() -> Steady:
    """Ten minutes of a fleet of 200 projects, 20 pipelines and 5 deployments changing a minute, without webhooks."""
    clock = ManualClock(utc_now().replace(microsecond=0))
    upstreams = fleet.generate(PROJECTS, PIPELINES, clock, seed=1)
    upstreams.gitlab.tokens[TOKEN] = Token(TOKEN)
    controlled = Controlled(make_app(upstreams, requests_per_minute=1_000_000), "gitlab", clock)
    with tempfile.TemporaryDirectory() as folder, Server(controlled, "127.0.0.1", 0).start() as server:
        store = open_store(Path(folder) / "store.sqlite3")
        store.migrate(clock.now())
        collector = _collector(server.url, Path(folder), store, clock)
        collector.once()
        worker = collector.workers[0]
        changes, seen = upstreams.advance.log, Seen()  # type: ignore[attr-defined]
        calls, told = [], len(changes)
        for _ in range(MINUTES + 2):  # two more, in which nothing new is expected: the last changes arrive
            controlled.calls.clear()
            for _ in range(60):
                clock.advance(timedelta(seconds=1))
                worker.turns(threading.Event())
                if len(calls) < MINUTES:
                    seen.expect(changes[told:])
                told = len(changes)
                seen.look(store, clock.now())
            calls.append(controlled.calls.total)
        naive = _naive(server.url, controlled)
        store.close()
    expected = len(seen.seconds) + sum(len(left) for left in seen.waiting.values())
    missing = expected - len(seen.seconds)
    return Steady(calls[:MINUTES], naive, expected, missing, max(seen.seconds, default=0.0))


def _collector(url: str, folder: Path, store: Store, clock: ManualClock) -> Collector:
    source = {"kind": "gitlab", "name": "gitlab", "url": url, "token": {"env": "T"}, "groups": [fleet.GROUP]}
    config = parse({"team": {"name": "Fleet"}, "source": [source]})
    return Collector(Loaded(config, folder / "throughline.toml", Secrets(folder, {"T": TOKEN})), store, clock.now)


def _naive(url: str, controlled: Controlled) -> int:
    """Calls of one pass of the loop that anybody would write first: each project's pipelines, jobs, deployments."""
    controlled.calls.clear()
    client = gitlab.Gitlab(url, private_token=TOKEN, per_page=20)
    for project in client.projects.list(iterator=True):
        lazy = client.projects.get(project.id, lazy=True)
        for collection in (lazy.pipelines, lazy.jobs, lazy.deployments):
            collection.list(get_all=False, page=1)
    return controlled.calls.total


def report(found: Steady) -> bool:
    """Print the counts; True where the budget is kept and nothing is missing."""
    average = sum(found.calls_a_minute) / len(found.calls_a_minute)
    print(f"\nSteady state, {PROJECTS} projects, {MINUTES} minutes (simulated), no webhooks")
    print(f"calls a minute: {found.calls_a_minute}, on average {average:.1f} (limit {LIMIT_CALLS:.0f})")
    print(f"the naive loop, once a minute: {found.naive} calls a minute, {found.naive / average:.0f} times as many")
    print(f"changes: {found.changes}, missing: {found.missing}, latest after {found.latest_seconds:.0f} s (limit 90)")
    return max(found.calls_a_minute) <= LIMIT_CALLS and not found.missing and found.latest_seconds <= LIMIT_SECONDS
