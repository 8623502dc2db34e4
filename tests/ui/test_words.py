"""Times and counts as people read them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.builders import NOW, ago
from ui import words

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (65, "1 min 05 s"), (900, "15 min"), (3600, "1 h"), (7500, "2 h 05 min"),
     (86400, "1 d"), (97200, "1 d 3 h"), (86400 * 9 + 3600, "9 d")],
)  # fmt: skip
def test_a_length_of_time_has_at_most_two_units(seconds, said):
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("age", "said"),
    [({"seconds": 12}, "12 s"), ({"minutes": 4}, "4 min"), ({"hours": 26}, "26 h"), ({"days": 3}, "3 d")],
)
def test_an_age_has_one_unit_and_the_exact_time_in_the_teams_zone_on_hover(age, said):
    drawn = words.age(ago(**age), NOW, BERLIN)
    assert f">{said}<" in drawn
    assert " CET" in drawn


def test_a_time_to_come_is_said_to_come():
    assert ">in 5 min<" in words.age(NOW + timedelta(minutes=5), NOW, BERLIN)


def test_a_clock_a_little_ahead_is_not_in_the_future():
    assert ">0 s<" in words.age(NOW + timedelta(seconds=3), NOW, BERLIN)


def test_a_time_that_is_not_known_is_never_now():
    assert "not known" in words.age(None, NOW, BERLIN)


def test_counts_and_numbers():
    assert (words.count(1, "change"), words.count(1204, "change")) == ("1 change", "1,204 changes")
    assert (words.number(None), words.number(0), words.percent(0.9), words.percent(None)) == (
        "not known", "0", "90 %", "not known",
    )  # fmt: skip
