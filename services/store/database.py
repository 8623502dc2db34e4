"""Where the store is, and how it is opened: short read-only readers, one writer at a time, and a version that moves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from services.store import migrate, sqlite_file
from services.store.schema import meta

DEFAULT_PATH = Path(".throughline/throughline.sqlite3")
TRUNCATE_OVER = 64 << 20
"""Size of the write-ahead log, in bytes, over which a checkpoint also empties it."""
WRITE_LOCK = 7_406_193_211
"""Key of the PostgreSQL advisory lock that makes writers take turns, as SQLite's BEGIN IMMEDIATE does."""


class StoreUnreachable(Exception):
    """The store cannot be opened, read or written now; the text says to people what and why."""


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store; cheap to keep, safe to share between threads, not between forked processes."""

    dialect: str
    """"sqlite" or "postgresql"."""
    path: Path | None
    """The SQLite file; None for PostgreSQL."""
    url_for_people: str
    """Where it is, without a password."""
    writer: Engine
    reader: Engine
    warning: str | None = None
    """What is wrong with the database library, for people; None where it is sound."""
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Writers of this process take turns: SQLite's own waiting is by polling, and starves the unlucky."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction: committed at the end, rolled back on an error; moves the version if it wrote.

        Raises StoreUnreachable where the database cannot be reached, is full, or stays locked for five seconds.
        """
        with self._guarded(), self.turn, self.writer.begin() as connection:
            before = _writes(connection)
            yield connection
            if _writes(connection) != before:
                _move_version(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot to read from; nothing can be written through it. Keep it short.

        Raises StoreUnreachable where the database cannot be reached.
        """
        with self._guarded(), self.reader.begin() as connection:
            yield connection

    def version(self) -> int:
        """A number that moves whenever a write was committed, by whichever process; 0 before the first."""
        with self.read() as connection:
            value = connection.execute(_VERSION).scalar_one_or_none()
        return int(value or 0)

    def migrate(self, now: datetime) -> None:
        """Bring the tables to what this program needs; backs up first where there is something to lose."""
        with self._guarded():
            migrate.upgrade(self.writer, self.path, now)
        with self.write() as connection:
            migrate.note_warning(connection, self.warning, now)

    def schema_is_current(self) -> bool:
        """True where the tables are those this program was written for; False also where there are none."""
        if self.path is not None and not self.path.exists():
            return False
        with self.read() as connection:
            return migrate.is_current(connection)

    def checkpoint(self) -> None:
        """SQLite: move the write-ahead log into the file, and empty it when it is large; call from one process."""
        if self.path is None:
            return
        log = self.path.with_name(self.path.name + "-wal")
        large = log.exists() and log.stat().st_size > TRUNCATE_OVER
        with self._guarded():
            raw = self.writer.raw_connection()
            try:
                cursor = raw.cursor()
                cursor.execute("PRAGMA busy_timeout=200")
                cursor.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})").fetchall()
                cursor.execute("PRAGMA busy_timeout=5000")
            finally:
                raw.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.reader.dispose()
        self.writer.dispose()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise StoreUnreachable(f"The store at {self.url_for_people} has no connection left for this.") from error
        except sa.exc.DBAPIError as error:
            why = _unreachable(error)
            if why is None:
                raise
            raise StoreUnreachable(f"The store at {self.url_for_people} {why}.") from error


def open_store(url: str | Path | None = None) -> Store:
    """Open the store at a URL or path: `sqlite:///FILE`, a plain path, or `postgresql://…`; None is the default file.

    Nothing is created before the first write. Raises StoreUnreachable for an address that cannot hold a store.
    """
    text = str(url or DEFAULT_PATH)
    if "://" not in text:
        return _open_sqlite(Path(text))
    try:
        address = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise StoreUnreachable(
            "The store's address is no URL; use sqlite:///FILE or postgresql://USER@HOST/NAME."
        ) from error
    backend = address.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return _open_postgresql(address.set(drivername="postgresql+psycopg"))
    if backend == "sqlite" and address.database and address.database != ":memory:":
        return _open_sqlite(Path(address.database))
    raise StoreUnreachable(
        f"A store cannot be kept at {address.render_as_string()!r}; use a SQLite file or PostgreSQL."
    )


def _open_sqlite(path: Path) -> Store:
    path = path.absolute()
    kind = sqlite_file.network_file_system(path)
    if kind is not None:
        raise StoreUnreachable(
            f"{path} lies on a network file system ({kind}), where SQLite can lose data. "
            "Use a local disk, or PostgreSQL (--store postgresql://…)."
        )
    module = sqlite_file.library()
    writer = sa.create_engine(
        "sqlite://", creator=lambda: _connect(module, path, read_only=False), **_sqlite_options(module)
    )
    reader = sa.create_engine(
        "sqlite://", creator=lambda: _connect(module, path, read_only=True), **_sqlite_options(module)
    )
    sa.event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    sa.event.listen(reader, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    warning = sqlite_file.library_warning(module.sqlite_version_info[:3])
    return Store("sqlite", path, str(path), writer, reader, warning)


def _sqlite_options(module: Any) -> dict[str, Any]:
    return {"module": module, "poolclass": sa.QueuePool, "pool_size": 8, "max_overflow": 64, **_JSON}


def _connect(module: Any, path: Path, *, read_only: bool) -> Any:
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    mode = "ro" if read_only else "rwc"
    connection = module.connect(f"{path.as_uri()}?mode={mode}", uri=True, check_same_thread=False, timeout=5.0)
    journal = sqlite_file.prepare(connection, read_only=read_only)
    if journal != "wal" and not read_only:
        connection.close()
        raise StoreUnreachable(f"{path} cannot have a write-ahead log (its journal is {journal!r}); use a local disk.")
    return connection


def _open_postgresql(address: sa.URL) -> Store:
    options: dict[str, Any] = {
        "pool_pre_ping": True,
        "max_overflow": 20,
        "connect_args": {"connect_timeout": 5},
        **_JSON,
    }
    writer = sa.create_engine(address, **options)
    reader = sa.create_engine(address, isolation_level="REPEATABLE READ", **options)
    reader = reader.execution_options(postgresql_readonly=True)
    lock = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"
    sa.event.listen(writer, "begin", lambda connection: connection.exec_driver_sql(lock))
    shown = address.set(drivername="postgresql").render_as_string(hide_password=True)
    return Store("postgresql", None, shown, writer, reader)


_JSON: dict[str, Any] = {
    "json_serializer": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
}
_VERSION = sa.select(meta.c.value).where(meta.c.key == "version")


def _writes(connection: Connection) -> object:
    """A value that differs once the transaction has written."""
    if connection.dialect.name == "sqlite":
        return connection.connection.driver_connection.total_changes  # type: ignore[union-attr]
    return connection.execute(sa.text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")).scalar_one()


def _move_version(connection: Connection) -> None:
    moved = sa.cast(sa.cast(meta.c.value, sa.BigInteger) + 1, sa.Text)
    connection.execute(sa.update(meta).where(meta.c.key == "version").values(value=moved))


_SQLITE_WHY = {
    5: "stayed locked by another writer for five seconds",
    6: "stayed locked by another writer for five seconds",
    8: "may not be written",
    10: "cannot be read or written (disk error)",
    11: "is damaged; restore a backup",
    13: "has no room left on its disk",
    14: "cannot be opened; it does not exist yet, or may not be read",
    26: "is no SQLite file",
}
"""Primary result codes of SQLite (sqlite.org/rescode.html) that mean the store is not usable now."""


def _unreachable(error: sa.exc.DBAPIError) -> str | None:
    """Why the store cannot be used, or None where the fault is in the statement."""
    original = error.orig
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE_WHY.get(code & 0xFF)
    if error.connection_invalidated:
        return "went away in the middle of a transaction"
    state = getattr(original, "sqlstate", None)
    if state is None and isinstance(error, sa.exc.OperationalError):
        return "cannot be reached"
    if state is not None and state[:2] in ("08", "53", "57", "28", "3D"):
        return f"refuses (SQLSTATE {state})"
    return None
