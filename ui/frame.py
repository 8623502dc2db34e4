"""What surrounds every page: title, team, filters, the sources' health, and the banner of our own faults."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from services.config import Config
from services.config_file import ConfigError
from services.queries.base import SourceHealth
from services.queries.filters import LONGEST
from services.queries.health import ORDER
from services.queries.windows import CHOICES
from services.store.database import StoreUnreachable
from services.vocabulary import Freshness
from ui import components, runtime, turn, urls, words
from ui.live import EVERY_SECONDS
from ui.markup import Html, draw, join, tag
from ui.status import WORDS as STATUS_WORDS
from ui.status import sign

ALL = ""
AGAIN_SECONDS = 3
TITLES = {"gitlab": "GitLab", "terraform": "Terraform", "vertex": "Vertex AI", "bigquery": "BigQuery"}


def show() -> bool:
    """Draw the frame; False where nothing can be shown below it, because there is no configuration or no store."""
    try:
        config, facts = runtime.config(), runtime.frame()
    except (StoreUnreachable, ConfigError, OSError) as error:
        draw(tag("div", tag("strong", "Throughline"), cls="tl-brand"))
        components.broken(error)
        _look_again(turn.Latch())
        return False
    _bar(config, facts.products)
    _health(turn.Latch())
    for notice in runtime.filters()[1]:
        components.notice("amber", notice)
    return True


@st.fragment(run_every=AGAIN_SECONDS)
def _look_again(latch: turn.Latch) -> None:
    """Show the page as soon as configuration and store can be read, without anybody's doing."""
    looked_before = latch.taken
    turn.part(latch)
    if not looked_before:
        return
    try:
        runtime.config()
        runtime.frame()
    except (StoreUnreachable, ConfigError, OSError):
        return
    st.rerun()


def _bar(config: Config, products: tuple[str, ...]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="tl-bar", gap="small"):
        draw(
            tag(
                "div",
                tag("strong", "Throughline"),
                tag("span", config.team.name, cls="tl-team"),
                tag("button", "copy link", type="button", cls="tl-copy", data_copy="", title="A link to this view"),
                cls="tl-brand",
            )
        )
        _choice("product", "Product", {ALL: "all products"} | {name: name for name in products})
        environments = {one.name: one.name for one in config.environment}
        _choice("env", "Environment", {ALL: "all environments"} | environments)
        _choice("window", "Window", _windows())
        _search()


def _windows() -> dict[str, str]:
    """The windows to choose from, with the one in the URL where it is another."""
    choices = {ALL: "usual window", **CHOICES}
    here = turn.parameters()
    if "since" in here:
        return choices | {ALL: f"{here['since']} to {here.get('until') or 'now'}"[:40]}
    given = here.get("window", ALL)
    return choices if given in choices else choices | {given: f"last {given}"[:20]}


def _choice(name: str, label: str, options: dict[str, str]) -> None:
    """A select box whose value is the URL's; choosing writes the URL, and the page follows it."""
    key = f"filter-{name}"
    asked = turn.parameters().get(name, ALL)
    st.session_state[key] = asked if asked in options else ALL
    st.selectbox(
        label, list(options), key=key, format_func=options.__getitem__, label_visibility="collapsed", width=190,
        on_change=_chosen, args=(name, key),
    )  # fmt: skip


def _chosen(name: str, key: str) -> None:
    st.query_params.pop("page", None)
    if name == "window":
        st.query_params.pop("since", None)
        st.query_params.pop("until", None)
    value = st.session_state[key]
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def _search() -> None:
    st.session_state["filter-text"] = turn.parameters().get("text", "")
    st.text_input(
        "Search", key="filter-text", placeholder="search", label_visibility="collapsed", width=170,
        max_chars=LONGEST, on_change=_chosen, args=("text", "filter-text"),
    )  # fmt: skip


@st.fragment(run_every=EVERY_SECONDS)
def _health(latch: turn.Latch) -> None:
    turn.part(latch)
    try:
        config, facts = runtime.config(), runtime.frame()
    except (StoreUnreachable, ConfigError, OSError) as error:
        components.broken(error)
        return
    now, zone = runtime.clock(), config.team.zone
    if not facts.collector.alive:
        beat = facts.collector.heartbeat
        said = (
            "has not reported yet"
            if beat is None
            else f"has been silent for {words.span((now - beat).total_seconds())}"
        )
        components.notice("red", f"The collector {said}: what you see may be older than it looks.")
    by_source: dict[tuple[str, str], list[SourceHealth]] = {}
    for one in facts.health:
        by_source.setdefault((one.name, one.kind), []).append(one)
    draw(tag("nav", join(_source(*key, healths, now, zone) for key, healths in by_source.items()), cls="tl-health",
             aria_label="Health of the sources"))  # fmt: skip


def _source(name: str, kind: str, healths: list[SourceHealth], now: datetime, zone: ZoneInfo) -> Html:
    """One source in a few words: the worst of its streams, or how long ago it was read where all are fresh."""
    worst = min(healths, key=lambda one: ORDER.index(one.status))
    times = [one.as_of for one in healths if one.as_of is not None]
    title = TITLES.get(kind, kind) if name.lower() in (kind, TITLES.get(kind, "").lower()) else name
    partly = worst.status is Freshness.FRESH and any(one.parts_unread for one in healths)
    shown = Freshness.NO_ACCESS if partly else worst.status
    told: list[object] = [sign(shown), tag("b", title)]
    if worst.status is Freshness.FRESH:
        told.append(words.age(max(times), now, zone))
        noted = next((one for one in sorted(healths, key=lambda one: -one.parts_unread) if one.reason), None)
        told.append(tag("span", noted.reason, cls="tl-dim") if noted else None)
    else:
        bad = [one for one in healths if one.status is worst.status]
        which = f"{len(bad)} streams" if len(bad) > 1 else worst.stream.replace("_", " ").replace("*", "")
        told.append(tag("span", f"{which} {STATUS_WORDS.get(worst.status, worst.status)}".strip()))
        told.append(words.age(worst.as_of, now, zone) if worst.as_of and worst.status is Freshness.STALE else None)
    reasons = "; ".join(f"{one.stream}: {one.reason}" for one in healths if one.reason)
    told_more = reasons or f"{title}: every stream is fresh"
    return components.link(join(told, Html(" ")), urls.href("sources"), title=told_more, cls=f"tl-src tl-src-{shown}")
