"""BigQuery's types as DuckDB, Arrow and JSON write them: schemas, parameters, and the cells of an answer."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from emulators.google.answers import refuse_in_the_old_way

Json = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ARROW = {
    "INTEGER": pa.int64(), "INT64": pa.int64(), "FLOAT": pa.float64(), "FLOAT64": pa.float64(), "STRING": pa.string(),
    "BOOLEAN": pa.bool_(), "BOOL": pa.bool_(), "TIMESTAMP": pa.timestamp("us", tz="UTC"), "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"), "NUMERIC": pa.decimal128(38, 9), "BYTES": pa.binary(), "JSON": pa.string(),
}  # fmt: skip
WIDTHS = {"BOOLEAN": 1, "BOOL": 1, "STRING": 16, "JSON": 64, "NUMERIC": 16, "BYTES": 16}
"""Logical bytes of a value; 8 where none is given. Text is counted as 16, which is an estimate."""
STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}

RESULTS = {
    "BIGINT": "INTEGER", "HUGEINT": "INTEGER", "INTEGER": "INTEGER", "SMALLINT": "INTEGER", "TINYINT": "INTEGER",
    "UBIGINT": "INTEGER", "DOUBLE": "FLOAT", "FLOAT": "FLOAT", "VARCHAR": "STRING", "BOOLEAN": "BOOLEAN",
    "DATE": "DATE", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP": "DATETIME", "BLOB": "BYTES",
    '"NULL"': "INTEGER", "JSON": "JSON", "DECIMAL(38,9)": "NUMERIC",
}  # fmt: skip
"""DuckDB's types by the names that BigQuery's REST answers use; a NULL without a type is an INT64 there."""


def arrow_schema(fields: list[Json]) -> pa.Schema:
    return pa.schema([(field["name"], _arrow_type(field)) for field in fields])


def _arrow_type(field: Json) -> pa.DataType:
    if field["type"] in ("RECORD", "STRUCT"):
        kind = pa.struct([(one["name"], _arrow_type(one)) for one in field["fields"]])
    elif field["type"] in ARROW:
        kind = ARROW[field["type"]]
    else:
        message = f"This local BigQuery does not serve columns of type {field['type']} ({field['name']})."
        raise refuse_in_the_old_way(400, message, "invalidQuery")
    return pa.list_(kind) if field.get("mode") == "REPEATED" else kind


def width(field: Json) -> int:
    """Logical bytes of one row's value in that column."""
    inner = sum(width(one) for one in field.get("fields", [])) if field.get("fields") else WIDTHS.get(field["type"], 8)
    return inner * (2 if field.get("mode") == "REPEATED" else 1)


def standard_type(field: Json) -> str:
    """The type as INFORMATION_SCHEMA.COLUMNS writes it: INT64, ARRAY<STRING>, STRUCT<a INT64>."""
    name = STANDARD.get(field["type"], field["type"])
    if name == "STRUCT":
        inside = ", ".join(f"{one['name']} {standard_type(one)}" for one in field["fields"])
        name = f"STRUCT<{inside}>"
    return f"ARRAY<{name}>" if field.get("mode") == "REPEATED" else name


def result_field(name: str, kind: Any) -> Json:
    """BigQuery's schema field for a result column of that DuckDB type."""
    if kind.id in ("list", "array"):
        return result_field(name, kind.children[0][1]) | {"mode": "REPEATED"}
    if kind.id == "struct":
        fields = [result_field(child, inner) for child, inner in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": fields}
    if str(kind) not in RESULTS:
        raise refuse_in_the_old_way(400, f"This local BigQuery does not serve results of type {kind}.", "invalidQuery")
    return {"name": name, "type": RESULTS[str(kind)], "mode": "NULLABLE"}


def cell(value: Any, field: Json, exact_times: bool) -> Any:
    """One value as BigQuery's rows hold it. `exact_times`: timestamps as whole microseconds, else as seconds."""
    if field.get("mode") == "REPEATED":
        if value is not None and any(one is None for one in value):
            message = f"Array cannot have a null element; error in writing field {field['name']}"
            raise refuse_in_the_old_way(400, message, "invalidQuery")
        return [{"v": cell(one, field | {"mode": "NULLABLE"}, exact_times)} for one in value or []]
    if value is None:
        return None
    match field["type"]:
        case "RECORD":
            return {"f": [{"v": cell(value.get(one["name"]), one, exact_times)} for one in field["fields"]]}
        case "TIMESTAMP":
            micros = (value - EPOCH) // timedelta(microseconds=1)
            return str(micros) if exact_times else repr(micros / 1e6)
        case "BOOLEAN":
            return "true" if value else "false"
        case "BYTES":
            return base64.b64encode(value).decode()
        case "DATETIME" | "DATE":
            return value.isoformat()
        case "FLOAT" if not math.isfinite(value):
            return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        case "INTEGER":
            return str(_whole(value))
        case "NUMERIC":
            return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return str(value)


def _whole(value: Any) -> int:
    if value != int(value) or not -(2**63) <= value < 2**63:
        raise refuse_in_the_old_way(400, f"int64 overflow: {value}", "invalidQuery")
    return int(value)


SQL_TYPES = {
    "INT64": "bigint", "INTEGER": "bigint", "FLOAT64": "double", "FLOAT": "double", "BOOL": "boolean",
    "BOOLEAN": "boolean", "STRING": "text", "DATE": "date", "TIMESTAMP": "timestamptz", "DATETIME": "timestamp",
}  # fmt: skip


def parameter(given: Json) -> exp.Expression:
    """A query parameter as a typed literal of DuckDB's SQL."""
    return _typed(given["parameterType"], given.get("parameterValue", {}))


def _typed(kind: Json, value: Json) -> exp.Expression:
    if kind["type"] == "ARRAY":
        ones = [_typed(kind["arrayType"], one) for one in value.get("arrayValues", [])]
        return exp.cast(exp.Array(expressions=ones), _sql_type(kind))
    if kind["type"] == "STRUCT":
        given = value.get("structValues", {})
        fields = [(one["name"], _typed(one["type"], given[one["name"]])) for one in kind["structTypes"]]
        named = [exp.PropertyEQ(this=exp.to_identifier(name), expression=one) for name, one in fields]
        return exp.Struct(expressions=named)
    text = value.get("value")
    if text is not None and kind["type"] == "TIMESTAMP":
        text = _moment(text)
    return exp.cast(exp.Null() if text is None else exp.Literal.string(str(text)), _sql_type(kind))


def _sql_type(kind: Json) -> str:
    if kind["type"] == "ARRAY":
        return _sql_type(kind["arrayType"]) + "[]"
    if kind["type"] not in SQL_TYPES:
        message = f"This local BigQuery does not serve parameters of type {kind['type']}."
        raise refuse_in_the_old_way(400, message, "invalidQuery")
    return SQL_TYPES[kind["type"]]


def _moment(text: str) -> str:
    """The client's way to write a time ("2026-10-01 00:00:00+00:00", "… UTC", "…Z") as ISO 8601 in UTC."""
    read = datetime.fromisoformat(text.replace(" UTC", "+00:00").replace("Z", "+00:00"))
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def holds_nan(value: Any) -> bool:
    """Whether there is a NaN anywhere in a value."""
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, dict):
        return any(holds_nan(one) for one in value.values())
    return isinstance(value, list) and any(holds_nan(one) for one in value)
