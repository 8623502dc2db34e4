"""Today on screen: the one line of truth, the cards, the changes, and its empty, stale, denied and cut states."""

import pytest

from services.store import schema
from services.store.upsert import insert_for
from services.timestamps import to_millis
from tests.builders import NOW, a_heartbeat, a_problem, a_project, a_run, a_source, a_stream, ago, an_event, put
from tests.pages.conftest import shown


@pytest.fixture
def fresh(store):
    """A source that was read a moment ago, and a collector that is alive."""
    with store.write() as conn:
        a_heartbeat(conn)
        source = a_source(conn)
        a_stream(conn, source)
        return source


def test_a_calm_day_says_that_nothing_needs_anybody(store, fresh, visit):
    page = shown(visit())
    assert "Nothing needs anybody" in page
    assert "all sources fresh" in page
    assert "Nothing changed since the standup of Tue 24 Nov, 09:30" in page


def test_before_anything_was_read_today_is_not_calm_but_not_known(store, visit):
    page = shown(visit())
    assert "Not known whether anything needs somebody" in page
    assert "Nothing needs anybody" not in page


def test_the_one_line_of_truth_counts_what_needs_somebody(store, fresh, visit):
    with store.write() as conn:
        a_problem(conn, kind="drift", state="warning", severity="amber")
        a_problem(conn, kind="schedule-late", state="unknown", place="2")
        an_event(conn, "1")
    page = shown(visit())
    assert "2 need somebody" in page
    assert "<b>1</b>" in page.partition("drifted")[0][-400:]
    assert "<b>1 change</b>" in page


def test_a_card_tells_what_since_when_and_where_and_leads_there(store, fresh, visit):
    with store.write() as conn:
        keys = put(conn, fresh, a_project(), a_run("501"))
        a_problem(conn, subject_id=keys["501"], title="main fails", reason="job test", environment="prod",
                  web_url="https://gitlab.example/p/501")  # fmt: skip
    page = shown(visit())
    for part in ("main fails", "job test", "demand-forecast · prod", "since ", "3 h ago"):
        assert part in page
    assert "pipelines?selected=gitlab.example%3Apipeline%3A501" in page
    assert 'href="https://gitlab.example/p/501" target="_blank" rel="noopener noreferrer"' in page


def test_text_from_upstream_is_shown_as_text(store, fresh, visit):
    with store.write() as conn:
        a_problem(conn, title="<script>alert(1)</script>", reason="a\u202eb", web_url="javascript:alert(1)")
        an_event(conn, "1", title="<img src=x onerror=alert(1)>")
    page = shown(visit())
    assert "<script" not in page
    assert "<img" not in page
    assert "javascript:" not in page
    assert "‹U+202E›" in page


def test_what_is_less_urgent_is_one_click_away_and_counted(store, fresh, visit):
    with store.write() as conn:
        for number in range(75):
            a_problem(conn, place=str(number))
    page = shown(visit())
    assert "60 of 75 open shown" in page
    assert "48 more" in page


def test_a_long_list_of_changes_says_how_much_is_shown_and_links_to_the_rest(store, fresh, visit):
    with store.write() as conn:
        for number in range(60):
            an_event(conn, str(number), at=ago(minutes=number + 1))
    page = shown(visit())
    assert "50 of 60 changes shown" in page
    assert 'href="?page=2"' in page


def test_what_was_seen_late_is_marked(store, fresh, visit):
    with store.write() as conn:
        an_event(conn, "1", at=ago(days=2), seen_at=ago(hours=1))
    assert "seen late" in shown(visit())


def test_a_source_that_is_stale_is_named_in_the_line_of_truth(store, visit):
    with store.write() as conn:
        a_heartbeat(conn)
        source = a_source(conn)
        a_stream(conn, source, good_at=ago(hours=2))
    page = shown(visit())
    assert "no source is wholly fresh" in page
    assert "pipelines stale" in page


def test_a_source_that_refuses_us_is_no_access_on_screen(store, visit):
    with store.write() as conn:
        a_stream(conn, a_source(conn), status="no-access", good_at=None, error="403")
    assert "pipelines no access" in shown(visit())


def test_parts_that_cannot_be_read_are_told_beside_sources_that_are_fresh(store, fresh, visit):
    with store.write() as conn:
        parts = [{"source_id": fresh, "stream": "pipelines", "part": part, "reason": "refused (403)",
                  "since": to_millis(NOW), "tried_at": to_millis(NOW)} for part in ("1", "2")]  # fmt: skip
        conn.execute(insert_for(conn, schema.stream_part), parts)
    page = shown(visit())
    assert "all sources fresh; 2 parts cannot be read" in page
    health = page.partition('class="tl-health"')[2].partition("</nav>")[0]
    assert "tl-src-no-access" in health
    assert "tl-i tl-bar tl-c-outline" in health
    assert "2 parts cannot be read" in health


def test_the_slices_of_one_metric_share_a_card_and_are_all_counted(store, fresh, visit):
    def bad(number: int, of: str, model: str = "churn") -> None:
        a_problem(conn, kind="metric-bad", subject_table="metric_point", subject_id=number, place=str(number),
                  environment="prod", lane="metrics", title=f"{model} prod: auc for {of}", opened_at=ago(hours=number),
                  facts={"metric": f"p/{model}/auc", "model": model, "slice": of})  # fmt: skip

    with store.write() as conn:
        bad(1, "segment=<b>")
        bad(2, "all")
        bad(30, "segment=consumer")
        bad(3, "all", "fraud")
    page = shown(visit())
    assert "4 need somebody" in page
    assert "4 open" in page
    assert "on 2 cards" in page
    assert page.count("<article") == 2
    card = page.partition("churn prod: auc for all")[2].partition("</article>")[0]
    assert "also bad for segment=&lt;b&gt;, segment=consumer" in card
    assert "30 h ago" in card
    assert "day 2" in card


def test_filters_in_the_link_narrow_the_page(store, fresh, visit):
    with store.write() as conn:
        a_problem(conn, environment="prod", title="in prod")
        a_problem(conn, environment="dev", title="in dev", place="2")
    page = shown(visit(env="prod"))
    assert "in prod" in page
    assert "in dev" not in page


def test_both_lists_can_be_downloaded(store, fresh, visit):
    labels = [button.label for button in visit().get("download_button")]
    assert labels == ["Download problems as CSV", "Download changes as CSV"]
