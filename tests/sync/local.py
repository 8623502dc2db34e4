"""A collector of ours on a local GitLab and a store, by one clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select

from emulators.data import Upstreams
from emulators.http import Controlled, Fault
from services.config_file import Loaded, parse
from services.live import Outcome
from services.secrets import Secrets
from services.store import schema
from services.store.database import Store
from services.sync import Collector
from tests.emulators.gitlab_builders import TOKEN, serving

WATCHED = ("project", "environment", "run", "step", "version", "deployment", "change", "incident", "schedule",
           "workspace", "plan")  # fmt: skip


@dataclass
class Team:
    """The upstream, the store, and a collector that can be stopped and started again."""

    upstreams: Upstreams
    controls: Controlled
    loaded: Loaded
    store: Store
    collector: Collector = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new collector process: what it knows is what the store holds."""
        self.close()
        self.collector = Collector(self.loaded, self.store, self.upstreams.clock.now)

    def close(self) -> None:
        for worker in getattr(self, "collector", None).workers if hasattr(self, "collector") else ():
            if worker.live is not None:
                worker.live.client.close()

    def sweep(self) -> list[Outcome]:
        """One sweep of everything."""
        return self.collector.once()

    def advance(self, **by: float) -> None:
        self.upstreams.clock.advance(timedelta(**by))

    def fault(self, **what: Any) -> None:
        self.controls.faults.add(Fault(**what))

    def rows(self, table: Table, **where: Any) -> list[Any]:
        with self.store.read() as conn:
            query = select(table).where(*(table.c[name] == value for name, value in where.items()))
            return list(conn.execute(query).all())

    def counts(self) -> dict[str, int]:
        """Rows of each table of things that has content."""
        with self.store.read() as conn:
            tables = [schema.METADATA.tables[name] for name in WATCHED]
            return {table.name: conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}

    def status(self, stream: str) -> str:
        return {row.stream: row.status for row in self.rows(schema.stream_state)}[stream]


@contextmanager
def team(upstreams: Upstreams, store: Store, tmp_path: Path, **options: Any) -> Iterator[Team]:
    """A team whose GitLab is served locally; `options` are keys of the source in the configuration."""
    with serving(upstreams) as (url, controls):
        source = {"kind": "gitlab", "name": "gitlab", "url": url, "token": {"env": "T"}, "groups": ["shop"]}
        config = parse({"team": {"name": "Shop"}, "source": [source | {"calls_per_minute": 100_000} | options]})
        secrets = Secrets(tmp_path, {"T": TOKEN, "HOOK": "hook secret"}, tmp_path / "none.toml")
        made = Team(upstreams, controls, Loaded(config, tmp_path / "throughline.toml", secrets), store)
        yield made
        made.close()
