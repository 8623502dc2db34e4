"""Recorded payloads laid in a folder, served by the real command, collected by the real collector, asked by `show`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services import cli

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 90.0
csv.field_size_limit(10**8)


def lay(folder: Path, path: str, content: Any) -> None:
    """Write one file of a replay folder as JSON."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content), encoding="utf-8")


def raw_objects(table: Path) -> list[dict[str, Any]]:
    """The objects in the column `data` of a table of raw answers."""
    with table.open(encoding="utf-8", newline="") as rows:
        return [json.loads(row["data"]) for row in csv.DictReader(rows)]


@contextmanager
def replayed(folder: Path, home: Path) -> Iterator[Path]:
    """The configuration that points at a replay folder, while it is served."""
    config = home / "throughline.toml"
    with (home / "replay.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulators", "--replay", str(folder), "--gitlab-port", "0", "--google-port", "0",
             "--state-dir", str(home / "state"), "--config-out", str(config)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            until = time.monotonic() + READY_WITHIN
            while not config.exists():
                assert process.poll() is None, (home / "replay.log").read_text()
                assert time.monotonic() < until, "the replay was not ready in time"
                time.sleep(0.1)
            yield config
        finally:
            process.terminate()
            process.wait(20)


def collected(config: Path, home: Path) -> Path:
    """A store with everything that the replay holds."""
    store = home / "store.sqlite3"
    assert cli.main(["sync", "--once", "--config", str(config), "--store", str(store)]) == cli.FINE
    return store


def show(capsys: Any, config: Path, store: Path, view: str, *options: str) -> dict[str, Any]:
    """The envelope that the command line prints."""
    capsys.readouterr()
    assert cli.main(["show", view, "--json", "--config", str(config), "--store", str(store), *options]) == cli.FINE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def tally(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    """How often each value occurs."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[name]] = counts.get(row[name], 0) + 1
    return counts
