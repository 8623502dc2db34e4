"""Secrets planted where real ones leak are found nowhere: not in the store, its log, ours, the pages or the exports."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from emulators.clock import SystemClock
from emulators.world import make_world, story
from services import places
from services.queries import discover
from services.web import Web, routes
from tests.demo import ROOT, Demo
from tests.emulators.gitlab_builders import TOKEN, a_pipeline, a_small_gitlab, at
from tests.sync.local import team
from ui.navigation import PAGES


@pytest.fixture(scope="module")
def needles(demo: Demo) -> dict[bytes, str]:
    """Every form of every planted secret, and of our own token -> where it was planted."""
    told = json.loads((demo.config.parent / "epoch.json").read_text())
    epoch = datetime.fromisoformat(told["epoch"])
    world = make_world(told["seed"], epoch, SystemClock())
    planted = {fact["where"]: (fact["value"], fact["core"]) for fact in story(world).planted["canary_secret"]}
    own = (demo.config.parent / "gitlab-token").read_text().strip()
    planted["our own token"] = (own, own)
    found: dict[bytes, str] = {}
    for where, (value, core) in planted.items():
        for form in (core, quote(value, safe=""), base64.b64encode(value.encode()).decode(), *halves(core)):
            found[form.encode()] = where
    return found


def halves(core: str) -> tuple[str, str]:
    middle = len(core) // 2
    return core[:middle], core[middle:]


def leaks(haystack: bytes, needles: dict[bytes, str]) -> list[str]:
    return sorted({where for needle, where in needles.items() if needle in haystack})


def test_the_secrets_are_really_there_to_be_found(demo: Demo, needles):
    states = b"".join(path.read_bytes() for path in (demo.config.parent / "terraform").rglob("*") if path.is_file())
    assert len(set(needles.values())) >= 8
    assert leaks(states, needles), "a secret that nobody planted is not hidden by anybody"


def test_nothing_is_in_the_store_or_its_journal(demo: Demo, needles):
    for path in demo.store.parent.glob(f"{demo.store.name}*"):
        assert leaks(path.read_bytes(), needles) == [], path.name


def test_nothing_is_in_the_collectors_log(demo: Demo, needles, tmp_path):
    argv = [sys.executable, "-m", "services", "sync", "--once", "--config", str(demo.config)]
    done = subprocess.run(
        [*argv, "--store", str(tmp_path / "new.sqlite3")], cwd=ROOT, capture_output=True, check=False, timeout=280
    )
    assert b"records" in done.stdout
    assert leaks(done.stdout + done.stderr, needles) == []
    assert leaks((tmp_path / "new.sqlite3").read_bytes(), needles) == []


@pytest.fixture
def asked(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    monkeypatch.setenv(places.CONFIG_VARIABLE, str(demo.config))
    monkeypatch.setenv(places.STORE_VARIABLE, str(demo.copy(tmp_path)))
    return demo


@pytest.mark.parametrize("view", sorted(discover()))
def test_nothing_is_in_an_answer_or_its_export(asked, needles, view):
    client = TestClient(Starlette(routes=routes(Web(lambda: False))))
    answer = client.get(f"/api/v1/{view}?window=90d&limit=10000")
    assert answer.status_code == 200
    assert leaks(answer.content, needles) == []
    shown = subprocess.run(
        [sys.executable, "-m", "services", "show", view, "--md", "--since", "90d"], cwd=ROOT, capture_output=True,
        check=True,
    )  # fmt: skip
    assert leaks(shown.stdout + shown.stderr, needles) == []


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.file)
def test_nothing_is_on_a_page(asked, needles, entry):
    page = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=60)
    page.query_params["window"] = "90d"
    page = page.switch_page(f"../pages/{entry.file}.py").run()
    assert not page.exception
    drawn = "".join(element.value for element in page.markdown)
    assert len(drawn) > 1000
    assert leaks(drawn.encode(), needles) == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            {"status": 500, "body": f"failed for PRIVATE-TOKEN {TOKEN}".encode()}, id="an error that echoes it"
        ),
        pytest.param(
            {"status": 403, "body": json.dumps({"message": f"token {TOKEN} is bad"}).encode()}, id="a refusal"
        ),
        pytest.param({"body": f'[{{"id": "{TOKEN}"'.encode()}, id="half an answer"),
        pytest.param(
            {"status": 302, "headers": (("location", f"http://127.0.0.1:9/?private_token={TOKEN}"),)}, id="a redirect"
        ),
    ],
)
def test_our_token_is_not_told_by_an_upstreams_error(sqlite_store, tmp_path, caplog, fault):
    with team(a_small_gitlab(), sqlite_store, tmp_path) as shop:
        shop.fault(path="/merge_requests", **fault)
        shop.sweep()
        assert shop.status("merge_requests") != "ok"
    sqlite_store.checkpoint()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite3*"))
    assert TOKEN.encode() not in held
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("form", ["plain", "base64", "url", "split"])
def test_a_secret_in_a_title_or_a_branch_name_is_taken_out_whatever_its_form(sqlite_store, tmp_path, form):
    secret = "glpat-Zx9Qw7Er5Ty3Ui1Op2As"
    shapes = {
        "plain": secret,
        "base64": base64.b64encode(secret.encode()).decode(),
        "url": "glpat%2DZx9Qw7Er5Ty3Ui1Op2As",
        "split": "glpat-Zx9Qw7Er5\\n  Ty3Ui1Op2As".replace("\\n", "\n"),
    }
    gitlab = a_small_gitlab()
    request = gitlab.gitlab.items(1, "merge_requests")[0]
    request |= {"title": f"Rotate {shapes[form]} now", "source_branch": f"fix/{shapes[form]}", "updated_at": at(1)}
    gitlab.gitlab.items(1, "pipelines").append(a_pipeline(70, ref=f"fix/{shapes[form]}", updated_at=at(1)))
    with team(gitlab, sqlite_store, tmp_path) as shop:
        shop.sweep()
    sqlite_store.checkpoint()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite3*"))
    assert b"Zx9Qw7Er5" not in held
    assert b"Ty3Ui1Op2As" not in held
    assert shapes["base64"].encode() not in held
