"""Draws Today: one line of truth, what needs somebody, what changed, and the last fortnight of each product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from services.queries.base import Answer
from services.queries.filters import UNASSIGNED
from services.queries.scores import WHOLE
from services.vocabulary import Freshness
from ui import components, lanes, runtime, turn, urls, words
from ui.components import Column, heading, link, source_link
from ui.markup import Html, draw, join, tag
from ui.navigation import path_of
from ui.status import badge, sign

CARDS = 12
"""So many cards stand open; what is less urgent is one click away."""

_PROBLEMS = tuple(
    Column(title, lambda row: "", name=name)
    for title, name in (
        ("severity", "severity"), ("status", "status"), ("state", "state"), ("kind", "kind"), ("title", "title"),
        ("reason", "reason"),
        ("product", "product"), ("environment", "environment"), ("lane", "lane"), ("since", "since"),
        ("id", "subject"), ("source", "web_url"),
    )
)  # fmt: skip
_EVENTS = tuple(
    Column(title, lambda row: "", name=name)
    for title, name in (
        ("at", "at"), ("seen at", "seen_at"), ("lane", "lane"), ("kind", "kind"), ("state", "state"),
        ("title", "title"), ("product", "product"), ("environment", "environment"), ("label", "label"),
        ("actor", "actor"), ("id", "subject"), ("source", "web_url"),
    )
)  # fmt: skip


def show(answer: Answer) -> None:
    """The whole page."""
    zone, now = runtime.config().team.zone, runtime.clock()
    data = answer.data
    draw(
        tag(
            "div",
            _truth(answer),
            tag(
                "div",
                tag(
                    "div",
                    tag("section", _needs(data, now, zone), aria_label="What needs somebody"),
                    _strip(data["strip"]),
                    cls="tl-stackgap",
                ),
                tag("section", _changed(answer, now, zone), aria_label="What changed"),
                cls="tl-two",
            ),
            cls="tl-today",
        )
    )
    with st.container(horizontal=True, key="tl-exports"):
        components.export(data["needs_somebody"], _PROBLEMS, "problems", "Download problems as CSV")
        components.export(data["changed"], _EVENTS, "changes", "Download changes as CSV")


def _truth(answer: Answer) -> Html:
    """The one line: how much needs somebody, and whether the picture can be trusted."""
    counts = answer.data["counts"]
    need = counts["red"] + counts["amber"]
    fresh = bool(answer.sources) and all(one.status is Freshness.FRESH for one in answer.sources)
    calm = ("succeeded", "Nothing needs anybody") if fresh else ("unknown", "Not known whether anything needs somebody")
    bad = ("failed" if counts["red"] else "warning", f"{need} {'needs' if need == 1 else 'need'} somebody")
    state, said = bad if need else calm
    parts: list[object] = [tag("h1", sign(state), said)]
    for name, said in (("new", "new"), ("late", "late"), ("drifted", "drifted"), ("waiting", "waiting")):
        if counts[name]:
            parts.append(tag("span", tag("b", counts[name]), " ", components.term(name, said)))
    since = answer.window.why if answer.window else ""
    parts.append(tag("span", tag("b", words.count(counts["changes"], "change")), f" {since}"))
    parts.append(link(_trust(answer), urls.href("sources")))
    return tag("div", join(parts), cls="tl-truth")


def _trust(answer: Answer) -> str:
    names = {one.name for one in answer.sources}
    bad = sorted({one.name for one in answer.sources if one.status is not Freshness.FRESH})
    unread = answer.data["counts"]["parts_unread"]
    parts = f"; {words.count(unread, 'part')} cannot be read" if unread else ""
    if not bad:
        return f"all sources fresh{parts}" if names else "no source was read yet"
    if len(bad) == len(names):
        return f"no source is wholly fresh{parts}"
    if len(bad) > 3:
        return f"{len(bad)} of {len(names)} sources not fresh{parts}"
    return f"all sources fresh but {', '.join(bad)}{parts}"


def _needs(data: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    problems: Sequence[Mapping[str, Any]] = data["needs_somebody"]
    total = data["counts"]["red"] + data["counts"]["amber"]
    grouped: dict[object, list[Mapping[str, Any]]] = {}
    for one in problems:
        grouped.setdefault(one["series"] or one["id"], []).append(one)
    on = f" on {words.count(len(grouped), 'card')}" if len(grouped) < len(problems) else ""
    head = heading("Needs somebody", components.counted(len(problems), total, "open"), on)
    if not problems:
        said = "Nothing is failing, late, waiting or drifted, as far as the sources could be read."
        return join((head, components.empty_html(said)))
    drawn = [_card(group, now, zone) for group in grouped.values()]
    first, rest = drawn[:CARDS], drawn[CARDS:]
    more = tag("details", tag("summary", f"{len(rest)} more"), join(rest), cls="tl-more") if rest else None
    return tag("div", head, join(first), more, cls="tl-cards")


def _card(group: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Html:
    """One problem, or one metric whose slices are bad: the card is of the whole where that is bad too."""
    one = min(group, key=lambda one: one["slice"] not in WHOLE)
    slices = [other["slice"] for other in group if other is not one]
    oldest = min(other["since"] for other in group)
    return _drawn_card(
        *(one[name] for name in _CARD), all(other["new"] for other in group), max(other["day"] for other in group),
        ", ".join(slices), words.age(oldest, now, zone, " ago"), urls.kept(),
    )  # fmt: skip


_CARD = (
    "severity", "lane", "product", "environment", "view", "subject", "status", "title", "reason", "web_url",
)  # fmt: skip


@lru_cache(maxsize=2048)
def _drawn_card(
    severity: str, lane: str, product: str | None, environment: str | None, view: str, subject: str | None,
    status: str, title: str, reason: str | None, web_url: str | None, new: bool, day: int, slices: str, ago: Html,
    kept: object,
) -> Html:  # fmt: skip
    """A problem's sentence, since when, where, and the ways to it; drawn anew only where something of it moved."""
    tone = "red" if severity == "red" else "amber"
    where = join([part for part in (product or UNASSIGNED, environment) if part], " · ")
    mark = tag("span", "new", cls="tl-new", title="Opened within this window") if new else None
    opened = urls.href(path_of(view), selected=subject)
    return tag(
        "article",
        tag("div", badge(status, tone=tone), link(title, opened, cls="tl-title"), cls="tl-line"),
        tag("div", reason, cls="tl-why") if reason not in (None, status) else None,
        tag("div", "also bad for ", slices, cls="tl-why") if slices else None,
        tag("div", tag("span", lanes.icon(lane), where), tag("span", "since ", ago),
            tag("span", f"day {day}") if day > 1 else None, mark, source_link(web_url), cls="tl-meta"),
        cls=f"tl-card tl-c-{tone}",
    )  # fmt: skip


