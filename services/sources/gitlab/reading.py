"""How a GitLab object is read without trusting it: each field by its kind, each text redacted, each fault counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from services.redaction import redact_text
from services.sources.base import Notes
from services.sources.gitlab.client import Json

Made = TypeVar("Made")

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
LONGEST = 2000


class Malformed(ValueError):
    """A field that must be there is missing, or is of another kind."""


def kept(notes: Notes, kind: str, item: Any, make: Callable[[Any], Made]) -> Made | None:
    """What `make` makes of one object; a malformed one is kept aside by its id, and gives None."""
    try:
        if not isinstance(item, dict):
            raise Malformed(f"is {type(item).__name__}, not an object")  # noqa: TRY301 - one way out for all faults
        return make(item)
    except (Malformed, KeyError, TypeError, AttributeError, ValueError) as error:
        why = str(error) if isinstance(error, Malformed) else f"unexpected shape ({type(error).__name__})"
        notes.reject(f"{kind} {_name_of(item)}", why)
        return None


def _name_of(item: Any) -> str:
    found = item.get("id") if isinstance(item, dict) else None
    return str(found)[:80] if isinstance(found, (int, str)) else "without id"


def ident(item: Json, key: str = "id") -> str:
    """A required id as text; a GraphQL global id gives its last part. Raises Malformed."""
    found = item.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, str)) or not str(found):
        raise Malformed(f"has no {key}")
    return str(found).rpartition("/")[2]


def text(item: Json, key: str) -> str | None:
    """A text, redacted and without control characters; None where there is none. Raises Malformed."""
    found = item.get(key)
    if found is None:
        return None
    if isinstance(found, (dict, list)):
        raise Malformed(f"{key} is not a text")
    return clean(str(found))


def clean(found: str | None) -> str | None:
    """Upstream text as it may be kept."""
    if not found:
        return None
    return redact_text(CONTROL.sub(" ", found[:LONGEST])) or None


def required(item: Json, key: str) -> str:
    """A text that must be there. Raises Malformed."""
    found = text(item, key)
    if found is None:
        raise Malformed(f"has no {key}")
    return found


def when(item: Json, key: str) -> datetime | None:
    """A time, aware UTC; None where there is none. Raises Malformed for what is no time."""
    found = item.get(key)
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise Malformed(f"{key} is not a time")
    try:
        at = datetime.fromisoformat(found)
    except ValueError:
        raise Malformed(f"{key} is not a time") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def number(item: Json, key: str) -> float | None:
    """A number, also one written as text (coverage is); None where there is none. Raises Malformed."""
    found = item.get(key)
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        raise Malformed(f"{key} is not a number")
    try:
        return float(found)
    except ValueError:
        raise Malformed(f"{key} is not a number") from None


def flag(item: Json, key: str) -> bool:
    """A yes or no; a missing one is no."""
    return item.get(key) is True


def part(item: Json, key: str) -> Json:
    """An object inside; empty where there is none. Raises Malformed."""
    found = item.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{key} is not an object")
    return found


def nodes(connection: Any) -> list[Json]:
    """The nodes of a GraphQL connection; those that the token may not see are null, and left out.

    What is no object stands as an empty one: whoever makes a record of it keeps it aside.
    """
    found = connection.get("nodes") if isinstance(connection, dict) else None
    if not isinstance(found, list):
        return []
    return [node if isinstance(node, dict) else {} for node in found if node is not None]


def next_page(connection: Any) -> str | None:
    """Where a GraphQL connection goes on; None at its end."""
    info = connection.get("pageInfo") if isinstance(connection, dict) else None
    if not isinstance(info, dict) or info.get("hasNextPage") is not True:
        return None
    cursor = info.get("endCursor")
    return cursor if isinstance(cursor, str) and cursor else None


def inside(item: Any, *keys: str) -> Json:
    """The object that the keys lead to; empty where anything on the way is none."""
    for key in keys:
        item = item.get(key) if isinstance(item, dict) else None
    return item if isinstance(item, dict) else {}


def names(item: Json, key: str, inner: str) -> tuple[str, ...]:
    """One text of each object in a list or a GraphQL connection, for example the user names of reviewers."""
    found = item.get(key)
    entries = nodes(found) if isinstance(found, dict) else found or []
    if not isinstance(entries, list):
        raise Malformed(f"{key} is not a list")
    return tuple(str(entry[inner]) for entry in entries if isinstance(entry, dict) and entry.get(inner))


def texts(item: Json, key: str) -> tuple[str, ...]:
    """A list of texts, redacted; empty where there is none."""
    found = item.get(key) or []
    if not isinstance(found, list):
        raise Malformed(f"{key} is not a list")
    return tuple(shown for entry in found if (shown := clean(str(entry))))


def chunks(items: list[Made], size: int) -> Iterator[list[Made]]:
    """The items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
