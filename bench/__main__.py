"""`python -m bench [NAME …]`: all benchmarks, or those named: pages, queries, load, large, deriving, calls."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import calls, demo, deriving, first_load, large, pages, queries
from services.config_file import load
from services.store.database import open_store

NAMES = ("pages", "queries", "load", "large", "deriving", "calls")


def main(wanted: list[str]) -> int:
    """Run and print; the exit code is 1 where a limit is not kept."""
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    names = wanted or list(NAMES)
    kept = []
    if "deriving" in names:
        kept.append(deriving.report(deriving.measure()))
    if "calls" in names:
        kept.append(calls.report(calls.measure()))
    if {"pages", "queries", "load", "large"} & set(names):
        with tempfile.TemporaryDirectory() as folder, demo.collected(Path(folder)) as (config, store_url, took):
            print(f"\nFirst fill of the demo team: {took:.0f} s")
            kept += _on_the_demo(names, config, store_url)
    print("\nall limits are kept" if all(kept) else "\nsome limits are NOT kept")
    return 0 if all(kept) else 1


def _on_the_demo(names: list[str], config: Path, store_url: str) -> list[bool]:
    kept = []
    small = pages.measure(config, store_url) if {"pages", "large"} & set(names) else []
    if "pages" in names:
        kept.append(pages.report("Pages, at the demo's size", small))
    if "queries" in names:
        store = open_store(store_url)
        asked = queries.measure(store, load(config).config)
        kept.append(queries.report("Queries, at the demo's size", store.dialect, asked))
        store.close()
    if "load" in names:
        first_load.report(first_load.measure(config, store_url))
    if "large" in names:
        kept.append(large.run(small))
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
