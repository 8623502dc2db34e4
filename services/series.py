"""The key of a metric series, which has no row of its own: stable over runs, stores and machines."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Series(NamedTuple):
    """What is measured: a metric of a model, in an environment, for a slice; "" where it is not told."""

    metric: str
    model: str
    environment: str
    slice: str

    @property
    def id(self) -> int:
        return _key(self)

    @property
    def product(self) -> str:
        """The product, as the configured metric's key begins with it."""
        return self.metric.split("/", 1)[0]

    @property
    def place(self) -> str:
        """The series as text: what a problem is about."""
        return " · ".join(part for part in (self.metric, self.model, self.environment, self.slice) if part)


def series_of(row: Mapping[str, Any]) -> Series:
    """The series of a metric point's row."""
    return Series(row["metric"], row["model"], row["environment"] or "", row["slice"] or "")


def version_key(series: Series, version: str) -> int:
    """The key of a series as one model version has it."""
    return _key((*series, version))


def _key(parts: tuple[str, ...]) -> int:
    """52 bits, so that the number is exact in JSON too."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big") >> 12
