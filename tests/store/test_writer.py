"""Records become rows once, completely, and never older than what is there."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from services.records import (
    Change,
    Deployment,
    MetricPoint,
    ModelDetail,
    Record,
    Ref,
    Run,
    StateContents,
    StateDetail,
    Version,
    Workspace,
)
from services.store import schema, shapes, writer
from services.store.database import Store
from services.vocabulary import RunState
from tests.store.builders import NOW, a_project, a_run, a_step, ago, ms, one, put, rows


def a_version(**fields: object) -> Version:
    return Version(**{"native_id": "m@1", "kind": "model-version", "of": "churn", "label": "1"} | fields)


def test_a_new_record_is_told_once(store: Store) -> None:
    first = put(store, a_project())
    again = put(store, a_project())
    assert [(change.table, change.new, change.before) for change in first] == [("project", True, None)]
    assert again == []


def test_seeing_the_same_again_moves_only_the_time_of_seeing(store: Store) -> None:
    put(store, a_project())
    put(store, a_project(), at=NOW + timedelta(minutes=5))
    row = one(rows(store, schema.project))
    assert (row["observed_at"], row["first_seen_at"]) == (ms(NOW + timedelta(minutes=5)), ms(NOW))


def test_what_changed_is_told_with_before_and_after_as_stored(store: Store) -> None:
    put(store, a_run(state=RunState.RUNNING, final=False))
    change = one(put(store, a_run(state=RunState.FAILED, labels={"team": "ml"})))
    assert (change.table, change.new) == ("run", False)
    assert (change.before["own_state"], change.after["own_state"]) == ("running", "failed")
    assert change.after == one(rows(store, schema.run))


def test_times_are_epoch_milliseconds_and_documents_are_json(store: Store) -> None:
    put(store, a_run(created_at=ago(days=1), labels={"team": "ml"}, parameters={"rate": 0.5, "deep": ({"n": None},)}))
    row = one(rows(store, schema.run))
    assert row["created_at"] == ms(ago(days=1))
    assert row["labels"] == {"team": "ml"}
    assert row["parameters"] == {"rate": 0.5, "deep": [{"n": None}]}


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        put(store, a_run(created_at=NOW.replace(tzinfo=None)))
    assert rows(store, schema.run) == []


def test_text_that_a_database_cannot_hold_is_kept_with_a_mark_in_its_place(store: Store) -> None:
    put(store, a_run(title="a\x00b", labels={"k\x00": "\ud800x"}))
    row = one(rows(store, schema.run))
    assert row["title"] == "a\ufffdb"
    assert row["labels"] == {"k\ufffd": "?x"}
    assert put(store, a_run(title="a\x00b", labels={"k\x00": "\ud800x"})) == []


def test_a_number_that_is_not_one_is_not_known(store: Store) -> None:
    put(store, a_run(coverage=float("nan"), parameters={"x": float("inf")}))
    row = one(rows(store, schema.run))
    assert (row["coverage"], row["parameters"]) == (None, {"x": None})


def test_whichever_side_of_a_reference_arrives_last_makes_it_whole(store: Store) -> None:
    put(store, a_step(run=Ref("pipeline", "1")))
    run = one(rows(store, schema.run))
    assert (run["native_id"], run["state"]) == ("1", None)
    change = one(put(store, a_run("1", project=None), at=NOW + timedelta(minutes=1)))
    assert (change.table, change.id, change.new, change.before) == ("run", run["id"], True, None)
    assert one(rows(store, schema.step))["run_id"] == one(rows(store, schema.run))["id"] == run["id"]
    assert one(rows(store, schema.run))["first_seen_at"] == ms(NOW + timedelta(minutes=1))


def test_a_thing_named_before_and_after_its_record_in_one_batch_is_one_row(store: Store) -> None:
    touched = put(
        store, a_run("2", parent=Ref("pipeline", "1")), a_step(run=Ref("pipeline", "1")), a_run("1"), a_project()
    )
    parent, child = rows(store, schema.run)
    parent, child = (child, parent) if parent["native_id"] == "2" else (parent, child)
    assert child["parent_id"] == parent["id"]
    assert [change.table for change in touched] == ["project", "run", "run", "step"]


def test_the_same_id_of_another_source_or_kind_is_another_thing(store: Store) -> None:
    put(store, a_run("1"), a_run("1", kind="sync"))
    put(store, a_run("1"), source="gitlab.example.org")
    assert len(rows(store, schema.run)) == 3
    assert len(rows(store, schema.project)) == 2


def test_an_older_copy_never_overwrites_a_newer_one(store: Store) -> None:
    put(store, a_run(state=RunState.SUCCEEDED, updated_at=ago(minutes=1)))
    assert put(store, a_run(state=RunState.RUNNING, updated_at=ago(minutes=9))) == []
    assert one(rows(store, schema.run))["state"] == "succeeded"


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_copies_in_one_batch_the_newer_stays(store: Store, newer_first: bool) -> None:
    copies = [a_run(state=RunState.SUCCEEDED, updated_at=ago(minutes=1)), a_run(updated_at=ago(minutes=9), title="old")]
    change = one(put(store, *(copies if newer_first else reversed(copies)), a_project())[1:])
    assert (change.new, change.after["updated_at"]) == (True, ms(ago(minutes=1)))
    assert len(rows(store, schema.run)) == 1


def test_a_list_does_not_erase_what_the_detail_of_the_same_version_told(store: Store) -> None:
    put(store, a_run(updated_at=ago(minutes=1), duration_seconds=61.0, coverage=80.5))
    assert put(store, a_run(updated_at=ago(minutes=1))) == []
    assert one(rows(store, schema.run))["duration_seconds"] == 61.0


def test_a_newer_version_erases_what_is_no_longer_so(store: Store) -> None:
    put(store, a_run(updated_at=ago(minutes=9), finished_at=ago(minutes=9), parent=Ref("pipeline", "9")))
    put(store, a_run(state=RunState.RUNNING, updated_at=ago(minutes=1), final=False))
    row = one(row for row in rows(store, schema.run) if row["native_id"] == "1")
    assert row["finished_at"] is None
    assert row["parent_id"] is not None


def test_approvals_stay_until_they_are_read_again(store: Store) -> None:
    def a_change(**fields: object) -> Change:
        return Change(
            **{"native_id": "3", "project": Ref("project", "7"), "iid": "3", "title": "t", "state": "opened"} | fields
        )

    put(store, a_change(updated_at=ago(minutes=9), approved_by=("ana",), approvals_required=1))
    put(store, a_change(updated_at=ago(minutes=1), title="u"))
    row = one(rows(store, schema.change))
    assert (row["title"], row["approved_by"], row["approvals_required"]) == ("u", ["ana"], 1)
    put(store, a_change(updated_at=ago(minutes=1), approved_by=()))
    assert one(rows(store, schema.change))["approved_by"] == []


def test_a_lock_that_was_lifted_is_gone_though_the_state_did_not_move(store: Store) -> None:
    put(
        store,
        Workspace(native_id="7/prod", name="prod", updated_at=ago(days=1), locked_at=ago(hours=1), locked_by="ana"),
    )
    put(store, Workspace(native_id="7/prod", name="prod", updated_at=ago(days=1)))
    assert one(rows(store, schema.workspace))["locked_at"] is None


def test_the_state_that_counts_downstream_runs_stays_until_the_own_state_moves(store: Store) -> None:
    put(store, a_run(state=RunState.SUCCEEDED))
    with store.write() as connection:
        connection.execute(schema.run.update().values(state="failed"))
    put(store, a_run(state=RunState.SUCCEEDED, title="again"))
    row = one(rows(store, schema.run))
    assert (row["state"], row["own_state"]) == ("failed", "succeeded")
    put(store, a_run(state=RunState.RUNNING, final=False))
    row = one(rows(store, schema.run))
    assert (row["state"], row["own_state"]) == ("running", "running")


def test_a_version_holds_its_detail(store: Store) -> None:
    detail = ModelDetail(model=Ref("model", "m"), aliases=("default",), run=Ref("pipeline-job", "9"))
    put(store, a_version(detail=detail))
    stored = one(rows(store, schema.model_detail))
    assert stored["model_id"] == one(rows(store, schema.model))["id"]
    assert stored["run_id"] == one(rows(store, schema.run))["id"]
    change = one(put(store, a_version(detail=ModelDetail(model=Ref("model", "m"), aliases=("prod",)))))
    assert (change.table, change.new) == ("version", False)
    assert (change.before["detail"]["aliases"], change.after["detail"]["aliases"]) == (["default"], ["prod"])
    assert change.after["detail"]["run_id"] == stored["run_id"]


def test_a_copy_without_detail_leaves_the_detail_alone(store: Store) -> None:
    put(store, a_version(kind="state-version", detail=StateDetail(managed=4, checks={"pass": 2})))
    assert put(store, a_version(kind="state-version")) == []
    assert one(rows(store, schema.state_detail))["checks"] == {"pass": 2}


def test_a_detail_that_comes_later_is_told_as_a_change_of_the_version(store: Store) -> None:
    put(store, a_version(kind="state-version"))
    change = one(put(store, a_version(kind="state-version", detail=StateDetail(managed=4))))
    assert (change.new, change.before["detail"], change.after["detail"]["managed"]) == (False, None, 4)


def test_a_metric_point_is_overwritten_in_place(store: Store) -> None:
    def point(value: float | None) -> MetricPoint:
        return MetricPoint(metric="p/m/auc", model="m", at=ago(days=1), value=value, n=10)

    assert one(put(store, point(0.5))).new
    assert put(store, point(0.5)) == []
    change = one(put(store, point(None)))
    assert (change.id, change.before["value"], change.after["value"]) == (0, 0.5, None)
    row = one(rows(store, schema.metric_point))
    assert (row["version"], row["environment"], row["slice"], row["value"]) == ("", "", "", None)


def test_more_rows_than_a_statement_takes(store: Store) -> None:
    steps = [a_step(str(number), run=Ref("pipeline", str(number // 3))) for number in range(2500)]
    assert len(put(store, *steps)) == 2500
    assert put(store, *steps) == []
    assert len(rows(store, schema.run)) == 834


def test_what_the_source_no_longer_has_is_marked_and_comes_back(store: Store) -> None:
    put(store, a_project("7"), a_project("8"), a_run(project=Ref("project", "9")))
    with store.write() as connection:
        key = writer.source_key(connection, "gitlab", "gitlab.com", "team", NOW)
        gone = writer.mark_gone(connection, key, "project", frozenset({"7"}), NOW)
        again = writer.mark_gone(connection, key, "project", frozenset({"7"}), NOW + timedelta(days=1))
    assert [(change.after["native_id"], change.before["gone_at"], change.after["gone_at"]) for change in gone] == [
        ("8", None, ms(NOW))
    ]
    assert again == []
    change = one(put(store, a_project("8")))
    assert (change.new, change.before["gone_at"], change.after["gone_at"]) == (False, ms(NOW), None)


def test_a_source_renamed_in_the_configuration_stays_the_same_source(store: Store) -> None:
    with store.write() as connection:
        first = writer.source_key(connection, "gitlab", "gitlab.com", "one", NOW)
        assert writer.source_key(connection, "gitlab", "gitlab.com", "two", NOW) == first
        assert writer.source_key(connection, "gitlab", "gitlab.example.org", "two", NOW) != first
    assert [row["name"] for row in rows(store, schema.source)] == ["two", "two"]


@pytest.mark.parametrize("kind", [*shapes.TABLES, *shapes.DETAILS], ids=lambda kind: kind.__name__)
def test_every_column_of_content_is_fed_by_a_field(kind: type) -> None:
    shape = shapes.SHAPES[kind]
    fed = {field.column for field in shape.fields}
    ours = {"version_id"} if kind in shapes.DETAILS else set(shapes.KEPT)
    assert fed | ours | ({"own_state"} if kind is Run else set()) == set(shape.table.c.keys())


def test_every_record_that_a_source_may_yield_is_written() -> None:
    assert {*shapes.TABLES, StateContents, MetricPoint} == set(get_args(Record))


def test_references_lead_to_the_tables_that_the_schema_names(store: Store) -> None:
    deployment = Deployment(
        native_id="1", kind="deployment", place="prod", label="1.0", state=RunState.SUCCEEDED, state_raw="success",
        version=Ref("release", "7#1.0"), run=Ref("pipeline", "1"), step=Ref("job", "1"),
    )  # fmt: skip
    put(store, deployment)
    row = one(rows(store, schema.deployment))
    assert row["version_id"] == one(rows(store, schema.version))["id"]
    assert row["step_id"] == one(rows(store, schema.step))["id"]
