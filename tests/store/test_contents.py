"""What a Terraform state held as of any serial that was read, in whatever order the serials came."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.records import Workspace
from services.store import schema
from services.store.database import Store
from tests.store.builders import ago, contents, put, rows

R = schema.resource


def as_of(store: Store, serial: int) -> dict[str, str]:
    """address -> fingerprint, as a page would ask for it."""
    statement = sa.select(R.c.address, R.c.fingerprint).where(
        R.c.serial_from <= serial, sa.or_(R.c.serial_to.is_(None), R.c.serial_to > serial)
    )
    with store.read() as connection:
        return {row.address: row.fingerprint for row in connection.execute(statement)}


def spans(store: Store) -> list[tuple[Any, ...]]:
    return sorted(
        (row["address"], row["fingerprint"], row["serial_from"], row["serial_to"]) for row in rows(store, R)
    )  # fmt: skip


def test_a_resource_that_stays_the_same_is_one_row(store: Store) -> None:
    put(store, contents(1, {"a": "x"}), contents(2, {"a": "x"}), contents(5, {"a": "x", "b": "y"}))
    assert [row[0:1] + row[2:] for row in spans(store)] == [("a", 1, None), ("b", 5, None)]


def test_a_resource_that_changed_or_went_ends_its_row(store: Store) -> None:
    put(store, contents(1, {"a": "x", "b": "y"}), contents(2, {"a": "z"}))
    assert spans(store) == [("a", "x", 1, 2), ("a", "z", 2, None), ("b", "y", 1, 2)]


def test_an_older_serial_that_arrives_late_does_not_close_newer_rows(store: Store) -> None:
    put(store, contents(5, {"a": "x"}))
    put(store, contents(3, {"b": "y"}))
    assert spans(store) == [("a", "x", 5, None), ("b", "y", 3, 5)]


def test_a_serial_in_between_splits_a_row_that_did_not_hold_there(store: Store) -> None:
    put(store, contents(1, {"a": "x"}), contents(5, {"a": "x"}))
    put(store, contents(3, {}))
    assert spans(store) == [("a", "x", 1, 3), ("a", "x", 5, None)]


def test_a_serial_pushed_anew_with_other_contents_takes_the_place_of_the_first(store: Store) -> None:
    put(store, contents(1, {"a": "x"}), contents(2, {"a": "y"}), contents(3, {"a": "y"}))
    put(store, contents(2, {"a": "x"}))
    assert spans(store) == [("a", "x", 1, 3), ("a", "y", 3, None)]


def test_reading_a_serial_again_tells_nothing(store: Store) -> None:
    put(store, contents(1, {"a": "x"}))
    assert put(store, contents(1, {"a": "x"})) == []


def test_what_began_and_what_ended_is_told(store: Store) -> None:
    put(store, contents(1, {"a": "x"}))
    told = put(store, contents(2, {"b": "y"}))
    assert sorted((change.after["address"], change.new, change.after["serial_to"]) for change in told) == [
        ("a", False, 2), ("b", True, None)
    ]  # fmt: skip
    assert {change.id: change.after for change in told} == {row["id"]: row for row in rows(store, R)}


def test_a_state_made_anew_begins_anew(store: Store) -> None:
    put(store, contents(9, {"a": "x"}, lineage="old", at=ago(days=2)))
    put(store, contents(1, {"b": "y"}, lineage="new", at=ago(days=1)))
    assert spans(store) == [("b", "y", 1, None)]


def test_a_late_serial_of_a_lineage_that_was_replaced_changes_nothing(store: Store) -> None:
    put(store, contents(1, {"b": "y"}, lineage="new", at=ago(days=1)))
    assert put(store, contents(9, {"a": "x"}, lineage="old", at=ago(days=2))) == []
    assert spans(store) == [("b", "y", 1, None)]


def test_the_workspaces_own_lineage_decides_where_no_times_are_known(store: Store) -> None:
    put(store, contents(9, {"a": "x"}, lineage="old"))
    assert put(store, contents(1, {"b": "y"}, lineage="other")) == []
    put(store, Workspace(native_id="7/prod", name="prod", lineage="new"), contents(1, {"c": "z"}, lineage="new"))
    assert spans(store) == [("c", "z", 1, None)]


STATES = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"))


@given(st.dictionaries(st.integers(1, 9), STATES, min_size=1, max_size=7).flatmap(
    lambda states: st.tuples(st.just(states), st.permutations(sorted(states)), st.booleans())
))  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_arrival_gives_the_same_rows_and_the_truth_at_every_serial(
    sqlite_store: Store, story: tuple[dict[int, dict[str, str]], list[int], bool]
) -> None:
    states, order, one_batch = story
    _forget(sqlite_store)
    put(sqlite_store, *(contents(serial, states[serial]) for serial in sorted(states)))
    in_order = spans(sqlite_store)
    _forget(sqlite_store)
    if one_batch:
        put(sqlite_store, *(contents(serial, states[serial]) for serial in order))
    else:
        for number, serial in enumerate(order):
            put(sqlite_store, contents(serial, states[serial]))
            for known in order[: number + 1]:
                assert as_of(sqlite_store, known) == states[known]
    assert spans(sqlite_store) == in_order
    assert {serial: as_of(sqlite_store, serial) for serial in states} == states


def _forget(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.delete(R))
        connection.execute(sa.delete(schema.state_serial))
