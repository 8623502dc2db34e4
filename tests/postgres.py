"""A real PostgreSQL for the tests: started once a session in a temporary folder, as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

HOW_TO_GET_IT = (
    "The tests need PostgreSQL (initdb and pg_ctl). Debian and Ubuntu: apt-get install postgresql; "
    "macOS: brew install postgresql; or put its bin folder on PATH."
)
SETTINGS = (
    "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off "
    "-c shared_buffers=128MB -c max_connections=60 -c timezone=Pacific/Auckland"
)
"""No TCP port; a strange time zone, so that whatever leaned on the server's zone would show."""


def _binary(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = shutil.which(name) or (str(places[-1]) if places else None)
    if found is None:
        pytest.fail(HOW_TO_GET_IT)
    return found


def _as_server_user(folder: Path) -> list[str]:
    """The prefix of commands that run the server; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    pytest.fail("Running as root, and there is neither a user postgres nor a user nobody to run PostgreSQL as.")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, f"{command[-1]}: {done.stdout}{done.stderr}"


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a running server's own database; see `new_database` for one a test."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="throughline-pg-"))
    user = _as_server_user(folder)
    data = folder / "data"
    try:
        _run(*user, initdb, "-D", str(data), "-U", "throughline", "-A", "trust", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8")  # fmt: skip
        # The server must not inherit our pipes: whoever waits for their end would wait for the server's.
        options = f"{SETTINGS} -k {folder}"
        _run(*user, pg_ctl, "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://throughline@/postgres?host={folder}"
        finally:
            _run(*user, pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One server for the whole session."""
    with running_postgres() as url:
        yield url


def new_database(server_url: str, template: str = "template1") -> str:
    """The URL of a new database, a copy of `template`; it goes with the server, or by `drop_database`."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    _tell(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop a database that `new_database` made, whoever is still connected to it."""
    address = sa.make_url(url)
    server = address.set(database="postgres").render_as_string(hide_password=False)
    _tell(server, f'DROP DATABASE "{address.database}" WITH (FORCE)')


def _tell(server_url: str, command: str) -> None:
    address = sa.make_url(server_url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(command))
    engine.dispose()
