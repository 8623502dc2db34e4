"""Small pieces of the sentences that people read: names, ages and counts, as text."""

from __future__ import annotations

from collections.abc import Iterable

from services.config import Config, GitLabSource
from services.timestamps import EPOCH, MILLIS

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def short(sha: str | None) -> str:
    """A SHA as people say it; "an unknown commit" where there is none."""
    return sha[:8] if sha else "an unknown commit"


def project_name(path: str | None, config: Config) -> str:
    """A project's path without the configured group that it is in, as everybody in the team would say it."""
    if not path:
        return "a project not read yet"
    groups = [group for source in config.source if isinstance(source, GitLabSource) for group in source.groups]
    for group in sorted(groups, key=len, reverse=True):
        if path.startswith(f"{group}/"):
            return path.removeprefix(f"{group}/")
    return path


def moment(millis: int, config: Config) -> str:
    """A time in the team's zone, as people say it: "Sat 21 Nov 02:00"."""
    at = EPOCH + millis * MILLIS
    return f"{at.astimezone(config.team.zone):%a %d %b %H:%M}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 request", "3 requests"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Names in a row, the rest counted: "a, b, c and 2 more"."""
    known = [name for name in names if name]
    if len(known) <= most:
        return ", ".join(known[:-1]) + (" and " if len(known) > 1 else "") + known[-1] if known else ""
    return f"{', '.join(known[:most])} and {len(known) - most} more"


def number(value: float) -> str:
    """A measured value to four digits."""
    return f"{value:.4g}"
