"""The URL is the whole state: it is read with a word for each fault, and never with a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queries.filters import PARAMETERS
from tests.builders import NOW, a_config
from ui import urls

CONFIG = a_config()


def read(**parameters):
    return urls.read(parameters, CONFIG, NOW, ("demand-forecast", "guessed"))


def test_what_the_address_names_becomes_the_filters():
    filters, notices = read(
        product="guessed", env="prod", window="7d", text="x", selected="gitlab.com:pipeline:1", page="3"
    )
    assert (filters.product, filters.environment, filters.text, filters.page) == ("guessed", "prod", "x", 3)
    assert filters.selected == "gitlab.com:pipeline:1"
    assert filters.window.why == "last 7 days"
    assert notices == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [("product", "<b>"), ("env", "moon"), ("window", "soon"), ("since", "soon"), ("until", "2h"), ("page", "0"),
     ("page", "٣"), ("page", "1e9"), ("selected", "nothing"), ("text", "x" * 900)],
)  # fmt: skip
def test_a_value_that_cannot_be_followed_is_named_and_left_out(name, value):
    filters, notices = read(
        **{name: value, "env" if name != "env" else "product": "prod" if name != "env" else "guessed"}
    )
    assert len(notices) == 1
    assert f"{name}:" in notices[0]
    assert "prod" in (filters.environment, filters.product) or "guessed" in (filters.environment, filters.product)


def test_every_bad_value_is_named():
    assert len(read(env="a", page="b", selected="c")[1]) == 3


def test_parameters_that_are_not_ours_are_not_our_business():
    assert read(embed="true", utm_source="x")[1] == ()


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.text(max_size=30)))
def test_no_address_whatever_is_an_error(parameters):
    filters, _ = urls.read(parameters, CONFIG, NOW, ())
    assert filters.page >= 1
