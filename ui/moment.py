"""What all cells of one drawing share, found once: the time, the team's zone, and how a row is opened by a link."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from ui import runtime, turn, urls

_MARK = "0selected0"


@dataclass(frozen=True, slots=True)
class Moment:
    """The circumstances of one drawing."""

    now: datetime
    zone: ZoneInfo
    groups: tuple[str, ...]
    """The GitLab groups that the team reads, the longest first: a project's path is told without them."""
    selected: str | None
    link: str
    """A link to this page with a mark in place of what is selected."""
    closed: str
    """A link to this page with nothing selected."""

    def opening(self, key: str | None) -> str:
        """The link that opens a row; the opened one is closed by it."""
        if key is None or key == self.selected:
            return self.closed
        return self.link.replace(_MARK, quote_plus(key))


_MOMENT: ContextVar[Moment] = ContextVar("moment")


def begin() -> Moment:
    """Find the circumstances anew; called once at the start of each drawing."""
    config = runtime.config()
    groups = {group for source in config.source if source.kind == "gitlab" for group in source.groups}
    moment = Moment(
        runtime.clock(),
        config.team.zone,
        tuple(sorted(groups, key=len, reverse=True)),
        turn.parameters().get("selected"),
        urls.href(selected=_MARK),
        urls.href(selected=None),
    )
    _MOMENT.set(moment)
    return moment


def moment() -> Moment:
    """The circumstances of the drawing that is under way."""
    return _MOMENT.get(None) or begin()
