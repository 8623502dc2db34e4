"""`python -m emulators` as a person meets it: it serves, says how to reach it, remembers its story, and stops."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from emulators.__main__ import main
from services.config_file import load

ROOT = Path(__file__).parents[2]


class Running:
    """The command in a process of its own."""

    def __init__(self, folder, *arguments):
        self.config = folder / "throughline.toml"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "emulators",
                "--state-dir",
                str(folder),
                "--config-out",
                str(self.config),
                *arguments,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self):
        deadline = time.monotonic() + 60
        while not self.config.exists():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def stop(self, signum):
        self.process.send_signal(signum)
        self.process.communicate(timeout=30)
        return self.process.returncode


def test_it_serves_writes_a_configuration_that_the_product_takes_and_stops_at_once(tmp_path):
    with Running(tmp_path) as running:
        config = load(running.config).config
        gitlab = next(source for source in config.source if source.kind == "gitlab")
        token = Path(gitlab.token.file).read_text().strip()
        answer = httpx.get(f"{gitlab.url}/api/v4/projects/41050", headers={"PRIVATE-TOKEN": token})
        google = next(source for source in config.source if source.kind == "vertex")
        schedules = httpx.get(f"{google.api_endpoint}/v1/projects/acme-ml-prod/locations/europe-west4/schedules")
        code = running.stop(signal.SIGTERM)
    assert answer.json()["path_with_namespace"] == "acme-ml/churn/serving-api"
    assert len(schedules.json()["schedules"]) == 5
    assert code == 0
    assert {source.kind for source in config.source} == {"gitlab", "terraform", "vertex", "bigquery"}


def test_the_token_is_in_a_file_of_ones_own_and_never_in_the_configuration(tmp_path):
    with Running(tmp_path) as running:
        token = tmp_path / "gitlab-token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        text = running.config.read_text()
        assert token.read_text().strip() not in text
        assert tomllib.loads(text)["source"][0]["token"] == {"file": str(token)}


def test_local_states_are_laid_into_the_state_folder(tmp_path):
    with Running(tmp_path):
        names = sorted(path.name for path in (tmp_path / "terraform").iterdir())
        state = json.loads((tmp_path / "terraform" / "churn-sandbox.tfstate").read_text())
    assert names == ["churn-sandbox.plan.json", "churn-sandbox.tfstate"]
    assert state["version"] == 4


def test_the_next_run_tells_the_same_story_on(tmp_path):
    epoch = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0).isoformat()
    with Running(tmp_path, "--seed", "11", "--epoch", epoch):
        first = (tmp_path / "epoch.json").read_text()
    (tmp_path / "throughline.toml").unlink()
    with Running(tmp_path) as running:
        assert (tmp_path / "epoch.json").read_text() == first
        assert json.loads(first) == {"seed": 11, "epoch": epoch}
        assert running.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--epoch", "yesterday"], "is no ISO time"),
        (["--epoch", "2026-01-05T08:00:00"], "has no zone"),
        (["--epoch", "2999-01-01T00:00:00Z"], "is in the future"),
        (["--speed", "0"], "must be above 0"),
        (["--speed", "-3"], "must be above 0"),
        (["--speed", "nan"], "must be above 0"),
        (["--fleet", "many"], "must be two numbers above 0"),
        (["--fleet", "0x5"], "must be two numbers above 0"),
        (["--replay", "/nowhere/at/all"], "there is no folder"),
        (["--gitlab-port", "70000"], "must be a port"),
        (["--replay", str(ROOT), "--fleet", "2x2"], "exclude each other"),
    ],
)
def test_input_that_cannot_be_used_is_answered_with_a_sentence_and_exit_code_2(arguments, says, tmp_path, capsys):
    assert main(["--state-dir", str(tmp_path), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_an_argument_that_does_not_exist_ends_with_exit_code_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--pace", "3"])
    assert ended.value.code == 2
    assert "--pace" in capsys.readouterr().err


def test_another_story_is_not_told_over_the_one_in_the_folder(tmp_path, capsys):
    (tmp_path / "epoch.json").write_text(json.dumps({"seed": 7, "epoch": "2026-01-05T08:00:00+00:00"}))
    assert main(["--state-dir", str(tmp_path), "--seed", "8"]) == 2
    assert "holds the story of seed 7" in capsys.readouterr().err


def test_a_story_file_that_is_broken_is_named(tmp_path, capsys):
    (tmp_path / "epoch.json").write_text("{")
    assert main(["--state-dir", str(tmp_path)]) == 2
    assert "epoch.json cannot be read" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--state-dir", str(tmp_path / "file" / "below")]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_port_in_use_is_named(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--state-dir", str(tmp_path), "--gitlab-port", str(port)]) == 2
    assert f"127.0.0.1:{port} cannot be used" in capsys.readouterr().err
    assert (tmp_path / "epoch.json").exists()


def test_a_replay_is_served_with_a_configuration_of_its_own(tmp_path):
    recorded = tmp_path / "recorded"
    (recorded / "gitlab" / "projects" / "7").mkdir(parents=True)
    (recorded / "gitlab" / "projects.json").write_text(json.dumps([{"id": 7, "path_with_namespace": "team/app"}]))
    (recorded / "terraform").mkdir()
    (recorded / "terraform" / "prod.tfstate").write_text(json.dumps({"version": 4, "serial": 3}))
    with Running(tmp_path / "state", "--replay", str(recorded)) as running:
        config = load(running.config).config
    assert config.history == "all"
    assert {source.kind for source in config.source} == {"gitlab", "terraform"}
    assert next(source for source in config.source if source.kind == "gitlab").groups == ("team",)


def test_a_replay_that_cannot_be_read_is_named_with_its_mend(tmp_path, capsys):
    (tmp_path / "recorded" / "gitlab").mkdir(parents=True)
    (tmp_path / "recorded" / "gitlab" / "projects.json").write_text("[")
    assert main(["--state-dir", str(tmp_path / "state"), "--replay", str(tmp_path / "recorded")]) == 2
    assert "projects.json" in capsys.readouterr().err


def test_a_generated_fleet_is_served_by_its_size(tmp_path):
    with Running(tmp_path, "--fleet", "3×2") as running:
        source = load(running.config).config.source[0]
        token = Path(source.token.file).read_text().strip()
        group = source.groups[0]
        answer = httpx.get(
            f"{source.url}/api/v4/groups/{group}/projects",
            params={"include_subgroups": "true"},
            headers={"PRIVATE-TOKEN": token},
        )
    assert len(answer.json()) == 3
