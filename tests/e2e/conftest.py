"""Chromium, the checker that runs in its pages, and a server on the demo team's store."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.demo import Demo
from tests.e2e.browser import ARGUMENTS, CHROMIUM, DESK, Tab, serving

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"there is no {CHROMIUM}; install Debian's chromium, or name another by CHROMIUM")
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, installed from its lock file where it is not there yet."""
    script = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True)
    return script.read_text()


@pytest.fixture(scope="session")
def server(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that only look."""
    with serving(demo.config, demo.copy(tmp_path_factory.mktemp("server"))) as url:
        yield url


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser context of its own that is closed at the end."""
    contexts = []

    def make(base: str, **options) -> Tab:
        context = browser.new_context(reduced_motion="reduce", locale="en-GB", **(DESK | options))
        contexts.append(context)
        return Tab(context.new_page(), base)

    yield make
    for context in contexts:
        context.close()
