"""The story is a pure function of seed, epoch and time, and it never knows what is still to come."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from emulators.clock import ManualClock
from emulators.world import make_world, story
from tests.emulators.world_builders import EPOCH, a_moving_world, all_of, everything, read_only_world

OF_THE_FUTURE = {"artifacts_expire_at", "next_run_at", "nextRunTime", "nextScheduleTime", "expires_at"}
STAMP = re.compile(r'"([A-Za-z_]+)": "(20\d\d-\d\d-\d\d[T ][0-9:.]+(?:Z|\+00:00))"')


def test_the_steps_in_which_a_world_is_moved_on_make_no_difference():
    stepwise, clock = a_moving_world()
    for minutes in (1, 7, 59, 180, 3, 600, 350, 240):
        clock.advance(timedelta(minutes=minutes))
        stepwise.refresh()
    at_once, _ = a_moving_world(after=clock.now() - EPOCH)
    left, right = everything(stepwise), everything(at_once)
    assert [name for name in left if left[name] != right[name]] == []


def test_another_seed_tells_another_story():
    left, right = (
        [(one["sha"], one["status"]) for one in all_of(read_only_world(seed), "pipelines")] for seed in (7, 8)
    )
    assert left != right


@pytest.mark.parametrize("hours", [0, 61])
def test_no_time_stamp_is_later_than_now(hours):
    world, clock = a_moving_world(after=timedelta(hours=hours, minutes=17))
    late = {
        (name, key)
        for name, text in everything(world).items()
        for key, stamp in STAMP.findall(text)
        if datetime.fromisoformat(stamp) > clock.now() and key not in OF_THE_FUTURE
    }
    assert late == set()


def test_objects_are_only_appended_and_keep_their_place():
    world, clock = a_moving_world()
    before = {key: [id(item) for item in items] for key, items in world.gitlab.collections.items()}
    clock.advance(timedelta(hours=9))
    world.refresh()
    moved = [
        key
        for key, known in before.items()
        if [id(item) for item in world.gitlab.collections[key]][: len(known)] != known
    ]
    assert moved == []


def test_ids_grow_with_time():
    world = read_only_world()
    for collection in ("pipelines", "jobs", "merge_requests", "deployments"):
        items = sorted(all_of(world, collection), key=lambda item: item["id"])
        stamps = [item["created_at"] for item in items]
        assert stamps == sorted(stamps), collection


def test_speed_multiplies_what_happens_after_the_epoch_and_leaves_the_history_as_it_was():
    def made(speed):
        world, clock = a_moving_world(speed=speed)
        history = len(all_of(world, "pipelines"))
        clock.advance(timedelta(hours=6))
        world.refresh()
        return history, len(all_of(world, "pipelines")) - history

    calm, fast = made(1.0), made(4.0)
    assert calm[0] == fast[0]
    assert 3 * calm[1] < fast[1] < 6 * calm[1]


def test_around_the_clock_something_visible_happens_every_few_minutes():
    world, clock = a_moving_world(after=timedelta(hours=18))
    assert clock.now().hour == 2
    longest = quiet = 0
    before = _visible(world)
    for _ in range(45):
        clock.advance(timedelta(minutes=1))
        world.refresh()
        now = _visible(world)
        quiet = quiet + 1 if now == before else 0
        longest, before = max(longest, quiet), now
    assert longest <= 8


def _visible(world):
    kinds = ("pipelines", "jobs", "merge_requests", "deployments")
    statuses = [
        [(item.get("status") or item["state"], item.get("updated_at")) for item in all_of(world, kind)]
        for kind in kinds
    ]
    return hash(str(statuses))


def test_an_epoch_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        make_world(7, datetime(2026, 11, 24), ManualClock(EPOCH))  # noqa: DTZ001 - the fault that is tested


def test_a_speed_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        make_world(7, EPOCH, ManualClock(EPOCH), speed=0)


def test_only_a_demo_team_has_a_story():
    world = read_only_world()
    assert story(world).seed == 7
    other = type(world)(clock=ManualClock(EPOCH))
    with pytest.raises(TypeError, match="no demo team"):
        story(other)
