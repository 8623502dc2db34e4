"""How GitLab cuts a list into pages: by offset with Link and x-* headers, or by key with an opaque cursor."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from emulators.data import Json
from emulators.gitlab.exchange import Answer, Refused, Request, stamp
from emulators.gitlab.shapes import served

MAX_PER_PAGE = 100
COUNTED_UP_TO = 10_000
MAX_OFFSET = 50_000

Shape = Callable[[Json], Json]
Key = Callable[[Json], Any]


def page(
    request: Request,
    items: Sequence[Json],
    shape: Shape = served,
    keyset: tuple[str, ...] = (),
    descending: bool = True,
) -> Answer:
    """One page of `items`, which are in order already (for reading by key: in the order that `descending` tells).

    `keyset` names the orders that may be read by key.
    """
    if request.text("pagination") == "keyset":
        return _by_key(request, items, shape, keyset, descending)
    return _by_offset(request, items, shape, bool(keyset))


def _per_page(request: Request) -> int:
    per_page = request.number("per_page", 20)
    if per_page < 1:
        raise Refused(400, {"error": "per_page does not have a valid value"})
    return min(per_page, MAX_PER_PAGE)


def _by_offset(request: Request, items: Sequence[Json], shape: Shape, limited: bool) -> Answer:
    per_page = _per_page(request)
    number = max(request.number("page", 1), 1)
    start = (number - 1) * per_page
    if limited and start > MAX_OFFSET:
        text = (
            f"Offset pagination has a maximum allowed offset of {MAX_OFFSET} for requests that return objects of this "
            "type. Remaining records can be retrieved using keyset pagination."
        )
        raise Refused(405, {"error": text})
    total = len(items)
    pages = max(-(-total // per_page), 1)
    after = number + 1 if number < pages else None
    before = number - 1 if number > 1 else None
    counted = total <= COUNTED_UP_TO
    links = {"prev": before, "next": after, "first": 1, "last": pages if counted else None}
    headers = [
        ("x-next-page", str(after or "")),
        ("x-page", str(number)),
        ("x-per-page", str(per_page)),
        ("x-prev-page", str(before or "")),
        ("link", ", ".join(f'<{_url(request, page=n, per_page=per_page)}>; rel="{r}"' for r, n in links.items() if n)),
    ]
    if counted:
        headers += [("x-total", str(total)), ("x-total-pages", str(pages))]
    return Answer([shape(item) for item in items[start : start + per_page]], headers=tuple(headers))


def _by_key(
    request: Request, items: Sequence[Json], shape: Shape, allowed: tuple[str, ...], descending: bool
) -> Answer:
    order = request.text("order_by", "id" if "id" in allowed else next(iter(allowed), "")) or ""
    if order not in allowed:
        raise Refused(405, {"error": "Keyset pagination is not yet available for this type of request"})
    per_page = _per_page(request)
    key = order_key(order)
    cursor = request.text("cursor")
    rest = after_cursor(items, key, cursor, descending) if cursor else items
    found = rest[:per_page]
    headers: tuple[tuple[str, str], ...] = (("x-per-page", str(per_page)),)
    if len(rest) > per_page:
        url = _url(request, cursor=cursor_of(key(found[-1])), per_page=per_page)
        headers += (("link", f'<{url}>; rel="next"'),)
    return Answer([shape(item) for item in found], headers=headers)


def _url(request: Request, **changes: Any) -> str:
    query = {**request.query, **{name: [str(value)] for name, value in changes.items()}}
    return f"{request.here}?{urlencode(query, doseq=True)}"


def order_key(order: str) -> Key:
    """What a list is ordered by: a time field as seconds, with the id (or name) after it, so that no two are equal."""
    if order.endswith("_at"):
        return lambda item: (stamp(item, order) or 0.0, item.get("id", 0))
    if order in ("id", "iid"):
        return lambda item: (item[order],)
    return lambda item: (str(item.get(order) or ""), item.get("id", 0))


def ordered(items: Iterable[Json], order: str, descending: bool) -> list[Json]:
    """The items in that order."""
    return sorted(items, key=order_key(order), reverse=descending)


def cursor_of(key: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def after_cursor(items: Sequence[Json], key: Key, cursor: str, descending: bool) -> list[Json]:
    """The items behind the cursor, whatever was added, changed or taken away since it was made."""
    try:
        mark = tuple(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
        return [item for item in items if (key(item) < mark if descending else key(item) > mark)]
    except (ValueError, TypeError, binascii.Error):  # no cursor at all, or that of another order
        raise Refused(400, {"error": "cursor is invalid"}) from None
