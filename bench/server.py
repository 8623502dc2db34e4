"""Starts the real web server on a store, and the empty one beside it, for as long as a benchmark needs them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN = 60.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(script: str, config: Path | None = None, store: str | None = None) -> Iterator[str]:
    """The address of a Streamlit server that runs `script`, ready to answer."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "THROUGHLINE_CONFIG": str(config), "THROUGHLINE_STORE": str(store)}
    argv = [sys.executable, "-m", "streamlit", "run", str(ROOT / script), "--server.port", str(port)]
    process = subprocess.Popen(
        [*argv, "--server.address", "127.0.0.1", "--server.headless", "true"],
        cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {STARTS_WITHIN:.0f} s")
