"""Writers take turns, readers only read, and whoever cannot reach the store is told why."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.store import rollups, schema, sqlite_file
from services.store.backup import backup, restore
from services.store.database import Store, StoreUnreachable, open_store
from tests.store.builders import NOW, a_project, a_run, a_step, contents, put, rows
from tests.store.test_rollups import sync


def test_the_version_moves_with_each_committed_write_and_only_then(store: Store) -> None:
    first = store.version()
    put(store, a_project())
    second = store.version()
    with store.write() as connection:
        connection.execute(sa.select(schema.project)).all()
    with store.read() as connection:
        connection.execute(sa.select(schema.project)).all()
    assert second > first
    assert store.version() == second


def test_a_write_that_fails_leaves_nothing_and_moves_nothing(store: Store) -> None:
    before = store.version()
    with pytest.raises(ValueError, match="without a zone"):
        put(store, a_project(), a_run(created_at=NOW.replace(tzinfo=None)))
    assert store.version() == before
    assert rows(store, schema.project) == rows(store, schema.source) == []


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises((StoreUnreachable, sa.exc.DBAPIError)), store.read() as connection:
        connection.execute(sa.insert(schema.meta).values(key="x", value="1"))
    assert "x" not in {row["key"] for row in rows(store, schema.meta)}


def test_a_reader_sees_one_moment_while_a_writer_goes_on(store: Store) -> None:
    count = sa.select(sa.func.count()).select_from(schema.project)
    with store.read() as connection:
        assert connection.execute(count).scalar_one() == 0
        put(store, a_project())
        assert connection.execute(count).scalar_one() == 0
    with store.read() as connection:
        assert connection.execute(count).scalar_one() == 1


def test_writers_that_read_first_take_turns_instead_of_failing(store: Store) -> None:
    """With a deferred BEGIN most of these would fail at once: a reader cannot become a writer after another wrote."""
    key = schema.meta.c.key == "count"
    with store.write() as connection:
        connection.execute(sa.insert(schema.meta).values(key="count", value="0"))

    def add() -> None:
        for _ in range(20):
            with store.write() as connection:
                value = int(connection.execute(sa.select(schema.meta.c.value).where(key)).scalar_one())
                connection.execute(sa.update(schema.meta).where(key).values(value=str(value + 1)))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["key"]: row["value"] for row in rows(store, schema.meta)}["count"] == "80"


def test_a_store_that_stays_locked_says_so(sqlite_store: Store) -> None:
    other = open_store(sqlite_store.path)
    with sqlite_store.write(), pytest.raises(StoreUnreachable, match="locked by another writer"), other.write():
        pass
    other.close()


def test_a_store_that_is_not_there_says_so_and_is_not_made_by_reading(tmp_path: Path) -> None:
    store = open_store(tmp_path / "none.sqlite3")
    with pytest.raises(StoreUnreachable, match="does not exist yet"), store.read():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite3"
    path.write_bytes(b"hello" * 1000)
    with pytest.raises(StoreUnreachable, match="is no SQLite file"):
        open_store(path).version()


def test_a_server_that_does_not_answer_says_so_without_the_password() -> None:
    store = open_store("postgresql://ana:hunter2@127.0.0.1:1/throughline")
    with pytest.raises(StoreUnreachable, match="cannot be reached") as caught:
        store.version()
    assert "hunter2" not in str(caught.value) + store.url_for_people + repr(store)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "://"])
def test_an_address_that_cannot_hold_a_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUnreachable):
        open_store(url)


@pytest.mark.parametrize("text", ["sqlite:///a/b.sqlite3", "a/b.sqlite3"])
def test_a_path_and_a_url_name_the_same_file(text: str) -> None:
    assert open_store(text).path == Path("a/b.sqlite3").absolute()


def test_a_checkpoint_moves_the_log_into_the_file(sqlite_store: Store) -> None:
    put(sqlite_store, *(a_project(str(number)) for number in range(500)))
    before = sqlite_store.path.stat().st_size
    sqlite_store.checkpoint()
    assert sqlite_store.path.stat().st_size > before


def test_a_checkpoint_does_not_wait_for_readers(sqlite_store: Store) -> None:
    with sqlite_store.read() as connection:
        connection.execute(sa.select(schema.meta)).all()
        put(sqlite_store, a_project())
        sqlite_store.checkpoint()
    assert len(rows(sqlite_store, schema.project)) == 1


def test_the_settings_of_a_connection_are_those_that_were_measured(sqlite_store: Store) -> None:
    expected = {
        "journal_mode": "wal", "synchronous": 1, "cache_size": -65536, "busy_timeout": 5000, "mmap_size": 0,
        "wal_autocheckpoint": 0,
    }  # fmt: skip
    with sqlite_store.write() as connection:
        assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected} == expected


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((3, 44, 6), True),
        ((3, 50, 7), True),
        ((3, 40, 1), False),
    ],
)
def test_a_library_with_the_corruption_bug_is_named(version: tuple[int, int, int], sound: bool) -> None:
    assert (sqlite_file.library_warning(version) is None) is sound


def test_the_warning_is_kept_where_the_screen_can_read_it(tmp_path: Path) -> None:
    import dataclasses

    store = dataclasses.replace(open_store(tmp_path / "s.sqlite3"), warning="SQLite 3.40.1 can corrupt …")
    store.migrate(NOW)
    assert {row["key"]: row["value"] for row in rows(store, schema.meta)}["warning-sqlite"] == store.warning
    store = dataclasses.replace(store, warning=None)
    store.migrate(NOW)
    assert "warning-sqlite" not in {row["key"] for row in rows(store, schema.meta)}
    store.close()


def test_pythons_own_sqlite_does_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite_file, "library", lambda: sqlite3)
    store = open_store(tmp_path / "own.sqlite3")
    assert (store.warning is None) == (sqlite_file.library_warning(sqlite3.sqlite_version_info) is None)
    store.migrate(NOW)
    sync(store, a_project(), a_run("1"), a_step("1"), contents(1, {"a": "x"}), contents(2, {"a": "y"}))
    kept = rows(store, schema.job_daily)
    with store.write() as connection:
        rollups.rebuild(connection)
    assert rows(store, schema.job_daily) == kept != []
    with pytest.raises(StoreUnreachable), store.read() as connection:
        connection.execute(sa.delete(schema.meta))
    backup(store, tmp_path / "own.zip", NOW)
    restore(tmp_path / "own.zip", tmp_path / "again.sqlite3", NOW)
    store.close()


MOUNTS = """\
21 1 8:1 / / rw,relatime - ext4 /dev/root rw
30 21 0:40 / /data rw,relatime shared:1 - nfs4 server:/export rw
31 21 0:41 / /my\\040disk rw - ext4 /dev/sdb rw
32 30 0:42 / /data/fast rw - ext4 /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/x", "ext4"), ("/data/x", "nfs4"), ("/data/fast/x", "ext4"), ("/my disk/x", "ext4"), ("/database", "ext4")],
)
def test_the_file_system_is_that_of_the_deepest_mount(path: str, kind: str) -> None:
    assert sqlite_file.file_system_type(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite_file, "network_file_system", lambda path: "nfs4")
    with pytest.raises(StoreUnreachable, match=r"network file system \(nfs4\).*PostgreSQL"):
        open_store(tmp_path / "s.sqlite3")
