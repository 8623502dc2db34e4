"""Times, ages, durations and counts as people read them: relative first, exact on hover, in the team's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.queries.base import from_millis
from ui.markup import Html, tag


def to_time(value: datetime | int | str | None) -> datetime | None:
    """An aware UTC time from a datetime, epoch milliseconds or ISO 8601 text; None stays None."""
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return from_millis(value)
    return datetime.fromisoformat(value).astimezone(UTC)


def span(seconds: float) -> str:
    """A length of time in at most two units: "48 s", "7 min", "2 h 05 min", "3 d 4 h"."""
    whole = round(abs(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" if whole >= 600 or whole % 60 == 0 else f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        minutes = whole % 3600 // 60
        return f"{whole // 3600} h {minutes:02d} min" if minutes and whole < 36000 else f"{whole // 3600} h"
    hours = whole % 86400 // 3600
    return f"{whole // 86400} d {hours} h" if hours and whole < 4 * 86400 else f"{whole // 86400} d"


def short(delta: timedelta) -> str:
    """An age in one unit: "12 s", "4 min", "26 h", "3 d"."""
    seconds = max(0, int(delta.total_seconds()))
    for unit, size, below in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 172800)):
        if seconds < below:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} d"


def exact(at: datetime, zone: ZoneInfo) -> str:
    """The full time in the team's zone: "Tue 24 Nov 2026, 09:30:00 CET"."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {local.tzname()}"


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A time as short as it is clear: "14:02" today, "Mon 14:02" this week, "3 Nov" this year, "3 Nov 2025" before."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if abs((today.date() - local.date()).days) < 7:
        return f"{local:%a %H:%M}"
    return f"{local.day} {local:%b}" if local.year == today.year else f"{local.day} {local:%b %Y}"


def age(value: datetime | int | str | None, now: datetime, zone: ZoneInfo, suffix: str = "") -> Html:
    """How long ago, with the exact time on hover; a time to come says "in 5 min"; None says that it is not known."""
    if value is None:
        return tag("span", "time not known", cls="tl-dim")
    at, iso, told = _spelt(value, zone)
    ahead = at > now + timedelta(seconds=5)
    words = f"in {short(at - now)}" if ahead else f"{short(now - at)}{suffix}"
    return tag("time", words, datetime=iso, title=told, cls="tl-age")


@lru_cache(maxsize=8192)
def _spelt(value: datetime | int | str, zone: ZoneInfo) -> tuple[datetime, str, str]:
    """A time, as ISO 8601, and as people read it: kept, since a list shows the same times again and again."""
    at = to_time(value)
    assert at is not None
    iso = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return at, iso, exact(at, zone)


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 change", "14 changes", "1,204 runs"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; None says "not known"."""
    if value is None:
        return "not known"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """A share of 0–1 as a percentage; None says "not known"."""
    return "not known" if value is None else f"{value * 100:.3g} %"
