"""The board on screen: cells with shape and version, edges by evidence, and its empty, stale and denied states."""

import pytest

from services.vocabulary import RunState
from tests.builders import (
    a_deployment,
    a_heartbeat,
    a_problem,
    a_project,
    a_source,
    a_stream,
    ago,
    an_environment,
    belongs,
    put,
)
from tests.pages.conftest import shown


@pytest.fixture
def deployed(store):
    """A product with a project that runs in production."""
    with store.write() as conn:
        a_heartbeat(conn)
        source = a_source(conn)
        a_stream(conn, source, "deployments")
        keys = put(conn, source, a_project(), an_environment("prod"), a_deployment("71"))
        belongs(conn, "demand-forecast", "project", keys["11"])
        return source


def test_each_environment_of_each_product_has_a_row(store, deployed, visit):
    page = shown(visit("board"))
    assert page.count('class="tl-env"') == 3
    assert ">a1b2c3d4</b>" in page


def test_a_cell_leads_to_the_thing_behind_it_and_carries_its_thread(store, deployed, visit):
    page = shown(visit("board"))
    assert "environments?selected=gitlab.example%3Adeployment%3A71" in page
    assert 'data-thread="sha-a1b2c3d4e5f6"' in page


def test_a_failed_deployment_is_said_in_a_word_beside_the_version_that_runs(store, deployed, visit):
    with store.write() as conn:
        put(conn, deployed, a_deployment("72", state=RunState.FAILED, created_at=ago(hours=1), label="new"))
    page = shown(visit("board"))
    assert "tl-t-red" in page
    assert "new failed" in page


def test_what_is_not_there_is_dashed_and_says_why(store, deployed, visit):
    page = shown(visit("board"))
    assert "nothing was deployed here" in page


def test_a_stale_copy_is_hatched(store, deployed, visit):
    with store.write() as conn:
        a_stream(conn, deployed, "deployments", good_at=ago(days=1))
    page = shown(visit("board"))
    assert 'class="tl-cell tl-t-green tl-stale"' in page
    assert "This rests on what is not fresh" in page


def test_a_refused_source_is_no_access_and_not_an_empty_cell(store, deployed, visit):
    with store.write() as conn:
        a_stream(conn, deployed, "registry", status="no-access", good_at=None, error="403", mend="add the bot")
    page = shown(visit("board"))
    assert "no access" in page
    assert "add the bot" in page


def test_an_open_problem_stands_on_its_cell(store, deployed, visit):
    with store.write() as conn:
        a_problem(
            conn, lane="schedule", environment="prod", kind="schedule-late", state="unknown", title="late by 26 h"
        )
    page = shown(visit("board"))
    assert "late by 26 h" in page
    assert ">late</span>" in page


def test_filters_leave_one_environment(store, deployed, visit):
    assert shown(visit("board", env="prod")).count('class="tl-env"') == 1


def test_a_page_that_does_not_exist_says_so(store, deployed, visit):
    assert "There is no page 9." in shown(visit("board", page="9"))


def test_the_board_can_be_downloaded(store, deployed, visit):
    assert len(visit("board").get("download_button")) == 1
