"""What deriving costs beside writing: a batch of five hundred rows, and the sweep over two hundred projects."""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from services import derive
from services.records import Ref, Run, Step
from services.store import rollups, writer
from services.store.database import open_store
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    a_config,
    a_deployment,
    a_plan,
    a_project,
    a_run,
    a_source,
    a_version,
    a_workspace,
    ago,
    an_environment,
)

PROJECTS = 200
LIMIT = 4.0
"""Deriving a batch, and a sweep, may take at most so many times what writing the batch takes, in the same run."""
JOBS = ("build", "lint", "pytest", "scan", "publish", "deploy", "smoke", "notify")


def a_team_of_many(conn) -> int:
    source = a_source(conn)
    projects = [a_project(str(key), f"acme/group{key % 20}/repo{key}") for key in range(PROJECTS)]
    runs = [
        a_run(
            str(key), RunState.FAILED if key % 9 == 0 else RunState.SUCCEEDED, sha=f"{key:040x}",
            project=Ref("project", str(key % PROJECTS)), created_at=ago(minutes=key), finished_at=ago(minutes=key - 1),
        )
        for key in range(6000)
    ]  # fmt: skip
    commits = [a_version(f"{key:040x}", project=Ref("project", str(key % PROJECTS))) for key in range(6000)]
    places = [an_environment(name, Ref("project", str(key)), tier="production")
              for key in range(PROJECTS) for name in ("prod", "qa")]  # fmt: skip
    ships = [a_deployment(str(key), project=Ref("project", str(key % PROJECTS)), created_at=ago(minutes=key),
                          run=Ref("pipeline", str(key))) for key in range(2000)]  # fmt: skip
    states = [a_workspace(f"repo{key}-{place}", place, native_id=f"{key}/{place}", project=Ref("project", str(key)))
              for key in range(PROJECTS) for place in ("dev", "qa", "prod")]  # fmt: skip
    plans = [a_plan(state.native_id, native_id=f"{state.native_id}-{day}", checked_at=ago(days=day))
             for state in states for day in range(3)]  # fmt: skip
    for some in (projects, commits, runs, places, ships, states, plans):
        for start in range(0, len(some), 1000):
            touched = writer.apply(conn, source, some[start : start + 1000], NOW)
            rollups.refresh(conn, touched, NOW)
            derive.refresh(conn, touched, a_config(), NOW, first_fill=True)
    return source


def measure() -> dict[str, float]:
    """Median processor seconds of writing a batch, of deriving from it, and of a sweep."""
    config, took = a_config(), {"write": [], "derive": [], "sweep": []}
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store.sqlite3")
        store.migrate(NOW)
        with store.write() as conn:
            source = a_team_of_many(conn)
            for number in range(5):
                marks = [time.process_time()]
                touched = writer.apply(conn, source, batch(number), NOW)
                marks.append(time.process_time())
                derive.refresh(conn, touched, config, NOW, first_fill=False)
                marks.append(time.process_time())
                derive.sweep(conn, config, NOW + timedelta(minutes=1 + number))
                marks.append(time.process_time())
                for name, began, ended in zip(took, marks, marks[1:], strict=False):
                    took[name].append(ended - began)
        store.close()
    return {name: statistics.median(times) for name, times in took.items()}


def batch(number: int) -> list[Run | Step]:
    """Five hundred rows: pipelines of sixty projects, and their jobs."""
    runs = [a_run(str(100_000 + number * 100 + key), project=Ref("project", str(key)), sha=f"{key:040x}",
                  created_at=ago(seconds=100 - number)) for key in range(60)]  # fmt: skip
    steps = [Step(native_id=f"{number}-{key}", kind="job", name=JOBS[key % 8], state=RunState.SUCCEEDED,
                  state_raw="success", run=Ref("pipeline", str(100_000 + number * 100 + key % 60)))
             for key in range(440)]  # fmt: skip
    return [*runs, *steps]


def report(took: dict[str, float]) -> bool:
    """Print the ratios; True where both keep the limit."""
    print("\nDeriving, as a ratio to writing the same 500 rows")
    for name in ("derive", "sweep"):
        print(f"{name:<8}{took[name] * 1000:>8.0f} ms{took[name] / took['write']:>8.2f} (limit {LIMIT:.0f})")
    return all(took[name] <= LIMIT * took["write"] for name in ("derive", "sweep"))
