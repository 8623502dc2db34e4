"""What happened, told once: append-only, with a sentence that any role understands and the facts behind it."""

from __future__ import annotations

import importlib
import pkgutil

from services.events.telling import append, record

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["append", "record"]
