"""How each status looks: a shape and a colour beside its word, so that no status rests on colour alone."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from services.vocabulary import Freshness, RunState, ScheduleState, WorkspaceState
from ui import glossary
from ui.markup import Html, tag


class Look(NamedTuple):
    """A tone (one of the colours of theme.css) and a shape (one of its signs)."""

    tone: str
    shape: str


LOOKS: dict[str, Look] = {
    RunState.FAILED: Look("red", "cross"),
    RunState.FAILING: Look("red", "cross-ring"),
    RunState.UNKNOWN: Look("outline", "question"),
    RunState.WAITING: Look("amber", "hand"),
    RunState.WARNING: Look("amber", "triangle"),
    RunState.RUNNING: Look("blue", "half"),
    RunState.QUEUED: Look("grey", "dotted"),
    RunState.CANCELED: Look("grey", "slash"),
    RunState.SUCCEEDED: Look("green", "disc"),
    RunState.CACHED: Look("green", "ring-dot"),
    RunState.SKIPPED: Look("grey", "skip"),
    Freshness.NO_ACCESS: Look("outline", "bar"),
    Freshness.BROKEN: Look("red", "break"),
    Freshness.STALE: Look("amber", "clock"),
    Freshness.NEVER: Look("outline", "dotted"),
    Freshness.FRESH: Look("green", "disc"),
    WorkspaceState.IN_SYNC: Look("green", "disc"),
    WorkspaceState.DRIFTED: Look("amber", "triangle"),
    WorkspaceState.PENDING: Look("violet", "diamond"),
    WorkspaceState.ERRORED: Look("red", "cross"),
    WorkspaceState.LOCKED: Look("amber", "lock"),
    WorkspaceState.NOT_CHECKED: Look("outline", "dotted"),
    WorkspaceState.PAUSED: Look("amber", "pause"),
    ScheduleState.ON_TIME: Look("green", "disc"),
    ScheduleState.LATE: Look("red", "clock"),
    ScheduleState.MISSED: Look("red", "clock"),
    ScheduleState.OWNER_LOST: Look("red", "question"),
    ScheduleState.SKIPPED_SILENTLY: Look("amber", "skip"),
    ScheduleState.COMPLETED: Look("grey", "disc"),
    "unreachable": Look("red", "break"),
    "limited": Look("amber", "pause"),
    "off": Look("grey", "slash"),
    "gone": Look("grey", "slash"),
    "none": Look("outline", "dotted"),
    "opened": Look("blue", "half"),
    "merged": Look("green", "disc"),
    "closed": Look("grey", "slash"),
    "good": Look("green", "disc"),
    "bad": Look("red", "down"),
    "too few": Look("outline", "question"),
    "rolled back": Look("amber", "back"),
    "canary": Look("blue", "half"),
    "serving": Look("green", "disc"),
}
WORDS = {Freshness.NEVER: "not read yet", Freshness.BROKEN: "cannot read", Freshness.NO_ACCESS: "no access"}
"""Where the word for people differs from the word in data."""


def look(state: str | None) -> Look:
    """The look of a status; a word that is not ours looks like *unknown*."""
    return LOOKS.get(state or "none", LOOKS[RunState.UNKNOWN])


@lru_cache(maxsize=512)
def sign(state: str | None, tone: str | None = None) -> Html:
    """The shape alone, for places where the word stands beside it; hidden from screen readers."""
    seen = look(state)
    return tag("i", cls=f"tl-i tl-{seen.shape} tl-c-{tone or seen.tone}", aria_hidden="true")


@lru_cache(maxsize=2048)
def badge(
    state: str | None, word: str | None = None, *, stale: bool = False, raw: str | None = None, tone: str | None = None
) -> Html:
    """Shape, word and colour of a status; hatched where our copy is stale. `raw` is the upstream's own word.

    `tone` overrules the colour, where how bad it is was judged elsewhere.
    """
    shown = word or WORDS.get(state or "", state or "nothing known")
    told = glossary.LOOKUP.get(state or "", "")
    if raw and raw != state:
        told = f"{told} · the source says: {raw}" if told else f"the source says: {raw}"
    seen = look(state)
    return tag(
        "span",
        sign(state, tone),
        shown,
        tag("em", "stale") if stale else None,
        cls=f"tl-s tl-c-{tone or seen.tone}{' tl-stale' if stale else ''}",
        title=told or None,
    )
