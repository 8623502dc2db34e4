"""Upstream to records: each module here that exports SOURCE is a family of upstreams, found by scanning."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from services.sources.base import Source


@cache
def discover() -> dict[str, Source]:
    """All sources by family. A module that cannot be imported is an error on start, never a missing source."""
    found: dict[str, Source] = {}
    for module in pkgutil.iter_modules(__path__):
        source = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SOURCE", None)
        if isinstance(source, Source):
            found[source.family] = source
    return found
