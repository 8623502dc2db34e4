"""The text id of a thing: written at the edge, read back from a link, whatever its parts hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queries.identity import TABLES, Identity, find, parse_id, text_id, text_ids
from services.store.schema import METADATA
from tests.builders import a_project, a_run, a_source, put


@given(
    st.from_regex(r"[a-z0-9./-]{1,20}(:[0-9]{1,5})?", fullmatch=True),
    st.sampled_from(sorted(TABLES)),
    st.text(min_size=1),
)
def test_an_id_that_is_written_is_read_back(instance, kind, native_id):
    assert parse_id(text_id(instance, kind, native_id)) == Identity(instance, kind, native_id)


@pytest.mark.parametrize("text", ["", "a:b", "a:pipeline:", ":pipeline:1", "a:unheard-of:1", "pipeline:1"])
def test_what_is_no_id_says_what_one_looks_like(text):
    with pytest.raises(ValueError, match=r"gitlab\.com:pipeline"):
        parse_id(text)


def test_every_kind_has_a_table():
    assert set(TABLES.values()) <= set(METADATA.tables)


def test_a_thing_is_found_by_its_own_source_only(store):
    with store.write() as conn:
        one, other = a_source(conn, instance="one.example"), a_source(conn, instance="other.example")
        keys = put(conn, one, a_project(), a_run("501"))
        put(conn, other, a_project(), a_run("777"))
    with store.read() as conn:
        assert find(conn, "one.example:pipeline:501") == ("run", keys["501"])
        assert find(conn, "other.example:pipeline:501") is None
        assert text_ids(conn, [("run", keys["501"]), ("membership", 1)]) == {
            ("run", keys["501"]): "one.example:pipeline:501"
        }  # fmt: skip
