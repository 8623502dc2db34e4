"""The migrations build what schema.py describes, keep what was there, and are run once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from services.store import migrate, schema, sqlite_file
from services.store.backup import restore
from services.store.database import Store, open_store
from services.store.migrations import adding
from tests.postgres import new_database
from tests.store.builders import NOW, a_project, one, put, rows

ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def one_migration_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The product's migrations, and one that adds a column."""
    target = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "versions" / "9999_colour.py").write_text(
        "import sqlalchemy as sa\nfrom services.store.migrations.adding import add_columns, add_index, add_table\n"
        "from services.store.schema import project\n"
        f"revision = '9999'\ndown_revision = {migrate.head()!r}\n"
        "def upgrade():\n"
        "    add_columns('project', sa.Column('colour', sa.Text), sa.Column('path', sa.Text))\n"
        "    add_table(project)\n"
        "    add_index('ix_project_name', 'project', 'name')\n"
    )
    monkeypatch.setattr(migrate, "SCRIPTS", target)
    migrate.head.cache_clear()
    yield
    migrate.head.cache_clear()


def columns(store: Store) -> set[str]:
    with store.read() as connection:
        return {column["name"] for column in sa.inspect(connection).get_columns("project")}


def test_a_store_that_holds_something_is_copied_before_it_is_migrated(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    put(store, a_project())
    request.getfixturevalue("one_migration_more")
    assert not store.schema_is_current()
    store.migrate(NOW)
    assert store.schema_is_current()
    assert "colour" in columns(store)
    folder = store.path.parent if store.path else tmp_path / ".throughline"
    copy = one(folder.glob("*.before-*"))
    kept = open_store(copy if store.path else tmp_path / "restored.sqlite3")
    if not store.path:
        restore(copy, tmp_path / "restored.sqlite3", NOW)
    assert len(rows(kept, schema.project)) == 1
    assert store.path is None or "colour" not in columns(kept)
    kept.close()


@pytest.mark.usefixtures("one_migration_more")
def test_a_new_store_passes_over_what_it_already_has(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new.sqlite3")
    store.migrate(NOW)
    assert {"colour", "path"} <= columns(store)
    with store.read() as connection:
        assert "ix_project_name" in {index["name"] for index in sa.inspect(connection).get_indexes("project")}
    store.close()


def test_a_column_that_rows_could_not_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="must be nullable"):
        with_operations(lambda: adding.add_columns("project", sa.Column("colour", sa.Text, nullable=False)))


def with_operations(act: Callable[[], None]) -> None:
    """Run a migration's step on an empty database that has the tables."""
    engine = sa.create_engine("sqlite://", module=sqlite_file.library())
    with engine.begin() as connection:
        schema.METADATA.create_all(connection)
        with Operations.context(MigrationContext.configure(connection)):
            act()
    engine.dispose()


MIGRATE = """
import datetime, sys
from services.store.database import open_store
store = open_store(sys.argv[1])
store.migrate(datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC))
assert store.schema_is_current()
"""


def test_processes_that_start_at_once_migrate_once(postgres_url: str, tmp_path: Path) -> None:
    for url in (str(tmp_path / "all.sqlite3"), new_database(postgres_url)):
        started = [subprocess.Popen([sys.executable, "-c", MIGRATE, url], cwd=ROOT) for _ in range(3)]
        assert [process.wait(60) for process in started] == [0, 0, 0]
        store = open_store(url)
        assert store.version() == 1
        store.close()
