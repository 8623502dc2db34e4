"""What tests of all parts share: recorded payloads, stores of both kinds, and the demo team."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import Demo, living
from tests.store.conftest import (
    migrated_database,
    migrated_file,
    postgres_store,
    postgres_url,
    sqlite_store,
    store,
)

__all__ = ["migrated_database", "migrated_file", "postgres_store", "postgres_url", "sqlite_store", "store"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded payloads: THROUGHLINE_SHARED_DATA, else `shared/data` beside the checkout."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("THROUGHLINE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.fail(f"no recorded payloads at {folder}; set THROUGHLINE_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo team, collected once a session."""
    with living(tmp_path_factory.mktemp("demo")) as team:
        yield team
