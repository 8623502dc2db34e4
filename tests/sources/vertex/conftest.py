"""A local Vertex AI, and our client for it."""

import os
from pathlib import Path

import pytest

from services.config import VertexSource
from services.sources.vertex import SOURCE
from tests.sources.reading import local_google
from tests.sources.vertex.messages import PROJECT, REGION


@pytest.fixture
def google():
    with local_google() as found:
        yield found


@pytest.fixture
def vertex(google):
    """(client, source)"""
    source = VertexSource(
        kind="vertex", name="v", project=PROJECT, regions=(REGION,), anonymous=True, api_endpoint=google[2]
    )
    client = SOURCE.connect(source, None)
    yield client, source
    client.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real payloads: THROUGHLINE_SHARED_DATA, else `shared/data` beside the checkout."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("THROUGHLINE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.fail(f"no recorded payloads at {folder}; set THROUGHLINE_SHARED_DATA to their folder")
    return folder
