"""The generated large store is one that the collector could have written."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bench.fleet import Size
from bench.generate import fill
from services.records import Project
from services.store import rollups, schema
from services.store.database import Store
from tests.store.builders import NOW, a_run, ms, put, rows

SMALL = Size(
    now=ms(NOW), projects=20, pipelines=400, ml_runs=20, models=3, points_a_model=50, workspaces=2, resources=5
)  # fmt: skip


@pytest.fixture
def generated(store: Store) -> Store:
    fill(store, SMALL)
    return store


def test_references_lead_somewhere_and_read_models_agree(generated: Store) -> None:
    for table in schema.METADATA.sorted_tables:
        for column in table.c:
            if target := column.info.get("target"):
                there = sa.select(schema.METADATA.tables[target].c.id)
                lost = sa.select(sa.func.count()).where(column.is_not(None), column.not_in(there))
                with generated.read() as connection:
                    assert connection.execute(lost).scalar_one() == 0, f"{table.name}.{column.name}"
    kept = [rows(generated, table) for table in (schema.branch_head, schema.run_daily, schema.job_daily)]
    with generated.write() as connection:
        rollups.rebuild(connection)
    assert kept == [rows(generated, table) for table in (schema.branch_head, schema.run_daily, schema.job_daily)]
    assert all(kept)


def test_the_collector_can_go_on_from_it(generated: Store) -> None:
    with generated.read() as connection:
        found = sa.inspect(connection).get_indexes("run")
    assert {index["name"] for index in found} >= {index.name for index in schema.run.indexes}
    put(generated, a_run("new"), Project(native_id="new", path="ml/new", name="new"), source="gitlab.example.com")
    assert len(rows(generated, schema.project)) == SMALL.projects + 1


def test_the_same_seed_gives_the_same_store(sqlite_store: Store, postgres_store: Store) -> None:
    fill(sqlite_store, SMALL)
    fill(postgres_store, SMALL)
    for table in (schema.run, schema.step, schema.event, schema.resource, schema.branch_head, schema.job_daily):
        assert rows(sqlite_store, table) == rows(postgres_store, table)
