"""The check for full scans finds them, and nothing else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from services.store.database import Store
from services.store.schema import event, project, run, step
from tests.store.plans import full_scans

OTHER = run.alias("other")

SCANS = {
    "a column without an index": sa.select(run.c.id).where(run.c.author == "ana"),
    "behind an alias": sa.select(OTHER.c.id).where(OTHER.c.author == "ana"),
    "all rows counted": sa.select(sa.func.count()).select_from(step),
    "sorted by what has no index": sa.select(event.c.id).order_by(event.c.title).limit(5),
    "grouped in an index's order": sa.select(run.c.sha, sa.func.count()).group_by(run.c.sha),
}
SEEKS = {
    "a key": sa.select(run).where(run.c.id == 7),
    "a list of keys": sa.select(run).where(run.c.id.in_([1, 2, 3])),
    "a range of an index": sa.select(run).where(run.c.created_at >= 5),
    "the newest by an index": sa.select(event).order_by(event.c.at.desc()).limit(20),
    "a small table": sa.select(project).where(project.c.name == "x"),
    "a join by its index": sa.select(step.c.id).join(run, run.c.id == step.c.run_id).where(run.c.created_at >= 5),
}


@pytest.mark.parametrize("statement", SCANS.values(), ids=SCANS)
def test_a_full_scan_is_found(store: Store, statement: sa.Select) -> None:
    with store.read() as connection:
        assert full_scans(connection, statement)


@pytest.mark.parametrize("statement", SEEKS.values(), ids=SEEKS)
def test_a_seek_is_no_scan(store: Store, statement: sa.Select) -> None:
    with store.read() as connection:
        assert full_scans(connection, statement) == []
