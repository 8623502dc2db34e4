"""Draws the board: a row a product and environment, a cell a lane, joined by how strong the evidence is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from services.queries.base import Answer
from ui import components, lanes, runtime, urls, words
from ui.components import Column, heading, link
from ui.markup import Html, draw, join, tag
from ui.navigation import path_of
from ui.status import LOOKS, WORDS, look, sign

_EDGES = {"declared": "solid", "identical": "solid", "inferred": "dashed", "none": "open"}
_QUIET = frozenset({"succeeded", "in sync", "good", "none"})
"""States that need no word beside the version: the shape, the colour and the hover say enough."""

_CSV = tuple(
    Column(name, lambda row: "", name=name)
    for name in ("product", "environment", "column", "state", "freshness", "version", "at", "problem", "link", "id")
)


def show(answer: Answer) -> None:
    """The whole page."""
    zone, now = runtime.config().team.zone, runtime.clock()
    data = answer.data
    rows: Sequence[Mapping[str, Any]] = data["rows"]
    head = heading(
        "Delivery board", components.counted(answer.shown or 0, answer.of or 0, "products"), " · worst first", level=1
    )
    parts: list[Html] = [head]
    if rows:
        parts += [_board(data["columns"], rows, now, zone), _legend()]
        parts.append(components.pager(data["page"], data["limit"], answer.of or 0))
    draw(tag("div", join(parts), cls="tl-boardpage"))
    if rows:
        components.export(list(_flat(rows)), _CSV, "board")


def _board(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Html:
    titles = join(
        tag("th", lanes.icon(name), components.term(name, lanes.lane(name).title), scope="col") for name in columns
    )
    head = tag("thead", tag("tr", tag("th", "product", scope="col"), tag("th", "environment", scope="col"), titles))
    bodies: list[Html] = []
    number = 0
    for product, group in groupby(rows, key=lambda row: row["product"]):
        held = list(group)
        lines: list[Html] = []
        for place, row in enumerate(held):
            named = link(product, urls.href(product=product, page=None), cls="tl-a tl-product")
            first = tag("th", named, scope="rowgroup", rowspan=len(held)) if place == 0 else None
            cells = join(
                _cell(row["cells"][name], name, f"{number},{column}", now, zone) for column, name in enumerate(columns)
            )
            lines.append(tag("tr", first, tag("th", row["environment"], scope="row", cls="tl-env"), cells))
            number += 1
        bodies.append(tag("tbody", join(lines)))
    caption = tag("caption", "Products by environments, from code to metrics")
    table = tag("table", caption, head, join(bodies), cls="tl-grid")
    return tag(
        "div", table, cls="tl-board", data_threads=True, tabindex="0", role="region", aria_label="Delivery board"
    )


def _cell(cell: Mapping[str, Any], column: str, at: str, now: datetime, zone: ZoneInfo) -> Html:
    """One cell: shape and version, beneath them the word and the age; its edge says how it is joined to the left."""
    problem = cell["problem"]
    state = problem["status"] if problem else cell["state"]
    tone = ("red" if problem["severity"] == "red" else "amber") if problem else look(state).tone
    edge = cell["edge"]["evidence_kind"] if cell["edge"] else None
    stale = cell["freshness"] == "stale" and cell["of"]
    return _drawn(
        column, at, state, tone, cell["version"], _beneath(cell, state, now, zone), _told(cell, state),
        " ".join(cell["thread"]) or None, bool(stale), cell["view"], cell["subject"], edge, urls.kept(),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _drawn(
    column: str, at: str, state: str, tone: str, version: str | None, beneath: Html, told: str, thread: str | None,
    stale: bool, view: str | None, subject: str | None, edge: str | None, kept: object,
) -> Html:  # fmt: skip
    """A cell, drawn anew only where something of it moved."""
    top: list[object] = [sign(state if state in LOOKS else None, tone)]
    top.append(tag("b", version) if version else tag("span", _word(state, column)))
    inner = join((tag("span", *top, cls=f"tl-c-{tone} tl-top"), tag("span", beneath, cls="tl-under")))
    attributes = {
        "cls": f"tl-cell tl-t-{tone}{' tl-stale' if stale else ''}", "title": told, "data_thread": thread,
        "data_at": at,
    }  # fmt: skip
    if view is None:
        body = tag("span", inner, tabindex="0", **attributes)
    else:
        body = link(inner, urls.href(path_of(view), selected=subject, page=None), **attributes)
    return tag("td", body, cls=f"tl-e-{_EDGES[edge]}" if edge else None)


def _word(state: str, column: str) -> str:
    if state == "none":
        return "–"
    if column in ("ci", "training") and state == "succeeded":
        return "passed" if column == "ci" else "trained"
    return WORDS.get(state, state)


def _beneath(cell: Mapping[str, Any], state: str, now: datetime, zone: ZoneInfo) -> Html:
    parts: list[object] = []
    problem = cell["problem"]
    if cell["version"] and state not in _QUIET:
        parts.append(WORDS.get(state, state))
    if problem:
        parts.append(words.age(problem["since"], now, zone))
    elif cell["at"]:
        parts.append(words.age(cell["at"], now, zone))
    if cell["note"]:
        parts.append(cell["note"])
    if cell["freshness"] in ("no-access", "broken") and cell["of"]:
        parts.append(WORDS[cell["freshness"]])
    if cell["of"] > 1:
        parts.append(f"1 of {cell['of']}")
    return join(parts, " · ")


def _told(cell: Mapping[str, Any], state: str) -> str:
    """The cell in sentences, for hovering and for screen readers."""
    said = [cell["title"]]
    if cell["problem"]:
        more = cell["problem"]["count"] - 1
        said.append(cell["problem"]["title"] + (f" (and {more} more)" if more else ""))
    elif state not in cell["title"]:
        said.append(WORDS.get(state, state))
    if cell["freshness"] not in (None, "fresh"):
        said.append(f"our copy: {WORDS.get(cell['freshness'], cell['freshness'])}")
    edge = cell["edge"]
    if edge and edge["to"]:
        said.append(f"joined to {lanes.lane(edge['to']).title} ({edge['evidence_kind']}): {edge['evidence']}")
    elif edge:
        said.append(edge["evidence"])
    return ". ".join(said)


def _legend() -> Html:
    items = (
        ("solid", "joined by a record or the same id"), ("dashed", "joined by a likely guess"),
        ("open", "no recorded link to the left"),
    )  # fmt: skip
    edges = join(tag("span", tag("i", cls=f"tl-edge tl-e-{kind}"), said) for kind, said in items)
    stale = tag("span", tag("i", cls="tl-edge tl-stale"), "stale copy")
    hint = tag("span", "hover or focus a cell to light its thread; arrow keys move")
    return tag("div", edges, stale, hint, cls="tl-legend")


def _flat(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, object]]:
    for row in rows:
        for column, cell in row["cells"].items():
            yield {
                "product": row["product"], "environment": row["environment"], "column": column, "id": cell["subject"],
                **{name: cell[name] for name in ("state", "freshness", "version", "at")},
                "problem": cell["problem"]["title"] if cell["problem"] else None,
                "link": cell["edge"]["evidence_kind"] if cell["edge"] else None,
            }  # fmt: skip
