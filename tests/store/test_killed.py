"""A writer that is killed at any moment loses nothing it committed, and leaves nothing half done."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

import pytest
import sqlalchemy as sa

from services.records import Ref
from services.store import rollups, schema, writer
from services.store.database import Store, open_store
from services.store.upsert import upsert
from tests.store.builders import NOW, a_run, a_step, rows

BATCH = 40
ROUNDS = 20


def address(store: Store) -> str:
    return str(store.path) if store.path else store.writer.url.render_as_string(hide_password=False)


def done(connection: sa.Connection) -> int:
    """The cursor: how many batches were committed."""
    value = connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "cursor")).scalar()
    return int(value or 0)


def write_for_ever(url: str, acks: Connection) -> None:
    """Batch after batch from the stored cursor on, each with its cursor in one transaction, told once committed."""
    store = open_store(url)
    with store.read() as connection:
        number = done(connection)
    while True:
        steps = [a_step(f"{number}-{n}", run=Ref("pipeline", str(number))) for n in range(BATCH)]
        with store.write() as connection:
            key = writer.source_key(connection, "gitlab", "gitlab.com", "team", NOW)
            touched = writer.apply(connection, key, [a_run(str(number)), *steps], NOW)
            rollups.refresh(connection, touched, NOW)
            number += 1
            upsert(connection, schema.meta, [{"key": "cursor", "value": str(number)}])
        acks.send(number)


def killed_after(url: str, seconds: float) -> int:
    """The last batch that a writer told of before it was killed, so many seconds after it told of its first."""
    fork = multiprocessing.get_context("fork")
    reading, writing = fork.Pipe(duplex=False)
    process = fork.Process(target=write_for_ever, args=(url, writing), daemon=True)
    process.start()
    writing.close()
    assert reading.poll(60), "the writer told of no batch within a minute"
    time.sleep(seconds)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    told = 0
    try:
        while reading.poll():
            told = reading.recv()
    except EOFError:
        reading.close()
    return told


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(store: Store) -> None:
    url, chance, before = address(store), random.Random(20261124), 0
    for _ in range(ROUNDS):
        store.close()
        told = killed_after(url, chance.random() * 0.1)
        with store.read() as connection:
            committed = done(connection)
            counts = _counts(connection)
        assert committed >= max(told, before)
        assert counts == {"run": committed, "step": committed * BATCH}
        before = committed
    assert before >= ROUNDS
    assert sum(row["runs"] for row in rows(store, schema.job_daily)) == before * BATCH
    if store.path:
        with store.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def _counts(connection: sa.Connection) -> dict[str, Any]:
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (schema.run, schema.step)
    }
