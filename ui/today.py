"""Draws Today: one line of truth, what needs somebody, what changed, and the last fortnight of each product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from services.queries.base import Answer
from services.queries.filters import UNASSIGNED
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
    first: list[object] = [sign("failed" if counts["red"] else "warning" if need else "succeeded")]
    first.append(f"{need} {'needs' if need == 1 else 'need'} somebody" if need else "Nothing needs anybody")
    parts: list[object] = [tag("h1", *first)]
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
    if not bad:
        return "all sources fresh" if names else "no source was read yet"
    if len(bad) == len(names):
        return "no source is wholly fresh"
    if len(bad) > 3:
        return f"{len(bad)} of {len(names)} sources not fresh"
    return f"all sources fresh but {', '.join(bad)}"


def _needs(data: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    problems: Sequence[Mapping[str, Any]] = data["needs_somebody"]
    total = data["counts"]["red"] + data["counts"]["amber"]
    head = heading("Needs somebody", components.counted(len(problems), total, "open"))
    if not problems:
        said = "Nothing is failing, late, waiting or drifted, as far as the sources could be read."
        return join((head, components.empty_html(said)))
    first = [_card(one, now, zone) for one in problems[:CARDS]]
    rest = [_card(one, now, zone) for one in problems[CARDS:]]
    more = tag("details", tag("summary", f"{len(rest)} more"), join(rest), cls="tl-more") if rest else None
    return tag("div", head, join(first), more, cls="tl-cards")


def _card(one: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> Html:
    """One problem: its sentence, since when, where, and the ways to it."""
    tone = "red" if one["severity"] == "red" else "amber"
    tags: list[object] = [lanes.icon(one["lane"])]
    tags.append(join([part for part in (one["product"] or UNASSIGNED, one["environment"]) if part], " · "))
    since = join(("since ", words.age(one["since"], now, zone, " ago")))
    day = f"day {one['day']}" if one["day"] > 1 else None
    new = tag("span", "new", cls="tl-new", title="Opened within this window") if one["new"] else None
    opened = urls.href(path_of(one["view"]), selected=one["subject"])
    return tag(
        "article",
        tag("div", badge(one["status"], tone=tone), link(one["title"], opened, cls="tl-title"), cls="tl-line"),
        tag("div", one["reason"], cls="tl-why") if one["reason"] not in (None, one["status"]) else None,
        tag("div", tag("span", *tags), tag("span", since), tag("span", day) if day else None, new,
            source_link(one["web_url"]), cls="tl-meta"),
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
        lines.append(_line(one, at, zone))
    return join(
        (head, chips, tag("ol", join(lines), cls="tl-feed"), components.pager(data["page"], data["limit"], total))
    )


def _quiet(answer: Answer) -> str:
    why = answer.window.why if answer.window else "in this window"
    return f"Nothing changed {why}. A longer window may hold more."


def _line(one: Mapping[str, Any], at: datetime | None, zone: ZoneInfo) -> Html:
    where = join([part for part in (one["product"], one["environment"]) if part], " · ")
    late = tag("span", "seen late", cls="tl-new", title="It occurred before this window; we saw it only within it")
    said: object = one["title"]
    if one["subject"]:
        said = link(said, urls.href(path_of(one["view"]), selected=one["subject"]), cls="tl-title")
    clock = tag("time", f"{at.astimezone(zone):%H:%M}", datetime=one["at"], title=words.exact(at, zone)) if at else None
    return tag(
        "li", clock, lanes.icon(one["lane"]), sign(one["state"]) if one["state"] else tag("i", cls="tl-gap"),
        tag("span", said, " ", late if one["seen_late"] else None, tag("span", where, cls="tl-dim tl-where"),
            source_link(one["web_url"], "")),
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
    at = date.fromisoformat(mark["day"])
    if mark["runs"] is None:
        ran = "before the history that was read"
    else:
        ran = f"{mark['failed']} of {words.count(mark['runs'], 'CI run')} failed" if mark["runs"] else "no CI run"
    told = [f"{at:%a} {at.day} {at:%b}: {ran}"]
    told += [f"{words.count(mark[word], f'{word} problem')} open" for word in ("red", "amber") if mark[word]]
    state = mark["state"]
    shape = tag("i", cls="tl-i tl-disc tl-c-grey", aria_hidden="true") if state == "none" else sign(state)
    said = tag("span", state, cls="tl-hidden")
    return tag("span", shape, said, title=" · ".join(told), cls=f"tl-mark tl-mark-{state}")
