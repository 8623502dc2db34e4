"""A sweep in which nothing changed leaves the store alone, so that no page is asked anew for nothing."""

from __future__ import annotations

from datetime import timedelta

from services import derive
from services.store import writer
from services.store.database import Store
from services.vocabulary import RunState
from tests.builders import NOW, a_config, a_project, a_run, a_source


def test_a_sweep_in_which_nothing_changed_writes_nothing(sqlite_store: Store):
    with sqlite_store.write() as conn:
        touched = writer.apply(conn, a_source(conn), [a_project(), a_run("1", RunState.FAILED)], NOW)
        derive.refresh(conn, touched, a_config(), NOW, first_fill=False)
    with sqlite_store.write() as conn:
        derive.sweep(conn, a_config(), NOW)
    version = sqlite_store.version()
    with sqlite_store.write() as conn:
        derive.sweep(conn, a_config(), NOW + timedelta(seconds=30))
    assert sqlite_store.version() == version
