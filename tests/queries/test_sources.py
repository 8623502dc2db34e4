"""Sources: every source and stream with what it costs and lacks, what we did not understand, and what we guess."""

import tomllib

from services.queries import sources
from services.queries.base import Filters
from services.store import schema
from services.store.upsert import insert_for
from services.timestamps import to_millis
from tests.builders import NOW, a_config, a_heartbeat, a_project, a_source, a_stream, a_workspace, ago, belongs, put


def ask(store):
    with store.read() as conn:
        return sources.ask(conn, a_config(), Filters(), NOW)


def source(store, name="gitlab"):
    return next(one for one in ask(store).data["sources"] if one["name"] == name)


def test_a_configured_source_that_was_never_reached_is_listed(store):
    answer = ask(store)
    assert [one["name"] for one in answer.data["sources"]] == ["gitlab", "states", "vertex", "bigquery"]
    assert source(store)["status"] == "never"
    assert answer.empty_because


def test_a_source_that_left_the_configuration_is_still_shown(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn, name="old gitlab", instance="old.example"))
    assert source(store, "old gitlab")["configured"] is False


def test_a_stream_says_its_age_its_promise_its_error_and_the_mend(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="no-access", error="403", mend="make it a member", needs="Reporter",
                 grant="add the bot", good_at=ago(minutes=10), lag_ms=1500)  # fmt: skip
    (stream,) = ask(store).data["streams"]
    assert {name: stream[name] for name in ("status", "age_seconds", "promise_seconds", "lag_seconds")} == {
        "status": "no-access", "age_seconds": 600.0, "promise_seconds": 300.0, "lag_seconds": 1.5,
    }  # fmt: skip
    assert (stream["error"], stream["mend"], stream["needs"], stream["grant"]) == (
        "403", "make it a member", "Reporter", "add the bot",
    )  # fmt: skip


def test_a_feature_that_is_off_is_off_and_not_broken(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="off")
    assert ask(store).data["streams"][0]["status"] == "off"


def test_work_that_waits_is_counted_by_stream(store):
    with store.write() as conn:
        key = a_source(conn)
        a_stream(conn, key, "jobs")
        work = {"source_id": key, "scope": "acme", "stream": "jobs", "added_at": 1, "priority": 1, "tries": 0}
        conn.execute(insert_for(conn, schema.work), [work | {"native_id": str(number)} for number in range(7)])
    assert ask(store).data["streams"][0]["waiting"] == 7


def test_calls_are_told_by_minute_with_what_the_limit_leaves(store):
    minute = to_millis(NOW) // 60_000
    with store.write() as conn:
        key = a_source(conn)
        counts = ((minute, 5), (minute - 59, 2), (minute - 60, 100))
        conn.execute(insert_for(conn, schema.call_count), [
            {"source_id": key, "minute": at, "calls": calls} for at, calls in counts
        ])  # fmt: skip
        conn.execute(insert_for(conn, schema.budget), [
            {"source_id": key, "calls_total": 107, "limit": 2000, "remaining": 1990, "resets_at": to_millis(NOW)}
        ])  # fmt: skip
    calls = source(store)["calls"]
    assert (calls["total"], calls["limit"], calls["remaining"]) == (107, 2000, 1990)
    assert (len(calls["by_minute"]), calls["by_minute"][0], calls["by_minute"][-1]) == (60, 2, 5)


def test_why_a_source_cannot_connect_is_told(store):
    with store.write() as conn:
        conn.execute(insert_for(conn, schema.meta), [
            {"key": "source-error:gitlab", "value": "TOKEN is not set", "at": to_millis(NOW)}
        ])  # fmt: skip
    assert source(store)["error"] == "TOKEN is not set"


def test_refused_parts_unknown_words_and_records_kept_aside_are_listed(store):
    at = to_millis(NOW)
    with store.write() as conn:
        key = a_source(conn)
        put(conn, key, a_project(path="acme/secret"))
        a_stream(conn, key, rejected=12)
        conn.execute(insert_for(conn, schema.stream_part), [
            {"source_id": key, "stream": "jobs", "part": "11", "reason": "403", "since": at, "tried_at": at}
        ])  # fmt: skip
        conn.execute(insert_for(conn, schema.unknown_word), [
            {"source_id": key, "stream": "jobs", "word": "moon", "count": 3, "first_seen_at": at, "last_seen_at": at}
        ])  # fmt: skip
        conn.execute(schema.rejected.insert().values(source_id=key, stream="jobs", what="job 8", why="no id", at=at))
    data = ask(store).data
    assert [(one["name"], one["reason"]) for one in data["parts"]] == [("acme/secret", "403")]
    assert [(one["word"], one["count"]) for one in data["unknown_words"]] == [("moon", 3)]
    assert (data["rejected"]["total"], data["rejected"]["recent"][0]["why"]) == (12, "no id")


def test_guesses_come_with_the_toml_that_would_confirm_them(store):
    with store.write() as conn:
        key = a_source(conn)
        keys = put(conn, key, a_project(path="acme/churn-api"), a_workspace("churn-prd", None))
        belongs(conn, "churn", "project", keys["11"], guess=True)
    guesses = ask(store).data["guesses"]
    assert [(one["product"], one["name"]) for one in guesses["products"]] == [("churn", "acme/churn-api")]
    assert [(one["name"], one["environment"]) for one in guesses["environments"]] == [("churn-prd", "prod")]
    toml = tomllib.loads(guesses["toml"])
    assert toml["product"][0]["name"] == "churn"
    assert toml["environment"][0]["states"] == ["churn-prd"]


def test_the_collectors_heartbeat_and_both_configurations_are_told(store):
    with store.write() as conn:
        a_heartbeat(conn)
        conn.execute(insert_for(conn, schema.meta), [{"key": "config_hash", "value": "abc", "at": 1}])
    data = ask(store).data
    assert data["collector"]["alive"] is True
    assert (data["config_hash"], data["collector_config_hash"]) == (a_config().hash, "abc")
