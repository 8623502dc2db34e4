"""The demo team for tests: its local upstreams in a process of their own, collected once into a store to copy from."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.config_file import load
from services.store.database import open_store
from services.sync import Collector
from services.timestamps import utc_now

ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN = 60.0


@dataclass(frozen=True)
class Demo:
    """A team that lives on, and what was read of it at the start of the session."""

    config: Path
    store: Path
    upstreams: tuple[str, ...]
    """Addresses of the local upstreams."""

    def calls(self) -> int:
        """How many calls the upstreams have seen, whoever made them."""
        total = 0
        for url in self.upstreams:
            with urllib.request.urlopen(f"{url}/_emulator/calls", timeout=10) as answer:
                total += json.load(answer)["total"]
        return total

    def copy(self, folder: Path) -> Path:
        """A store of one's own with the same contents."""
        path = folder / "throughline.sqlite3"
        shutil.copy(self.store, path)
        return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def living(folder: Path) -> Iterator[Demo]:
    """Start the local upstreams, collect everything once, and keep them until the end."""
    config, store_file = folder / "throughline.toml", folder / "throughline.sqlite3"
    ports = (free_port(), free_port())
    with (folder / "upstreams.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulators", "--gitlab-port", str(ports[0]), "--google-port", str(ports[1]),
             "--state-dir", str(folder), "--config-out", str(config)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            until = time.monotonic() + READY_WITHIN
            while not config.exists():
                assert process.poll() is None, (folder / "upstreams.log").read_text()
                assert time.monotonic() < until, "the local upstreams were not ready in time"
                time.sleep(0.1)
            store = open_store(store_file)
            store.migrate(utc_now())
            outcomes = Collector(load(config), store).once()
            bugs = [
                outcome.error for outcome in outcomes if type(outcome.error).__module__ == "builtins" and outcome.error
            ]
            assert not bugs, bugs
            store.checkpoint()
            store.close()
            yield Demo(config, store_file, tuple(f"http://127.0.0.1:{port}" for port in ports))
        finally:
            process.terminate()
            process.wait(20)
