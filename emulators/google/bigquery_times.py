"""BigQuery's dates and times, written anew for DuckDB: truncation, movement, difference, parts, formats."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from emulators.google.bigquery_macros import ANCHORS

Rewrite = Callable[[exp.Expression], exp.Expression]


class NotServed(Exception):
    """A construct whose meaning is not known here; the text names it."""


def call(name: str, *arguments: exp.Expression | str | int) -> exp.Expression:
    """A call of a DuckDB function or of one of our macros, written as it stands."""
    made = [one if isinstance(one, exp.Expression) else literal(one) for one in arguments]
    return exp.Anonymous(this=name, expressions=made)


def literal(value: str | int) -> exp.Expression:
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


MICROS = {
    "MICROSECOND": 1, "MILLISECOND": 1_000, "SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}  # fmt: skip
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
DAYS = {"DAY": 1, "WEEK": 7}


def unit_of(node: exp.Expression) -> str:
    """DAY, MONTH …; a week as WEEK:SUNDAY or WEEK:MONDAY, by the day on which it begins."""
    unit = node.args.get("unit")
    if isinstance(unit, exp.WeekStart):
        return f"WEEK:{unit.name.upper()}"
    word = unit.name.upper() if unit is not None else ""
    return {"ISOWEEK": "WEEK:MONDAY"}.get(word, word)


def anchor_of(unit: str) -> str:
    day = unit.partition(":")[2]
    if day not in ANCHORS:
        raise NotServed(f"the unit {unit}")
    return ANCHORS[day]


def served(unit: str, units: dict[str, int], where: str) -> int:
    if unit not in units:
        raise NotServed(f"the unit {unit or 'that is not named'} in {where}")
    return units[unit]


def number(node: exp.Expression) -> exp.Expression:
    """A whole number that the parser may have kept as text (`INTERVAL '1' DAY`)."""
    return exp.Literal.number(node.name) if isinstance(node, exp.Literal) else exp.Paren(this=node)


def timestamp_trunc(node: exp.Expression) -> exp.Expression:
    unit, zone = unit_of(node), node.args.get("zone")
    moment = call("bq_timestamp", node.this)
    if zone is not None and unit in ("HOUR", "MINUTE", "SECOND"):
        raise NotServed("a time zone for a unit below a day")
    local: exp.Expression = exp.AtTimeZone(this=moment, zone=zone or literal("UTC"))
    if unit.startswith("WEEK"):
        start = exp.cast(call("bq_week_start", exp.cast(local, "date"), anchor_of(unit)), "timestamp")
    else:
        served(unit, MICROS | MONTHS, "TIMESTAMP_TRUNC")
        start = call("date_trunc", unit.lower(), local)
    return exp.AtTimeZone(this=exp.Paren(this=start), zone=(zone or literal("UTC")).copy())


def date_trunc(node: exp.Expression) -> exp.Expression:
    unit, day = unit_of(node), call("bq_date", node.this)
    if unit.startswith("WEEK"):
        return call("bq_week_start", day, anchor_of(unit))
    served(unit, {"DAY": 1} | MONTHS, "DATE_TRUNC")
    return exp.cast(call("date_trunc", unit.lower(), day), "date")


def timestamp_move(sign: str) -> Rewrite:
    def move(node: exp.Expression) -> exp.Expression:
        size = served(unit_of(node), MICROS, "TIMESTAMP_ADD or TIMESTAMP_SUB")
        by = call(
            "to_microseconds", exp.Mul(this=exp.cast(number(node.expression), "bigint"), expression=literal(size))
        )
        kind = exp.Add if sign == "+" else exp.Sub
        return exp.Paren(this=kind(this=call("bq_timestamp", node.this), expression=by))

    return move


def date_move(sign: str) -> Rewrite:
    def move(node: exp.Expression) -> exp.Expression:
        unit = unit_of(node).partition(":")[0]
        size = served(unit, DAYS | MONTHS, "DATE_ADD or DATE_SUB")
        steps = exp.cast(exp.Mul(this=number(node.expression), expression=literal(size)), "int")
        by = call("to_days" if unit in DAYS else "to_months", steps)
        kind = exp.Add if sign == "+" else exp.Sub
        return exp.cast(exp.Paren(this=kind(this=call("bq_date", node.this), expression=by)), "date")

    return move


def timestamp_diff(node: exp.Expression) -> exp.Expression:
    size = served(unit_of(node), MICROS, "TIMESTAMP_DIFF")
    return exp.Paren(this=call("bq_timestamp_diff", node.this, node.expression, size))


def date_diff(node: exp.Expression) -> exp.Expression:
    unit = unit_of(node)
    if unit.startswith("WEEK"):
        unit = "WEEK:SUNDAY" if unit == "WEEK" else unit
        return exp.Paren(this=call("bq_weeks_between", node.this, node.expression, anchor_of(unit)))
    served(unit, {"DAY": 1} | MONTHS, "DATE_DIFF")
    return call("date_diff", unit.lower(), call("bq_date", node.expression), call("bq_date", node.this))


EXTRACTS = {
    "YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute",
    "SECOND": "second", "DAYOFYEAR": "dayofyear", "ISOWEEK": "week", "ISOYEAR": "isoyear",
}  # fmt: skip


def extract(node: exp.Expression) -> exp.Expression:
    part, moment = node.this.name.upper(), node.expression
    if part == "DATE":
        return exp.cast(moment, "date")
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=call("dayofweek", moment), expression=literal(1)))
    if part not in EXTRACTS:
        raise NotServed(f"EXTRACT({part})")
    return call(EXTRACTS[part], moment)


def date_of(node: exp.Expression) -> exp.Expression:
    if node.args.get("expressions"):
        raise NotServed("DATE with these arguments")
    zone = node.args.get("zone")
    return call("bq_date_in", node.this, zone) if zone is not None else call("bq_to_date", node.this)


def timestamp_of(node: exp.Expression) -> exp.Expression:
    if node.args.get("zone") is not None:
        raise NotServed("TIMESTAMP with a time zone")
    return call("bq_to_timestamp", node.this)


def from_unix(node: exp.Expression) -> exp.Expression:
    scale = int(node.args["scale"].name) if node.args.get("scale") else 0
    micros = exp.Mul(this=exp.cast(node.this, "bigint"), expression=literal(10 ** (6 - scale)))
    return exp.Paren(this=call("bq_from_micros", micros))


def to_unix(size: int) -> Rewrite:
    return lambda node: exp.Paren(this=call("bq_to_units", node.this, size))


FORMATS = {"F": "%Y-%m-%d", "T": "%H:%M:%S"}


def format_time(node: exp.Expression) -> exp.Expression:
    pattern = node.args["format"]
    if not isinstance(pattern, exp.Literal) or node.args.get("zone") is not None:
        raise NotServed("a format that is no text, or one with a time zone")
    text = re.sub(r"%([FT])", lambda found: FORMATS[found[1]], pattern.name)
    unknown = [letter for letter in re.findall(r"%(.)", text) if letter not in "YmdHMSj%"]
    if unknown:
        raise NotServed(f"the format element %{unknown[0]}")
    inner, day = node.this.this, isinstance(node.this, exp.TsOrDsToDate)
    moment = call("bq_date", inner) if day else exp.AtTimeZone(this=call("bq_timestamp", inner), zone=literal("UTC"))
    return call("strftime", moment, text)


def days_between(node: exp.Expression) -> exp.Expression:
    step = node.args.get("step")
    if unit_of(step) not in DAYS:
        raise NotServed("GENERATE_DATE_ARRAY by this unit")
    by = call("to_days", exp.cast(exp.Mul(this=number(step.this), expression=literal(DAYS[unit_of(step)])), "int"))
    ends = [exp.cast(call("bq_date", node.args[end]), "timestamp") for end in ("start", "end")]
    return exp.cast(call("generate_series", *ends, by), "date[]")


TIMES: dict[type, Rewrite] = {
    exp.UnixToTime: from_unix,
    exp.UnixSeconds: to_unix(1_000_000),
    exp.UnixMillis: to_unix(1_000),
    exp.UnixMicros: to_unix(1),
    exp.Date: date_of,
    exp.Timestamp: timestamp_of,
    exp.DateFromParts: lambda node: call("make_date", node.args["year"], node.args["month"], node.args["day"]),
    exp.TimestampTrunc: timestamp_trunc,
    exp.DateTrunc: date_trunc,
    exp.TimestampAdd: timestamp_move("+"),
    exp.TimestampSub: timestamp_move("-"),
    exp.DateAdd: date_move("+"),
    exp.DateSub: date_move("-"),
    exp.TimestampDiff: timestamp_diff,
    exp.DateDiff: date_diff,
    exp.Extract: extract,
    exp.TimeToStr: format_time,
    exp.GenerateDateArray: days_between,
}
