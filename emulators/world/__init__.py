"""The demo team: three ML products, a dozen repositories, three months of history, and a life that goes on.

A pure function of (seed, epoch, time): the same story whatever the steps in which it is played, and no
time stamp later than the time that was played to (but for what is about the future, such as the next run).
"""

from __future__ import annotations

from datetime import UTC, datetime

from emulators.clock import Clock
from emulators.data import Upstreams
from emulators.world.cast import build
from emulators.world.engine import FOUNDED, Sim, iso

__all__ = ["FOUNDED", "Story", "iso", "make_world", "story"]

Story = Sim


def make_world(seed: int, epoch: datetime, clock: Clock, speed: float = 1.0) -> Upstreams:
    """Fill upstreams with the team's history up to the clock's present, and let them be moved on from there.

    `epoch` is when the watching begins (aware); the history reaches 90 days before it, and what is older 120.
    `speed` multiplies how often things happen after the epoch. The account of what was planted: `story(upstreams)`.
    Raises ValueError for an epoch without a zone or a speed that is not above 0.
    """
    if epoch.tzinfo is None:
        raise ValueError("the epoch needs a time zone, for example 2026-11-24T08:00:00Z")
    if not speed > 0:
        raise ValueError(f"the speed must be above 0, not {speed}")
    upstreams = Upstreams(clock=clock)
    sim = Sim(seed=seed, epoch=epoch.astimezone(UTC).replace(microsecond=0), speed=speed, up=upstreams)
    build(sim)
    upstreams.advance = sim.advance
    sim.advance(clock.now())
    return upstreams


def story(upstreams: Upstreams) -> Story:
    """The story behind upstreams that `make_world` made; `.planted` says what was planted where."""
    owner = getattr(upstreams.advance, "__self__", None)
    if not isinstance(owner, Sim):
        raise TypeError("these upstreams hold no demo team")
    return owner
