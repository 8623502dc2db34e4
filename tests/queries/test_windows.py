"""The window since the last standup, over weekends, holidays and the hour of a standup; and times as written."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.queries.windows import BadTime, between, named_window, parse_time, standup_window
from tests.builders import NOW, a_config

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        pytest.param(berlin(24, 14), berlin(24, 9, 30), id="in the afternoon it is today's standup"),
        pytest.param(berlin(24, 9, 0), berlin(23, 9, 30), id="before today's standup it is yesterday's"),
        pytest.param(berlin(24, 10, 29), berlin(23, 9, 30), id="until an hour after its start, today's is being held"),
        pytest.param(berlin(24, 10, 30), berlin(24, 9, 30), id="an hour after its start, it has been held"),
        pytest.param(berlin(23, 9, 0), berlin(20, 9, 30), id="on Monday morning it is Friday's"),
        pytest.param(berlin(22, 15), berlin(20, 9, 30), id="on Sunday it is Friday's"),
    ],
)
def test_the_window_starts_at_the_last_standup_that_was_held(now, start):
    window = standup_window(a_config(), now)
    assert (window.start, window.end) == (start, now)


def test_a_holiday_holds_no_standup():
    config = a_config(team={"name": "t", "time_zone": "Europe/Berlin", "holidays": "DE"})
    assert standup_window(config, berlin(28, 9, 0, month=12)).start == berlin(24, 9, 30, month=12)
    assert standup_window(a_config(), berlin(28, 9, 0, month=12)).start == berlin(25, 9, 30, month=12)


def test_the_standup_keeps_its_local_time_when_the_clocks_change():
    config = a_config()
    before = standup_window(config, datetime(2026, 10, 23, 12, tzinfo=UTC)).start
    after = standup_window(config, datetime(2026, 10, 26, 12, tzinfo=UTC)).start
    assert (before.hour, after.hour) == (7, 8)


def test_the_window_says_in_the_teams_zone_how_it_was_chosen():
    assert standup_window(a_config(), NOW).why == "since the standup of Tue 24 Nov, 09:30"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20", datetime(2026, 11, 19, 23, tzinfo=UTC)),
        ("2026-11-20T09:30", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20T09:30:00Z", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("2026-11-20T09:30:00+05:30", datetime(2026, 11, 20, 4, 0, tzinfo=UTC)),
        ("36h", NOW - timedelta(hours=36)),
        ("now", NOW),
    ],
)
def test_a_time_is_read_in_the_teams_zone_unless_it_names_another(text, meant):
    assert parse_time(text, NOW, BERLIN) == meant


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "9999999999w", "24", "0001-01-01"])
def test_what_is_no_time_says_what_would_be(text):
    with pytest.raises(BadTime, match="2026-11-24"):
        parse_time(text, NOW, BERLIN)


def test_a_window_must_end_after_it_starts():
    with pytest.raises(BadTime, match="before it starts"):
        between("2h", "1d", a_config(), NOW)


@pytest.mark.parametrize("name", ["soon", "", "0h", "99999999999w"])
def test_a_word_that_names_no_window_is_refused(name):
    with pytest.raises(BadTime):
        named_window(name, a_config(), NOW)


def test_a_named_window_is_that_long():
    assert named_window("7d", a_config(), NOW).start == NOW - timedelta(days=7)
    assert named_window("standup", a_config(), NOW) == standup_window(a_config(), NOW)
