"""A fresh store for each test of a query."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.store.database import Store, open_store
from tests.builders import NOW


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store with its tables."""
    opened = open_store(tmp_path / "store.sqlite3")
    opened.migrate(NOW)
    yield opened
    opened.close()
