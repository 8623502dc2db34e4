"""What all lists share: worst first, the product, the words, the window, the page, and why a list is empty."""

import pytest
from sqlalchemy import select

from services.queries import rows as r
from services.queries.base import Filters
from services.queries.health import health
from services.queries.windows import recent
from services.store import schema
from services.vocabulary import WORST_FIRST, RunState
from tests.builders import NOW, a_config, a_project, a_run, a_source, a_stream, ago, belongs, put

run = schema.run


def names(store, *conditions, order=run.c.native_id):
    with store.read() as conn:
        return list(conn.execute(select(run.c.native_id).where(r.all_of(*conditions)).order_by(order)).scalars())


@pytest.fixture
def runs(store):
    with store.write() as conn:
        return put(
            conn, a_source(conn), a_project(),
            a_run("1", RunState.SUCCEEDED, title="Ship 100 % of it", created_at=ago(hours=3)),
            a_run("2", RunState.FAILED, title="Ship_it", created_at=ago(hours=2)),
            a_run("3", RunState.WAITING, title=None, author="Émile", created_at=ago(hours=1)),
        )  # fmt: skip


def test_states_sort_worst_first_in_the_store_as_in_python(store, runs):
    assert names(store, order=r.worst_first(run.c.state)) == ["2", "3", "1"]


def test_a_tally_is_worst_first_and_holds_no_zero():
    assert list(r.tally(["succeeded", "failed", "succeeded", None]).items()) == [
        ("failed", 1), ("unknown", 1), ("succeeded", 2),
    ]  # fmt: skip
    assert list(r.tally(WORST_FIRST)) == list(WORST_FIRST)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("ship", ["1", "2"], id="any case"),
        pytest.param("%", ["1"], id="a percent sign is a percent sign"),
        pytest.param("p_i", ["2"], id="an underscore is an underscore"),
        pytest.param("ship 100", ["1"], id="all words"),
        pytest.param("   ", ["1", "2", "3"], id="no words"),
    ],
)
def test_words_are_looked_for_as_they_are_written(store, runs, text, expected):
    assert names(store, r.holds_text(Filters(text=text), run.c.title, run.c.author)) == expected


def test_a_window_has_its_start_and_not_its_end(store, runs):
    window = recent(2, NOW)
    assert names(store, r.in_window(Filters(window=window), run.c.created_at)) == ["2", "3"]
    earlier = recent(1, ago(hours=2))
    assert names(store, r.in_window(Filters(window=earlier), run.c.created_at)) == ["1"]


def test_what_belongs_to_no_product_is_found_as_unassigned(store, runs):
    with store.write() as conn:
        belongs(conn, "churn", "run", runs["1"])
        belongs(conn, "unassigned", "run", runs["2"])
    assert names(store, r.of_product(Filters(product="churn"), "run", run.c.id)) == ["1"]
    assert names(store, r.of_product(Filters(product="unassigned"), "run", run.c.id)) == ["2", "3"]


def test_rows_come_in_the_order_of_their_keys_and_missing_ones_are_left_out(store, runs):
    keys = [runs["3"], 4711, runs["1"]]
    with store.read() as conn:
        found = r.by_key(conn, select(run.c.id, run.c.native_id), run.c.id, keys)
    assert [row.native_id for row in found] == ["3", "1"]


def why(store, filters):
    with store.read() as conn:
        return r.empty_reason(health(conn, a_config(), NOW, ("gitlab.pipelines",)), filters, "pipelines")


def test_an_empty_list_says_why_it_is_empty(store):
    assert why(store, Filters()) == "No pipelines known: not read yet."
    with store.write() as conn:
        a_stream(conn, a_source(conn))
    assert why(store, Filters()) == "The sources hold no pipelines."
    assert why(store, Filters(product="churn", state="failed")) == (
        "No pipelines for this product, state; widen the filter to see more."
    )
    assert why(store, Filters(window=recent(24, NOW))) == (
        "No pipelines last 24 hours; choose a longer window to see older ones."
    )


def test_an_empty_list_says_that_we_may_not_read_it(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="no-access", good_at=None, error="the token is no member")
    assert why(store, Filters()) == "No pipelines known: the token is no member."
