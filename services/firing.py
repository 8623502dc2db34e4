"""When a schedule should have run, by its cron expression in its own zone, and how much grace it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from services.config import Config

LEAST, MOST = timedelta(minutes=10), timedelta(hours=2)
_RAILS = {
    "Eastern Time (US & Canada)": "America/New_York", "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver", "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Mumbai": "Asia/Kolkata", "New Delhi": "Asia/Kolkata", "Beijing": "Asia/Shanghai", "Bern": "Europe/Zurich",
    "Edinburgh": "Europe/London", "Kyiv": "Europe/Kiev", "Osaka": "Asia/Tokyo", "Wellington": "Pacific/Auckland",
}  # fmt: skip
"""Names of zones that GitLab takes from Rails and that are no last part of an IANA name."""


@cache
def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone that a name stands for, IANA's or GitLab's; None for one that we do not know, UTC for none."""
    if not name:
        return ZoneInfo("UTC")
    known = available_timezones()
    told = _RAILS.get(name, name)
    if told in known:
        return ZoneInfo(told)
    last = told.replace(" ", "_")
    found = sorted(zone for zone in known if "/" in zone and zone.rsplit("/", 1)[-1] == last and zone[:4] != "Etc/")
    return ZoneInfo(found[0]) if found else None


def firings(cron: str | None, zone: str | None, after: datetime) -> Iterator[datetime]:
    """The times after `after` at which a cron expression fires; none where it or its zone cannot be read.

    Vertex AI may hold the zone in the expression itself: `TZ=Europe/Berlin 0 2 * * *`.
    """
    match = re.match(r"(?:CRON_)?TZ=(\S+)\s+(.*)", cron or "")
    expression, name = (match[2], match[1]) if match else (cron or "", zone)
    known = zone_of(name)
    if known is None:
        return
    try:
        times = CronSim(expression, after.astimezone(known))
    except CronSimError:
        return
    yield from times


def interval(cron: str | None, zone: str | None, near: datetime) -> timedelta | None:
    """The time between two firings around a moment; None where the expression cannot be read or fires no more."""
    times = firings(cron, zone, near)
    first, second = next(times, None), next(times, None)
    return None if first is None or second is None else second - first


def grace(config: Config, between: timedelta | None) -> timedelta:
    """How long a run may be late: 10 % of the interval, at least 10 minutes, at most 2 hours; or as configured."""
    if config.late_grace is not None:
        return config.late_grace
    return min(max((between or timedelta()) / 10, LEAST), MOST)
