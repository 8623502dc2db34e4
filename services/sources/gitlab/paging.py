"""Lists by their time of change: onwards from a watermark, and backwards through the history, both to be resumed.

GitLab's offset pages shift when something changes while they are read: an item that moves to the end pulls the first
one of the next page back onto a page that was read already. So no page but the first is asked for: the next question
starts at the last time seen. Only where a whole page has one and the same time is the next page asked for.

An entry of a cursor (JSON; times by GitLab's own clock):
  head   start of the last reading that came to its end
  sweep  the one under way: {"at": its start, "from": the time it has come to}; null between them
  tail   the time down to which the history was read; "" from the newest; null when it is read
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.sources.gitlab.client import GitLabClient, Json

OVERLAP = timedelta(minutes=2)
AGAIN = timedelta(seconds=45)
"""While the history is being read, the present is read again this often."""
HAIR = timedelta(milliseconds=1)
"""GitLab shows milliseconds and compares microseconds."""


@dataclass(frozen=True)
class Read:
    """A page of objects, and the cursor's entry that is true once they are kept."""

    items: list[Json]
    entry: Json
    tail: bool = False


def catch_up(
    client: GitLabClient, path: str, entry: Json | None, since: datetime | None, **params: Any
) -> Iterator[Read]:
    """What changed since the last reading, then what is left of the history down to `since`. Raises a SourceError."""
    at = client.upstream_now()
    if not entry:
        entry = {"head": at.isoformat(), "sweep": None, "tail": ""}
    elif entry["sweep"] is None and (entry["tail"] is None or at - datetime.fromisoformat(entry["head"]) > AGAIN):
        start = datetime.fromisoformat(entry["head"]) - OVERLAP
        entry = {**entry, "sweep": {"at": at.isoformat(), "from": start.isoformat()}}
    if entry["sweep"] is not None:
        for items, place in _onwards(client, path, entry["sweep"]["from"], params):
            done = {"head": entry["sweep"]["at"], "sweep": None} if place is None else {}
            entry = {**entry, "sweep": {**entry["sweep"], "from": place}} | done
            yield Read(items, entry)
    if entry["tail"] is not None:
        for items, place in backwards(client, path, entry["tail"], since, params):
            entry = {**entry, "tail": place}
            yield Read(items, entry, tail=True)


def _onwards(client: GitLabClient, path: str, start: str, params: Json) -> Iterator[tuple[list[Json], str | None]]:
    page = 1
    while True:
        items, more = client.page(
            path, updated_after=start, order_by="updated_at", sort="asc", **params, **_numbered(page)
        )
        last = _last_time(items)
        if not more:
            yield items, None
            return
        if last is not None and last > datetime.fromisoformat(start):
            start, page = last.isoformat(), 1
        else:
            page += 1
        yield items, start


def backwards(
    client: GitLabClient, path: str, start: str, since: datetime | None, params: Json
) -> Iterator[tuple[list[Json], str | None]]:
    """Pages newest first from `start` ("": the newest) down to `since`, each with where it goes on; None at the end."""
    page = 1
    bounds = {} if since is None else {"updated_after": since.isoformat()}
    while True:
        before = {"updated_before": start} if start else {}
        items, more = client.page(
            path, order_by="updated_at", sort="desc", **bounds, **before, **params, **_numbered(page)
        )
        last = _last_time(items)
        if not more:
            yield items, None
            return
        if last is not None and (not start or last + HAIR < datetime.fromisoformat(start)):
            start, page = (last + HAIR).isoformat(), 1
        else:
            page += 1
        yield items, start


def _numbered(page: int) -> Json:
    return {} if page == 1 else {"page": page}


def _last_time(items: list[Json]) -> datetime | None:
    """The time of change of the last object that tells one."""
    for item in reversed(items):
        found = item.get("updated_at") if isinstance(item, dict) else None
        if isinstance(found, str):
            try:
                return datetime.fromisoformat(found)
            except ValueError:
                continue
    return None
