"""Durations as people write them: "90s", "15m", "2h", "120d", "4w"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")


def parse_duration(value: Any) -> Any:
    """A timedelta from text like "120d"; anything that is not text is passed on to be judged elsewhere.

    Raises ValueError with the mend for text that is no duration.
    """
    if not isinstance(value, str) or value == "all":
        return value
    match = _FORM.fullmatch(value)
    if not match:
        raise ValueError(f'{value!r} is no duration; write a number and a unit, for example "90s", "2h" or "120d"')
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def in_words(span: timedelta) -> str:
    """A duration as people read it, in its largest whole unit: "45 s", "10 min", "1 h", "2 d"."""
    seconds = round(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
