"""The URL's parameters are the page's whole state: read into filters, written as links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote_plus

import streamlit as st

from services.config import Config
from services.queries.base import Filters
from services.queries.filters import PARAMETERS, BadFilter, parse_filters
from ui import turn

KEPT = ("product", "env", "window", "since", "until")
"""What goes along from page to page."""


def href(to: str | None = None, /, **parameters: object) -> str:
    """A link within the product, relative so that any path prefix works; None and "" leave a parameter out.

    `to` is the page's path, "" for Today, None for the page one is on. Product, environment and window go along
    unless they are given.
    """
    here = turn.parameters()
    state: dict[str, object] = {name: here.get(name) for name in (PARAMETERS if to is None else KEPT)}
    state |= parameters
    query = "&".join([f"{name}={_quoted(str(value))}" for name, value in state.items() if value not in (None, "")])
    start = {None: "", "": "./"}.get(to, to)
    return f"{start}?{query}" if query or to is None else str(start)


def kept() -> tuple[tuple[str, str], ...]:
    """What of the address goes along with every link to another page."""
    here = turn.parameters()
    return tuple((name, here[name]) for name in KEPT if name in here)


_quoted = lru_cache(maxsize=8192)(quote_plus)


def keep_filters(page: str) -> None:
    """Carry product, environment and window over to another page, where a click in the sidebar has dropped them."""
    memory = st.session_state.setdefault("kept-filters", {})
    if st.session_state.get("kept-page", page) != page and not any(name in st.query_params for name in PARAMETERS):
        for name, value in memory.items():
            st.query_params[name] = value
    st.session_state["kept-page"] = page
    st.session_state["kept-filters"] = {name: st.query_params[name] for name in KEPT if name in st.query_params}


def read(
    parameters: Mapping[str, str], config: Config, now: datetime, products: tuple[str, ...]
) -> tuple[Filters, tuple[str, ...]]:
    """The filters that the parameters ask for, and a sentence for each value that cannot be followed.

    What cannot be followed is left out, so that a bad link still shows a page.
    """
    given = {name: parameters[name] for name in PARAMETERS if parameters.get(name)}
    notices: list[str] = []
    while True:
        try:
            return parse_filters(given, config, now, products), tuple(notices)
        except BadFilter as bad:
            notices.append(f"In the address, {bad}. It is left out.")
            given.pop(bad.parameter)
