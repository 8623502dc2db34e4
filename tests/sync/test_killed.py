"""A collector that is killed at any moment of a fill loses nothing, doubles nothing, and goes on where it was."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text

from services.config_file import Loaded, parse
from services.secrets import Secrets
from services.store import schema
from services.store.database import open_store
from services.sync import Collector
from services.timestamps import utc_now
from tests.emulators.gitlab_builders import TOKEN, a_job, a_merge_request, a_pipeline, a_small_gitlab, at, serving

KILLS = 50
PIPELINES = 120


def a_larger_gitlab():
    """The small GitLab with enough pipelines, jobs and requests that a fill takes many batches."""
    upstreams = a_small_gitlab()
    data = upstreams.gitlab
    for number in range(PIPELINES):
        moment = at(200 + 60 * number)
        status = random.Random(number).choice(["success", "failed", "canceled"])
        data.items(1, "pipelines").append(
            a_pipeline(3000 + number, created_at=moment, updated_at=moment, status=status)
        )
        for job in range(3):
            data.items(1, "jobs").append(a_job(9000 + 10 * number + job, f"job-{job}", pipeline=3000 + number))
        data.items(1, "merge_requests").append(a_merge_request(10 + number, created_at=moment, updated_at=moment))
    return upstreams


def collector(url: str, file: Path) -> Collector:
    source = {"kind": "gitlab", "name": "gitlab", "url": url, "token": {"env": "T"}, "groups": ["shop"]}
    config = parse({
        "team": {"name": "Shop"}, "history": "all", "source": [source | {"calls_per_minute": 100_000}],
    })  # fmt: skip
    loaded = Loaded(config, file, Secrets(file.parent, {"T": TOKEN}))
    return Collector(loaded, open_store(file))


def fill(url: str, file: Path) -> None:
    collector(url, file).once()


def contents(file: Path) -> dict[str, list]:
    """Everything that came from the upstream, without our own keys and times."""
    store = open_store(file)
    found = {}
    with store.read() as conn:
        for table in (schema.project, schema.run, schema.step, schema.change, schema.version, schema.deployment):
            columns = [
                column for column in (table.c.kind, table.c.native_id, table.c.get("state")) if column is not None
            ]
            found[table.name] = sorted(tuple(map(str, row)) for row in conn.execute(select(*columns)))
        found["event"] = sorted(conn.execute(select(schema.event.c.dedupe)).scalars())
        found["work"] = conn.execute(select(schema.work)).all()
        found["integrity"] = [conn.execute(text("PRAGMA integrity_check")).scalar_one()]
    store.close()
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_collector_killed_at_fifty_random_moments_of_a_fill_loses_and_doubles_nothing(tmp_path):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["services.sync", "tests.sync.test_killed"])
    chance = random.Random(20261124)
    whole, broken = tmp_path / "whole.sqlite3", tmp_path / "broken.sqlite3"
    for file in (whole, broken):
        store = open_store(file)
        store.migrate(utc_now())
        store.close()
    with serving(a_larger_gitlab(), requests_per_minute=1_000_000) as (url, _):
        began = time.monotonic()
        fill(url, whole)
        longest = time.monotonic() - began
        kills = 0
        for _ in range(KILLS):
            process = processes.Process(target=fill, args=(url, broken))
            process.start()
            process.join(chance.uniform(0.05, longest))
            if process.is_alive():
                process.kill()
                kills += 1
            process.join()
            process.close()
        fill(url, broken)
    assert kills >= KILLS / 3, "the kills must fall into the fill"
    assert contents(broken) == contents(whole)
