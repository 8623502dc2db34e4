"""What one run of a page finds once: the address's parameters, and whatever else must not move while it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import streamlit as st

T = TypeVar("T")


@dataclass(slots=True)
class Turn:
    """One run of a page, or of a part of it that keeps itself up to date."""

    parameters: Mapping[str, str]
    """The address's, of which the last counts where one is given twice."""
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Latch:
    """Tells the run of a whole page, which draws all of its parts, from a later one of a part alone."""

    taken: bool = False


_TURN: ContextVar[Turn | None] = ContextVar("turn", default=None)


def begin() -> None:
    """Forget what the run before has found; called before anything of a page is drawn."""
    _TURN.set(Turn(st.query_params.to_dict()))


def part(latch: Latch) -> None:
    """Called first in each part that is drawn again by itself: the first time it belongs to the page's own run."""
    if latch.taken:
        begin()
    latch.taken = True


def parameters() -> Mapping[str, str]:
    """The address's parameters: read once a run, as each reading of them costs more than a whole link."""
    turn = _TURN.get()
    return st.query_params.to_dict() if turn is None else turn.parameters


def once(name: str, find: Callable[[], T]) -> T:
    """What `find` gives, found once a run; nothing is kept where it raises, nor outside of a run."""
    turn = _TURN.get()
    if turn is None:
        return find()
    if name not in turn.found:
        turn.found[name] = find()
    return cast(T, turn.found[name])
