"""A backup of the store into one file, and a new store from it: what people wrote cannot be fetched again.

`NAME.zip` is portable between SQLite and PostgreSQL; any other name holds a copy of a SQLite store as SQLite writes it.
A backup holds the key of the store's fingerprints, so it is to be kept like the store itself; its mode is 0600.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.store import migrate, portable, schema, sqlite_file
from services.store.database import Store, open_store
from services.store.portable import BadBackup
from services.timestamps import utc_now

__all__ = ["BadBackup", "backup", "restore"]

_SQLITE_HEADER = b"SQLite format 3\x00"
_ZIP_HEADER = b"PK\x03\x04"


def backup(store: Store, path: Path, now: datetime | None = None) -> None:
    """Write one consistent moment of the store into a new file, while others go on writing.

    Raises FileExistsError where the file exists, StoreUnreachable where the store cannot be read.
    """
    path = Path(path)
    path.touch(mode=0o600, exist_ok=False)
    try:
        if store.path is not None and path.suffix != ".zip":
            _copy(store.path, path)
        else:
            path.unlink()
            with store.read() as connection:
                portable.dump(connection, path, migrate.revision(connection), now or utc_now())
            path.chmod(0o600)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def restore(path: Path, store_url: str | Path, now: datetime | None = None) -> None:
    """Fill an empty or new store from a backup of either kind, and bring its tables up to date.

    Raises BadBackup where the file is none, is damaged or newer than this program, or the store is not empty;
    the store is then as it was.
    """
    path, at = Path(path), now or utc_now()
    with path.open("rb") as file:
        header = file.read(16)
    if not header.startswith((_SQLITE_HEADER, _ZIP_HEADER)):
        raise BadBackup(f"{path} is no backup of this program.")
    with closing(open_store(store_url)) as store:
        _refuse_if_used(store)
        if header.startswith(_ZIP_HEADER):
            _fill_from_zip(store, path, at)
        else:
            _fill_from_file(store, path, at)
        store.checkpoint()


def _refuse_if_used(store: Store) -> None:
    if not (store.path is None or store.path.exists()):
        return
    with store.read() as connection:
        there = sa.inspect(connection).has_table(schema.source.name)
        used = there and connection.execute(sa.select(schema.source.c.id).limit(1)).first() is not None
    if used:
        raise BadBackup(f"The store at {store.url_for_people} is not empty; name a new one.")


def _fill_from_zip(store: Store, path: Path, at: datetime) -> None:
    store.migrate(at)
    with store.write() as connection:
        portable.load(connection, path, migrate.revisions())


def _fill_from_file(store: Store, path: Path, at: datetime) -> None:
    _check_file(path)
    if store.path is not None:
        store.path.parent.mkdir(parents=True, exist_ok=True)
        store.close()
        _copy(path, store.path)
        store.migrate(at)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite3"
        _copy(path, copy)
        store.migrate(at)
        with closing(open_store(copy)) as source:
            source.migrate(at)
            with source.read() as reading, store.write() as writing:
                for table in schema.METADATA.sorted_tables:
                    if table.name not in portable.LEFT_OUT:
                        _carry_over(reading, writing, table)


def _carry_over(reading: sa.Connection, writing: sa.Connection, table: sa.Table) -> None:
    statement = sa.select(table).order_by(*table.primary_key).execution_options(yield_per=1000)
    rows = reading.execute(statement).mappings()
    portable.fill(writing, table, ({name: portable.as_portable(value) for name, value in row.items()} for row in rows))


def _check_file(path: Path) -> None:
    """Raise BadBackup unless the file is a sound SQLite store of a version that this program knows."""
    module = sqlite_file.library()
    try:
        with closing(module.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except module.DatabaseError as error:
        raise BadBackup(f"{path} is no backup of this program, or it is damaged.") from error
    if not sound:
        raise BadBackup(f"{path} is damaged.")
    if revision is None or revision[0] not in migrate.revisions():
        raise BadBackup(f"{path} was made by another version of this program.")


def _copy(origin: Path, target: Path) -> None:
    """SQLite's online backup into one file that needs no write-ahead log beside it."""
    module: Any = sqlite_file.library()
    with (
        closing(module.connect(f"{origin.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        closing(module.connect(str(target))) as writing,
    ):
        reading.backup(writing, pages=4096)
        writing.execute("PRAGMA journal_mode=DELETE")
