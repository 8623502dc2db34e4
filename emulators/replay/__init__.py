"""Recorded payloads as local upstreams: reads a folder, and makes up the parents that were not recorded."""

from __future__ import annotations

from pathlib import Path

from emulators.clock import Clock
from emulators.data import Upstreams
from emulators.replay.files import BadReplay, entries, read_json
from emulators.replay.gitlab import load_gitlab
from emulators.replay.tables import load_tables
from emulators.replay.vertex import load_vertex

__all__ = ["BadReplay", "load"]

PARTS = ("gitlab", "terraform", "vertex", "bigquery", "airflow")


def load(directory: Path, clock: Clock) -> Upstreams:
    """The upstreams that the folder describes (`emulators/REPLAY.md`); nothing in them moves.

    Raises BadReplay, whose text names the file, the fault and the mend.
    """
    if not directory.is_dir():
        raise BadReplay(directory, "is no folder", "give the folder that holds gitlab/, terraform/ and the like")
    found = entries(directory)
    unknown = [path for path in found if path.name not in PARTS and path.suffix not in (".md", ".txt")]
    if unknown:
        raise BadReplay(unknown[0], "is not known to a replay", f"the folders are {', '.join(PARTS)}")
    if not any(path.name in PARTS for path in found):
        raise BadReplay(directory, "holds nothing to replay", f"it needs at least one of {', '.join(PARTS)}")
    upstreams = Upstreams(clock=clock)
    if (directory / "gitlab").exists():
        load_gitlab(directory / "gitlab", upstreams.gitlab)
    if (directory / "terraform").exists():
        upstreams.files = _terraform(directory / "terraform")
    if (directory / "vertex").exists():
        load_vertex(directory / "vertex", upstreams.vertex)
    if (directory / "bigquery").exists():
        load_tables(directory / "bigquery", upstreams.bigquery)
    if (directory / "airflow").exists():
        upstreams.airflow = _airflow(directory / "airflow")
    return upstreams


def _terraform(folder: Path) -> dict[str, bytes]:
    """States and plans byte for byte: even a broken one is served, since a broken one is what may be looked into."""
    files = {}
    for path in entries(folder):
        if path.is_dir() or not path.name.endswith((".tfstate", ".plan.json")):
            raise BadReplay(path, "is neither a state nor a plan", "name it NAME.tfstate or NAME.plan.json")
        files[path.name] = path.read_bytes()
    return files


def _airflow(folder: Path) -> dict[str, object]:
    """Answers by `v1/ENDPOINT` or `v2/ENDPOINT`, as they are."""
    answers = {}
    for version in entries(folder):
        if version.name not in ("v1", "v2"):
            raise BadReplay(version, "is no version of Airflow's API", "put answers into airflow/v1 or airflow/v2")
        for path in entries(version):
            answers[f"{version.name}/{path.stem}"] = read_json(path)
    return answers
