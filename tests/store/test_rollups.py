"""The read models say what the rows say, however the rows arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.records import Record, Ref
from services.store import rollups, schema, writer
from services.store.database import Store
from services.vocabulary import RunState
from tests.store.builders import NOW, a_project, a_run, a_step, ago, one, put, rows

MODELS = (schema.branch_head, schema.run_daily, schema.job_daily)
TODAY = int(NOW.timestamp()) // 86_400


def sync(store: Store, *records: Record) -> None:
    """One batch as the collector writes it."""
    with store.write() as connection:
        key = writer.source_key(connection, "gitlab", "gitlab.com", "team", NOW)
        rollups.refresh(connection, writer.apply(connection, key, records, NOW), NOW)


def heads(store: Store) -> dict[str, str]:
    """ref -> the upstream's id of its newest run."""
    run, head = schema.run, schema.branch_head
    statement = sa.select(head.c.ref, run.c.native_id).join(run, run.c.id == head.c.run_id)
    with store.read() as connection:
        return {row.ref: row.native_id for row in connection.execute(statement)}


def models(store: Store) -> list[list[dict[str, Any]]]:
    return [[{name: _rounded(value) for name, value in row.items()} for row in rows(store, table)] for table in MODELS]


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def test_the_head_of_a_branch_is_what_was_created_last_not_what_finished_last(store: Store) -> None:
    sync(
        store,
        a_run("1", created_at=ago(hours=2), finished_at=NOW),
        a_run("2", RunState.RUNNING, created_at=ago(hours=1)),
    )
    assert heads(store) == {"main": "2"}


def test_an_old_run_that_arrives_late_is_no_head(store: Store) -> None:
    sync(store, a_run("2", created_at=ago(hours=1)))
    sync(store, a_run("1", created_at=ago(hours=2)))
    assert heads(store) == {"main": "2"}


def test_of_two_runs_of_one_millisecond_the_upstreams_later_number_is_the_head(store: Store) -> None:
    sync(store, a_run("10"))
    sync(store, a_run("9"))
    assert heads(store) == {"main": "10"}


def test_a_child_pipeline_is_no_head_and_no_run_of_its_own(store: Store) -> None:
    sync(
        store,
        a_run("1", created_at=ago(hours=2)),
        a_run("2", trigger="parent_pipeline"),
        a_run("3", kind="pipeline-job"),
    )
    assert heads(store) == {"main": "1"}
    assert [(row["kind"], row["runs"]) for row in rows(store, schema.run_daily)] == [
        ("pipeline", 1),
        ("pipeline-job", 1),
    ]


def test_a_run_that_moves_to_another_branch_leaves_the_first(store: Store) -> None:
    sync(store, a_run("1", ref="a"))
    sync(store, a_run("1", ref="b"))
    assert heads(store) == {"b": "1"}


def test_the_default_branch_is_told_whether_the_project_or_its_run_comes_first(store: Store) -> None:
    sync(store, a_run("1"), a_run("2", ref="topic"))
    assert [row["is_default"] for row in rows(store, schema.branch_head)] == [False, False]
    sync(store, a_project(default_branch="main"))
    assert {row["ref"]: row["is_default"] for row in rows(store, schema.branch_head)} == {"main": True, "topic": False}
    sync(store, a_project(default_branch="topic"))
    assert {row["ref"]: row["is_default"] for row in rows(store, schema.branch_head)} == {"main": False, "topic": True}
    sync(store, a_run("3", ref="topic", created_at=NOW))
    assert {row["ref"]: row["is_default"] for row in rows(store, schema.branch_head)} == {"main": False, "topic": True}


def test_a_day_counts_runs_by_state_and_sums_the_durations_it_knows(store: Store) -> None:
    states = (RunState.SUCCEEDED, RunState.WARNING, RunState.FAILED, RunState.CANCELED, RunState.RUNNING)
    sync(store, *(a_run(str(n), state, duration_seconds=60.0 if n else None) for n, state in enumerate(states)))
    row = one(rows(store, schema.run_daily))
    names = ("runs", "succeeded", "warning", "failed", "canceled", "other", "duration_sum", "duration_n")
    assert [row[name] for name in names] == [5, 1, 1, 1, 1, 1, 240.0, 4]
    assert row["day"] == TODAY


def test_a_run_that_ends_moves_from_one_count_to_another(store: Store) -> None:
    sync(store, a_run("1", RunState.RUNNING, final=False))
    sync(store, a_run("1", RunState.FAILED, duration_seconds=9.0))
    row = one(rows(store, schema.run_daily))
    assert [row[name] for name in ("runs", "failed", "other", "duration_sum")] == [1, 1, 0, 9.0]


def test_a_job_that_ends_is_counted(store: Store) -> None:
    sync(store, a_run("1"), a_step("1", RunState.RUNNING, final=False))
    sync(store, a_step("1", RunState.FAILED))
    assert one(rows(store, schema.job_daily))["failed"] == 1
    sync(store, a_step("1", RunState.FAILED, retried=True))
    row = one(rows(store, schema.job_daily))
    assert (row["failed"], row["retried"]) == (0, 1)


def test_a_day_begins_at_midnight_utc(store: Store) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    sync(store, a_run("1", created_at=midnight - timedelta(milliseconds=1)), a_run("2", created_at=midnight))
    assert [(row["day"], row["runs"]) for row in rows(store, schema.run_daily)] == [(TODAY - 1, 1), (TODAY, 1)]


