"""The first deep link on a fresh server: the frame is there, and nobody gets past the sign-in."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.demo import ROOT
from tests.e2e.browser import serving

SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1/oauth2callback"
cookie_secret = "made up for this test, and nothing else"
client_id = "throughline"
client_secret = "made up for this test"
server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"
"""
UVICORN = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"]


@pytest.mark.parametrize("command", [None, UVICORN], ids=["streamlit run", "uvicorn"])
def test_a_deep_link_on_a_fresh_server_shows_the_frame(demo, tmp_path, tab, command):
    with serving(demo.config, demo.copy(tmp_path), command) as url:
        opened = tab(url).open("sources")
        assert opened.page.locator(".tl-brand").count() == 1
        assert opened.page.locator('[data-testid="stSidebarNavLink"]').first.inner_text() == "Today"
        assert "app" not in opened.page.locator('[data-testid="stSidebarNavLink"]').all_inner_texts()


@pytest.fixture
def guarded(tmp_path) -> Path:
    """A copy of the product in a folder of its own, with sign-in configured."""
    home = tmp_path / "product"
    for name in ("app.py", "pages", "ui", "services", ".streamlit"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, home / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            home.mkdir(exist_ok=True)
            shutil.copy(source, home / name)
    (home / ".streamlit" / "secrets.toml").write_text(SECRETS)
    return home


@pytest.mark.parametrize("path", ["sources", "", "pipelines", "nothing"])
def test_with_sign_in_on_a_deep_link_shows_a_sign_in_button_and_nothing_else(demo, tmp_path, guarded, tab, path):
    command = [sys.executable, "-m", "streamlit", "run", str(guarded / "app.py"), "--server.port", "{port}"]
    with serving(demo.config, demo.copy(tmp_path), command, CWD=str(guarded)) as url:
        opened = tab(url).open(path)
        assert opened.page.get_by_role("button", name="Sign in").count() == 1
        assert opened.page.locator(".tl-health, .tl-brand, main table").count() == 0
        again = tab(url).open(path)
        assert again.page.locator(".tl-health, .tl-brand, main table").count() == 0, "the second visit as well"


def test_the_trap_is_real_and_this_test_can_fail(tmp_path, tab):
    """The shell beside `pages/`: a deep link on a fresh server runs the page bare, past the gate."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "secret.py").write_text('import streamlit as st\nst.write("the body of the page")\n')
    (tmp_path / "app.py").write_text(
        'import streamlit as st\nst.write("the gate")\nst.stop()\nst.navigation([st.Page("pages/secret.py")]).run()\n'
    )
    command = [sys.executable, "-m", "streamlit", "run", str(tmp_path / "app.py"), "--server.port", "{port}"]
    nothing = tmp_path / "none"
    with serving(nothing, nothing, command, CWD=str(tmp_path), STREAMLIT_SERVER_HEADLESS="true") as url:
        assert "the body of the page" in tab(url).open("secret").text()
