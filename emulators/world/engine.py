"""Plays a story in order of time: a heap of due moments that change the upstreams' objects in place."""

from __future__ import annotations

import hashlib
import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from emulators.data import Upstreams

WARM_UP = timedelta(hours=3)
HISTORY = timedelta(days=90)
FOUNDED = timedelta(days=120)
Act = Callable[..., None]


def iso(at: datetime) -> str:
    """A time as GitLab writes it: UTC with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Sim:
    """The whole story of one team: what is due, what was planted, and the upstreams it plays on.

    Everything is decided by (seed, epoch, speed) alone. Moments are played strictly in order of time (then in the
    order they were foreseen), so it makes no difference in how many steps somebody moves on.
    `speed` multiplies how often things happen after the epoch; the history before it is always the same.
    """

    seed: int
    epoch: datetime
    speed: float
    up: Upstreams
    planted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    """What the parts of the story keep for each other, by name (repositories, products …)."""
    _heap: list[tuple[datetime, int, Act, tuple[Any, ...]]] = field(default_factory=list)
    _foreseen: int = 0
    _last_ids: dict[str, int] = field(default_factory=dict)

    @cached_property
    def start(self) -> datetime:
        """When the recorded history begins (midnight UTC, about 90 days before the epoch)."""
        return midnight(self.epoch - HISTORY)

    def at(self, when: datetime, act: Act, *args: Any) -> None:
        """Let `act(when, *args)` happen at that time."""
        self._foreseen += 1
        heapq.heappush(self._heap, (when, self._foreseen, act, args))

    def advance(self, now: datetime) -> None:
        """Play everything that is due up to `now`; costs nothing when nothing is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, act, args = heapq.heappop(heap)
            act(when, *args)

    def rng(self, *subject: object) -> random.Random:
        """A stream of chance of its own for a subject (usually a name and a day)."""
        words = f"{self.seed}|" + "|".join(map(str, subject))
        return random.Random(int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big"))

    def new_id(self, kind: str, at: datetime, base: int, per_second: float) -> int:
        """The next id of a kind: grows with time, as on a large shared installation."""
        grown = base + int((at - self.start + HISTORY).total_seconds() * per_second)
        found = max(self._last_ids.get(kind, 0) + 1, grown)
        self._last_ids[kind] = found
        return found

    def sha(self, *parts: object) -> str:
        """Forty hex digits, always the same for the same parts."""
        return hashlib.sha1(f"{self.seed}|{parts}".encode(), usedforsecurity=False).hexdigest()

    def number(self, *parts: object, digits: int = 19) -> int:
        """A decimal id of so many digits, as Google gives its resources."""
        low = 10 ** (digits - 1)
        return low + int(self.sha("number", *parts), 16) % (8 * low)

    def plant(self, situation: str, **ids: Any) -> None:
        """Note where a situation of the story can be found; times as ISO text."""
        noted = {key: iso(value) if isinstance(value, datetime) else value for key, value in ids.items()}
        self.planted.setdefault(situation, []).append(noted)

    def live(self, at: datetime) -> bool:
        """True while somebody is watching: from the epoch on, and some hours before it as a start."""
        return at >= self.epoch - WARM_UP

    def rate(self, at: datetime) -> float:
        """How many times as often as usual things happen at that time."""
        return self.speed if at >= self.epoch else 1.0

    def pace(self, at: datetime, hours: float, live_minutes: float) -> timedelta:
        """How long people take: hours in the history, minutes (divided by the speed) while somebody watches."""
        if self.live(at):
            return timedelta(minutes=live_minutes / self.rate(at))
        return timedelta(hours=hours)


def midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def spread(chance: random.Random, median: float, wide: float = 0.35) -> float:
    """A positive duration around a median, with a long right tail (log-normal)."""
    return median * math.exp(chance.gauss(0, wide))


def arrivals(chance: random.Random, since: datetime, until: datetime, per_hour: float) -> list[datetime]:
    """Moments of a Poisson stream within a span."""
    found: list[datetime] = []
    at = since
    while per_hour > 0:
        at += timedelta(hours=chance.expovariate(per_hour))
        if at >= until:
            break
        found.append(at)
    return found


def every_day(sim: Sim, first: datetime, act: Act, *args: Any) -> None:
    """Let `act(midnight, *args)` happen each day for ever, from the day of `first` on."""

    def play(at: datetime) -> None:
        act(at, *args)
        sim.at(at + timedelta(days=1), play)

    sim.at(midnight(first), play)


def every_hour(sim: Sim, first: datetime, act: Act, *args: Any) -> None:
    """Let `act(hour, *args)` happen each hour for ever, from `first` on."""

    def play(at: datetime) -> None:
        act(at, *args)
        sim.at(at + timedelta(hours=1), play)

    sim.at(first, play)
