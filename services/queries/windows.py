"""From when to when a page looks: since the last standup, the last hours, or any two times a person names."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from services.config import Config
from services.durations import parse_duration
from services.queries.base import Window

SETTLES = timedelta(hours=1)
"""Until so long after its start, a standup counts as the one being held, and the window is still the one before it."""

DEFAULT = "standup"
CHOICES = {
    "standup": "since the last standup",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "30d": "last 30 days",
    "90d": "last 90 days",
}
"""What the frame offers: the URL's word and the words for people."""

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_BACK_DAYS = 60
_DURATION = re.compile(r"\d+(?:\.\d+)?[smhdw]")


class BadTime(ValueError):
    """A text that names no time and no window; its message says what would."""


@lru_cache(maxsize=16)
def _calendar(place: str) -> holidays.HolidayBase:
    country, _, subdivision = place.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None)


def holiday(config: Config, day: date) -> str | None:
    """The name of the public holiday on that day, where the team's country is configured."""
    return _calendar(config.team.holidays).get(day) if config.team.holidays else None


def _held(config: Config, day: date) -> datetime | None:
    """When the standup of a day begins, aware UTC; None on a day without one."""
    if _WEEKDAYS[day.weekday()] not in config.standup.days or holiday(config, day):
        return None
    return datetime.combine(day, config.standup.time, tzinfo=config.team.zone).astimezone(UTC)


def standup_window(config: Config, now: datetime) -> Window:
    """Since the previous standup that was held, up to now.

    Until an hour after a standup's start that standup is the current one, so the window still begins at the one
    before it. Weekends and public holidays hold none. Without any standup in 60 days it is the last 24 hours.
    """
    today = now.astimezone(config.team.zone).date()
    for back in range(_LOOK_BACK_DAYS):
        start = _held(config, today - timedelta(days=back))
        if start is not None and start + SETTLES <= now:
            local = start.astimezone(config.team.zone)
            return Window(start, now, f"since the standup of {local:%a} {local.day} {local:%b}, {local:%H:%M}")
    return recent(24, now)


def recent(hours: float, now: datetime) -> Window:
    """The last so many hours, up to now."""
    days = hours / 24
    words = f"{days:g} days" if hours >= 48 and days.is_integer() else f"{hours:g} hours"
    return Window(now - timedelta(hours=hours), now, f"last {words}")


def parse_time(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """An aware UTC time from "2026-11-24", "2026-11-24T09:30" (the team's zone), ISO 8601 with a zone, or "24h" ago.

    Raises BadTime with what would be understood.
    """
    text = text.strip()
    if text == "now":
        return now
    try:
        if _DURATION.fullmatch(text):
            ago: timedelta = parse_duration(text)
            return now - ago
        at = datetime.combine(date.fromisoformat(text), time()) if len(text) == 10 else datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadTime(f'{text!r} is no time; write "2026-11-24", "2026-11-24T09:30" or "24h"') from error


def between(since: str, until: str | None, config: Config, now: datetime) -> Window:
    """The window from one written time to another (now, where it is not given). Raises BadTime."""
    start = parse_time(since, now, config.team.zone)
    end = now if until is None else parse_time(until, now, config.team.zone)
    if start >= end:
        raise BadTime(f"the window ends ({until or 'now'}) before it starts ({since})")
    local = start.astimezone(config.team.zone)
    why = f"since {local:%a} {local.day} {local:%b %Y}, {local:%H:%M}"
    if until is not None:
        last = end.astimezone(config.team.zone)
        why += f" until {last:%a} {last.day} {last:%b %Y}, {last:%H:%M}"
    return Window(start, end, why)


def named_window(name: str, config: Config, now: datetime) -> Window:
    """The window behind a word of CHOICES, or any duration such as "3d". Raises BadTime."""
    if name == DEFAULT:
        return standup_window(config, now)
    if not _DURATION.fullmatch(name):
        raise BadTime(f'{name!r} is no window; write "standup" or a duration such as "24h" or "7d"')
    try:
        start = now - parse_duration(name)
    except OverflowError as error:
        raise BadTime(f"{name!r} reaches back before the calendar begins") from error
    if start >= now:
        raise BadTime(f"{name!r} is an empty window")
    return recent((now - start) / timedelta(hours=1), now)
