"""A real browser on a real server: opens pages as a person does, and knows when a run of the script has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.demo import ROOT, free_port

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--font-render-hinting=none",
]  # fmt: skip
DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
CALM = "[data-testid=stElementContainer][data-stale=true],[data-testid=stSkeleton],[data-testid=stSpinner]"
READY = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'


@contextmanager
def serving(config: Path, store: Path, command: list[str] | None = None, **env: str) -> Iterator[str]:
    """The address of a fresh server; by default as `make run` starts it."""
    port = free_port()
    streamlit = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)]
    argv = [part.replace("{port}", str(port)) for part in command or [*streamlit, "--server.address", "127.0.0.1"]]
    variables = {"THROUGHLINE_CONFIG": str(config), "THROUGHLINE_STORE": str(store), "PYTHONUNBUFFERED": "1", **env}
    process = subprocess.Popen(
        argv, cwd=env.get("CWD", ROOT), env={**os.environ, **variables}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/_stcore/health"), 60, "the server did not answer")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, otherwise
        time.sleep(0.1)


class Tab:
    """One page of the product in a browser."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.finished = 0
        self.outside: list[str] = []
        """Requests to any other host than ours."""
        self.errors: list[str] = []
        """Errors of the page's own scripts."""
        page.on("websocket", lambda socket: socket.on("framereceived", self._frame))
        page.on("request", self._request)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _frame(self, payload: bytes | str) -> None:
        if isinstance(payload, bytes):
            message = ForwardMsg()
            message.ParseFromString(payload)
            self.finished += message.WhichOneof("type") == "script_finished"

    def _request(self, request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.outside.append(request.url)

    def open(self, path: str = "") -> Tab:
        before = self.finished
        self.page.goto(f"{self.base}/{path}")
        return self._settle(before + 1)

    def act(self, action: Callable[[], object]) -> Tab:
        """Do something that makes the script run, and wait until it has."""
        before = self.finished
        action()
        return self._settle(before + 1)

    def _settle(self, runs: int, seconds: float = 30) -> Tab:
        until = time.monotonic() + seconds
        while self.finished < runs:
            assert time.monotonic() < until, f"only {self.finished} of {runs} runs have finished"
            self.page.wait_for_timeout(20)
        self.page.wait_for_selector(READY, state="attached", timeout=seconds * 1000)
        self.page.wait_for_function(f"!document.querySelector('{CALM}')", timeout=seconds * 1000)
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def exceptions(self) -> list[str]:
        return self.page.locator('[data-testid="stException"]').all_inner_texts()
