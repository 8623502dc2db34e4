"""The frame around every page: navigation first, then the gate, then filters, health and banners; then the page."""

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from services.web import Web, routes
from tests.builders import NOW, a_heartbeat, a_source, a_stream, ago, belongs
from tests.pages.conftest import ROOT, config_file, shown, store, visit
from ui import navigation

__all__ = ["config_file", "store", "visit"]


def test_the_pages_stand_in_the_sidebar_in_the_order_of_the_day():
    titles = [entry.title for entry in navigation.PAGES]
    assert titles[:2] == ["Today", "Board"]
    assert titles[-1] == "Sources"
    assert len({entry.path for entry in navigation.PAGES}) == len(titles)


def test_every_file_in_pages_is_in_the_navigation():
    files = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert files == {entry.file for entry in navigation.PAGES}


def test_no_page_has_the_address_of_a_route():
    taken = {route.path.strip("/") for route in routes(Web(lambda: False)) if hasattr(route, "path")}
    assert not taken & {entry.path for entry in navigation.PAGES if entry.path}


@pytest.mark.parametrize("entry", navigation.PAGES, ids=lambda entry: entry.file)
def test_each_page_opens_by_its_link_in_the_frame(store, visit, entry):
    assert "Forecasting team" in shown(visit(entry.file))


@pytest.mark.parametrize("page", ["today", "sources"])
def test_with_sign_in_on_a_deep_link_shows_a_sign_in_button_and_nothing_else(store, page):
    app = AppTest.from_file(ROOT / "ui" / "shell.py", default_timeout=30)
    app.secrets["auth"] = {"redirect_uri": "x", "cookie_secret": "x"}
    app.switch_page(f"../pages/{page}.py").run()
    assert [button.label for button in app.button] == ["Sign in"]
    assert "Forecasting team" not in shown(app)
    assert not app.selectbox


def test_a_banner_says_that_the_collector_is_silent_however_fresh_rows_look(store, visit):
    with store.write() as conn:
        a_stream(conn, a_source(conn))
        a_heartbeat(conn, ago(minutes=7))
    assert "The collector has been silent for 7 min" in shown(visit())


def test_no_banner_while_the_collector_reports(store, visit):
    with store.write() as conn:
        a_heartbeat(conn, ago(seconds=50))
    assert "The collector" not in shown(visit())


def test_a_collector_that_stops_is_noticed_though_the_store_does_not_move(store, visit, monkeypatch):
    with store.write() as conn:
        a_heartbeat(conn)
        a_stream(conn, a_source(conn))
    app = visit()
    assert "silent" not in shown(app)
    monkeypatch.setattr("ui.runtime.clock", lambda: NOW + timedelta(minutes=6))
    later = shown(app.run())
    assert "silent for 6 min" in later
    assert "pipelines stale" in later


def test_each_source_has_its_health_in_one_line_that_leads_to_sources(store, visit):
    with store.write() as conn:
        a_heartbeat(conn)
        a_stream(conn, a_source(conn), good_at=ago(minutes=20), status="limited", error="a limit")
    page = shown(visit(env="prod"))
    assert "<b>GitLab</b>" in page
    assert "pipelines: a limit" in page
    assert 'href="sources?env=prod"' in page


def test_a_bad_value_in_the_address_is_named_and_the_page_still_stands(store, visit):
    page = shown(visit(env="<moon>", page="x"))
    assert "env: &#x27;&lt;moon&gt;&#x27; is unknown" in page
    assert "In the address, page: " in page
    assert "Needs somebody" in page


def test_a_filter_that_is_chosen_becomes_part_of_the_address(store, visit):
    app = visit(page="3")
    app.selectbox(key="filter-env").set_value("prod").run()
    assert app.query_params["env"] == "prod"
    assert "page" not in app.query_params


def test_product_environment_and_window_go_along_to_another_page(store, visit):
    app = visit(env="prod", window="7d", text="x")
    app.query_params.clear()
    app.switch_page("../pages/board.py").run()
    assert (app.query_params["env"], app.query_params["window"]) == ("prod", "7d")
    assert "text" not in app.query_params


def test_widening_all_filters_on_a_page_is_not_undone(store, visit):
    app = visit(env="prod")
    app.selectbox(key="filter-env").set_value("").run()
    assert "env" not in app.query_params


def test_guessed_products_can_be_chosen_and_what_has_none_comes_last(store, visit):
    with store.write() as conn:
        belongs(conn, "guessed", "project", 1, guess=True)
    options = visit().selectbox(key="filter-product").options
    assert options == ["all products", "demand-forecast", "guessed", "unassigned"]


def test_a_store_that_cannot_be_read_is_said_and_mends_itself(config_file, tmp_path, monkeypatch, visit):
    monkeypatch.setenv("THROUGHLINE_STORE", str(tmp_path / "missing" / "store.sqlite3"))
    page = shown(visit())
    assert 'role="alert"' in page
    assert "looks again" in page


def test_faults_of_the_configuration_are_all_listed(config_file, store, visit):
    config_file.write_text("[team]\nnme = 'x'\n", encoding="utf-8")
    page = shown(visit())
    assert "The configuration cannot be used" in page
    assert page.count("<li>") >= 2


def test_a_missing_configuration_is_said(config_file, store, visit):
    config_file.unlink()
    assert "throughline.toml" in shown(visit())