def test_the_same_batch_twice_counts_once(store: Store) -> None:
    batch = (a_project(), a_run("1"), a_step("1"), a_step("2", RunState.FAILED, retried=True))
    sync(store, *batch)
    before = models(store)
    sync(store, *batch)
    assert models(store) == before


def test_jobs_are_counted_by_their_last_attempt_once_it_has_ended(store: Store) -> None:
    sync(
        store, a_run("1"), a_step("1", RunState.FAILED, retried=True, duration_seconds=5.0),
        a_step("2", RunState.FAILED, duration_seconds=7.0),
        a_step("3", RunState.RUNNING, final=False, duration_seconds=1.0),
    )  # fmt: skip
    row = one(rows(store, schema.job_daily))
    assert [row[name] for name in ("runs", "failed", "retried", "duration_sum")] == [1, 1, 1, 7.0]


def test_jobs_that_arrive_before_their_run_are_counted_once_it_is_there(store: Store) -> None:
    sync(store, a_step("1"))
    assert rows(store, schema.job_daily) == []
    sync(store, a_run("1"))
    assert one(rows(store, schema.job_daily))["runs"] == 1


def test_a_state_that_something_else_changed_is_counted_again(store: Store) -> None:
    sync(store, a_run("1"))
    with store.write() as connection:
        connection.execute(schema.run.update().values(state="failed"))
        rollups.recount_runs(connection, [row.id for row in connection.execute(sa.select(schema.run.c.id))])
    row = one(rows(store, schema.run_daily))
    assert (row["succeeded"], row["failed"]) == (0, 1)


def test_days_whose_steps_were_let_go_keep_their_counts(store: Store) -> None:
    sync(store, a_run("1"), a_step("1"))
    with store.write() as connection:
        connection.execute(sa.delete(schema.step))
        connection.execute(sa.insert(schema.meta).values(key=rollups.STEPS_FROM, value=str(TODAY + 1)))
        rollups.rebuild(connection)
    assert one(rows(store, schema.job_daily))["runs"] == 1


def _one_of(kind: str, names: str, **fields: list[Any]) -> st.SearchStrategy[tuple[str, str, str, Any]]:
    """One thing of a kind, and one field of it with a new value."""
    edits = [
        st.tuples(st.just(kind), st.sampled_from(names), st.just(f), st.sampled_from(v)) for f, v in fields.items()
    ]
    return st.one_of(edits)


STATES = [RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED]
EDIT = st.one_of(
    _one_of(
        "run", "123", state=STATES, created_at=[ago(hours=1), ago(hours=30), ago(days=9)], ref=["main", "topic", None],
        project=[Ref("project", "7"), Ref("project", "8")], trigger=["push", "parent_pipeline"], name=["a", "b"],
        duration_seconds=[None, 60.0], title=["x", "y"],
    ),
    _one_of(
        "step", "123", state=STATES, run=[Ref("pipeline", "1"), Ref("pipeline", "2"), Ref("pipeline", "9")],
        name=["test", "build"], retried=[True, False], final=[True, False], duration_seconds=[None, 60.0],
    ),
    _one_of("project", "78", default_branch=["main", "topic", None]),
)  # fmt: skip
STORY = st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=10)
Story = list[list[tuple[str, str, str, Any]]]


def play(store: Store, story: Story) -> None:
    """Batch by batch, each thing as it was with the fields that changed."""
    builders = {"run": a_run, "step": a_step, "project": a_project}
    told: dict[tuple[str, str], dict[str, Any]] = {}
    _empty(store)
    for batch in story:
        records = []
        for kind, native_id, name, value in batch:
            fields = told.setdefault((kind, native_id), {})
            fields[name] = value
            records.append(builders[kind](native_id, **fields))
        sync(store, *records)


@given(STORY)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_kept_batch_by_batch_is_what_a_rebuild_gives(sqlite_store: Store, story: Story) -> None:
    play(sqlite_store, story)
    kept = models(sqlite_store)
    with sqlite_store.write() as connection:
        rollups.rebuild(connection)
    assert models(sqlite_store) == kept


@given(STORY)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgresql_keeps_the_same(sqlite_store: Store, postgres_store: Store, story: Story) -> None:
    play(sqlite_store, story)
    play(postgres_store, story)
    assert _without_keys(sqlite_store) == _without_keys(postgres_store)
    kept = models(postgres_store)
    with postgres_store.write() as connection:
        rollups.rebuild(connection)
    assert models(postgres_store) == kept


def _without_keys(store: Store) -> list[list[str]]:
    """The read models by names instead of by the keys of the one or the other store."""
    names = {row["id"]: row["native_id"] for row in rows(store, schema.project)}
    runs = {row["id"]: row["native_id"] for row in rows(store, schema.run)}
    return [
        sorted(
            str({**row, "project_id": names.get(row["project_id"]), "run_id": runs.get(row.get("run_id"))})
            for row in table
        )
        for table in models(store)
    ]


def _empty(store: Store) -> None:
    with store.write() as connection:
        for table in (*MODELS, schema.step, schema.run, schema.project):
            connection.execute(sa.delete(table))


def test_no_run_is_no_row(store: Store) -> None:
    put(store, a_project())
    with store.write() as connection:
        rollups.rebuild(connection)
    assert models(store) == [[], [], []]
