"""What every page stands on: the configuration, the store, the time, and answers that are asked only once a change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy import Connection

from services import places, queries
from services.config import Config
from services.config_file import load
from services.queries.base import Answer, Filters
from services.queries.frame import Frame
from services.queries.frame import frame as ask_frame
from services.store.database import Store, open_store

BUCKET_SECONDS = 15
"""So long an answer is kept while the store does not move: freshness and lateness change with time alone."""
MOST_ANSWERS = 256


def clock() -> datetime:
    """The present, aware UTC."""
    return datetime.now(UTC)


@st.cache_resource(show_spinner=False, max_entries=4)
def _load(path: str, modified: int) -> Config:
    return load(Path(path)).config


def config() -> Config:
    """The team's configuration, read again when the file changes.

    Raises services.config_file.ConfigError where it cannot be used, OSError where it cannot be read.
    """
    path = places.config_path()
    return _load(str(path), path.stat().st_mtime_ns)


@st.cache_resource(show_spinner=False, max_entries=4)
def _open(url: str) -> Store:
    return open_store(url)


def store() -> Store:
    """The store: THROUGHLINE_STORE, or the demo's own. Raises StoreUnreachable."""
    return _open(places.store_url())


class Answers:
    """The newest answers by what was asked, the store's version and the quarter minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def get(self, key: tuple[Any, ...], ask: Callable[[], Any]) -> Any:
        """The kept answer, or a new one; two viewers at once may both ask, which is harmless."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        answer = ask()
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > MOST_ANSWERS:
                self._kept.popitem(last=False)
        return answer


@st.cache_resource(show_spinner=False)
def _answers() -> Answers:
    return Answers()


def _ask(key: tuple[Any, ...], question: Callable[[Connection], Any], now: datetime) -> Any:
    opened = store()

    def ask() -> Any:
        with opened.read() as conn:
            return question(conn)

    bucket = int(now.timestamp()) // BUCKET_SECONDS
    return _answers().get((opened.url_for_people, config().hash, opened.version(), bucket, *key), ask)


def ask(view: str, filters: Filters) -> Answer:
    """The answer of a view, asked again only when the store has moved or a quarter of a minute has passed.

    Raises StoreUnreachable where the store cannot be read, KeyError where no such view exists.
    """
    now = clock()
    question = queries.discover()[view].ask
    key = (view, replace(filters, window=None), filters.window.why if filters.window else None)
    return _ask(key, lambda conn: question(conn, config(), filters, now), now)


def frame() -> Frame:
    """What the frame shows around every page. Raises StoreUnreachable."""
    now = clock()
    return _ask(("frame",), lambda conn: ask_frame(conn, config(), now), now)
