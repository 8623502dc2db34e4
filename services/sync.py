"""The collector: a thread a source, each stream on its own rhythm, and the housekeeping of the store."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services import derive
from services.config_file import Loaded
from services.live import Health, Live, Outcome
from services.secrets import SecretMissing
from services.sources import discover
from services.sources.base import Scope, SourceError, Stream
from services.store import progress, retention, writer
from services.store.database import Store
from services.timestamps import from_millis, utc_now
from services.turns import run_turn

LOG = logging.getLogger("throughline.collector")

TURN_SECONDS = 2.0
"""How long one stream may go on before its neighbours get their turn."""
LEASE = timedelta(seconds=60)
HEARTBEAT = timedelta(seconds=10)
SWEEP = timedelta(seconds=30)
SCOPES = timedelta(hours=1)
RETENTION = timedelta(days=1)


class Collector:
    """Collects every configured source into one store until it is told to stop."""

    def __init__(
        self,
        loaded: Loaded,
        store: Store,
        clock: Callable[[], datetime] = utc_now,
        only: str | None = None,
    ) -> None:
        self.loaded, self.store, self.clock = loaded, store, clock
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{id(self):x}"
        entries = [entry for entry in loaded.config.source if only in (None, entry.name)]
        self.workers = [Worker(self, entry) for entry in entries]

    def run(self, stop: threading.Event) -> None:
        """Collect until `stop` is set; each source in a thread of its own."""
        threads = [
            threading.Thread(target=worker.run, args=(stop,), name=f"collect-{worker.entry.name}", daemon=True)
            for worker in self.workers
        ]
        for thread in threads:
            thread.start()
        self._keep_house(stop)
        for thread in threads:
            thread.join(timeout=5)

    def once(self, rounds: int = 10_000) -> list[Outcome]:
        """One sweep of everything, first fill and details included, as fast as it goes. Returns each turn's outcome."""
        outcomes = [outcome for worker in self.workers for outcome in worker.sweep(rounds)]
        self.tidy(self.clock())
        return outcomes

    def unreached(self) -> dict[str, str]:
        """Source -> why it could not be connected to at all; none of its streams had a turn."""
        return {worker.entry.name: worker.problem for worker in self.workers if worker.problem}

    def tidy(self, now: datetime) -> None:
        """What depends on time alone: lateness, staleness, waiting ages; and that we are alive."""
        with self.store.write() as conn:
            derive.sweep(conn, self.loaded.config, now)
            self._beat(conn, now)

    def _beat(self, conn: Any, now: datetime) -> None:
        values = {"heartbeat": self.holder, "config_hash": self.loaded.config.hash}
        progress.set_meta(conn, values, now)

    def _keep_house(self, stop: threading.Event) -> None:
        next_beat = next_sweep = next_prune = self.clock()
        while not stop.is_set():
            now = self.clock()
            try:
                if now >= next_sweep:
                    self.tidy(now)
                    self.store.checkpoint()
                    next_sweep, next_beat = now + SWEEP, now + HEARTBEAT
                elif now >= next_beat:
                    with self.store.write() as conn:
                        self._beat(conn, now)
                    next_beat = now + HEARTBEAT
                if now >= next_prune:
                    retention.prune(self.store, now, self.loaded.config)
                    next_prune = now + RETENTION
            except Exception:  # the store may be away for a while; collecting goes on when it is back
                LOG.exception("housekeeping failed")
                stop.wait(5)
            stop.wait(0.5)


