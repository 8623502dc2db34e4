"""What is let go is old, counted, and replaced by what says it shortly."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.config import Config
from services.records import MetricPoint, Ref
from services.store import retention, rollups, schema
from services.store.database import Store
from tests.store.builders import NOW, a_run, a_step, ago, ms, one, rows
from tests.store.test_rollups import sync


def a_config(**fields: object) -> Config:
    source = {"kind": "terraform", "name": "states", "directory": "/states"}
    return Config.model_validate({"team": {"name": "ml"}, "source": [source], **fields})


def two_runs(store: Store, **old: object) -> None:
    sync(
        store, a_run("1", created_at=ago(days=200), **old), a_run("2", created_at=ago(days=100)),
        *(a_step(str(n), run=Ref("pipeline", "1" if n < 1500 else "2")) for n in range(1502)),
    )  # fmt: skip


def test_steps_go_after_180_days_and_their_daily_counts_stay(store: Store) -> None:
    two_runs(store)
    before = rows(store, schema.job_daily)
    assert retention.prune(store, NOW, a_config())["step"] == 1500
    assert [row["native_id"] for row in rows(store, schema.step)] == ["1500", "1501"]
    assert len(rows(store, schema.run)) == 2
    with store.write() as connection:
        rollups.rebuild(connection)
    assert rows(store, schema.job_daily) == before
    assert retention.prune(store, NOW, a_config())["step"] == 0


def test_a_late_change_of_an_old_run_does_not_lose_its_counts(store: Store) -> None:
    two_runs(store)
    retention.prune(store, NOW, a_config())
    before = rows(store, schema.job_daily)
    sync(store, a_run("1", created_at=ago(days=200), project=Ref("project", "8")))
    assert rows(store, schema.job_daily) == before


@pytest.mark.parametrize("history", ["all", "365d"])
def test_a_longer_history_keeps_its_steps(store: Store, history: str) -> None:
    two_runs(store)
    assert retention.prune(store, NOW, a_config(history=history))["step"] == 0


def test_the_steps_of_a_run_that_has_not_ended_stay(store: Store) -> None:
    two_runs(store, final=False)
    assert retention.prune(store, NOW, a_config())["step"] == 0


def test_what_a_step_was_joined_by_goes_with_it(store: Store) -> None:
    two_runs(store)
    with store.write() as connection:
        for row in connection.execute(sa.select(schema.step.c.id)).all():
            key = {"rule": "r", "side": "a", "key": "k", "thing_table": "step", "thing_id": row.id}
            connection.execute(sa.insert(schema.link_key), key)
    retention.prune(store, NOW, a_config())
    assert len(rows(store, schema.link_key)) == 2


def test_metric_points_become_one_a_day_after_400_days(store: Store) -> None:
    day = NOW.replace(hour=0) - timedelta(days=500)

    def point(hour: int, value: float | None, n: int | None, **fields: object) -> MetricPoint:
        at = day + timedelta(hours=hour)
        return MetricPoint(**{"metric": "p/m/auc", "model": "m", "at": at, "value": value, "n": n} | fields)

    sync(
        store, point(1, 0.5, 1), point(2, 0.8, 2), point(3, None, 4), point(1, 0.9, 5, slice="s"),
        point(26, 0.2, None), point(27, 0.4, 3), point(1, 0.1, 1, at=ago(days=1)),
        point(2, 0.1, 1, at=ago(days=1, hours=1)),
    )  # fmt: skip
    assert retention.prune(store, NOW, a_config())["metric_point"] == 3
    found = {(row["slice"], row["at"]): (row["value"], row["n"]) for row in rows(store, schema.metric_point)}
    assert found[("", ms(day))] == (pytest.approx(0.7), 3)
    assert found[("", ms(day + timedelta(days=1)))] == (pytest.approx(0.3), None)
    assert found[("s", ms(day + timedelta(hours=1)))] == (0.9, 5)
    assert len(found) == 5
    assert retention.prune(store, NOW, a_config())["metric_point"] == 0


def test_counters_and_answered_deliveries_go_by_age(store: Store) -> None:
    minute = ms(NOW) // 60_000
    counts = [{"source_id": 1, "minute": minute - days * 1440, "calls": 1} for days in (31, 29)]
    deliveries = [
        {"source": "s", "delivery_id": name, "kind": "pipeline", "ids": {}, "received_at": ms(at), "taken_at": taken}
        for name, at, taken in (("old", ago(days=8), 1), ("waiting", ago(days=8), None), ("new", ago(days=6), 1))
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(sa.insert(schema.call_count), counts)
        connection.execute(sa.insert(schema.inbox), deliveries)
    counted = retention.prune(store, NOW, a_config())
    assert (counted["call_count"], counted["inbox"]) == (1, 1)
    assert one(rows(store, schema.call_count))["minute"] == minute - 29 * 1440
    assert {row["delivery_id"] for row in rows(store, schema.inbox)} == {"waiting", "new"}


def test_what_went_is_logged_in_numbers(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    two_runs(store)
    with caplog.at_level("INFO", logger="throughline.store"):
        retention.prune(store, NOW, a_config())
    assert [record.getMessage() for record in caplog.records] == ["let go of 1500 old rows of step"]
