"""Which calls a local upstream saw, and which of them are to go wrong."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALLS_KEPT = 200_000


@dataclass(frozen=True)
class Call:
    """One call that an upstream saw; names of query parameters are kept, their values never."""

    method: str
    path: str
    parameters: tuple[str, ...]
    status: int
    at: str


class CallLog:
    """The calls since the last `clear`, control routes apart; faulted calls are in it too."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self._lock = threading.Lock()
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            self._total += 1

    def all(self) -> list[Call]:
        """The calls, oldest first (the newest 200,000)."""
        with self._lock:
            return list(self._calls)

    def count(self, prefix: str = "", method: str | None = None, status: int | None = None) -> int:
        """How many calls had a path that starts with `prefix` (and that method and status)."""
        return sum(
            call.path.startswith(prefix) and method in (None, call.method) and status in (None, call.status)
            for call in self.all()
        )

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._total = 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong with calls whose `path?query` matches the regular expression `path`.

    With `status` or `body` the upstream itself is not asked. `cut_after_bytes` promises the whole body by
    Content-Length and closes the connection in the middle of it. The first `skip` matching calls are spared, then
    `times` calls are hit (None: all).
    """

    path: str = ""
    method: str | None = None
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    mangle: Callable[[bytes], bytes] | None = None
    replace: tuple[bytes, bytes] | None = None
    times: int | None = None
    skip: int = 0

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Fault:
        """A fault as `POST /_emulator/faults` sends it: texts for bytes, no callable."""
        wanted = dict(given)
        if wanted.get("body") is not None:
            wanted["body"] = str(wanted["body"]).encode()
        if wanted.get("replace") is not None:
            old, new = wanted["replace"]
            wanted["replace"] = (old.encode(), new.encode())
        headers = wanted.pop("headers", {})
        return cls(**wanted, headers=tuple((str(name), str(value)) for name, value in dict(headers).items()))


class Faults:
    """The faults in force, the first one that matches wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        re.compile(fault.path)
        with self._lock:
            self._seen.append((fault, [0]))

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()

    def strike(self, method: str, target: str) -> Fault | None:
        """The fault that hits this call, if any; counts the call against its `skip` and `times`."""
        with self._lock:
            for fault, seen in self._seen:
                if fault.method not in (None, method) or not re.search(fault.path, target):
                    continue
                if fault.times is not None and seen[0] >= fault.skip + fault.times:
                    continue
                seen[0] += 1
                if seen[0] > fault.skip:
                    return fault
        return None
