"""A backup gives the same store again, on either database, or says why it cannot."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.records import MetricPoint, ModelDetail, Ref, Version
from services.store import schema
from services.store.backup import BadBackup, backup, restore
from services.store.database import Store, open_store
from tests.postgres import new_database
from tests.store.builders import NOW, a_project, a_run, a_step, ago, contents, put, rows


@pytest.fixture
def filled(store: Store) -> Store:
    put(
        store, a_project(topics=("ml",)),
        a_run("1", title="naïve ✓ <b>", labels={"k": "v"}, parent=Ref("pipeline", "9")),
        a_step("1", duration_seconds=1.5), contents(3, {"a": "x"}), contents(5, {"a": "y"}),
        Version(native_id="m@1", kind="model-version", of="m", label="1", detail=ModelDetail(model=Ref("model", "m"))),
        MetricPoint(metric="p/m/auc", model="m", at=ago(days=1), value=0.75, n=3),
    )  # fmt: skip
    with store.write() as connection:
        connection.execute(sa.insert(schema.secret_mark).values(name="fingerprint", key=b"\x00\xff\x01"))
    return store


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All rows, but for the version, which moves with every write."""
    tables = {table.name: rows(store, table) for table in schema.METADATA.sorted_tables}
    tables["meta"] = [row for row in tables["meta"] if row["key"] != "version"]
    return tables


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "restored" / "store.sqlite3")
    else:
        yield new_database(request.getfixturevalue("postgres_url"))


def test_a_portable_backup_gives_the_same_store_on_either_database(filled: Store, target: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    backup(filled, file, NOW)
    restore(file, target, NOW)
    restored = open_store(target)
    assert everything(restored) == everything(filled)
    assert restored.version() > filled.version() - 1
    put(restored, a_run("77"), a_step("78"), a_project("79"), contents(6, {"b": "z"}))
    restored.close()


def test_a_file_backup_of_sqlite_gives_the_same_store_on_either_database(
    sqlite_store: Store, target: str, tmp_path: Path
) -> None:
    put(sqlite_store, a_project(), a_run("1"), contents(3, {"a": "x"}))
    file = tmp_path / "backup.sqlite3"
    backup(sqlite_store, file, NOW)
    put(sqlite_store, a_project("8"))
    restore(file, target, NOW)
    restored = open_store(target)
    assert restored.schema_is_current()
    assert [row["native_id"] for row in rows(restored, schema.project)] == ["7"]
    put(restored, a_run("77"))
    restored.close()


@pytest.mark.parametrize("name", ["backup.zip", "backup.sqlite3"])
def test_only_its_owner_may_read_a_backup(sqlite_store: Store, tmp_path: Path, name: str) -> None:
    backup(sqlite_store, tmp_path / name, NOW)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_backup_never_overwrites_a_file(sqlite_store: Store, tmp_path: Path) -> None:
    (tmp_path / "backup.zip").write_text("mine")
    with pytest.raises(FileExistsError):
        backup(sqlite_store, tmp_path / "backup.zip", NOW)
    assert (tmp_path / "backup.zip").read_text() == "mine"


def test_a_store_that_holds_something_is_never_overwritten(filled: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    backup(filled, file, NOW)
    before = everything(filled)
    address = str(filled.path) if filled.path else filled.writer.url.render_as_string(hide_password=False)
    with pytest.raises(BadBackup, match="not empty"):
        restore(file, address, NOW)
    assert everything(filled) == before


def _no_backup(path: Path) -> None:
    path.write_bytes(b"hello" * 100)


def _empty_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "hello")


def _cut_zip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _row_lost(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    held["run.jsonl"] = b"\n".join(held["run.jsonl"].splitlines()[:-1]) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)


def _newer(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    held["manifest.json"] = held["manifest.json"].replace(b'"revision": "', b'"revision": "99')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)


def _other_sqlite(path: Path) -> None:
    path.unlink()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE hello (x)")
    engine.dispose()


@pytest.mark.parametrize("harm", [_no_backup, _empty_zip, _cut_zip, _row_lost, _newer, _other_sqlite])
def test_what_is_no_sound_backup_is_refused_and_leaves_the_store_empty(
    filled: Store, tmp_path: Path, harm: Any
) -> None:
    file, address = tmp_path / "backup.zip", tmp_path / "new.sqlite3"
    backup(filled, file, NOW)
    harm(file)
    with pytest.raises(BadBackup):
        restore(file, address, NOW)
    store = open_store(address)
    store.migrate(NOW)
    assert rows(store, schema.source) == []
    store.close()