def _changed(answer: Answer, now: datetime, zone: ZoneInfo) -> Html:
    data = answer.data
    events: Sequence[Mapping[str, Any]] = data["changed"]
    total = data["counts"]["changes"]
    head = heading("What changed", answer.window.why if answer.window else "", " · ",
                   components.counted(len(events), total, "changes"))  # fmt: skip
    chips = _chips(data["lanes"])
    if not events:
        return join((head, chips, components.empty_html(_quiet(answer))))
    lines: list[Html] = []
    last: date | None = None
    for one in events:
        at = words.to_time(one["at"])
        day = at.astimezone(zone).date() if at else None
        if day and day != last:
            lines.append(tag("li", tag("h3", f"{day:%A} {day.day} {day:%B}"), cls="tl-day"))
            last = day
        lines.append(_line(one, zone))
    return join(
        (head, chips, tag("ol", join(lines), cls="tl-feed"), components.pager(data["page"], data["limit"], total))
    )


def _quiet(answer: Answer) -> str:
    why = answer.window.why if answer.window else "in this window"
    return f"Nothing changed {why}. A longer window may hold more."


_LINE = ("at", "lane", "state", "title", "product", "environment", "subject", "view", "seen_late", "web_url")


def _line(one: Mapping[str, Any], zone: ZoneInfo) -> Html:
    return _drawn_line(*(one[name] for name in _LINE), zone, urls.kept())


