"""The six lists on screen: a sentence before the table, why rows are not well, and how they end."""

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from services import records
from services.records import Ref
from services.vocabulary import RunState
from tests.builders import (
    SHA,
    a_change,
    a_deployment,
    a_heartbeat,
    a_model,
    a_model_version,
    a_plan,
    a_problem,
    a_project,
    a_run,
    a_source,
    a_step,
    a_stream,
    a_training,
    a_workspace,
    ago,
    an_endpoint,
    an_environment,
    put,
)
from tests.pages.conftest import CONFIG, ROOT, shown

MORE = """
[[source]]
kind = "terraform"
name = "terraform"
directory = "."
[[source]]
kind = "vertex"
name = "vertex"
project = "acme-prod"
project_number = "1"
regions = ["europe-west4"]
[[source]]
kind = "bigquery"
name = "bigquery"
project = "acme-prod"
[[environment]]
name = "dev"
[[environment]]
name = "prod"
[[metric]]
product = "demand-forecast"
model = "demand-forecast"
name = "wape"
better = "lower"
table = "m.t"
"""
STREAMS = {
    "gitlab": ("projects", "pipelines", "jobs", "merge_requests", "approvals", "deployments", "environments", "states",
               "state_versions", "plans"),
    "terraform": ("states", "plans"),
    "vertex": ("pipeline_jobs", "tasks", "custom_jobs", "schedules", "models", "evaluations", "endpoints"),
    "bigquery": ("metrics",),
}  # fmt: skip
PAGES = {
    "pipelines": ("gitlab", "pipelines"), "changes": ("gitlab", "merge requests"),
    "environments": ("gitlab", "environments"), "infrastructure": ("terraform", "Terraform workspaces"),
    "ml_runs": ("vertex", "ML runs"), "models": ("vertex", "models"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def more_sources(config_file):
    config_file.write_text(CONFIG + MORE, encoding="utf-8")


@pytest.fixture
def visit():
    """visit("ml_runs", state="failed"): the page in its frame; AppTest itself takes the file's name for the address."""

    def go(name, /, **parameters):
        app = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=30)
        for parameter, value in parameters.items():
            app.query_params[parameter] = value
        app._page_hash = calc_hash(name.replace("_", "-"))
        return app.run()

    return go


def sources(store, **more):
    """All streams of all sources, read a moment ago unless told otherwise; gives the sources' keys."""
    with store.write() as conn:
        a_heartbeat(conn)
        keys = {family: a_source(conn, family) for family in STREAMS}
        for family, streams in STREAMS.items():
            for stream in streams:
                a_stream(conn, keys[family], stream, **more)
        return keys


@pytest.fixture
def fresh(store):
    return sources(store)


@pytest.fixture
def filled(store, fresh):
    """Something ordinary on every page."""
    with store.write() as conn:
        put(conn, fresh["gitlab"], a_project(), a_run("501"), a_run("502", RunState.FAILED),
            a_step("1", RunState.FAILED, run=Ref("pipeline", "502"), name="unit", failure_reason="script_failure"),
            a_change("7"), an_environment("prod"), a_deployment("71"))  # fmt: skip
        put(conn, fresh["terraform"], a_workspace(), a_plan())
        put(conn, fresh["vertex"], a_training(), a_model(), a_model_version("17"), a_model_version("18"), an_endpoint())
    return fresh


@pytest.mark.parametrize(
    ("page", "sentence", "rows"),
    [
        ("pipelines", "1 of 2 pipelines failed", ["unit failed: script failure, yours", "2 pipelines", "By project"]),
        ("changes", "1 merge request open", ["Request 7", "a merge: it is approved"]),
        ("environments", "No deployment of 1 environment failed", ["Model endpoints", "v17 100 %", SHA[:8]]),
        ("infrastructure", "All of 1 workspace in sync", ["forecast-prod", "3 h"]),
        ("ml_runs", "None of 1 ML run failed", ["demand-forecast-training", "No ML schedule is known."]),
        ("models", "1 of 1 model does not serve the newest version", ["prod v17 100 %", "1 version ahead"]),
    ],
)
def test_a_sentence_stands_before_the_rows(store, filled, visit, page, sentence, rows):
    text = shown(visit(page))
    assert sentence in text
    for part in rows:
        assert part in text
    assert text.index(sentence) < text.index("<table")


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_list_says_that_the_sources_hold_nothing(store, fresh, visit, page):
    noun = PAGES[page][1]
    text = shown(visit(page))
    assert f"The sources hold no {noun}." in text or f"No {noun} " in text
    assert "<table" not in text


@pytest.mark.parametrize("page", PAGES)
def test_a_list_that_was_never_read_says_so(store, visit, page):
    assert "not read yet" in shown(visit(page))


@pytest.mark.parametrize("page", PAGES)
def test_a_list_that_we_may_not_read_says_why(store, visit, page):
    sources(store, status="no-access", good_at=None, error="the token is no member")
    text = shown(visit(page))
    assert "known: the token is no member" in text
    assert "no access" in text


@pytest.mark.parametrize("page", [page for page in PAGES if page != "models"])
def test_rows_of_a_stale_source_are_marked_as_stale(store, filled, visit, page):
    assert "tl-stale" not in shown(visit(page))
    with store.write() as conn:
        conn.exec_driver_sql("UPDATE stream_state SET good_at = good_at - 7200000")
    text = shown(visit(page))
    assert "This rests on what is not fresh" in text
    assert "tl-stale" in text


def test_a_stale_stream_that_tells_no_status_marks_no_row(store, filled, visit):
    with store.write() as conn:
        conn.exec_driver_sql("UPDATE stream_state SET good_at = good_at - 7200000 WHERE stream = 'jobs'")
    text = shown(visit("pipelines"))
    assert "not fresh: gitlab jobs" in text
    assert "tl-stale" not in text


def test_a_long_list_says_how_much_is_shown_and_leads_to_the_rest(store, fresh, visit):
    with store.write() as conn:
        put(conn, fresh["gitlab"], a_project(), *(a_run(str(number)) for number in range(1, 61)))
    text = shown(visit("pipelines"))
    assert "30 of 60 pipelines shown" in text
    assert 'href="?page=2"' in text
    second = shown(visit("pipelines", page="2"))
    assert "page 2 of 2" in second
    assert ">#30<" in second
    assert ">#31<" not in second
    assert "60 pipelines<" in shown(visit("pipelines", limit="100"))


def test_a_state_is_narrowed_to_by_a_link_that_counts_and_leads_back(store, filled, visit):
    assert 'href="?state=failed"' in shown(visit("pipelines"))
    text = shown(visit("pipelines", state="failed"))
    assert "1 pipelines" in text or "1 of 1" in text or ">1 pipeline" in text
    assert 'aria-current="true"' in text
    assert "pipeline%3A501" not in text


def test_a_narrowed_list_without_rows_still_leads_back(store, filled, visit):
    text = shown(visit("pipelines", state="canceled"))
    assert "No pipelines for this state" in text
    assert "canceled" in text


def test_filters_that_mean_nothing_to_a_list_are_said_to(store, filled, visit):
    assert "not narrowed by environment" in shown(visit("pipelines", env="prod"))
    assert "not narrowed by window" in shown(visit("infrastructure", window="24h"))
    assert "not narrowed" not in shown(visit("environments", env="prod"))


@pytest.mark.parametrize(
    ("page", "selected", "parts"),
    [
        ("pipelines", "gitlab.example:pipeline:502", ["First failing step", "unit"]),
        ("changes", "gitlab.example:merge-request:37", ["Approved by", "No pipeline of its commits is known."]),
        ("environments", "gitlab.example:environment:11-prod", ["Counts for", "Deployments"]),
        ("environments", "vertex.example:endpoint:projects/1/endpoints/e1", ["Versions deployed to it"]),
        ("infrastructure", "terraform.example:workspace:forecast-prod", ["Nothing has drifted, by the last check."]),
        ("ml_runs", "vertex.example:pipeline-job:projects/1/pipelineJobs/t1", ["No steps are read of this run yet."]),
        ("models", "vertex.example:model:projects/1/models/m1", ["Versions", "No value was measured"]),
    ],
)
def test_the_row_of_the_link_is_opened_above_the_list(store, filled, visit, page, selected, parts):
    text = shown(visit(page, selected=selected))
    for part in ("tl-panel", *parts):
        assert part in text


def test_a_link_to_what_is_not_there_says_so_and_shows_the_list(store, filled, visit):
    text = shown(visit("pipelines", selected="gitlab.example:pipeline:999"))
    assert "What this link opens is not in the store" in text
    assert "2 pipelines" in text


def test_what_would_lose_data_is_red_and_first(store, filled, visit):
    change = {
        "address": "google_bigquery_dataset.lake",
        "type": "google_bigquery_dataset",
        "actions": ["delete", "create"],
    }
    with store.write() as conn:
        keys = put(
            conn, filled["terraform"], a_workspace("lake"), a_plan("lake", mode="normal", replace=1, changes=(change,))
        )
        a_problem(conn, subject_table="workspace", subject_id=keys["lake"], kind="pending-replace",
                  title="The next apply of lake would destroy a dataset")  # fmt: skip
    text = shown(visit("infrastructure"))
    assert "The next apply of 1 of 2 workspaces would lose data" in text
    assert text.index(">lake<") < text.index(">forecast-prod<")
    opened = shown(visit("infrastructure", selected="terraform.example:workspace:lake"))
    assert "replace it, and lose its data" in opened


def test_schedules_that_are_not_kept_are_in_the_sentence(store, fresh, visit):
    schedule = records.Schedule(
        native_id="s1", kind="vertex-schedule", name="nightly", state_raw="ACTIVE", cron="0 2 * * *"
    )
    with store.write() as conn:
        keys = put(conn, fresh["vertex"], a_training(), schedule)
        a_problem(conn, subject_table="schedule", subject_id=keys["s1"], kind="schedule-late", reason="missed",
                  title="nightly has missed 2 starts")  # fmt: skip
    text = shown(visit("ml_runs"))
    assert "<b>1</b> schedule missed" in text
    assert "nightly has missed 2 starts" in text


def test_text_from_upstream_is_shown_as_text_on_every_list(store, fresh, visit):
    bad = "<script>alert(1)</script>"
    with store.write() as conn:
        put(conn, fresh["gitlab"], a_project(), a_run("501", title=bad, ref=bad, web_url="javascript:alert(1)"),
            a_change("7", title=bad, author=bad), an_environment(bad), a_deployment("71", bad, label=bad))  # fmt: skip
        put(conn, fresh["terraform"], a_workspace(bad), a_plan(bad))
        put(conn, fresh["vertex"], a_training(name=bad), a_model(name=bad), an_endpoint(name=bad))
    for page in PAGES:
        text = shown(visit(page))
        assert "&lt;script&gt;" in text
        assert "<script" not in text
        assert "javascript:" not in text


def test_every_list_can_be_downloaded(store, filled, visit):
    for page in PAGES:
        assert [button.label for button in visit(page).get("download_button")] == ["Download as CSV"]


def test_a_merged_request_says_since_when_production_has_it(store, fresh, visit):
    with store.write() as conn:
        put(conn, fresh["gitlab"], a_project(), an_environment("prod"), a_deployment("70", created_at=ago(days=3)),
            a_deployment("71"), a_change("7", "merged", merged_at=ago(hours=6)),
            a_change("8", "merged", merged_at=ago(hours=1)))  # fmt: skip
    text = shown(visit("changes"))
    assert "2 h ago" in text
    assert "not yet" in text
