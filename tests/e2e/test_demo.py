"""`make run`, as somebody who has just cloned it: a living team on screen, nothing left behind, and it plays on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.demo import ROOT, free_port
from tests.e2e.browser import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def ports() -> tuple[int, int, int]:
    """The same for both starts, as with `make run`: an upstream's address is its identity."""
    return free_port(), free_port(), free_port()


@contextmanager
def running(folder, ports) -> Iterator[tuple[str, subprocess.Popen]]:
    """The command behind `make run`, with ports of its own and its files in `folder`."""
    port, gitlab, google = map(str, ports)
    argv = [sys.executable, "-m", "services", "run", "--demo", "--port", port, "--gitlab-port", gitlab]
    with (folder / "run.log").open("a") as log:
        process = subprocess.Popen(
            [*argv, "--google-port", google, "--config", str(folder / "throughline.toml"),
             "--store", str(folder / "throughline.sqlite3")],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def ask(url: str, view: str) -> dict:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{view}", timeout=10) as answer:
            return json.load(answer)["data"]
    except (OSError, ValueError):
        return {}


def children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def test_the_demo_fills_the_screen_lives_on_and_leaves_nothing_behind(tmp_path, ports, tab):
    with running(tmp_path, ports) as (url, process):
        wait_until(lambda: bool(ask(url, "today").get("changed")), 120, "nothing on Today")
        early = tab(url).open()
        assert early.exceptions() == []
        assert re.search(r"first fill|\d+ needs? somebody|Not known whether", early.text())
        assert "Nothing needs anybody" not in early.text(), "the demo team always has open problems"
        wait_until(lambda: filled(url), 240, "the first fill did not end")
        assert re.search(r"\d+ need somebody", tab(url).open().text())
        first = {run["id"] for run in ask(url, "pipelines?window=24h").get("runs", [])}
        assert first
        started = children(process.pid)
        assert len(started) >= 3, "upstreams, collector and web server"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 15
        wait_until(lambda: not any(map(is_there, started)), 10, "something was left behind")
    with running(tmp_path, ports) as (url, process):
        wait_until(lambda: bool(ask(url, "today").get("changed")), 60, "the second start shows nothing")
        again = {run["id"] for run in ask(url, "pipelines?window=24h&limit=1000").get("runs", [])}
        assert first & again, "it goes on from the store"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def filled(url: str) -> bool:
    streams = ask(url, "sources").get("streams", [])
    return len(streams) > 40 and all(row["filled_at"] or row["status"] == "off" for row in streams)
