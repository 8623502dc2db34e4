"""What the emulators' tests share: where recorded payloads are, and a failure that says so when they are not."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real payloads: THROUGHLINE_SHARED_DATA, else `shared/data` beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("THROUGHLINE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.fail(f"no recorded payloads at {folder}; set THROUGHLINE_SHARED_DATA to their folder")
    return folder
