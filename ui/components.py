"""The parts that pages are made of: notices before answers, sentences, links, cards, tables, and what is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from services.config_file import ConfigError
from services.places import config_path
from services.queries.base import Answer, SourceHealth
from services.vocabulary import Freshness
from ui import glossary, runtime, urls, words
from ui.markup import Html, body_rows, draw, join, safe_url, tag
from ui.status import badge, sign

AGAIN = " This page looks again every few seconds."


def notice(tone: str, *said: object) -> None:
    """One line that must be seen: red for what is broken, amber for what limits, blue for what is good to know."""
    draw(notice_html(tone, *said))


def notice_html(tone: str, *said: object) -> Html:
    """The same as markup. The role makes a screen reader say what is red at once."""
    state = {"red": "failed", "amber": "warning", "blue": "running"}[tone]
    return tag(
        "div", sign(state), tag("span", *said), cls=f"tl-note tl-c-{tone}", role="alert" if tone == "red" else "status"
    )


def broken(error: Exception) -> None:
    """What is said where the configuration or the store cannot be read; it mends itself once they can be."""
    if isinstance(error, ConfigError):
        faults = join(tag("li", problem) for problem in error.problems)
        draw(tag("div", notice_html("red", "The configuration cannot be used."), tag("ul", faults), cls="tl-broken"))
    elif isinstance(error, OSError):
        notice(
            "red", f"The configuration {config_path().name} cannot be read: {error.strerror or 'no such file'}.", AGAIN
        )
    else:
        notice("red", str(error), AGAIN)


def block(answer: Answer, body: Callable[[Answer], None], *, tells_limits: bool = False) -> None:
    """Draw an answer: first what limits it (its sources), then what it found or why there is nothing."""
    if not tells_limits:
        limits(answer.sources)
    if answer.empty_because:
        empty(answer.empty_because)
    body(answer)


def limits(sources: Iterable[SourceHealth]) -> None:
    """One line for all streams of an answer that are not fresh, each with its reason and mend inside; nothing else."""
    bad = [one for one in sources if one.status is not Freshness.FRESH]
    if not bad:
        return
    config, now = runtime.config(), runtime.clock()
    names = ", ".join(dict.fromkeys(f"{one.name} {one.stream.replace('_', ' ')}".removesuffix(" *") for one in bad))
    shown = names if len(names) <= 90 else f"{len(bad)} streams"
    items = [
        tag(
            "li",
            badge(one.status), " ", tag("b", f"{one.name} · {one.stream.replace('_', ' ')}".removesuffix(" · *")), " ",
            "as of ", words.age(one.as_of, now, config.team.zone, " ago") if one.as_of else "never",
            f": {one.reason}" if one.reason else None, tag("span", f" {one.mend}", cls="tl-dim") if one.mend else None,
        )
        for one in bad
    ]  # fmt: skip
    tone = "red" if any(one.status is Freshness.BROKEN for one in bad) else "amber"
    head = tag("summary", sign("warning", tone), tag("span", f"This rests on what is not fresh: {shown}."))
    draw(tag("details", head, tag("ul", join(items)), cls=f"tl-note tl-c-{tone}"))


def empty(because: str) -> None:
    """What stands in place of a list that is empty: why, and what would fill it."""
    draw(empty_html(because))


def empty_html(because: str) -> Html:
    """The same as markup."""
    return tag("div", because, cls="tl-empty")


def heading(title: str, *aside: object, level: int = 2, anchor: str | None = None) -> Html:
    """A heading with what belongs beside it."""
    return tag("div", tag(f"h{level}", title, id=anchor), tag("span", *aside, cls="tl-dim"), cls="tl-head")


def term(word: str, shown: str | None = None) -> Html:
    """A word with its meaning on hover, where the glossary knows it."""
    told = glossary.LOOKUP.get(word)
    return tag("abbr", shown or word, title=told, tabindex="0") if told else tag("span", shown or word)


def link(said: object, href: str, **attributes: object) -> Html:
    """A link within the product: quick on a plain click, a real address for a new tab."""
    return tag("a", said, href=href, data_go=True, target="_self", **({"cls": "tl-a"} | attributes))


def source_link(url: str | None, said: str = "source") -> Html:
    """A link to the upstream, in a new tab; nothing where the address is not plain http(s)."""
    safe = safe_url(url)
    if safe is None:
        return Html("")
    return tag("a", said, " ↗", href=safe, target="_blank", rel="noopener noreferrer", cls="tl-out")


def copy_button(content: str, said: str = "copy") -> Html:
    """A button that puts a text into the clipboard."""
    return tag("button", said, type="button", cls="tl-copy", data_copy=content)


def counted(shown: int, of: int, noun: str) -> Html:
    """How much of it is shown: "12 of 340 runs shown", or all of it."""
    return tag("span", f"{shown:,} of {of:,} {noun} shown" if shown < of else f"{of:,} {noun}", cls="tl-count")


def pager(page: int, size: int, of: int) -> Html:
    """The way to the rest of a list: links to the page before and after, and where one is."""
    last = max(1, -(-of // size))
    if last == 1 and page == 1:
        return Html("")
    before = link("← previous", urls.href(page=page - 1 if page > 2 else None)) if page > 1 else None
    after = link("next →", urls.href(page=page + 1)) if page < last else None
    return tag(
        "nav", before, tag("span", f"page {page} of {last}"), after, cls="tl-pager", aria_label="Pages of the list"
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, how a row's cell is drawn, and how it stands in an export."""

    title: str
    cell: Callable[[Mapping[str, object]], object]
    plain: Callable[[Mapping[str, object]], object] | None = None
    """The value for CSV; the row's value under `name` where it is not given."""
    name: str | None = None
    numeric: bool = False
    wide: bool = False
    """Takes what room is left, and may break into lines."""


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[Column], caption: str,
          selected: Callable[[Mapping[str, object]], bool] | None = None) -> Html:  # fmt: skip
    """Rows as a table that a phone can scroll sideways; `caption` names it for screen readers."""
    head = join(
        tag("th", term(column.title.lower(), column.title), scope="col", cls="tl-n" if column.numeric else None)
        for column in columns
    )
    body = body_rows(
        (("tl-open" if selected and selected(row) else None, [column.cell(row) for column in columns]) for row in rows),
        [_cell(column) for column in columns],
    )
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", inner, cls="tl-table", tabindex="0", role="region", aria_label=caption)