@lru_cache(maxsize=4096)
def _drawn_line(
    at: str | None, lane: str, state: str | None, title: str, product: str | None, environment: str | None,
    subject: str | None, view: str, seen_late: bool, web_url: str | None, zone: ZoneInfo, kept: object,
) -> Html:  # fmt: skip
    """What happened, as one line; it never changes any more, and so is drawn once."""
    when = words.to_time(at)
    clock = None
    if when:
        clock = tag("time", f"{when.astimezone(zone):%H:%M}", datetime=at, title=words.exact(when, zone))
    where = join([part for part in (product, environment) if part], " · ")
    late = tag("span", "seen late", cls="tl-new", title="It occurred before this window; we saw it only within it")
    said: object = title
    if subject:
        said = link(said, urls.href(path_of(view), selected=subject), cls="tl-title")
    return tag(
        "li", clock, lanes.icon(lane), sign(state) if state else tag("i", cls="tl-gap"),
        tag("span", said, " ", late if seen_late else None, tag("span", where, cls="tl-dim tl-where"),
            source_link(web_url, "")),
    )  # fmt: skip


def _chips(counted: Mapping[str, int]) -> Html:
    """One chip a lane; choosing one narrows the list to it, choosing it again widens it."""
    if len(counted) < 2:
        return Html("")
    chosen = turn.parameters().get("kind")
    chips = [
        link(
            join((lanes.icon(name), lanes.lane(name).title, tag("b", counted[name]))),
            urls.href(kind=None if name == chosen else name, page=None),
            cls="tl-chip tl-on" if name == chosen else "tl-chip", aria_current="true" if name == chosen else None,
        )
        for name in sorted(counted, key=list(lanes.LANES).index)
    ]  # fmt: skip
    return tag("div", join(chips), cls="tl-chips")


def _strip(products: Iterable[Mapping[str, Any]]) -> Html:
    """A row a product, a mark a day."""
    rows = list(products)
    if not rows:
        return Html("")
    days = [date.fromisoformat(mark["day"]) for mark in rows[0]["days"]]
    head = tag("tr", tag("th", "product", scope="col"),
               join(tag("th", f"{day:%a}"[:2], tag("br"), day.day, scope="col") for day in days))  # fmt: skip
    body = (
        tag("tr", tag("th", link(row["product"], urls.href(product=row["product"])), scope="row"),
            join(tag("td", _day(mark)) for mark in row["days"]))
        for row in rows
    )  # fmt: skip
    table = tag(
        "table", tag("caption", "The last 14 days of each product"), tag("thead", head), tag("tbody", join(body))
    )
    aside = "the worst of each day: problems open, else CI runs that failed"
    return tag("section", heading("Last 14 days", aside), tag("div", table, cls="tl-strip"))


def _day(mark: Mapping[str, Any]) -> Html:
    return _drawn_day(*(mark[name] for name in ("day", "state", "runs", "failed", "red", "amber")))


@lru_cache(maxsize=2048)
def _drawn_day(day: str, state: str, runs: int | None, failed: int | None, red: int, amber: int) -> Html:
    at = date.fromisoformat(day)
    if runs is None:
        ran = "before the history that was read"
    else:
        ran = f"{failed} of {words.count(runs, 'CI run')} failed" if runs else "no CI run"
    told = [f"{at:%a} {at.day} {at:%b}: {ran}"]
    told += [f"{words.count(n, f'{word} problem')} open" for word, n in (("red", red), ("amber", amber)) if n]
    shape = tag("i", cls="tl-i tl-disc tl-c-grey", aria_hidden="true") if state == "none" else sign(state)
    said = tag("span", state, cls="tl-hidden")
    return tag("span", shape, said, title=" · ".join(told), cls=f"tl-mark tl-mark-{state}")
