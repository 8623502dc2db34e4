"""Whether the local BigQuery answers rightly, or says that it does not serve a query."""

import pytest
from google.api_core.exceptions import GoogleAPICallError

from tests.emulators.bigquery_builders import ask, connect, upstreams_with_metrics
from tests.emulators.local_google import serving
from tests.oracle.queries import QUERIES


@pytest.fixture(scope="module")
def client():
    with serving(upstreams_with_metrics()) as url:
        client = connect(url)
        yield client
        client.close()


@pytest.mark.parametrize("asked", [pytest.param(one, id=one.name) for one in QUERIES if not one.error])
def test_a_query_is_answered_as_bigquery_documents(client, asked):
    found = ask(client, asked.sql, *asked.parameters)
    assert found == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in asked.answer]


@pytest.mark.parametrize("asked", [pytest.param(one, id=one.name) for one in QUERIES if one.error])
def test_what_bigquery_refuses_is_refused(client, asked):
    with pytest.raises(GoogleAPICallError):
        ask(client, asked.sql, *asked.parameters)
