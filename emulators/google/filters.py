"""Which messages a list filter means: Google's filter language (AIP-160) as far as Vertex AI documents it.

OR binds tighter than AND, as AIP-160 says. A field, an operator or a value that the real API
does not document for the collection is an error, never a filter that is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Predicate = Callable[[Message], bool]

EQUAL = frozenset({"=", "!="})
TEXT = EQUAL | {":"}
TIME = EQUAL | {"<", ">", "<=", ">=", ":"}
LABELS = frozenset({"=", "!=", ":", "has"})
EXISTS = frozenset({":"})

TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<op><=|>=|!=|=|<|>|:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()<>=!:"]+))"""
)


class BadFilter(ValueError):
    """The filter cannot be read, or asks for what the API does not offer."""


def compile_filter(text: str, fields: Mapping[str, frozenset[str]], descriptor: Descriptor) -> Predicate:
    """A predicate over messages of that type. `fields` says which operators each documented field takes."""
    if not text.strip():
        return lambda message: True
    return _Parser(_tokens(text), fields, descriptor).whole()


def value_at(message: Message, path: str) -> Any:
    """The comparable value behind a snake_case path: times as (seconds, nanos), enums by name, None when unset."""
    value: Any = message
    for part in path.split("."):
        field = value.DESCRIPTOR.fields_by_name.get(part)
        if field is None:
            raise BadFilter(f"unknown field {path}")
        if field.message_type and not field.is_repeated and not value.HasField(part):
            return None
        value = getattr(value, part)
        if field.enum_type:
            return field.enum_type.values_by_number[value].name
    return (value.seconds, value.nanos) if isinstance(value, Timestamp) else value


def snake(name: str) -> str:
    """camelCase as snake_case; both spellings are taken in filters and in orders."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise BadFilter(f"cannot read the filter at: {text[position:]}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; one method a rule of the grammar."""

    def __init__(
        self, tokens: list[tuple[str, str]], fields: Mapping[str, frozenset[str]], descriptor: Descriptor
    ) -> None:
        self.tokens, self.fields, self.descriptor, self.position = tokens, fields, descriptor, 0

    def whole(self) -> Predicate:
        predicate = self.conjunction()
        if self.position < len(self.tokens):
            raise BadFilter(f"unexpected '{self.tokens[self.position][1]}'")
        return predicate

    def conjunction(self) -> Predicate:
        parts = [self.disjunction()]
        while self.take("word", "AND"):
            parts.append(self.disjunction())
        return lambda message: all(part(message) for part in parts)

    def disjunction(self) -> Predicate:
        parts = [self.term()]
        while self.take("word", "OR"):
            parts.append(self.term())
        return lambda message: any(part(message) for part in parts)

    def term(self) -> Predicate:
        if self.take("word", "NOT"):
            inner = self.term()
            return lambda message: not inner(message)
        if self.take("paren", "("):
            inner = self.conjunction()
            if not self.take("paren", ")"):
                raise BadFilter("a parenthesis is not closed")
            return inner
        return self.restriction()

    def restriction(self) -> Predicate:
        path, quoted_key = self.next("word"), None
        if path.endswith(".") and self.peek() == "text":
            path, quoted_key = path[:-1], _unquote(self.next("text"))
        operator = self.next("op")
        kind = self.peek()
        if kind not in ("word", "text"):
            raise BadFilter(f"'{path}{operator}' has no value")
        raw = self.next(kind)
        value = _unquote(raw) if kind == "text" else raw
        first, _, rest = path.partition(".")
        if self.fields.get(snake(first)) is LABELS:
            return _label(snake(first), rest if quoted_key is None else quoted_key, operator, value)
        return self.comparison(path, operator, value)

    def comparison(self, path: str, op: str, want: str) -> Predicate:
        field = ".".join(snake(part) for part in path.split("."))
        if field not in self.fields:
            known = ", ".join(sorted(self.fields)) or "nothing"
            raise BadFilter(f"filtering by '{path}' is not supported; supported: {known}")
        if op not in self.fields[field]:
            raise BadFilter(f"'{op}' is not supported for '{path}'")
        enum = getattr(self.descriptor.fields_by_name.get(field), "enum_type", None)
        if enum is not None and want not in enum.values_by_name:
            raise BadFilter(f"'{want}' is no value of '{path}'")
        read = READERS.get(field, lambda message: value_at(message, field))
        if op == ":" and (want == "*" or self.fields[field] is EXISTS):
            return lambda message: read(message) not in (None, "")
        if self.fields[field] is TIME:
            return _compare(read, op, _time(want))
        if op == ":":
            pattern = re.compile(re.escape(want).replace(r"\*", ".*"), re.DOTALL)
            return lambda message: pattern.fullmatch(str(read(message) or "")) is not None
        return lambda message: (read(message) == want) == (op == "=")

    def peek(self) -> str:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else ""

    def take(self, kind: str, text: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position] == (kind, text):
            self.position += 1
            return True
        return False

    def next(self, kind: str) -> str:
        if self.peek() != kind:
            where = self.tokens[self.position][1] if self.position < len(self.tokens) else "the end"
            raise BadFilter(f"unexpected '{where}', wanted a {kind}")
        self.position += 1
        return self.tokens[self.position - 1][1]


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _label(field: str, key: str, op: str, want: str) -> Predicate:
    if not key and op == ":":
        return lambda message: want in getattr(message, field)
    if not key or op not in EQUAL | {":"}:
        raise BadFilter(f"'{field}' takes {field}.key=value, {field}.key:* or {field}:key")
    if op == ":" and want == "*":
        return lambda message: key in getattr(message, field)
    return lambda message: (getattr(message, field).get(key) == want) == (op != "!=")


def _time(text: str) -> tuple[int, int]:
    stamp = Timestamp()
    try:
        stamp.FromJsonString(text + "T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except ValueError as error:
        raise BadFilter(f"'{text}' is not an RFC 3339 time") from error
    return stamp.seconds, stamp.nanos


def _compare(read: Callable[[Message], Any], op: str, want: tuple[int, int]) -> Predicate:
    """A time that is not set matches nothing but `!=`."""

    def matches(message: Message) -> bool:
        have = read(message)
        if have is None:
            return op == "!="
        return {
            "=": have == want,
            "!=": have != want,
            "<": have < want,
            ">": have > want,
            "<=": have <= want,
            ">=": have >= want,
            ":": have == want,
        }[op]

    return matches


def _last_segment(message: Any) -> str:
    return str(message.name).rpartition("/")[2].partition("@")[0]


def _pipeline_name(message: Any) -> str | None:
    info = message.pipeline_spec.fields.get("pipelineInfo")
    return info.struct_value.fields["name"].string_value if info is not None else None


READERS: dict[str, Callable[[Message], Any]] = {
    "model": _last_segment,
    "endpoint": _last_segment,
    "feature_id": _last_segment,
    "feature_view_id": _last_segment,
    "pipeline_job_user_id": _last_segment,
    "pipeline_name": _pipeline_name,
}
"""Filter and order names that are no field of the message itself."""
