"""A local Google Cloud on a free port, and the real clients that talk to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import uvicorn
from google.auth.credentials import AnonymousCredentials

from emulators.clock import ManualClock
from emulators.data import Upstreams
from emulators.google.app import make_app

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROJECT = "acme-ml-prod"
LOCATION = f"projects/{PROJECT}/locations/europe-west1"


def empty_upstreams() -> Upstreams:
    return Upstreams(clock=ManualClock(NOON))


@contextmanager
def serving(upstreams: Upstreams) -> Iterator[str]:
    """The address of a running server; stopped on the way out."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(upstreams), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def options(url: str) -> dict:
    return {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": url}}
