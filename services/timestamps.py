"""Times between their three forms: aware datetimes in Python, epoch milliseconds in the store, ISO 8601 in JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

MILLIS = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The present, as an aware UTC datetime."""
    return datetime.now(UTC)


def to_millis(at: datetime) -> int:
    """Epoch milliseconds of an aware datetime."""
    return (at - EPOCH) // MILLIS


def from_millis(value: int | None) -> datetime | None:
    """An aware UTC datetime from epoch milliseconds; None stays None."""
    return None if value is None else EPOCH + value * MILLIS


@lru_cache(maxsize=32_768)
def iso(value: int | None) -> str | None:
    """ISO 8601 UTC from epoch milliseconds, as JSON and URLs have it; None stays None."""
    at = from_millis(value)
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
