"""Medians, percentiles and rates over rows that were fetched: type 7 percentiles, and None where nothing is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def percentile(values: Iterable[float], share: float) -> float | None:
    """The type 7 (linear) percentile, `share` from 0 to 1; None for no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Iterable[float | None], wanted: tuple[str, ...]) -> dict[str, Any]:
    """The wanted of median, p90, p95, max, mean of the values that are known, and n, how many they are."""
    known = [float(value) for value in values if value is not None]
    figures: Mapping[str, float | None] = {
        "median": percentile(known, 0.5),
        "p90": percentile(known, 0.9),
        "p95": percentile(known, 0.95),
        "max": max(known, default=None),
        "mean": sum(known) / len(known) if known else None,
    }
    return {**{name: figures[name] for name in wanted}, "n": len(known)}


def rate(part: int, rest: int) -> float | None:
    """part ÷ (part + rest), 0–1; None where both are 0: nothing is known, which is not 0."""
    return part / (part + rest) if part + rest else None
