"""How fast records become rows in a store, change detection and read models included.

python -m bench.writing STORE        (a store that `bench.generate` filled; it is added to)
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from services.records import Ref, Run, Step
from services.store import rollups, writer
from services.store.database import Store, open_store
from services.vocabulary import RunState

BATCHES, BATCH = 10, 1_000


def batch(number: int, state: RunState, now: datetime) -> list[Run | Step]:
    """A thousand jobs of two hundred pipelines in fifty projects, of the last hours."""
    found: list[Run | Step] = []
    for run in range(BATCH // 5):
        key, created = f"w{number}-{run}", now - timedelta(minutes=number * 60 + run % 60)
        place = run % 50 + 1
        name = f"ml/product-{(place - 1) // 10:02d}/service-{place:03d}"
        found.append(
            Run(native_id=key, kind="pipeline", project=Ref("project", str(place)), name=name, state=state,
                state_raw=str(state), ref="main", created_at=created, updated_at=now, final=True)
        )  # fmt: skip
        found += [
            Step(native_id=f"{key}-{job}", kind="job", run=Ref("pipeline", key), name=f"job-{job}", state=state,
                 state_raw=str(state), created_at=created, started_at=created, duration_seconds=61.5,
                 queued_seconds=1.0, web_url=f"https://gitlab.example.com/{name}/-/jobs/{job}", final=True)
            for job in range(5)
        ]  # fmt: skip
    return found


def measure(store: Store, now: datetime) -> list[tuple[str, float, float]]:
    """(what, jobs a second, of which seconds in read models) for new, unchanged and changed jobs."""
    found = []
    for what, state in (("new", RunState.RUNNING), ("unchanged", RunState.RUNNING), ("changed", RunState.SUCCEEDED)):
        began, models = time.perf_counter(), 0.0
        for number in range(BATCHES):
            with store.write() as connection:
                source = writer.source_key(connection, "gitlab", "gitlab.example.com", "gitlab", now)
                touched = writer.apply(connection, source, batch(number, state, now), now)
                middle = time.perf_counter()
                rollups.refresh(connection, touched, now)
                models += time.perf_counter() - middle
        store.checkpoint()
        found.append((what, BATCHES * BATCH / (time.perf_counter() - began), models))
    return found


def main() -> int:
    """Measure the store that is named on the command line."""
    now = datetime.now(UTC)
    store = open_store(sys.argv[1])
    store.migrate(now)
    for what, rate, models in measure(store, now):
        sys.stdout.write(f"{what:>10}: {rate:>8,.0f} jobs/s, {models:.2f} s of it in read models\n")
    store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
