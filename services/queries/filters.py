"""What a person narrowed the picture to, read from a URL, an API call or the command line by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.config import Config
from services.queries.base import Filters, Window
from services.queries.identity import parse_id
from services.queries.windows import DEFAULT, BadTime, between, named_window

PARAMETERS = (
    "product", "env", "window", "since", "until", "text", "state", "project", "kind", "selected", "page", "limit",
)  # fmt: skip
"""All names that a URL or a call may hold; anything else is an error, so that a typo is not taken for "all"."""

UNASSIGNED = "unassigned"
LONGEST = 500
ROWS, MOST_ROWS = Filters().limit, 10_000
"""How many rows a page of a list has, and the most that can be asked for."""


class BadFilter(ValueError):
    """A parameter that cannot be used; says which, why, and what would be."""

    def __init__(self, parameter: str, why: str) -> None:
        super().__init__(f"{parameter}: {why}")
        self.parameter = parameter
        self.why = why


def parse_filters(given: Mapping[str, str], config: Config, now: datetime, guessed: tuple[str, ...] = ()) -> Filters:
    """The filters that these parameters mean. Raises BadFilter for the first one that cannot be used.

    `guessed` are products that no configuration names.
    """
    for name, value in given.items():
        if name not in PARAMETERS:
            raise BadFilter(name, f"is no parameter; known: {', '.join(PARAMETERS)}")
        if len(value) > LONGEST:
            raise BadFilter(name, f"is longer than {LONGEST} characters")
    return Filters(
        product=_one_of(given, "product", (*(p.name for p in config.product), *guessed, UNASSIGNED)),
        environment=_one_of(given, "env", tuple(e.name for e in config.environment)),
        window=_window(given, config, now),
        text=given.get("text") or None,
        state=given.get("state") or None,
        project=given.get("project") or None,
        kind=given.get("kind") or None,
        selected=_selected(given),
        page=_number(given, "page", 1, 100_000),
        limit=_number(given, "limit", ROWS, MOST_ROWS),
    )


def _one_of(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if not value:
        return None
    if value not in known:
        raise BadFilter(name, f"{value!r} is unknown; known: {', '.join(dict.fromkeys(known))}")
    return value


def _window(given: Mapping[str, str], config: Config, now: datetime) -> Window | None:
    """The window asked for; None where the view's own is meant."""
    try:
        if given.get("since"):
            return between(given["since"], given.get("until") or None, config, now)
        if given.get("until"):
            raise BadFilter("until", "needs since as well, for example since=14d")
        if given.get("window"):
            return named_window(given["window"] or DEFAULT, config, now)
    except BadTime as error:
        raise BadFilter("since" if given.get("since") else "window", str(error)) from None
    return None


def _selected(given: Mapping[str, str]) -> str | None:
    value = given.get("selected")
    if not value:
        return None
    try:
        parse_id(value)
    except ValueError as error:
        raise BadFilter("selected", str(error)) from None
    return value


def _number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise BadFilter(name, f"{text[:20]!r} does not do; use a number from 1 to {most}")
    return int(text)
