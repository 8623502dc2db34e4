"""Runs pages as a visitor's browser would, over a store and a configuration of the test's own, at a fixed time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.store.database import Store, open_store
from tests.builders import NOW

ROOT = Path(__file__).parents[2]
CONFIG = """
[team]
name = "Forecasting team"
time_zone = "Europe/Berlin"
[[source]]
kind = "gitlab"
name = "gitlab"
url = "https://gitlab.example"
token = { env = "TOKEN" }
groups = ["acme"]
[[product]]
name = "demand-forecast"
projects = ["acme/*"]
"""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration that the pages read."""
    path = tmp_path / "throughline.toml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("THROUGHLINE_CONFIG", str(path))
    monkeypatch.setattr("ui.runtime.clock", lambda: NOW)
    return path


@pytest.fixture
def store(tmp_path: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the pages read: empty, with its tables."""
    path = tmp_path / "store.sqlite3"
    monkeypatch.setenv("THROUGHLINE_STORE", str(path))
    opened = open_store(path)
    opened.migrate(NOW)
    yield opened
    opened.close()


@pytest.fixture
def visit() -> Callable[..., AppTest]:
    """visit("board", env="prod"): the page in its frame, as a first visit by that link shows it."""

    def go(name: str = "today", /, **parameters: str) -> AppTest:
        app = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=30)
        for parameter, value in parameters.items():
            app.query_params[parameter] = value
        return app.switch_page(f"../pages/{name}.py").run()

    return go


def shown(app: AppTest) -> str:
    """All markup on the page."""
    assert not app.exception, app.exception
    return "\n".join(element.value for element in app.markdown)
