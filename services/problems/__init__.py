"""What is bad now, as episodes that survive the next red run; modules that declare kinds are found by scanning."""

from __future__ import annotations

import importlib
import pkgutil

from services.problems.episode import refresh, sweep

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["refresh", "sweep"]
