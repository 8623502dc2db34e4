"""What every page stands on: the configuration, the store, the time, and answers that are asked only once a change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection

from services import places, queries
from services.config import Config
from services.config_file import load
from services.queries.base import Answer, Filters
from services.queries.frame import Frame
from services.queries.frame import frame as ask_frame
from services.store.database import Store, open_store
from ui import turn, urls

BUCKET_SECONDS = 15
"""So long an answer is kept while the store does not move: freshness and lateness change with time alone."""
MOST_ANSWERS = 256


def clock() -> datetime:
    """The present, aware UTC."""
    return datetime.now(UTC)


# Streamlit's own caches look at the caller and hash every argument, which costs more than all that these two keep.
_LOADED: dict[Path, tuple[int, Config]] = {}
_OPENED: dict[str, Store] = {}
_LOCK = threading.Lock()


def config() -> Config:
    """The team's configuration, read again when the file changes.

    Raises services.config_file.ConfigError where it cannot be used, OSError where it cannot be read.
    """
    path = places.config_path()
    modified = path.stat().st_mtime_ns
    held = _LOADED.get(path)
    if held is None or held[0] != modified:
        with _LOCK:
            held = _LOADED[path] = (modified, load(path).config)
    return held[1]


def store() -> Store:
    """The store: THROUGHLINE_STORE, or the demo's own. Raises StoreUnreachable."""
    url = places.store_url()
    if url not in _OPENED:
        with _LOCK:
            if url not in _OPENED:
                _OPENED[url] = open_store(url)
    return _OPENED[url]


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


_ANSWERS = Answers()


def _ask(key: tuple[Any, ...], question: Callable[[Connection], Any], now: datetime) -> Any:
    opened = store()

    def ask() -> Any:
        with opened.read() as conn:
            return question(conn)

    bucket = int(now.timestamp()) // BUCKET_SECONDS
    version = turn.once("version", opened.version)
    return _ANSWERS.get((opened.url_for_people, config().hash, version, bucket, *key), ask)


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
    return turn.once("frame", _frame)


def _frame() -> Frame:
    now = clock()
    return cast(Frame, _ask(("frame",), lambda conn: ask_frame(conn, config(), now), now))


def filters() -> tuple[Filters, tuple[str, ...]]:
    """The filters that the address asks for, and a sentence for each value that cannot be followed."""
    return turn.once("filters", lambda: urls.read(turn.parameters(), config(), clock(), frame().products))
