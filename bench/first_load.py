"""How long the first load of a page takes in a real browser with an empty cache, and how much comes over the line."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench.server import serving
from ui.navigation import PAGES

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
READY = (
    "() => { const app = document.querySelector('[data-testid=stApp]');"
    " return app && app.dataset.testScriptState === 'notRunning'"
    " && document.querySelector('[data-testid=stMain]') !== null"
    " && (document.querySelector('.tl-health') !== null || EMPTY)"
    " && !document.querySelector('[data-testid=stSkeleton]'); }"
)


@dataclass(frozen=True)
class Loaded:
    """One first load: seconds until it was painted, and megabytes as sent."""

    page: str
    seconds: float
    megabytes: float


def measure(config: Path, store_url: str) -> list[Loaded]:
    """The empty page first, then each of ours; every one in a browser context that has nothing cached."""
    with (
        serving("bench/empty_shell.py") as empty,
        serving("app.py", config, store_url) as full,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        _load(browser, full, "", "warm", empty=False)
        found = [_load(browser, empty, "", "empty page", empty=True)]
        found += [_load(browser, full, entry.path, entry.title, empty=False) for entry in PAGES]
        browser.close()
        return found


def _load(browser: Browser, base: str, path: str, name: str, *, empty: bool) -> Loaded:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    received = [0]
    wire.on("Network.loadingFinished", lambda event: received.__setitem__(0, received[0] + event["encodedDataLength"]))
    wire.on(
        "Network.webSocketFrameReceived",
        lambda event: received.__setitem__(0, received[0] + len(event["response"]["payloadData"])),
    )
    began = time.perf_counter()
    page.goto(f"{base}/{path}")
    page.wait_for_function(READY.replace("EMPTY", "true" if empty else "false"))
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    took = time.perf_counter() - began
    context.close()
    return Loaded(name, took, received[0] / 1e6)


def report(found: list[Loaded]) -> None:
    """Print the loads beside the empty page's."""
    print("\nFirst load in the browser, nothing cached")
    print(f"{'page':<16}{'s':>8}{'ratio':>8}{'MB':>8}")
    for one in found:
        print(f"{one.page:<16}{one.seconds:>8.2f}{one.seconds / found[0].seconds:>8.2f}{one.megabytes:>8.2f}")
