"""A migrated store of either kind, and the time at which the tests play."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.store.database import Store, open_store
from tests.postgres import drop_database, new_database, postgres_url
from tests.store.builders import NOW

__all__ = ["postgres_url"]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "migrated.sqlite3"
    store = open_store(path)
    store.migrate(NOW)
    store.checkpoint()
    store.close()
    return path


@pytest.fixture(scope="session")
def migrated_database(postgres_url: str) -> tuple[str, str]:
    """(server's URL, name of a migrated database to copy)."""
    url = new_database(postgres_url)
    store = open_store(url)
    store.migrate(NOW)
    store.close()
    return postgres_url, str(sa.make_url(url).database)


@pytest.fixture
def sqlite_store(migrated_file: Path, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "throughline.sqlite3"
    shutil.copy(migrated_file, path)
    store = open_store(path)
    yield store
    store.close()


@pytest.fixture
def postgres_store(migrated_database: tuple[str, str]) -> Iterator[Store]:
    url = new_database(*migrated_database)
    store = open_store(url)
    yield store
    store.close()
    drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