class Worker:
    """Collects one configured source."""

    def __init__(self, collector: Collector, entry: Any) -> None:
        self.collector, self.entry = collector, entry
        self.source = discover()[entry.kind]
        self.live: Live | None = None
        self._scopes_until: datetime | None = None
        self._lease_until: datetime | None = None
        self._failures = 0
        self._noted = ""
        self.problem = ""
        """Why it could not be connected to when that was last tried; empty where it could."""

    def run(self, stop: threading.Event) -> None:
        """Collect this source until `stop` is set; a failure to connect is said, and tried again."""
        while not stop.is_set():
            try:
                wait = self.turns(stop)
            except Exception:  # the store is away, or a bug: this source rests, the others go on
                LOG.exception("%s: a round failed", self.entry.name)
                wait = 5.0
            stop.wait(wait)
        if self.live is not None:
            self.live.client.close()

    def sweep(self, rounds: int) -> list[Outcome]:
        """Turns until every stream has finished once and no work that can be done now is left."""
        outcomes: list[Outcome] = []
        live = self._connected()
        if live is None:
            return outcomes
        live.resume_at = None
        pending = self._pairs(live)
        failed: set[tuple[str, str]] = set()
        for _ in range(rounds):
            again = []
            for scope, stream in pending:
                outcome = run_turn(live, scope, stream, TURN_SECONDS)
                outcomes.append(outcome)
                if outcome.error is not None:
                    failed.add((scope.key, stream.name))
                elif not outcome.finished:
                    again.append((scope, stream))
            pending = again + [
                (scope, stream)
                for scope, stream in self._pairs(live)
                if stream.detail
                and (scope.key, stream.name) not in failed
                and (scope, stream) not in again
                and self._has_work(live, scope, stream)
            ]
            if not pending or live.resume_at is not None:
                break
        self._note(live, self.collector.clock())
        return outcomes

    def turns(self, stop: threading.Event) -> float:
        """Every stream that is due gets one turn. Returns how long to wait before the next round, in seconds."""
        live = self._connected()
        if live is None:
            return min(2.0 ** min(self._failures, 6), 60.0)
        if not self._holds_lease(live):
            return 5.0
        now = self.collector.clock()
        if live.resume_at is not None and now < live.resume_at:
            return min((live.resume_at - now).total_seconds(), 5.0)
        live.resume_at = None
        self._drain_inbox(live, now)
        busy = False
        for scope, stream in self._pairs(live):
            if stop.is_set() or live.resume_at is not None or not self._holds_lease(live):
                break
            if self._is_due(live, scope, stream):
                outcome = run_turn(live, scope, stream, TURN_SECONDS)
                busy = busy or (not outcome.finished and outcome.error is None)
        self._note(live, now)
        return 0.0 if busy else 1.0

    def _note(self, live: Live, now: datetime) -> None:
        """Keep what the source told beside its data, for example that its token ends soon."""
        told = "; ".join(getattr(live.client, "notices", {}).values())
        if told != self._noted:
            with self.collector.store.write() as conn:
                progress.set_meta(conn, {f"source-notice:{self.entry.name}": told}, now)
            self._noted = told

    def _is_due(self, live: Live, scope: Scope, stream: Stream) -> bool:
        health = live.of(scope, stream)
        now = self.collector.clock()
        if health.failures and now < health.next_at:
            return False
        return now >= health.next_at or (stream.detail and self._has_work(live, scope, stream))

    def _has_work(self, live: Live, scope: Scope, stream: Stream) -> bool:
        with self.collector.store.read() as conn:
            return bool(
                progress.next_work(conn, live.source_id, scope.key, stream.name, self.collector.clock(), limit=1)
            )

    @staticmethod
    def _pairs(live: Live) -> list[tuple[Scope, Stream]]:
        return [(scope, stream) for stream in live.source.streams for scope in live.scopes]

    def _connected(self) -> Live | None:
        """The live source; None where it cannot be reached, which is then written down with the mend."""
        now = self.collector.clock()
        if self.live is not None and self._scopes_until is not None and now < self._scopes_until:
            return self.live
        try:
            if self.live is None:
                self.live = self._connect(now)
            self._take_scopes(self.live)
        except (SourceError, SecretMissing) as error:
            mend = getattr(error, "mend", None)
            self._say(f"{error}" + (f"; {mend}" if mend else ""), now)
            self._failures += 1
            return None
        self._say("", now)
        self._failures = 0
        self._scopes_until = now + SCOPES
        return self.live

    def _take_scopes(self, live: Live) -> None:
        live.scopes = self.source.scopes(live.client, self.entry)
        keys = {scope.key for scope in live.scopes}
        with live.store.read() as conn:
            known = {scope for scope, _ in progress.states(conn, live.source_id)}
        if known - keys:
            with live.store.write() as conn:
                progress.forget_scopes(conn, live.source_id, keys)

    def _connect(self, now: datetime) -> Live:
        store, config = self.collector.store, self.collector.loaded.config
        client = self.source.connect(self.entry, self.collector.loaded.secrets)
        instance = self.source.instance(client, self.entry)
        with store.write() as conn:
            source_id = writer.source_key(conn, self.source.family, instance, self.entry.name, now)
        live = Live(self.entry, self.source, client, source_id, [], config, store, self.collector.clock)
        with store.read() as conn:
            known = progress.states(conn, source_id)
        paused = [from_millis(row.resume_at) for row in known.values() if row.status == "limited"]
        live.resume_at = max((until for until in paused if until is not None and until > now), default=None)
        for (scope, stream), row in known.items():
            live.health[scope, stream] = Health(
                next_at=now,
                filled=row.filled_at is not None,
                fill_started=from_millis(row.fill_started_at),
                rows=row.rows_total or 0,
                rejected=row.rejected or 0,
            )
        return live

    def _say(self, problem: str, now: datetime) -> None:
        self.problem = problem
        with self.collector.store.write() as conn:
            progress.set_meta(conn, {f"source-error:{self.entry.name}": problem}, now)

    def _holds_lease(self, live: Live) -> bool:
        """True while nobody else collects this source; the lease is renewed well before it ends."""
        now = self.collector.clock()
        if self._lease_until is not None and now < self._lease_until - LEASE / 2:
            return True
        name = f"collect:{self.source.family}:{live.source_id}"
        with self.collector.store.write() as conn:
            held = progress.take_lease(conn, name, self.collector.holder, now, LEASE)
        self._lease_until = now + LEASE if held else None
        return held

    def _drain_inbox(self, live: Live, now: datetime) -> None:
        """Turn webhooks into work: each is taken as "fetch this id", never as data."""
        if self.source.hooks is None or not live.scopes:
            return
        with self.collector.store.read() as conn:
            rows = progress.waiting_inbox(conn, self.entry.name)
        if not rows:
            return
        with self.collector.store.write() as conn:
            for row in rows:
                for stream, ids in self.source.hooks(row.kind, row.ids).items():
                    progress.add_work(conn, live.source_id, live.scopes[0].key, stream, ids, now, urgent=True)
            progress.take_inbox(conn, [row.id for row in rows], now)
