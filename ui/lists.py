"""A page that is a list: a sentence, how many, narrowed to what, the rows, the way to the rest, one of them opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from services.queries.base import Answer, Filters
from services.vocabulary import Freshness
from ui import components, urls
from ui.components import Column
from ui.markup import Html, draw, join, tag
from ui.moment import begin

Thing = Mapping[str, Any]
LEFT = 12
"""So many rows of a second table are shown; all are in the download and the command line."""


def show(
    answer: Answer,
    name: str,
    noun: str,
    columns: Sequence[Column],
    *,
    said: Callable[[Answer], Html],
    streams: Sequence[str],
    states: Sequence[str] = (),
    opened: Callable[[Thing], Html] | None = None,
    unmoved: Sequence[str] = (),
    chart: Callable[[Thing | None], None] | None = None,
) -> None:
    """Draw the list `name` of an answer below its sentence; `opened` draws the row that the URL selects, above it.

    `streams` are those that tell the status of a row: where one is stale, so is the row. `unmoved` are the filters
    of the frame that mean nothing to this list, which is said where they are set. `chart` draws below what is opened.
    """
    begin()
    stale = any(one.status is Freshness.STALE and one.stream in streams for one in answer.sources)
    rows = [{**row, "stale": stale} for row in answer.data[name]]
    chosen = st.query_params.get("selected")
    parts = [said(answer)] if answer.of or rows or _narrowed() else []
    if opened is not None and chosen:
        parts.append(_panel(answer.data.get("selected"), opened))
    if chart is not None and chosen:
        draw(tag("div", join(parts), cls="tl-stackgap tl-list"))
        chart(answer.data.get("selected"))
        parts = []
    if rows or answer.of or _narrowed():
        parts.append(_tools(answer, len(rows), noun, states, unmoved))
    if rows:
        parts.append(components.table(rows, columns, noun, lambda row: row.get("id") == chosen))
        parts.append(_pager(answer, len(rows)))
    if parts:
        draw(tag("div", join(parts), cls="tl-stackgap tl-list"))
    if rows:
        components.export(rows, columns, answer.view)


def _tools(answer: Answer, shown: int, noun: str, states: Sequence[str], unmoved: Sequence[str]) -> Html:
    of = shown if answer.of is None else answer.of
    still = [name for name in unmoved if st.query_params.get({"environment": "env"}.get(name, name))]
    told = tag("span", f"not narrowed by {' or '.join(still)}", cls="tl-dim") if still else None
    return tag("div", components.counted(shown, of, noun), _chips(answer, states), told, cls="tl-tools")


def _pager(answer: Answer, shown: int) -> Html:
    given = st.query_params.get("limit", "")
    size = answer.data.get("limit") or (int(given) if given.isdigit() else Filters().limit)
    page = st.query_params.get("page", "1")
    return components.pager(int(page) if page.isdigit() else 1, size, answer.of or shown)


def section(title: str, rows: Sequence[Thing], columns: Sequence[Column], none: str | None = None,
            most: int | None = None) -> Html:  # fmt: skip
    """A heading and a table; where there are no rows, the sentence that says so, or nothing at all.

    With `most`, what is beyond it is folded away, and counted.
    """
    if not rows:
        return join((components.heading(title, level=3), components.empty_html(none))) if none else Html("")
    head = components.heading(title, f"{len(rows):,}", level=3)
    first = components.table(rows[:most], columns, title)
    if most is None or len(rows) <= most:
        return tag("section", head, first, cls="tl-part")
    rest = components.table(rows[most:], columns, f"{title}, the rest")
    more = tag("details", tag("summary", f"{len(rows) - most:,} more"), rest, cls="tl-more")
    return tag("section", head, first, more, cls="tl-part")


def _panel(selected: Thing | None, opened: Callable[[Thing], Html]) -> Html:
    close = components.link("close ✕", urls.href(selected=None), aria_label="Close what is opened")
    if selected is None:
        said = "What this link opens is not in the store; it may belong to another source, or is not read yet."
        return tag("section", tag("div", close, cls="tl-close"), components.empty_html(said), cls="tl-panel")
    return tag("section", tag("div", close, cls="tl-close"), opened(selected), cls="tl-panel", aria_label="Opened")


def _chips(answer: Answer, states: Sequence[str]) -> Html:
    """Links that narrow the list to one state, with how many there are; the one in force leads back to all."""
    asked = st.query_params.get("state")
    counts: Mapping[str, int] = answer.data.get("counts", {})
    links = [
        components.link(
            join((state, " ", tag("b", f"{counts.get(state, 0):,}"))),
            urls.href(state=None if state == asked else state, page=None),
            cls="tl-chip tl-on" if state == asked else "tl-chip",
            aria_current="true" if state == asked else None,
        )
        for state in states
        if counts.get(state) or state == asked
    ]
    return tag("nav", join(links), cls="tl-chips", aria_label="Narrow to a state") if links else Html("")


def _narrowed() -> bool:
    return bool(st.query_params.get("state"))
