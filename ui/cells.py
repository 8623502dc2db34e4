"""Cells of tables: a status, an age, a length, a link that opens a row, and a link to its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ui import components, words
from ui.markup import Html, join, tag
from ui.moment import moment
from ui.status import badge

Row = Mapping[str, Any]
Cell = Callable[[Row], object]


def status(name: str = "state", raw: str = "state_raw") -> Cell:
    """The row's status as a badge that leads to its source, with the source's own word on hover."""
    return lambda row: badge(row.get(name), stale=bool(row.get("stale")), raw=row.get(raw))


def text(name: str) -> Cell:
    """The row's text as it is."""
    return lambda row: row.get(name)


def ago(*names: str) -> Cell:
    """How long ago the first of these times that is known was."""

    def cell(row: Row) -> object:
        at = next((row[name] for name in names if row.get(name)), None)
        here = moment()
        return words.age(at, here.now, here.zone)

    return cell


def length(name: str) -> Cell:
    """A duration in seconds as people read it; empty where the source gave none."""
    return lambda row: None if row.get(name) is None else words.span(row[name])


def opens(name: str, fallback: str = "id") -> Cell:
    """A link that opens the row on this page; a second click on the opened one closes it."""

    def cell(row: Row) -> object:
        said = row.get(name) or row.get(fallback) or "(no name)"
        return components.link(said, moment().opening(row.get("id")))

    return cell


def source(said: str = "source") -> Cell:
    """The link to the row's upstream, in a new tab."""
    return lambda row: components.source_link(row.get("web_url"), said)


def short_sha(name: str = "sha") -> Cell:
    """The first eight digits of a SHA, whole on hover."""

    def cell(row: Row) -> object:
        sha = row.get(name)
        return tag("code", str(sha)[:8], title=sha) if sha else None

    return cell


def listed(name: str, most: int = 3) -> Cell:
    """A few names, and how many more there are."""

    def cell(row: Row) -> object:
        values = [str(value) for value in row.get(name) or ()]
        more = f" +{len(values) - most}" if len(values) > most else ""
        return tag("span", ", ".join(values[:most]) + more, title=", ".join(values) if more else None)

    return cell


def guessed(name: str) -> Cell:
    """A value, marked where it is a guess."""

    def cell(row: Row) -> Html:
        mark = (
            tag("small", " (guess)", title="Found by naming or labels, not by configuration.")
            if row.get("guess")
            else ""
        )
        return join((row.get(name) or "none", mark))

    return cell


def shares(row: Row) -> str:
    """An endpoint's traffic by version: "v17 90 %, v18 10 %"."""
    split = row["traffic"] or ()
    return ", ".join(f"v{one['version']} {words.percent((one['percent'] or 0) / 100)}" for one in split) or "none"


def deployed(row: Row) -> str:
    """Where a model's versions serve: "prod v16 90 %"."""
    places = (
        f"{one['environment'] or one['endpoint']} v{one['version']} {words.percent(one['traffic'])}"
        for one in row["deployed"]
    )
    return ", ".join(places) or "nowhere"


def first_failing(row: Row) -> str | None:
    """The step that failed first and what it said."""
    first = row["first_failing_step"]
    return None if not first else f"{first['name']}: {first['message'] or 'no message'}"


def kept(row: Row) -> Html:
    """Whether a schedule is kept, by what is wrong with it."""
    wrong = row["problem"]
    return badge(wrong["kind"].removeprefix("schedule-") if wrong else "on time")
