"""A copy of the store that either database can be filled from: a zip with one file of JSON lines a table."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from services.store import schema
from services.store.identity import CHUNK, chunks

FORMAT = 1
LEFT_OUT = frozenset({"lease"})
"""Who collects now means nothing in a copy."""


class BadBackup(Exception):
    """The file is no backup that this program can use, or there is no empty store to put it in; says which."""


def dump(connection: Connection, path: Path, revision: str | None, now: datetime) -> None:
    """Write all tables of a snapshot into a new zip; a table or column that is not there yet is left out."""
    present = set(sa.inspect(connection).get_table_names())
    tables = [table for table in schema.METADATA.sorted_tables if table.name in present - LEFT_OUT]
    counts: dict[str, int] = {}
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for table in tables:
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as file:
                counts[table.name] = _write(connection, table, file)
        manifest = {"format": FORMAT, "revision": revision, "made_at": now.isoformat(), "rows": counts}
        archive.writestr("manifest.json", json.dumps(manifest, indent=2))


def _write(connection: Connection, table: Table, file: IO[bytes]) -> int:
    there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    columns = [column for column in table.c if column.name in there]
    file.write(_line([column.name for column in columns]))
    statement = sa.select(*columns).order_by(*table.primary_key).execution_options(yield_per=CHUNK)
    count = 0
    for row in connection.execute(statement):
        file.write(_line([as_portable(value) for value in row]))
        count += 1
    return count


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_portable(value: Any) -> Any:
    """A stored value as JSON can hold it."""
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, (bytes, memoryview)) else value


def load(connection: Connection, path: Path, revisions: frozenset[str]) -> None:
    """Fill an empty store from a zip. Raises BadBackup, after which the transaction must be rolled back."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            if manifest["format"] != FORMAT or manifest["revision"] not in revisions:
                raise BadBackup(f"{path} was made by another version of this program (tables {manifest['revision']}).")
            for name, expected in manifest["rows"].items():
                with archive.open(f"{name}.jsonl") as file:
                    found = fill(connection, schema.METADATA.tables[name], _rows(file))
                if found != expected:
                    raise BadBackup(f"{path} is damaged: {name} has {found} rows where {expected} were written.")
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
        raise BadBackup(f"{path} is no backup of this program, or it is damaged.") from error


def _rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    columns = json.loads(next(file))
    for line in file:
        yield dict(zip(columns, json.loads(line), strict=True))


def fill(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> int:
    """Insert rows as they were, keys included; gives how many."""
    binary = [column.name for column in table.c if isinstance(column.type, sa.LargeBinary)]
    connection.execute(sa.delete(table))
    count = 0
    for some in chunks(rows):
        for row in some:
            row.update({name: base64.b64decode(row[name]["base64"]) for name in binary if name in row})
        connection.execute(sa.insert(table), some)
        count += len(some)
    if connection.dialect.name == "postgresql" and count and table.autoincrement_column is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
        highest = sa.select(sa.func.max(table.autoincrement_column)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sequence, highest)))
    return count
