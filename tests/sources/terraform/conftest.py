"""Where recorded states and plans are."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real payloads: THROUGHLINE_SHARED_DATA, else `shared/data` beside the checkout."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("THROUGHLINE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.fail(f"no recorded payloads at {folder}; set THROUGHLINE_SHARED_DATA to their folder")
    return folder
