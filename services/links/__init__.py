"""How things of different systems are joined into threads; modules that declare rules are found by scanning."""

from __future__ import annotations

import importlib
import pkgutil

from services.links.join import rebuild, refresh

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["rebuild", "refresh"]
