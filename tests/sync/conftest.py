"""A small team whose collector reads into a store of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.store.database import Store
from tests.emulators.gitlab_builders import a_small_gitlab
from tests.store.conftest import (
    migrated_database,
    migrated_file,
    postgres_store,
    postgres_url,
    sqlite_store,
    store,
)
from tests.sync.local import Team, team

__all__ = ["migrated_database", "migrated_file", "postgres_store", "postgres_url", "sqlite_store", "store"]


@pytest.fixture
def shop(sqlite_store: Store, tmp_path: Path) -> Iterator[Team]:
    with team(a_small_gitlab(), sqlite_store, tmp_path) as made:
        yield made
