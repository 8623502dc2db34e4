"""What GraphQL resolvers share: an object with its project, a connection, a global id, a time in whole seconds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from emulators.data import GitLabData, Json
from emulators.gitlab.exchange import Refused, Request, moment, stamp
from emulators.gitlab.index import Index
from emulators.gitlab.paging import after_cursor, cursor_of

MAX_PAGE = 100


@dataclass
class Context:
    """One GraphQL request: the data, and how often the once-only fields were asked for."""

    request: Request
    score: int
    limit: int
    asked: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def data(self) -> GitLabData:
        return self.request.data

    @property
    def index(self) -> Index:
        return self.request.index


@dataclass(slots=True)
class Node:
    """A REST object, and the project that it belongs to."""

    project_id: int
    item: Json


def context(info: GraphQLResolveInfo) -> Context:
    return info.context


def gid(kind: str, number: Any) -> str:
    return f"gid://gitlab/{kind}/{number}"


def number_of(text: str) -> int:
    """The number at the end of a global id, or the number itself; -1 when it is none."""
    tail = str(text).rsplit("/", 1)[-1]
    return int(tail) if tail.isdecimal() else -1


def made_up_id(*parts: Any) -> int:
    """A stable number for what has none in REST (a stage, a Terraform state)."""
    return zlib.crc32("/".join(str(part) for part in parts).encode())


@lru_cache(maxsize=1 << 16)
def whole_seconds(text: str) -> str:
    """GraphQL's Time: ISO 8601 in UTC without fractions."""
    at = datetime.fromtimestamp(moment(text) or 0.0, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def readable(info: GraphQLResolveInfo, project_id: int, collection: str) -> bool:
    """Whether this collection of the project may be read; if not, its connection is null."""
    denied = context(info).data.denied
    return (project_id, "*") not in denied and (project_id, collection) not in denied


def once(info: GraphQLResolveInfo) -> None:
    """Raise when a field that may be asked for once a request is asked for again (GitLab's FieldCallCount)."""
    key = (info.parent_type.name, info.field_name)
    asked = context(info).asked
    asked[key] = asked.get(key, 0) + 1
    if asked[key] > 1:
        raise GraphQLError(f'"{key[1]}" field can be requested only for 1 {key[0]}(s) at a time.')


def by_id(item: Json) -> tuple[Any, ...]:
    return (item["id"],)


def connection(
    items: Iterable[Any],
    arguments: dict[str, Any],
    key: Callable[[Any], Sequence[Any]] = lambda node: (node.item["id"],),
    descending: bool = True,
) -> dict[str, Any]:
    """A page of at most 100 with its page info; the cursor names the last object's place in the order."""
    everything = sorted(items, key=key, reverse=descending)
    rest = everything
    if arguments.get("after"):
        try:
            rest = after_cursor(everything, key, arguments["after"], descending)
        except Refused:
            raise GraphQLError("Please provide a valid cursor") from None
    wanted = arguments.get("first")
    if wanted is not None and wanted < 0:
        raise GraphQLError("`first` must be a non-negative integer")
    found = rest[: MAX_PAGE if wanted is None else min(wanted, MAX_PAGE)]
    return {
        "nodes": found,
        "edges": _Edges(found, key),
        "count": len(everything),
        "page_info": {
            "has_next_page": len(rest) > len(found),
            "has_previous_page": bool(arguments.get("after")),
            "start_cursor": cursor_of(key(found[0])) if found else None,
            "end_cursor": cursor_of(key(found[-1])) if found else None,
        },
    }


class _Edges:
    """The edges of a page, made only when they are asked for."""

    def __init__(self, nodes: list[Any], key: Callable[[Any], Sequence[Any]]) -> None:
        self.nodes, self.key = nodes, key

    def __iter__(self) -> Iterable[dict[str, Any]]:
        return iter([{"cursor": cursor_of(self.key(node)), "node": node} for node in self.nodes])


def changed_within(items: Iterable[Json], arguments: dict[str, Any], name: str = "updated") -> Iterable[Json]:
    """The items of which `updated_at` lies at or after, and at or before, the given times."""
    low, high = (moment(arguments.get(f"{name}{side}")) for side in ("After", "Before"))
    if low is None and high is None:
        return items
    low, high = low or 0.0, high if high is not None else float("inf")
    return [item for item in items if low <= (stamp(item, f"{name}_at") or 0.0) <= high]


def words(values: Iterable[str] | None) -> set[str] | None:
    """GraphQL's upper-case words as REST writes them; None when none were given."""
    return None if values is None else {value.lower() for value in values}
