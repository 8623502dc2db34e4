"""Cells: what stands in a column of a list, and what stands there where nothing is known."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.builders import NOW, SHA
from ui import cells, moment
from ui.markup import text


@pytest.fixture(autouse=True)
def here():
    token = moment._MOMENT.set(
        moment.Moment(NOW, ZoneInfo("Europe/Berlin"), ("acme/ml", "acme"), "gl:pipeline:1", "?selected=0selected0", "?")
    )
    yield
    moment._MOMENT.reset(token)


def drawn(cell, **row):
    return str(text(cell(row)))


def test_a_status_has_a_shape_a_word_and_the_sources_own_word():
    shown = drawn(cells.status(), state="failed", state_raw="CRASHED")
    assert "tl-cross" in shown
    assert ">failed<" in shown.replace("</i>failed", "</i>>failed")
    assert "the source says: CRASHED" in shown


def test_a_stale_status_keeps_its_state():
    shown = drawn(cells.status(), state="failed", stale=True)
    assert "failed" in shown
    assert "<em>stale</em>" in shown


@pytest.mark.parametrize("cell", [
    cells.ago("at"), cells.length("at"), cells.count("at"), cells.short_sha("at"), cells.project("at"),
    cells.clipped("at"), cells.text("at"), cells.inside("at", cells.text("name")), cells.source(),
])  # fmt: skip
def test_what_is_not_known_is_empty_and_not_0(cell):
    assert drawn(cell, at=None) == ""


def test_an_age_is_of_the_first_time_that_is_known():
    earlier = (NOW - timedelta(hours=5)).isoformat()
    assert ">5 h<" in drawn(cells.ago("finished_at", "created_at"), finished_at=None, created_at=earlier)


def test_a_counted_zero_is_shown():
    assert ">0<" in drawn(cells.count("n"), n=0)
    assert drawn(cells.count("n"), n=12345) == "12,345"


@pytest.mark.parametrize(
    ("path", "shown"),
    [("acme/ml/api", ">api<"), ("acme/api", ">api<"), ("acme/mlx/api", ">mlx/api<"), ("other/api", ">other/api<")],
)
def test_a_project_is_told_without_the_group_that_the_team_reads(path, shown):
    assert shown in drawn(cells.project(), project=path)
    assert f'title="{path}"' in drawn(cells.project(), project=path)


def test_a_row_is_opened_by_its_link_and_closed_by_the_same():
    assert 'href="?selected=gl%3Apipeline%3A2"' in drawn(cells.opens("title"), id="gl:pipeline:2", title="x")
    assert 'href="?"' in drawn(cells.opens("title"), id="gl:pipeline:1", title="x")


def test_a_row_without_a_title_is_told_by_its_number_and_says_why_below():
    shown = drawn(cells.opens("title", "why"), id="gl:pipeline:2", title=None, why="unit failed")
    assert ">#2<" in shown
    assert "unit failed" in shown


def test_a_sha_is_short_and_whole_on_hover():
    assert drawn(cells.short_sha(), sha=SHA) == f'<code title="{SHA}">{SHA[:8]}</code>'


def test_a_few_names_and_how_many_more():
    assert drawn(cells.listed("names", 2), names=["a", "b", "c"]) == '<span title="a, b, c">a, b +1</span>'


def test_a_guess_is_marked_as_one():
    assert "(guess)" in drawn(cells.guessed("environment"), environment="prod", guess=True)
    assert "(guess)" not in drawn(cells.guessed("environment"), environment="prod", guess=False)


@pytest.mark.parametrize(
    ("production", "shown"),
    [
        (None, ""),
        ({"state": "not shipped", "at": None}, "not yet"),
        ({"state": "rolled back", "at": None}, "rolled back"),
        ({"state": "shipped", "at": (NOW - timedelta(hours=2)).isoformat()}, "2 h ago"),
        ({"state": "shipped", "at": None}, "yes"),
    ],
)
def test_a_request_says_whether_production_has_it(production, shown):
    assert shown in drawn(cells.shipped, production=production)


def current(**more):
    return {"id": "1", "label": "aaa", "sha": SHA, "state": "succeeded"} | more


def test_what_runs_is_told_with_the_newest_try_where_that_is_another():
    assert "bbb failed" in drawn(cells.runs_now, current=current(), newest=current(id="2", label="bbb", state="failed"))
    assert "·" not in drawn(cells.runs_now, current=current(), newest=current())
    assert "nothing" in drawn(cells.runs_now, current=None, newest=None)


def due(**more):
    counts = {"create": 0, "update": 0, "delete": 0, "replace": 0}
    return (
        counts | {"status": "pending", "checked_at": "2026-11-24T10:00:00Z", "superseded": False, "destroys": []} | more
    )


@pytest.mark.parametrize(
    ("pending", "parts"),
    [
        (due(create=1, update=2), ["+1 ~2", "tl-c-violet"]),
        (due(replace=1, destroys=["x"]), ["±1", "tl-c-red"]),
        (due(delete=3, superseded=True), ["−3", "planned before the last write"]),
        (due(), ["none"]),
        (due(status="not checked", checked_at=None, create=None), ["not checked"]),
    ],
)
def test_the_next_apply_is_told_by_signs_and_red_where_it_would_lose_data(pending, parts):
    for part in parts:
        assert part in drawn(cells.changes, pending=pending)


def test_drift_of_an_old_check_is_hatched_and_not_called_stale_twice():
    assert "tl-stale" in drawn(cells.drift, drift={"status": "drifted", "stale": True})
    assert drawn(cells.drift, drift={"status": "stale", "stale": True}).count("stale") == 1


def model(**more):
    return {"newest": {"version": "18"}, "newer_than_deployed": 0, "best": None, "deployed": [],
            "primary_metric": {"name": "auc", "better": "higher"}} | more  # fmt: skip


def test_a_model_says_what_serves_what_is_newest_and_what_is_best():
    place = {"environment": "prod", "endpoint": "e", "version": "16", "traffic": 0.9}
    row = model(deployed=[place], newer_than_deployed=2, best={"version": "15", "value": 0.85, "by": "measured"})
    assert drawn(cells.deployed, **row) == "prod v16 90 %"
    assert "2 versions ahead of what serves" in drawn(cells.newest, **row)
    assert 'v15</b><span class="tl-dim"> · auc 0.85, measured' in drawn(cells.best, **row)


def test_a_model_without_scores_or_metric_says_which_of_both_is_missing():
    assert "no auc is known" in drawn(cells.best, **model())
    assert "no metric is configured" in drawn(cells.best, **model(primary_metric=None))
    assert "nowhere" in drawn(cells.deployed, **model())


def test_steps_are_told_as_those_that_went_well_of_all():
    steps = {"total": 4, "by_status": {"succeeded": 1, "cached": 1, "skipped": 1, "failed": 1}, "retried": {}}
    assert ">3 of 4<" in drawn(cells.steps, steps=steps)
