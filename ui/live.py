"""Parts of a page that keep themselves up to date, in place and without a flicker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from services.config_file import ConfigError
from services.queries.base import Answer, Filters
from services.store.database import StoreUnreachable
from ui import components, runtime, turn

EVERY_SECONDS = 10


def block(view: str, draw: Callable[[Answer], None], *, limit: int | None = None, tells_limits: bool = False) -> None:
    """Ask a view by the URL's filters and draw it, first what limits the answer, then the answer; again as it moves.

    The store is read only when its version has moved or a quarter of a minute has passed; what has not changed
    leaves the page untouched, so that selection and scroll stay. `limit` is how many rows a page of the list has
    where the URL does not say. `tells_limits` is for the few drawings that say themselves which sources are not fresh.
    """
    _live(view, draw, limit, tells_limits, turn.Latch())


@st.fragment(run_every=EVERY_SECONDS)
def _live(view: str, draw: Callable[[Answer], None], limit: int | None, tells_limits: bool, latch: turn.Latch) -> None:
    turn.part(latch)
    try:
        answer = runtime.ask(view, filters(limit))
    except (StoreUnreachable, ConfigError, OSError) as error:
        components.broken(error)
        return
    components.block(answer, draw, tells_limits=tells_limits)


def filters(limit: int | None = None) -> Filters:
    """The filters that the URL asks for; values that cannot be followed are told by the frame."""
    asked = runtime.filters()[0]
    return asked if limit is None or "limit" in turn.parameters() else replace(asked, limit=limit)
