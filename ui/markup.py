"""The one door for our HTML and SVG: whatever text comes from upstream is shown as text, and nothing else."""

# Not named html: Streamlit puts this folder first on the path, where it would hide the standard library's module.
from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import streamlit as st

LONGEST_TEXT = 2000
"""Characters of one text that are drawn; what is longer is cut with an ellipsis."""

_VOID = frozenset({"br", "hr"})
_VOID_SVG = frozenset({"circle", "path", "line", "rect", "polyline", "ellipse"})
"""Elements of SVG end themselves: a parser of HTML would take what follows for their content."""
SHORT = 200
"""Texts up to so many characters are remembered as they are drawn."""
_SUSPECT = re.compile(r"[^ -~\u00a1-\u02ff]")
_PLAIN = re.compile(r"[ !#-%(-;=?-~\u00a1-\u02ff]*")
"""Text in which nothing has to be escaped or made visible, as most is."""
_NAME = re.compile(r"[a-z][a-z0-9-]*", re.IGNORECASE)


class Html(str):
    """Markup that is safe to draw: made by `tag` and `text` alone."""

    __slots__ = ()


def _visible(text: str) -> str:
    """Control, bidirectional and other invisible characters as signs that can be seen; the rest as it is."""

    def shown(match: re.Match[str]) -> str:
        sign = match[0]
        category = unicodedata.category(sign)
        if sign in "\n\r\u2028\u2029":
            return "↵"
        if sign == "\t":
            return "→"
        if category == "Cc":
            return chr(0x2400 + ord(sign)) if ord(sign) < 0x20 else "␡" if sign == "\x7f" else f"‹U+{ord(sign):04X}›"
        if sign == "\u200d" and _joins(text, match.start()):
            return sign
        if category == "Cs":
            return "�"
        return f"‹U+{ord(sign):04X}›" if category in ("Cf", "Co", "Cn", "Zl", "Zp") else sign

    return _SUSPECT.sub(shown, text)


def _joins(text: str, at: int) -> bool:
    """Whether a zero-width joiner stands between two signs that it can join, as in an emoji."""
    return 0 < at < len(text) - 1 and ord(text[at - 1]) > 0x2FF and ord(text[at + 1]) > 0x2FF


def text(value: object) -> Html:
    """Any value as escaped text; markup that was made here passes unchanged, None is nothing."""
    if isinstance(value, Html):
        return value
    if value is None:
        return _NOTHING
    plain = str(value)
    return _short(plain) if len(plain) <= SHORT else _escaped(plain)


def _escaped(plain: str) -> Html:
    if len(plain) <= LONGEST_TEXT and _PLAIN.fullmatch(plain):
        return Html(plain)
    if len(plain) > LONGEST_TEXT:
        plain = plain[:LONGEST_TEXT] + "…"
    return Html(html.escape(_visible(plain)))


_NOTHING = Html("")
_short = lru_cache(maxsize=16384)(_escaped)
"""Names, states and sentences come again and again: looking one up costs a tenth of escaping it."""


def join(parts: Iterable[object], between: object = "") -> Html:
    """The parts as text or markup, one after the other."""
    return Html(text(between).join([text(part) for part in parts]))


@lru_cache(maxsize=256)
def _element(name: str) -> str:
    """The name, where it is one that we draw; only names that passed are remembered."""
    if not _NAME.fullmatch(name) or name.lower() in ("script", "style", "iframe", "object", "embed"):
        raise ValueError(f"no element <{name}> is drawn here")
    return name


@lru_cache(maxsize=256)
def _attribute(key: str) -> str:
    name = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.lower().startswith("on"):
        raise ValueError(f"no attribute {name!r} is drawn here")
    return name


def tag(name: str, *children: object, **attributes: object) -> Html:
    """One element. `cls` is class, `_` in a name is `-`; False and None leave an attribute out, True needs no value.

    Raises ValueError for the name of an element or attribute that could carry script.
    """
    opening = "<" + _element(name)
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        if value is True:
            opening += " " + _attribute(key)
        else:
            plain = str(value)
            opening += _pair(key, plain) if len(plain) <= SHORT else _written(key, plain)
    if name in _VOID or (name in _VOID_SVG and not children):
        return Html(f"{opening}{' /' if name in _VOID_SVG else ''}>")
    if len(children) == 1:
        return Html(f"{opening}>{text(children[0])}</{name}>")
    return Html(f"{opening}>{''.join([text(child) for child in children])}</{name}>")


def _written(key: str, plain: str) -> str:
    return f' {_attribute(key)}="{text(plain)}"'


_pair = lru_cache(maxsize=16384)(_written)


def body_rows(rows: Iterable[tuple[str | None, Iterable[object]]], classes: Sequence[str | None]) -> Html:
    """Rows of a table's body: of each its class and its cells, which are in columns of the given classes.

    The same as `tag` for every cell, which on a page of many rows would cost more than all else.
    """
    opening = [f'<td class="{text(name)}">' if name else "<td>" for name in classes]
    drawn = []
    for name, cells in rows:
        drawn.append(f'<tr class="{text(name)}">' if name else "<tr>")
        drawn += [f"{start}{text(cell)}</td>" for start, cell in zip(opening, cells, strict=True)]
        drawn.append("</tr>")
    return Html("".join(drawn))


@lru_cache(maxsize=4096)
def safe_url(url: str | None) -> str | None:
    """The address where it is plain http(s) without credentials in it; None otherwise, so that no link is made."""
    if not url or len(url) > LONGEST_TEXT or any(ord(sign) <= 0x20 or ord(sign) == 0x7F for sign in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else None


def draw(markup: Html) -> None:
    """Put markup on the page. Raises TypeError for text that did not come through `tag` or `text`."""
    if not isinstance(markup, Html):
        raise TypeError("only markup made by ui.markup can be drawn")
    st.markdown(f"<div>{markup}</div>", unsafe_allow_html=True)
