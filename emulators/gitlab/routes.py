"""Which handler answers a path; paths are matched before they are decoded, as GitLab does with `group%2Fproject`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from emulators.gitlab.exchange import Answer

Handler = Callable[..., Answer]
Table = dict[tuple[str, str], Handler]


class Router:
    """A tree of path segments; `:name` takes one segment, a last `*name` all that are left."""

    def __init__(self, *tables: Table) -> None:
        self._root: dict[str, dict] = {}
        for table in tables:
            for (method, pattern), handler in table.items():
                node = self._root
                for part in pattern.split("/"):
                    node = node.setdefault(part, {})
                node.setdefault("", {})[method] = handler

    def match(self, raw_path: str) -> tuple[dict[str, Handler], dict[str, str]] | None:
        """The handlers by method of that raw path, and the decoded parameters; None when there is no such path."""
        return _walk(self._root, raw_path.strip("/").split("/"), {})


def _walk(node: dict, parts: list[str], given: dict[str, str]) -> tuple[dict[str, Handler], dict[str, str]] | None:
    if not parts:
        return (node[""], given) if "" in node else None
    head, rest = parts[0], parts[1:]
    if head and head in node and (found := _walk(node[head], rest, given)):
        return found
    for name, child in node.items():
        if name.startswith(":") and head and (found := _walk(child, rest, {**given, name[1:]: unquote(head)})):
            return found
        if name.startswith("*"):
            return child[""], {**given, name[1:]: unquote("/".join(parts))}
    return None
