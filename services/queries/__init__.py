"""Store to answers: each module here that exports VIEW is a view that people and scripts can ask by name."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from services.queries.base import View


@cache
def discover() -> dict[str, View]:
    """All views by name, in alphabetical order."""
    found: dict[str, View] = {}
    for module in pkgutil.iter_modules(__path__):
        view = getattr(importlib.import_module(f"{__name__}.{module.name}"), "VIEW", None)
        if isinstance(view, View):
            found[view.name] = view
    return found
