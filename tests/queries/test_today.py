"""Today: the open problems worst first, what changed in the window, and an honest mark for each day."""

import pytest

from services.queries import today
from services.queries.base import Filters
from services.queries.windows import recent
from services.store import schema
from services.store.upsert import insert_for
from tests.builders import NOW, a_config, a_problem, a_project, a_run, a_source, a_stream, ago, an_event, belongs, put

NOTHING = Filters(limit=50)
PAGE = 50


def ask(store, filters=NOTHING, now=NOW):
    with store.read() as conn:
        return today.ask(conn, a_config(), filters, now)


def titles(store, what="needs_somebody", filters=NOTHING):
    return [one["title"] for one in ask(store, filters).data[what]]


def test_red_comes_before_amber_then_what_is_nearest_to_production_then_the_newest(store):
    with store.write() as conn:
        a_problem(conn, title="amber prod", severity="amber", environment="prod")
        a_problem(conn, title="red dev", environment="dev", place="1")
        a_problem(conn, title="red prod, older", environment="prod", place="2", opened_at=ago(days=2))
        a_problem(conn, title="red prod", environment="prod", place="3")
    assert titles(store) == ["red prod", "red prod, older", "red dev", "amber prod"]


def test_a_closed_problem_needs_nobody(store):
    with store.write() as conn:
        a_problem(conn, closed_at=ago(minutes=5))
    assert titles(store) == []


def test_a_problem_says_since_when_on_which_day_and_whether_it_is_new(store):
    with store.write() as conn:
        a_problem(conn, opened_at=ago(hours=3))
        a_problem(conn, opened_at=ago(days=2, hours=1), place="2")
    new, old = ask(store).data["needs_somebody"]
    assert (new["since"], new["day"], new["new"]) == ("2026-11-24T10:00:00.000Z", 1, True)
    assert (old["day"], old["new"]) == (3, False)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"kind": "schedule-late", "state": "unknown", "reason": "missed"}, "missed"),
        ({"kind": "schedule-late", "state": "unknown", "reason": "late"}, "late"),
        ({"kind": "drift", "state": "warning"}, "drifted"),
        ({"kind": "run-failed", "state": "failed"}, "failed"),
    ],
)
def test_a_problem_is_named_by_the_word_of_its_own_vocabulary(store, row, word):
    with store.write() as conn:
        a_problem(conn, **row)
    assert ask(store).data["needs_somebody"][0]["status"] == word


def test_a_problem_leads_to_the_thing_it_is_about(store):
    with store.write() as conn:
        keys = put(conn, a_source(conn), a_project(), a_run("501"))
        a_problem(conn, subject_id=keys["501"])
    card = ask(store).data["needs_somebody"][0]
    assert (card["subject"], card["view"]) == ("gitlab.example:pipeline:501", "pipelines")


def test_the_counts_are_of_all_problems_and_not_of_those_shown(store):
    with store.write() as conn:
        for place in range(today.MOST_PROBLEMS + 5):
            a_problem(conn, place=str(place))
    answer = ask(store)
    assert len(answer.data["needs_somebody"]) == today.MOST_PROBLEMS
    assert answer.data["counts"]["red"] == today.MOST_PROBLEMS + 5


def test_changes_are_those_since_the_standup_newest_first(store):
    with store.write() as conn:
        an_event(conn, "before", at=ago(hours=6))
        an_event(conn, "early", at=ago(hours=4))
        an_event(conn, "late", at=ago(minutes=1))
    assert titles(store, "changed") == ["event late", "event early"]


def test_what_occurred_before_the_window_but_was_seen_within_it_is_marked_as_seen_late(store):
    with store.write() as conn:
        an_event(conn, "old", at=ago(days=3), seen_at=ago(hours=1))
        an_event(conn, "too old", at=ago(days=8), seen_at=ago(hours=1))
    answer = ask(store)
    assert [(one["title"], one["seen_late"]) for one in answer.data["changed"]] == [("event old", True)]
    assert answer.data["counts"]["seen_late"] == 1


def test_rows_of_a_first_fill_are_never_seen_late_but_stand_in_the_window_by_their_own_time(store):
    with store.write() as conn:
        an_event(conn, "filled, old", at=ago(days=3), seen_at=ago(hours=1), first_fill=True)
        an_event(conn, "filled, new", at=ago(hours=1), seen_at=ago(minutes=1), first_fill=True)
    assert titles(store, "changed") == ["event filled, new"]


