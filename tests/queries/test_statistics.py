"""Percentiles are linear (type 7), rates know what they do not know, and nothing known is never 0."""

import pytest

from services.queries.statistics import percentile, rate, spread


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([1, 2, 3, 4], 0.5, 2.5, id="between the two in the middle"),
        pytest.param([1, 2, 3, 4], 0.95, 3.85, id="linear between neighbours"),
        pytest.param([4, 1, 3, 2], 0.25, 1.75, id="order does not matter"),
        pytest.param([7], 0.95, 7, id="one value is every percentile"),
        pytest.param([1, 2, 3], 1.0, 3, id="the last"),
        pytest.param([1, 2, 3], 0.0, 1, id="the first"),
    ],
)
def test_a_percentile_is_linear_between_its_neighbours(values, share, expected):
    assert percentile(values, share) == pytest.approx(expected)


def test_of_no_values_every_figure_is_unknown_and_n_is_0():
    assert spread([None, None], ("median", "p95", "max", "mean")) == {
        "median": None, "p95": None, "max": None, "mean": None, "n": 0,
    }  # fmt: skip


def test_values_that_are_not_known_are_left_out_and_not_counted():
    assert spread([10.0, None, 20.0], ("median", "mean", "max")) == {"median": 15.0, "mean": 15.0, "max": 20.0, "n": 2}


def test_a_zero_is_a_value():
    assert spread([0.0, 10.0], ("median",)) == {"median": 5.0, "n": 2}


@pytest.mark.parametrize(("part", "rest", "expected"), [(3, 1, 0.75), (0, 4, 0.0), (0, 0, None)])
def test_a_rate_of_nothing_is_unknown_and_not_0(part, rest, expected):
    assert rate(part, rest) == expected
