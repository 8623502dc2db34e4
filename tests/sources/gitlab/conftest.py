"""A small GitLab for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulators.gitlab_builders import a_small_gitlab
from tests.sources.gitlab.local import Local, reading_from


@pytest.fixture
def gitlab() -> Iterator[Local]:
    with reading_from(a_small_gitlab()) as local:
        yield local