def test_a_longer_list_says_how_much_of_it_is_shown_and_goes_on_page_by_page(store):
    with store.write() as conn:
        for number in range(PAGE + 3):
            an_event(conn, f"{number:03}", at=ago(minutes=number + 1))
    assert ask(store).truncated == {"shown": PAGE, "of": PAGE + 3}
    assert titles(store, "changed", Filters(page=2, limit=PAGE)) == ["event 050", "event 051", "event 052"]
    assert ask(store, Filters(page=9, limit=PAGE)).data["changed"] == []


def test_filters_narrow_problems_and_changes_alike(store):
    with store.write() as conn:
        for product, environment in (("churn", "prod"), ("churn", "dev"), (None, "prod")):
            a_problem(conn, product=product, environment=environment, place=str(environment), title=f"{product}")
            an_event(conn, f"{product}{environment}", product=product, environment=environment)
    wanted = ask(store, Filters(product="churn", environment="prod")).data
    assert len(wanted["needs_somebody"]) == len(wanted["changed"]) == wanted["counts"]["changes"] == 1
    assert titles(store, filters=Filters(product="unassigned")) == ["None"]


def test_a_search_finds_signs_that_sql_would_read_as_patterns(store):
    with store.write() as conn:
        an_event(conn, "1", title="100% sure")
        an_event(conn, "2", title="100 sure")
    assert titles(store, "changed", Filters(text="0% S")) == ["100% sure"]


def test_choosing_a_lane_keeps_the_counts_of_the_others(store):
    with store.write() as conn:
        an_event(conn, "1", lane="ci")
        an_event(conn, "2", lane="code")
    data = ask(store, Filters(kind="ci")).data
    assert (len(data["changed"]), data["counts"]["changes"], data["lanes"]) == (1, 1, {"ci": 1, "code": 1})


def daily(conn, project_id, day, **counts):
    row = {"day": day, "kind": "pipeline", "project_id": project_id, "name": "p", "runs": 4, "succeeded": 4,
           "warning": 0, "failed": 0, "canceled": 0, "other": 0, "duration_sum": 0.0, "duration_n": 0}  # fmt: skip
    conn.execute(insert_for(conn, schema.run_daily), [row | counts])


def marks(store):
    (strip,) = [row for row in ask(store).data["strip"] if row["product"] == "demand-forecast"]
    assert len(strip["days"]) == today.STRIP_DAYS
    return {day["day"]: day for day in strip["days"]}


def test_a_day_is_red_only_for_a_red_problem_and_green_only_where_runs_were_fine(store):
    monday = 20780
    with store.write() as conn:
        key = put(conn, a_source(conn), a_project())["11"]
        belongs(conn, "demand-forecast", "project", key)
        daily(conn, key, monday)
        daily(conn, key, monday - 1, failed=1)
        daily(conn, key, monday + 1)
        a_problem(conn, opened_at=ago(hours=3))
    days = marks(store)
    assert {name: days[name]["state"] for name in ("2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24")} == {
        "2026-11-21": "none", "2026-11-22": "warning", "2026-11-23": "succeeded", "2026-11-24": "failed",
    }  # fmt: skip
    assert (days["2026-11-22"]["runs"], days["2026-11-22"]["failed"]) == (4, 1)


def test_a_day_before_the_history_that_was_read_is_unknown_and_not_good(store):
    with store.write() as conn:
        a_stream(conn, a_source(conn), since=ago(days=3))
    days = marks(store)
    assert (days["2026-11-20"]["state"], days["2026-11-20"]["runs"]) == ("unknown", None)
    assert (days["2026-11-23"]["state"], days["2026-11-23"]["runs"]) == ("none", 0)


def test_the_answer_is_json_and_names_its_window(store):
    envelope = ask(store, Filters(window=recent(24, NOW))).envelope()
    assert envelope["window"] == {"from": "2026-11-23T13:00:00.000Z", "to": "2026-11-24T13:00:00.000Z"}
    assert set(envelope["data"]) >= {"needs_somebody", "changed", "strip", "counts"}
