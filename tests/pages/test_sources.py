"""Sources on screen: freshness, cost, what is lacking and how to grant it, and what is only guessed."""

from services.store import schema
from services.store.upsert import insert_for
from services.timestamps import to_millis
from tests.builders import NOW, a_heartbeat, a_project, a_source, a_stream, ago, belongs, put
from tests.pages.conftest import shown


def test_before_anything_was_read_the_page_says_so_and_lists_the_configured_sources(store, visit):
    page = shown(visit("sources"))
    assert "No source was read yet" in page
    assert "gitlab" in page
    assert "never reached" in page


def test_a_refused_stream_shows_the_need_and_a_step_to_copy(store, visit):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="no-access", good_at=None, error="403 Forbidden", mend="ask an owner",
                 needs="Reporter", grant='glab api "groups/1/members" --method POST')  # fmt: skip
    page = shown(visit("sources"))
    for part in ("no access", "403 Forbidden", "ask an owner", "needs Reporter"):
        assert part in page
    assert 'data-copy="glab api &quot;groups/1/members&quot; --method POST"' in page


def test_a_project_that_is_refused_stands_open_with_its_mend_while_its_neighbours_are_fresh(store, visit):
    with store.write() as conn:
        key = a_source(conn)
        a_stream(conn, key, needs="Reporter in the group", grant="glab api groups/1")
        part = {"source_id": key, "stream": "pipelines", "part": "41120", "reason": "GitLab refuses it (403)",
                "since": to_millis(ago(hours=1)), "tried_at": to_millis(NOW)}  # fmt: skip
        conn.execute(insert_for(conn, schema.stream_part), [part])
    section = shown(visit("sources")).partition('<section class="tl-source">')[2].partition("</section>")[0]
    open_part = section.partition("<details")[0] + section.partition("</details>")[2]
    for said in (
        "fresh in part",
        "<b>41120</b> pipelines cannot be read: GitLab refuses it (403)",
        "needs Reporter in",
    ):
        assert said in open_part
    assert 'data-copy="glab api groups/1"' in open_part
    assert "1 stream, all fresh but 1 part" in section


def test_a_fill_shows_its_progress(store, visit):
    with store.write() as conn:
        a_stream(conn, a_source(conn), fill_progress=0.4, filled_at=None)
    assert "40 %" in shown(visit("sources"))


def test_what_a_source_costs_is_told_in_words_and_bars(store, visit):
    minute = to_millis(NOW) // 60_000
    with store.write() as conn:
        key = a_source(conn)
        a_stream(conn, key)
        conn.execute(insert_for(conn, schema.call_count), [{"source_id": key, "minute": minute, "calls": 7}])
        budget = {"source_id": key, "calls_total": 7, "limit": 2000, "remaining": 1993}
        conn.execute(insert_for(conn, schema.budget), [budget])
    page = shown(visit("sources"))
    assert "7 in the last hour" in page
    assert "1,993 of 2,000 left" in page
    assert page.count("<rect ") == 1


def test_streams_that_are_all_fresh_are_folded_away_and_others_are_not(store, visit):
    with store.write() as conn:
        key = a_source(conn)
        a_stream(conn, key)
    assert "1 stream, all fresh" in shown(visit("sources"))
    with store.write() as conn:
        a_stream(conn, key, "jobs", good_at=ago(days=1))
    assert "all fresh</summary>" not in shown(visit("sources"))


def test_guesses_are_shown_with_the_toml_that_confirms_them(store, visit):
    with store.write() as conn:
        keys = put(conn, a_source(conn), a_project(path="acme/churn-api"))
        belongs(conn, "churn", "project", keys["11"], guess=True)
    page = shown(visit("sources"))
    assert "<div>[[product]]</div>" in page
    assert "acme/churn-api" in page


def test_a_collector_that_runs_with_another_configuration_is_told(store, visit):
    with store.write() as conn:
        a_heartbeat(conn)
        conn.execute(insert_for(conn, schema.meta), [{"key": "config_hash", "value": "0ld", "at": 1}])
    assert "still runs with configuration 0ld" in shown(visit("sources"))


def test_streams_can_be_downloaded(store, visit):
    assert len(visit("sources").get("download_button")) == 1
