"""A page that is a list: how many, narrowed to what, the rows, the way to the rest, and one of them opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from services.queries.base import Answer
from services.vocabulary import Freshness
from ui import components, urls
from ui.components import Column
from ui.markup import Html, draw, join, tag


def show(
    answer: Answer,
    name: str,
    noun: str,
    columns: Sequence[Column],
    states: Sequence[str] = (),
    opened: Callable[[Mapping[str, Any]], Html] | None = None,
) -> None:
    """Draw the list `name` of an answer; `opened` draws the one row that the URL selects, above the list."""
    stale = any(health.status is Freshness.STALE for health in answer.sources)
    rows = [{**row, "stale": stale} for row in answer.data[name]]
    chosen = st.query_params.get("selected")
    if opened is not None and chosen:
        draw(_panel(answer.data.get("selected"), opened))
    if not rows and not answer.of and not _narrowed():
        return
    of = len(rows) if answer.of is None else answer.of
    draw(tag("div", components.counted(len(rows), of, noun), _chips(states), cls="tl-tools"))
    if rows:
        draw(components.table(rows, columns, noun, lambda row: row.get("id") == chosen))
        draw(components.pager(int(st.query_params.get("page", "1") or 1), 100, of))
        components.export(rows, columns, answer.view)


def section(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], none: str | None = None) -> Html:
    """A heading and a table; where there are no rows, the sentence that says so, or nothing at all."""
    if not rows:
        return join((components.heading(title, level=3), components.empty_html(none))) if none else Html("")
    head = components.heading(title, f"{len(rows):,}", level=3)
    return join((head, components.table(rows, columns, title)))


def _panel(selected: Mapping[str, Any] | None, opened: Callable[[Mapping[str, Any]], Html]) -> Html:
    close = components.link("close ✕", urls.href(selected=None), aria_label="Close what is opened")
    if selected is None:
        said = "What this link opens is not in the store; it may belong to another source, or is not read yet."
        return tag("section", components.empty_html(said), close, cls="tl-panel")
    return tag("section", tag("div", close, cls="tl-close"), opened(selected), cls="tl-panel", aria_label="Opened")


def _chips(states: Sequence[str]) -> Html:
    """Links that narrow the list to one state; the one in force leads back to all."""
    asked = st.query_params.get("state")
    links = [
        components.link(
            state,
            urls.href(state=None if state == asked else state, page=None),
            cls="tl-chip tl-chip-on" if state == asked else "tl-chip",
            aria_current="true" if state == asked else None,
        )
        for state in states
    ]
    return tag("nav", join(links, " "), cls="tl-chips", aria_label="Narrow to a state") if links else Html("")


def _narrowed() -> bool:
    return bool(st.query_params.get("state"))
