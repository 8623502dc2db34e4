"""Recorded BigQuery tables: rows with the schema beside them, or with one that their values tell."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from emulators.data import BigQueryData, BigQueryTable
from emulators.google.bigquery_types import ARROW
from emulators.replay.files import BadReplay, Json, entries, read_json, read_list

PROJECT = "replay"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d(:?\d\d)?)")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
RECORDS = ("RECORD", "STRUCT")


def load_tables(folder: Path, data: BigQueryData) -> None:
    """`DATASET.TABLE.json` (or `PROJECT.DATASET.TABLE.json`) and, where it is there, `… .schema.json`."""
    for path in entries(folder):
        if path.suffix != ".json":
            raise BadReplay(path, "is no table", "name it DATASET.TABLE.json or DATASET.TABLE.schema.json")
        if path.name.endswith(".schema.json"):
            rows = path.with_name(path.name.removesuffix(".schema.json") + ".json")
            if not rows.exists():
                raise BadReplay(path, "is a schema without rows", f"add {rows.name}, which may be an empty list")
            continue
        parts = path.stem.split(".")
        if len(parts) not in (2, 3) or not all(parts):
            raise BadReplay(path, "does not tell its dataset", "name it DATASET.TABLE.json")
        key = (PROJECT, *parts) if len(parts) == 2 else tuple(parts)
        data.tables[key] = _table(path)  # type: ignore[index]


def _table(path: Path) -> BigQueryTable:
    rows = read_list(path)
    beside = path.with_name(path.stem + ".schema.json")
    schema = _schema(beside) if beside.exists() else infer(path, rows)
    known = {field["name"] for field in schema}
    for index, row in enumerate(rows):
        if unknown := set(row) - known:
            fault = f"item {index} has '{min(unknown)}', which the schema lacks"
            raise BadReplay(path, fault, f"add it to {beside.name}")
    converted = [{field["name"]: _value(path, index, field, row) for field in schema} for index, row in enumerate(rows)]
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return BigQueryTable(schema, converted, modified)


def _schema(path: Path) -> list[Json]:
    found = read_json(path)
    fields = found.get("fields") if isinstance(found, dict) else found
    if not isinstance(fields, list):
        raise BadReplay(
            path, "holds no list of fields", 'it must be [{"name": …, "type": …}, …], as `bq show` gives it'
        )
    for index, field in enumerate(fields):
        _check_field(path, f"field {index}", field)
    return fields


def _check_field(path: Path, where: str, field: Any) -> None:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str):
        raise BadReplay(path, f"{where} has no 'name'", 'a field is {"name": …, "type": …, "mode": …}')
    kind = field.get("type")
    if kind not in ARROW and kind not in RECORDS:
        raise BadReplay(path, f"{where} has the type {kind!r}", f"the types are {', '.join([*ARROW, 'RECORD'])}")
    for index, inner in enumerate(field.get("fields", []) if kind in RECORDS else []):
        _check_field(path, f"{where}, field {index}", inner)


def infer(path: Path, rows: list[Json]) -> list[Json]:
    """A schema from the values: columns in the order in which they first occur. Raises BadReplay on a mixture."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [_inferred(path, name, [row.get(name) for row in rows]) for name in names]


def _inferred(path: Path, name: str, values: list[Any]) -> Json:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, list) for value in known):
        return _inferred(path, name, [one for value in known for one in value]) | {"mode": "REPEATED"}
    if known and all(isinstance(value, dict) for value in known):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": infer(path, known)}
    kinds = {_kind(value) for value in known}
    if kinds == {"INTEGER", "FLOAT"}:
        kinds = {"FLOAT"}
    if len(kinds) > 1 and kinds <= {"STRING", "TIMESTAMP", "DATE"}:
        kinds = {"STRING"}
    if len(kinds) > 1:
        fault = f"'{name}' is sometimes {' and sometimes '.join(sorted(kinds))}"
        raise BadReplay(path, fault, f"write {path.stem}.schema.json")
    return {"name": name, "type": kinds.pop() if kinds else "STRING", "mode": "NULLABLE"}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "INTEGER"
    if isinstance(value, float):
        return "FLOAT"
    if isinstance(value, str):
        return "TIMESTAMP" if MOMENT.fullmatch(value) else "DATE" if DAY.fullmatch(value) else "STRING"
    return "RECORD"


def _moment(value: Any) -> datetime:
    """Text with its zone (UTC where there is none), or seconds since 1970, as `bq` exports them."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    read = datetime.fromisoformat(str(value).replace(" UTC", "+00:00").replace("UTC", "+00:00"))
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


READ: dict[str, Callable[[Any], Any]] = {
    "TIMESTAMP": _moment,
    "DATE": lambda value: date.fromisoformat(str(value)),
    "DATETIME": lambda value: datetime.fromisoformat(str(value)),
    "NUMERIC": lambda value: Decimal(str(value)),
    "BYTES": lambda value: base64.b64decode(str(value), validate=True),
    "INTEGER": lambda value: int(str(value)),
    "INT64": lambda value: int(str(value)),
    "FLOAT": float,
    "FLOAT64": float,
    "STRING": str,
}


def _value(path: Path, index: int, field: Json, row: Json) -> Any:
    value, repeated = row.get(field["name"]), field.get("mode") == "REPEATED"
    if value is None:
        if field.get("mode") == "REQUIRED":
            raise BadReplay(path, f"item {index} lacks '{field['name']}', which is REQUIRED", "give it a value")
        return [] if repeated else None
    if repeated:
        single = field | {"mode": "NULLABLE"}
        values = value if isinstance(value, list) else [value]
        return [_value(path, index, single, {field["name"]: one}) for one in values]
    if field["type"] in RECORDS:
        inner = value if isinstance(value, dict) else {}
        return {one["name"]: _value(path, index, one, inner) for one in field["fields"]}
    try:
        return READ.get(field["type"], lambda same: same)(value)
    except (ValueError, InvalidOperation, binascii.Error, OSError, OverflowError) as error:
        fault = f"'{field['name']}' of item {index} is {value!r}, no {field['type']}"
        raise BadReplay(path, fault, "mend the value or the schema") from error
