"""Where the configuration and the store are when nobody says: the demo's own, in `.throughline/`."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(".throughline")
DEMO_CONFIG = HOME / "throughline.toml"
CONFIG_VARIABLE = "THROUGHLINE_CONFIG"
STORE_VARIABLE = "THROUGHLINE_STORE"


def config_path(given: str | None = None) -> Path:
    """The configuration to use: as given, else by THROUGHLINE_CONFIG, else the demo's."""
    return Path(given or os.environ.get(CONFIG_VARIABLE) or DEMO_CONFIG)


def store_url(given: str | None = None) -> str:
    """The store to use: as given, else by THROUGHLINE_STORE, else the demo's SQLite file."""
    return given or os.environ.get(STORE_VARIABLE) or str(HOME / "throughline.sqlite3")
