"""Takes secrets out of upstream text and values before anything keeps, logs or shows them.

Three ways lead to a secret: its shape (a token, a key, a login in an address), the name it is given
to (`password: …`), and its being known: what `register_secret` was told is replaced wherever it occurs
afterwards in this process. Each is looked for in the text as it stands, with its lines joined, with
percent signs decoded, and inside base64. Names stay readable; only values go.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from services.secret_shapes import Span, assigned, is_secret_name, looks_random, shaped

__all__ = ["REDACTED", "Known", "RedactingFilter", "is_secret_name", "looks_random", "redact_text", "redact_value",
           "register_secret"]  # fmt: skip

REDACTED = "«redacted»"
MAX_TEXT = 512 * 1024
"""Longer texts are cut to this many characters first, and end in "…"."""
MAX_ITEMS, MAX_DEPTH = 200, 8
_SHORT = 200
_SHORTEST = 6
_KNOWN_LIMIT = 200_000
_BREAK = re.compile(r"[\"']?[ \t]*[+\\]?[ \t]*(?:\r?\n|\\r\\n|\\n)[ \t]*[\"']?")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{12,}")
_URLSAFE = str.maketrans("-_", "+/")


class Known:
    """Secrets known by their value, in every form in which they may turn up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: dict[str, None] = {}
        self._by_start: dict[str, tuple[str, ...]] = {}
        self.size = 0
        """How many forms were ever added."""

    def add(self, value: str) -> None:
        """Remember a secret; values of fewer than six characters are left, they would hide ordinary words."""
        if len(value.strip()) < _SHORTEST:
            return
        with self._lock:
            for form in _forms(value.strip()):
                if form not in self._forms and len(form) >= _SHORTEST:
                    self._forms[form] = None
                    start = form[:_SHORTEST]
                    same = (*self._by_start.get(start, ()), form)
                    self._by_start[start] = tuple(sorted(same, key=len, reverse=True))
                    self.size += 1
            while len(self._forms) > _KNOWN_LIMIT:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        form = next(iter(self._forms))
        del self._forms[form]
        start = form[:_SHORTEST]
        self._by_start[start] = tuple(other for other in self._by_start[start] if other != form)

    def spans(self, text: str) -> Iterator[Span]:
        """Where any of them stands in the text."""
        by_start = self._by_start
        if not by_start:
            return
        for at in range(len(text) - _SHORTEST + 1):
            for form in by_start.get(text[at : at + _SHORTEST], ()):
                if text.startswith(form, at):
                    yield at, at + len(form)
                    break


