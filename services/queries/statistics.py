"""Medians, percentiles and rates over rows that were fetched: type 7 percentiles, and None where nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def percentile(values: Iterable[float], share: float) -> float | None:
    """The type 7 (linear) percentile, `share` from 0 to 1; None for no values."""
    return _percentile(sorted(values), share)


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = int(place)
    if place == below:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)


_FIGURES: Mapping[str, Callable[[Sequence[float]], float | None]] = {
    "median": lambda ordered: _percentile(ordered, 0.5),
    "p90": lambda ordered: _percentile(ordered, 0.9),
    "p95": lambda ordered: _percentile(ordered, 0.95),
    "max": lambda ordered: ordered[-1] if ordered else None,
    "mean": lambda ordered: sum(ordered) / len(ordered) if ordered else None,
}


def spread(values: Iterable[float | None], wanted: tuple[str, ...]) -> dict[str, Any]:
    """The wanted of median, p90, p95, max, mean of the values that are known, and n, how many they are."""
    known = sorted(value for value in values if value is not None)
    return {**{name: _FIGURES[name](known) for name in wanted}, "n": len(known)}


def rate(part: int, rest: int) -> float | None:
    """part ÷ (part + rest), 0–1; None where both are 0: nothing is known, which is not 0."""
    return part / (part + rest) if part + rest else None
