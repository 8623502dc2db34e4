"""How fresh each source is: never better than it is, and never silent about what was not read."""

import pytest

from services.queries.health import collector, health
from services.store import schema
from services.store.upsert import insert_for
from services.timestamps import to_millis
from services.vocabulary import Freshness
from tests.builders import NOW, PROJECT, a_config, a_heartbeat, a_project, a_source, a_stream, ago, put


def of(store, stream="gitlab.pipelines"):
    with store.read() as conn:
        return health(conn, a_config(), NOW, (stream,))[0]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param({}, Freshness.FRESH, id="read well within the promise"),
        pytest.param({"good_at": ago(minutes=6)}, Freshness.STALE, id="older than the promise"),
        pytest.param({"status": "limited"}, Freshness.FRESH, id="a limit lets the copy age first"),
        pytest.param({"status": "limited", "good_at": ago(hours=1)}, Freshness.STALE, id="a limit for an hour"),
        pytest.param({"status": "unreachable", "good_at": ago(hours=1)}, Freshness.STALE, id="away for an hour"),
        pytest.param({"status": "unreachable", "good_at": None}, Freshness.BROKEN, id="away, and never read"),
        pytest.param({"status": "no-access"}, Freshness.NO_ACCESS, id="refused now, though read before"),
        pytest.param({"status": "unreadable"}, Freshness.BROKEN, id="an answer that cannot be read"),
        pytest.param({"status": "bug"}, Freshness.BROKEN, id="a bug of ours"),
        pytest.param({"status": "never", "good_at": None}, Freshness.NEVER, id="not read yet"),
    ],
)
def test_freshness_is_told_from_the_last_good_answer_and_the_last_outcome(store, row, told):
    with store.write() as conn:
        a_stream(conn, a_source(conn), **row)
    assert of(store).status is told


def test_the_worst_scope_speaks_for_a_stream_and_the_oldest_answer_for_its_age(store):
    with store.write() as conn:
        source = a_source(conn)
        a_stream(conn, source, scope="good")
        a_stream(conn, source, scope="old", good_at=ago(hours=2))
    told = of(store)
    assert (told.status, told.as_of) == (Freshness.STALE, ago(hours=2))


def test_a_configured_source_that_was_never_read_is_not_silently_absent(store):
    assert (of(store).status, of(store).reason) == (Freshness.NEVER, "not read yet")


def test_a_stream_whose_feature_is_off_raises_no_alarm(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="off", good_at=None)
    with store.read() as conn:
        assert health(conn, a_config(), NOW, ("gitlab.pipelines",)) == ()


def test_a_refused_project_is_named_while_its_stream_stays_fresh(store):
    with store.write() as conn:
        source = a_source(conn)
        put(conn, source, a_project(path="acme/secret"))
        a_stream(conn, source)
        part = {"source_id": source, "stream": "pipelines", "part": PROJECT.native_id, "reason": "403",
                "since": to_millis(ago(days=1)), "tried_at": to_millis(NOW)}  # fmt: skip
        conn.execute(insert_for(conn, schema.stream_part), [part])
    told = of(store)
    assert (told.status, told.reason) == (Freshness.FRESH, "acme/secret cannot be read")


def test_a_first_fill_says_how_far_it_is(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), fill_progress=0.4, filled_at=None)
    assert of(store).reason == "first fill 40% done"


def test_a_source_that_cannot_connect_says_why_on_every_stream(store):
    with store.write() as conn:
        meta = {"key": "source-error:gitlab", "value": "TOKEN is not set", "at": to_millis(NOW)}
        conn.execute(insert_for(conn, schema.meta), [meta])
    told = of(store)
    assert (told.status, told.reason) == (Freshness.BROKEN, "TOKEN is not set")


@pytest.mark.parametrize(("age", "alive"), [({"seconds": 60}, True), ({"seconds": 61}, False)])
def test_a_collector_silent_for_more_than_a_minute_is_down(store, age, alive):
    with store.write() as conn:
        a_heartbeat(conn, ago(**age))
    with store.read() as conn:
        assert collector(conn, NOW).alive is alive


def test_a_collector_that_never_reported_is_down(store):
    with store.read() as conn:
        assert collector(conn, NOW) == type(collector(conn, NOW))(None, False)