def _forms(value: str) -> Iterator[str]:
    yield value
    yield from (quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    raw = value.encode()
    for shift in range(3):
        # the characters at the edges depend on the neighbours, so they are no part of the form
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        first, last = (0, 2, 3)[shift], len(encoded) - (0 if (shift + len(raw)) % 3 == 0 else 1)
        for form in {encoded[first:last], encoded[first:last].translate(str.maketrans("+/", "-_"))}:
            if len(form) >= (_SHORTEST + 2 if shift else _SHORTEST):
                yield form
    if shorter := value.strip("\"'"):
        yield shorter


_REGISTERED = Known()


def register_secret(value: str | None) -> None:
    """From now on this value is replaced wherever it occurs: plain, base64, URL-encoded, split over lines."""
    if value:
        _REGISTERED.add(value)


def redact_text(text: str | None, known: Known | None = None) -> str | None:
    """The text without its secrets; `known` names more of them than those that were registered."""
    if not text:
        return text
    if known is None and len(text) <= _SHORT:
        return _remembered(text, _REGISTERED.size)
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    spans = list(_find(text, known))
    return _replace(text, spans) if spans else text


@lru_cache(maxsize=20_000)
def _remembered(text: str, registered: int) -> str:
    """Names and labels come again and again; what was found in one holds until another secret is registered."""
    spans = list(_find(text, None))
    return _replace(text, spans) if spans else text


def redact_value(value: Any, known: Known | None = None, name: str = "") -> Any:
    """Small JSON without its secrets: by the name of each key, and by the text of each value.

    Containers keep at most 200 items and eight levels; what is cut off is counted in its place.
    """
    return _value(value, known, is_secret_name(name), MAX_DEPTH)


def _value(value: Any, known: Known | None, secret: bool, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return REDACTED if secret and abs(value) >= 100_000 else value
    if isinstance(value, str):
        return REDACTED if secret and value else redact_text(value, known)
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return _mapping(value, known, secret, depth)
    items = list(value)
    kept = [_value(item, known, secret, depth - 1) for item in items[:MAX_ITEMS]]
    return kept if len(items) <= MAX_ITEMS else [*kept, f"… {len(items) - MAX_ITEMS} more"]


def _mapping(value: Mapping[Any, Any], known: Known | None, secret: bool, depth: int) -> dict[str, Any]:
    # {"name": "DB_PASSWORD", "value": …} is how containers spell their environment
    named = next((value[key] for key in ("name", "key") if isinstance(value.get(key), str)), "")
    kept: dict[str, Any] = {}
    for key, item in list(value.items())[:MAX_ITEMS]:
        hidden = secret or is_secret_name(str(key)) or (key in ("value", "stringValue") and is_secret_name(named))
        kept[redact_text(str(key), known) or ""] = _value(item, known, hidden, depth - 1)
    if len(value) > MAX_ITEMS:
        kept["…"] = f"{len(value) - MAX_ITEMS} more"
    return kept


def _find(text: str, known: Known | None) -> Iterator[Span]:
    plain = [*_secrets(text, known), *assigned(text)]
    yield from plain
    if "%" in text and _PERCENT.search(text):
        decoded, origin = _decode_percent(text)
        for start, end in [*_secrets(decoded, known), *assigned(decoded)]:
            yield origin[start], origin[end]
    if _BREAK.search(text):
        yield from _across_lines(text, known, plain)


def _secrets(text: str, known: Known | None) -> Iterator[Span]:
    yield from shaped(text)
    yield from _REGISTERED.spans(text)
    if known is not None:
        yield from known.spans(text)
    for match in _BASE64.finditer(text):
        if _hides_secret(match[0], known):
            end = match.end()
            while end < len(text) and text[end] == "=":
                end += 1
            yield match.start(), end


def _hides_secret(word: str, known: Known | None, depth: int = 2) -> bool:
    """Whether base64 text holds a secret, at whatever offset it begins within its run of characters."""
    word = word.translate(_URLSAFE)
    for shift in range(min(4, len(word) - 8)):
        part = word[shift:]
        try:
            inner = base64.b64decode(part[: len(part) - (len(part) % 4 == 1)] + "==").decode("latin-1")
        except binascii.Error:
            continue
        readable = sum(32 <= ord(char) < 127 or char in "\t\r\n" for char in inner)
        if readable < 0.6 * len(inner):
            continue
        if any(True for _ in shaped(inner)) or any(True for _ in _REGISTERED.spans(inner)):
            return True
        if known is not None and any(True for _ in known.spans(inner)):
            return True
        if readable == len(inner) and any(True for _ in assigned(inner)):
            return True
        if depth and any(_hides_secret(match[0], known, depth - 1) for match in _BASE64.finditer(inner)):
            return True
    return False


def _decode_percent(text: str) -> tuple[str, list[int]]:
    """The text with percent signs decoded, twice where it was encoded twice, and where each character was."""
    origin = list(range(len(text) + 1))
    for _ in range(2):
        parts: list[str] = []
        places: list[int] = []
        at = 0
        for match in _PERCENT.finditer(text):
            parts += (text[at : match.start()], chr(int(match[1], 16)))
            places += (*origin[at : match.start()], origin[match.start()])
            at = match.end()
        text, origin = "".join((*parts, text[at:])), [*places, *origin[at:]]
    return text, origin


def _across_lines(text: str, known: Known | None, plain: list[Span]) -> Iterator[Span]:
    """Secrets that a line break cuts in two."""
    pieces, starts, joined_at = [], [], []
    at, length = 0, 0
    for match in [*_BREAK.finditer(text), None]:
        end = match.start() if match else len(text)
        pieces.append(text[at:end])
        starts.append(at)
        joined_at.append(length)
        length += end - at
        at = match.end() if match else end
    joined = "".join(pieces)
    for start, end in _secrets(joined, known):
        first, last = bisect_right(joined_at, start) - 1, bisect_right(joined_at, end - 1) - 1
        source = starts[first] + start - joined_at[first]
        whole = any(from_ <= source < to for from_, to in plain)
        for piece in range(first, last + 1):
            inside = pieces[piece][max(0, start - joined_at[piece]) : end - joined_at[piece]]
            # a token that ends with its line is followed by a word: that word is no part of it
            whole = whole or any(True for _ in _secrets(joined[start : joined_at[piece]], known))
            if piece > first and whole and not _continues(inside, pieces[piece]):
                break
            begin = starts[piece] + max(0, start - joined_at[piece])
            yield begin, begin + len(inside)


def _continues(part: str, line: str) -> bool:
    return part == line.strip() or any(char.isdigit() for char in part) or any(char.isupper() for char in part[1:])


def _replace(text: str, spans: list[Span]) -> str:
    out: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        if start > at or not out:
            out += (text[at:start], REDACTED)
        at = end
    return "".join((*out, text[at:]))


class RedactingFilter(logging.Filter):
    """Put on every handler: no message, argument or traceback leaves with a secret in it."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()) or "", ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text, record.exc_info = redact_text(record.exc_text), None
        if record.stack_info:
            record.stack_info = redact_text(record.stack_info)
        return True