def _cell(column: Column) -> str | None:
    return "tl-n" if column.numeric else "tl-w" if column.wide else None


def to_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[Column]) -> str:
    """The rows as CSV; a text that a spreadsheet would take for a formula is led by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.title for column in columns])
    writer.writerows([_plain(column, row) for column in columns] for row in rows)
    return out.getvalue()


def _plain(column: Column, row: Mapping[str, object]) -> object:
    value = column.plain(row) if column.plain else row.get(column.name or column.title.lower())
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def export(
    rows: Sequence[Mapping[str, object]], columns: Sequence[Column], name: str, said: str = "Download as CSV"
) -> None:
    """A button that downloads the rows as CSV; the file is written only when it is asked for."""
    st.download_button(
        said, lambda: to_csv(rows, columns).encode(), f"{name}.csv", "text/csv", key=f"csv-{name}",
        on_click="ignore", type="tertiary", help="What is shown, for a spreadsheet",
    )  # fmt: skip


def fact(label: str, *value: object) -> Html:
    """One fact of a thing that is opened."""
    return tag("div", tag("dt", term(label.lower(), label)), tag("dd", *value))


def facts(*items: Html) -> Html:
    """The facts of a thing that is opened, side by side."""
    return tag("dl", join(items), cls="tl-facts")
