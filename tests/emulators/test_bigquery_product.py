"""Whether the local BigQuery answers the product's own queries as a count by hand does."""

import pytest

from tests.emulators.bigquery_builders import ask, connect, upstreams_with_metrics
from tests.emulators.local_google import serving
from tests.oracle.product_queries import PRODUCT, in_order


@pytest.fixture(scope="module")
def client():
    with serving(upstreams_with_metrics()) as url:
        client = connect(url)
        yield client
        client.close()


@pytest.mark.parametrize("asked", [pytest.param(one, id=one.name) for one in PRODUCT])
def test_a_metric_is_what_a_count_by_hand_gives(client, asked):
    found = in_order(ask(client, asked.sql, *asked.parameters))
    assert len(asked.answer) > 1
    assert found == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in asked.answer]
