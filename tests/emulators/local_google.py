"""A local Google Cloud on a free port, and the real clients that talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from google.auth.credentials import AnonymousCredentials

from emulators.clock import ManualClock
from emulators.data import Upstreams
from emulators.google.app import make_app
from emulators.http import Controlled, serve

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROJECT = "acme-ml-prod"
LOCATION = f"projects/{PROJECT}/locations/europe-west1"


def empty_upstreams() -> Upstreams:
    return Upstreams(clock=ManualClock(NOON))


@contextmanager
def serving(upstreams: Upstreams) -> Iterator[str]:
    """The address of a running server, with its calls counted and faults to switch on; stopped on the way out."""
    with serve(Controlled(make_app(upstreams), "google", upstreams.clock)) as server:
        yield server.url


def options(url: str) -> dict:
    return {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": url}}
