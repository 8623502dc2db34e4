"""Text as TOML holds it: strings that nothing in them can break out of, and names as patterns of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_ESCAPES.get(char, char if char.isprintable() else _unicode(char)) for char in text) + '"'


def quote_list(values: Iterable[str]) -> str:
    """A TOML array of strings, on one line."""
    return "[" + ", ".join(quote(value) for value in values) + "]"


def glob(name: str) -> str:
    """A shell-like pattern that matches just this name."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _unicode(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
