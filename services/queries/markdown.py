"""An envelope as Markdown, for a chat or a ticket: the same facts, in tables that people read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST_ROWS = 200
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def escape(text: Any) -> str:
    """Text from anywhere as Markdown that shows just that text, on one line."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub(" ", str(text)))


def as_markdown(envelope: Mapping[str, Any]) -> str:
    """A heading, how old everything is, and a table or list for each part of the data."""
    lines = [f"# {escape(envelope['view'])}", "", f"As of {envelope['as_of']}"]
    if envelope["window"]:
        lines.append(f"Window {envelope['window']['from']} to {envelope['window']['to']}")
    if envelope["truncated"]:
        lines.append(f"Shown: {envelope['truncated']['shown']} of {envelope['truncated']['of']}")
    poor = [source for source in envelope["sources"] if source["status"] != "fresh"]
    lines += ["", *_table("Sources that are not fresh", poor)] if poor else []
    for name, value in envelope["data"].items():
        lines += ["", *_part(name, value)]
    return "\n".join(lines) + "\n"


def _part(name: str, value: Any) -> list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(row, Mapping) for row in value):
            return _table(name, value)
        return [f"## {escape(name)}", "", *(f"- {escape(item)}" for item in value)]
    if isinstance(value, Mapping):
        return _table(name, [{"name": key, "value": inner} for key, inner in value.items()])
    return [f"{escape(name)}: {_cell(value)}"]


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"## {escape(name)}", ""]
    if not rows:
        return [*lines, "none"]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines.append("| " + " | ".join(escape(column) for column in columns) + " |")
    lines.append("|" + " --- |" * len(columns))
    lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f"\n{MOST_ROWS} of {len(rows)} shown")
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(key)} {_cell(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(_cell(inner) for inner in value[:20])
    return escape(value)
