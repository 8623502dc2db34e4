"""The lanes of the thread, from code to metrics: how each is named and drawn."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ui.markup import Html, tag


class Lane(NamedTuple):
    """A lane's name for people and its sign in theme.css."""

    title: str
    shape: str


LANES = {
    "code": Lane("code", "branch"),
    "ci": Lane("CI", "gear"),
    "image": Lane("image", "box"),
    "infrastructure": Lane("infrastructure", "stack"),
    "training": Lane("training", "flask"),
    "model": Lane("model", "cube"),
    "endpoint": Lane("endpoint", "plug"),
    "metrics": Lane("metrics", "chart"),
    "data": Lane("data", "data"),
    "schedule": Lane("schedules", "calendar"),
    "incident": Lane("incidents", "bolt"),
    "source": Lane("sources", "bar"),
}


def lane(name: str | None) -> Lane:
    """The lane by its name in data; one that is not known is named as it is."""
    return LANES.get(name or "", Lane(name or "other", "dotted"))


@lru_cache(maxsize=256)
def icon(name: str | None) -> Html:
    """The lane's sign, with its name on hover and for screen readers."""
    seen = lane(name)
    return tag("i", tag("span", seen.title, cls="tl-hidden"), cls=f"tl-i tl-lane tl-{seen.shape}", title=seen.title)
