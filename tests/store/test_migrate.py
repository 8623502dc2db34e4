"""The migrations build what schema.py describes, keep what was there, and are run once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.store import migrate, schema
from services.store.database import Store, open_store
from tests.postgres import new_database
from tests.store.builders import NOW, a_project, put, rows


def test_the_migrations_build_the_tables_of_the_schema(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.METADATA) == []


def test_a_store_is_current_once_it_was_migrated(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new.sqlite3")
    assert not store.schema_is_current()
    store.migrate(NOW)
    assert store.schema_is_current()
    store.close()


def test_migrating_again_changes_nothing(store: Store) -> None:
    put(store, a_project())
    before = store.version()
    store.migrate(NOW)
    assert store.version() == before
    assert len(rows(store, schema.project)) == 1


def test_a_file_that_holds_something_is_copied_before_it_is_migrated(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(sqlite_store, a_project())
    scripts = _scripts_with_one_more(tmp_path)
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    migrate.head.cache_clear()
    assert not sqlite_store.schema_is_current()
    sqlite_store.migrate(NOW)
    assert sqlite_store.schema_is_current()
    (copy,) = sqlite_store.path.parent.glob("*.before-*")
    kept = open_store(copy)
    assert len(rows(kept, schema.project)) == 1
    with sqlite_store.read() as connection:
        assert "colour" in {column["name"] for column in sa.inspect(connection).get_columns("project")}
    with kept.read() as connection:
        assert "colour" not in {column["name"] for column in sa.inspect(connection).get_columns("project")}
    kept.close()


@pytest.fixture(autouse=True)
def _forget_head() -> object:
    yield
    migrate.head.cache_clear()


def _scripts_with_one_more(tmp_path: Path) -> Path:
    """The product's migrations, and one that adds a column."""
    import shutil

    target = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "versions" / "9999_colour.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = '9999'\ndown_revision = {migrate.head()!r}\n"
        "def upgrade():\n    op.add_column('project', sa.Column('colour', sa.Text))\n"
    )
    return target


def test_two_processes_that_start_at_once_migrate_once(postgres_url: str, tmp_path: Path) -> None:
    for url in (str(tmp_path / "both.sqlite3"), new_database(postgres_url)):
        stores = [open_store(url) for _ in range(3)]
        threads = [threading.Thread(target=store.migrate, args=(NOW,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(store.schema_is_current() for store in stores)
        assert stores[0].version() == 1
        for store in stores:
            store.close()
