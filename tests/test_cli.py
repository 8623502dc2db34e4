"""The command line: what it prints, and with which code it ends, for people and for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from emulators.http import Fault
from services import cli, places
from services.queries import discover
from services.store.database import open_store
from services.timestamps import utc_now
from tests.demo import ROOT
from tests.emulators.gitlab_builders import TOKEN, a_small_gitlab, serving

CONFIG = """
[team]
name = "Shop"

[[source]]
kind = "gitlab"
name = "gitlab"
url = "{url}"
token = {{ env = "SHOP_TOKEN" }}
groups = ["shop"]
"""


def port_in_use() -> int:
    """The port that the local GitLab of the fixture listens on."""
    found = tomllib.loads(Path(os.environ[places.CONFIG_VARIABLE]).read_text())
    return int(found["source"][0]["url"].rsplit(":", 1)[1])


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A configuration that points at a small local GitLab, and the controls of that."""
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setenv(places.CONFIG_VARIABLE, str(tmp_path / "throughline.toml"))
    monkeypatch.setenv(places.STORE_VARIABLE, str(tmp_path / "store.sqlite3"))
    with serving(a_small_gitlab()) as (url, controls):
        (tmp_path / "throughline.toml").write_text(CONFIG.format(url=url))
        yield controls


def test_one_sweep_fills_the_store_and_every_view_can_be_shown(shop, capsys):
    assert cli.main(["sync", "--once"]) == cli.FINE
    capsys.readouterr()
    for view in discover():
        assert cli.main(["show", view, "--since", "60d"]) == cli.FINE
        envelope = json.loads(capsys.readouterr().out)
        assert set(envelope) == {"view", "as_of", "window", "sources", "truncated", "data"}
        assert cli.main(["show", view, "--md", "--since", "60d"]) == cli.FINE
        assert capsys.readouterr().out.startswith(f"# {view}")


def test_check_is_content_where_everything_can_be_read(shop, capsys):
    assert cli.main(["check"]) == cli.FINE
    assert "LACKS" not in capsys.readouterr().out


def test_check_names_what_is_missing_and_how_to_get_it(shop, capsys, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "wrong")
    assert cli.main(["check", "--json"]) == cli.NO
    found = json.loads(capsys.readouterr().out)
    assert {result["ok"] for result in found} == {False}
    assert all("read_api" in (result["mend"] or "") for result in found)


def test_check_tells_of_a_project_that_the_last_sweep_could_not_read(shop, capsys):
    shop.faults.add(Fault(path="/projects/1/environments", status=403, body=b'{"message": "403 Forbidden"}'))
    cli.main(["sync", "--once"])
    shop.faults.clear()
    capsys.readouterr()
    assert cli.main(["check"]) == cli.NO
    assert "LACKS  gitlab / shop/churn / environments" in capsys.readouterr().out


def test_check_says_which_secret_is_not_there(shop, capsys, monkeypatch):
    monkeypatch.delenv("SHOP_TOKEN")
    assert cli.main(["check"]) == cli.NO
    assert "SHOP_TOKEN" in capsys.readouterr().out


def test_a_sweep_that_could_not_even_connect_is_no_success(shop, capsys, monkeypatch):
    monkeypatch.delenv("SHOP_TOKEN")
    assert cli.main(["sync", "--once"]) == cli.NO
    assert "SHOP_TOKEN" in capsys.readouterr().err


def test_the_demo_never_overwrites_a_configuration_of_ones_own(shop, capsys, tmp_path):
    before = (tmp_path / "throughline.toml").read_text()
    assert cli.main(["run", "--demo"]) == cli.BAD_INPUT
    assert "overwrite" in capsys.readouterr().err
    assert (tmp_path / "throughline.toml").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["show", "today", "--config", "absent.toml"], "does not exist", id="no configuration"),
        pytest.param(["show", "today", "--product", "nope"], "product", id="no such product"),
        pytest.param(["show", "today", "--since", "yesterday"], "since", id="no time"),
        pytest.param(["sync", "--once", "--source", "nope"], "known: gitlab", id="no such source"),
        pytest.param(["restore", "absent.zip"], "absent.zip", id="no backup"),
    ],
)
def test_bad_input_is_named_and_ends_with_2(shop, capsys, arguments, says):
    assert cli.main(arguments) == cli.BAD_INPUT
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["show", "nothing"], ["nothing"], ["run", "--only", "half"], []])
def test_a_command_that_does_not_exist_ends_with_2(shop, arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == cli.BAD_INPUT


@pytest.mark.parametrize("arguments", [["show", "today"], ["rebuild", "links"], ["backup", "b.zip"]])
def test_a_store_that_holds_nothing_yet_ends_with_3(shop, capsys, arguments):
    assert cli.main(arguments) == cli.NO_STORE
    assert "sync --once" in capsys.readouterr().err


def test_a_store_that_cannot_be_reached_ends_with_3(shop, capsys):
    assert cli.main(["show", "today", "--store", "postgresql://throughline:hidden@127.0.0.1:9/none"]) == cli.NO_STORE
    assert "hidden" not in capsys.readouterr().err


def test_the_configuration_may_stand_before_or_after_the_command(shop, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(places.CONFIG_VARIABLE)
    file = str(tmp_path / "throughline.toml")
    assert cli.main(["--config", file, "check"]) == cli.FINE
    assert cli.main(["check", "--config", file]) == cli.FINE


def test_a_backup_comes_back_into_an_empty_store(shop, tmp_path, capsys):
    cli.main(["sync", "--once"])
    assert cli.main(["backup", str(tmp_path / "b.zip")]) == cli.FINE
    assert cli.main(["backup", str(tmp_path / "b.zip")]) == cli.BAD_INPUT, "a backup is not overwritten"
    other = str(tmp_path / "other.sqlite3")
    assert cli.main(["restore", str(tmp_path / "b.zip"), "--store", other]) == cli.FINE
    capsys.readouterr()
    shown = []
    for store in (str(tmp_path / "store.sqlite3"), other):
        cli.main(["show", "pipelines", "--since", "60d", "--store", store])
        shown.append(json.loads(capsys.readouterr().out)["data"])
    assert shown[0] == shown[1]


@pytest.mark.parametrize("what", ["links", "products", "problems", "rollups"])
def test_what_follows_from_rows_can_be_made_anew(shop, capsys, what):
    cli.main(["sync", "--once"])
    assert cli.main(["rebuild", what]) == cli.FINE


def test_a_taken_port_is_named_before_anything_starts(shop, capsys):
    port = port_in_use()
    assert cli.main(["run", "--only", "web", "--port", str(port)]) == cli.BAD_INPUT
    assert f"port {port} is in use" in capsys.readouterr().err


def test_run_without_a_configuration_points_to_the_demo(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv(places.CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run"]) == cli.BAD_INPUT
    assert "--demo" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(shop, tmp_path):
    store = open_store(os.environ[places.STORE_VARIABLE])
    store.migrate(utc_now())
    store.close()
    shown = subprocess.Popen(
        [sys.executable, "-m", "services", "show", "sources"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    shown.stdout.close()
    assert shown.wait(60) in (cli.FINE, 120)
    assert b"Traceback" not in shown.stderr.read()
    shown.stderr.close()
