"""Two hundred projects that never rest: what it costs to follow them, and that no change is missed or late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from emulators.clock import ManualClock
from emulators.fleet import GROUP, generate
from services.sources.gitlab.streams import STREAMS
from tests.sources.gitlab.local import Local, reading_from

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
MINUTES = 10
CALLS_A_MINUTE = 40
LATEST = timedelta(seconds=90)
ROUND = timedelta(seconds=5)


@pytest.fixture
def fleet() -> Iterator[Local]:
    with reading_from(
        generate(200, 2, ManualClock(START), seed=7), groups=(GROUP,), requests_per_minute=100_000
    ) as local:
        yield local


class Rounds:
    """Gives each stream its turn when it is due, as the collector does, and notes when each state was first seen."""

    def __init__(self, fleet: Local) -> None:
        self.fleet = fleet
        self.due = {stream.name: fleet.now for stream in STREAMS}
        self.seen: dict[tuple[str, str, str], datetime] = {}

    def play(self) -> None:
        for stream in STREAMS:
            work = self.fleet.work.get(stream.name)
            if stream.detail and not work:
                continue
            if not stream.detail and self.fleet.now < self.due[stream.name]:
                continue
            self.due[stream.name] = self.fleet.now + stream.every
            for record in self.fleet.read(stream.name, days=120).records:
                if record.kind in ("pipeline", "deployment"):
                    self.seen.setdefault((record.kind, record.native_id, record.state_raw), self.fleet.now)


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_following_two_hundred_projects_takes_forty_calls_a_minute_and_misses_nothing(fleet: Local):
    rounds = Rounds(fleet)
    for _ in range(4):  # the first fill
        rounds.play()
    fleet.controls.calls.clear()
    began = fleet.now
    while fleet.now < began + timedelta(minutes=MINUTES):
        fleet.advance(seconds=ROUND.total_seconds())
        rounds.play()
    told = Counter(call.at[:16] for call in fleet.controls.calls.all())
    kinds = Counter("/".join(call.path.split("/")[5:]) or call.path for call in fleet.controls.calls.all())
    log = [change for change in fleet.upstreams.advance.log if began < change.at < fleet.now - LATEST]
    assert len(log) > 20 * (MINUTES - 2), "the fleet moved"
    late = []
    for change in log:
        first = rounds.seen.get((change.kind, str(change.id), change.status))
        later = [at for (kind, native_id, _), at in rounds.seen.items()
                 if (kind, native_id) == (change.kind, str(change.id)) and at >= change.at]  # fmt: skip
        if first is None and change.status == "running" and later:
            continue  # it had ended before anybody looked: what is true now is in the store
        if first is None or first - change.at > LATEST:
            late.append((change, first))
    assert late == []
    assert max(told.values()) <= CALLS_A_MINUTE, (told, kinds)
