"""Pages and queries at 200 projects and 1,000,000 jobs, beside the demo's size; queries on PostgreSQL too."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench import generate, pages, queries
from bench.fleet import Size
from bench.pages import Timed
from services.config_file import load
from services.store.database import open_store
from services.timestamps import to_millis, utc_now
from tests.postgres import running_postgres

LIMIT = 1.3
"""A page may take at most so many times what it takes at the demo's size."""
CONFIG = """
[team]
name = "A large team"

[[source]]
kind = "gitlab"
name = "gitlab"
url = "https://gitlab.example.com"
token = { env = "GITLAB_TOKEN" }
groups = ["fleet"]

[[source]]
kind = "vertex"
name = "vertex"
project = "fleet"
project_number = "1"
regions = ["europe-west4"]
"""


def run(small: list[Timed]) -> bool:
    """Generate, measure, print; True where every limit is kept."""
    with tempfile.TemporaryDirectory() as folder:
        config, file = Path(folder) / "throughline.toml", str(Path(folder) / "large.sqlite3")
        config.write_text(CONFIG)
        kept = [_queries(file, config)]
        timed = pages.measure(config, file)
        kept.append(_compare(timed, small))
        with running_postgres() as url:
            kept.append(_queries(url, config))
    return all(kept)


def _queries(store_url: str, config: Path) -> bool:
    """Fill a new store and time the queries on it."""
    store = open_store(store_url)
    store.migrate(utc_now())
    began = time.monotonic()
    rows = generate.fill(store, Size(now=to_millis(utc_now())))
    print(f"\n{sum(rows.values()):,} rows, {rows['step']:,} jobs written in {time.monotonic() - began:.0f} s")
    kept = queries.report("Queries, 200 projects", store.dialect, queries.measure(store, load(config).config))
    store.close()
    return kept


def _compare(timed: list[Timed], small: list[Timed]) -> bool:
    """Each page against the same page at the demo's size, both as ratios to the empty page of their own run."""
    before = {one.page: one for one in small}
    print("\nPages, 200 projects: against the demo's size, by their ratios to the empty page")
    kept = True
    for one in timed:
        growth = one.ratio / before[one.page].ratio
        kept = kept and growth <= LIMIT
        print(f"{one.page:<16}{one.p50:>8.1f} ms{one.ratio:>8.2f}{growth:>8.2f} times the demo's (limit {LIMIT})")
    return kept
