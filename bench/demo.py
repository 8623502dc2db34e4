"""The demo team, collected once into a store of its own, for benchmarks at the demo's size."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.server import ROOT, free_port
from services.config_file import load
from services.store.database import open_store
from services.sync import Collector
from services.timestamps import utc_now

READY_WITHIN = 30.0


@contextmanager
def collected(folder: Path) -> Iterator[tuple[Path, str, float]]:
    """(configuration, store, seconds of the first fill); the local upstreams are stopped before it is used."""
    config, store_url = folder / "throughline.toml", str(folder / "demo.sqlite3")
    upstreams = subprocess.Popen(
        [sys.executable, "-m", "emulators", "--gitlab-port", str(free_port()), "--google-port", str(free_port()),
         "--state-dir", str(folder), "--config-out", str(config)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + READY_WITHIN
        while not config.exists():
            if time.monotonic() > until:
                raise RuntimeError("the local upstreams were not ready in time")
            time.sleep(0.1)
        store = open_store(store_url)
        store.migrate(utc_now())
        began = time.monotonic()
        Collector(load(config), store).once()
        took = time.monotonic() - began
        store.close()
    finally:
        upstreams.terminate()
        upstreams.wait(20)
    yield config, store_url, took
