"""Whether the tables are those this program needs, and the way there: Alembic, add-only, after a backup."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from services.store import portable
from services.store.schema import meta
from services.timestamps import to_millis

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps what it is at in module globals; other processes wait for the database's own lock."""

SCRIPTS = Path(__file__).parent / "migrations"
BACKUPS = Path(".throughline")
WARNING = "warning-sqlite"
"""Key in `meta` of what is wrong with the database library."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@lru_cache(maxsize=1)
def head() -> str:
    """The revision this program was written for."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise LookupError(f"no migration in {SCRIPTS}")
    return found


def revisions() -> frozenset[str]:
    """All revisions that this program can bring up to date."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def revision(connection: Connection) -> str | None:
    """The revision that the tables are at; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(connection: Connection) -> bool:
    """True where the tables are at `head`."""
    return revision(connection) == head()


def upgrade(engine: Engine, path: Path | None, now: datetime) -> None:
    """Run what is missing, in one transaction; a store that holds something is copied first.

    The copy lies beside a SQLite file, and in `.throughline/` for PostgreSQL, as `NAME.before-REVISION-TIME`.
    """
    with engine.begin() as connection:
        found = revision(connection)
    if found == head():
        return
    if found is not None:
        name = f"before-{found}-{now:%Y%m%dT%H%M%SZ}"
        if path is not None:
            _copy_beside(engine, path.with_name(f"{path.name}.{name}"))
        else:
            _dump_beside(engine, BACKUPS / f"postgresql.{name}.zip", found, now)
    with _ONE_AT_A_TIME, engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.execute(sa.select(meta.c.key).where(meta.c.key == "version")).first() is None:
            connection.execute(sa.insert(meta).values(key="version", value="1"))


def _dump_beside(engine: Engine, target: Path, found: str, now: datetime) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with engine.begin() as connection:
        portable.dump(connection, target, found, now)
    target.chmod(0o600)


def _copy_beside(engine: Engine, target: Path) -> None:
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM INTO ?", (str(target),))
    finally:
        raw.close()


def note_warning(connection: Connection, warning: str | None, now: datetime) -> None:
    """Keep in `meta` what is wrong with the database library, so that the screen can say it."""
    stored = connection.execute(sa.select(meta.c.value).where(meta.c.key == WARNING)).scalar_one_or_none()
    if stored == warning:
        return
    connection.execute(sa.delete(meta).where(meta.c.key == WARNING))
    if warning is not None:
        connection.execute(sa.insert(meta).values(key=WARNING, value=warning, at=to_millis(now)))
