"""Every page as a person opens it: by a deep link, at desk and phone width, light and dark, and through the links."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.browser import PHONE, serving
from ui.navigation import PAGES

PATHS = [entry.path for entry in PAGES]
TITLES = {entry.path: entry.title for entry in PAGES}
STREAMLITS_OWN = ("stSidebarNav", "stHeader", "stToolbar")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path or "today")
def test_a_page_opens_by_its_link_with_frame_health_and_content(server, tab, path):
    opened = tab(server).open(path)
    assert opened.exceptions() == []
    assert opened.page.locator('[data-testid="stSidebarNavLink"]').count() == len(PAGES)
    assert opened.page.locator(".tl-brand").count() == 1
    assert opened.page.locator(".tl-health .tl-src").count() >= 6
    assert len(opened.text()) > 500
    assert opened.errors == []
    assert opened.outside == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path or "today")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_serious_fault_of_accessibility_that_is_ours(server, tab, axe, path, scheme):
    opened = tab(server, color_scheme=scheme).open(path)
    opened.page.evaluate(axe)
    found = opened.page.evaluate("async () => (await axe.run(document)).violations")
    ours = [
        (violation["id"], node["target"], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
        if not any(name in node["html"] or name in str(node["target"]) for name in STREAMLITS_OWN)
    ]
    assert ours == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path or "today")
def test_a_page_fits_a_phone(server, tab, path):
    opened = tab(server, **PHONE).open(path)
    wider = opened.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert wider <= 0
    assert opened.exceptions() == []


def test_filters_live_in_the_link_and_show_everybody_the_same(server, tab):
    mine = tab(server).open("pipelines?product=churn&window=7d")
    yours = tab(server).open(mine.page.url.removeprefix(server + "/"))
    mine, yours = (one.page.locator("main table").first.locator("tbody tr") for one in (mine, yours))
    shown = yours.all_inner_texts()
    assert shown
    assert mine.count() == len(shown)
    assert all("churn" in row for row in shown)


def test_a_click_on_a_row_opens_it_and_the_link_says_so(server, tab):
    opened = tab(server).open("pipelines?window=7d")
    opened.act(lambda: opened.page.locator("main table tbody tr td:nth-child(2) a").first.click())
    assert "selected=" in opened.page.url
    assert opened.page.locator(".tl-panel").count() == 1
    again = tab(server).open(opened.page.url.removeprefix(server + "/"))
    assert again.page.locator(".tl-panel").inner_text() == opened.page.locator(".tl-panel").inner_text()


def test_a_filter_is_kept_from_page_to_page(server, tab):
    opened = tab(server).open("board?product=churn")
    opened.act(lambda: opened.page.get_by_role("link", name="Infrastructure").click())
    assert "product=churn" in opened.page.url


@pytest.mark.parametrize(
    "query",
    [
        "product=nope",
        "env=nope",
        "since=yesterday",
        "page=0",
        "selected=nonsense",
        "window=-5d",
        "state=%00%3Cscript%3E",
    ],
)
def test_a_wrong_link_shows_a_page_and_says_what_was_wrong(server, tab, query):
    opened = tab(server).open(f"pipelines?{query}")
    assert opened.exceptions() == []
    assert opened.page.locator(".tl-health").count() == 1


def test_text_from_upstream_is_shown_as_text(server, tab):
    """The demo team has people who write HTML, script and Markdown into titles and branch names."""
    for path in ("changes", "pipelines?window=90d&limit=500", ""):
        opened = tab(server).open(path)
        assert opened.page.evaluate("() => window.planted === undefined")
        assert opened.page.locator("main script").count() == 0
        assert opened.page.locator("main img[onerror], main [onclick], main [onmouseover]").count() == 0
        assert opened.errors == []


def test_the_keyboard_reaches_a_row_and_opens_it(server, tab):
    opened = tab(server).open("infrastructure")
    link = opened.page.locator("main table tbody a.tl-a").first
    link.focus()
    opened.act(lambda: opened.page.keyboard.press("Enter"))
    assert opened.page.locator(".tl-panel").count() == 1


def test_a_list_can_be_taken_along_as_csv(server, tab):
    opened = tab(server).open("infrastructure")
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="CSV").first.click()
    first = download.value.path().read_text().splitlines()[0]
    assert first.startswith("Status,Workspace")


def test_a_page_that_was_opened_too_early_fills_by_itself(demo, tmp_path, tab):
    config, store = tmp_path / "throughline.toml", tmp_path / "throughline.sqlite3"
    with serving(config, store) as url:
        opened = tab(url).open()
        assert "cannot be read" in opened.text()
        demo.copy(tmp_path)
        shutil.copy(demo.config, config)
        opened.page.wait_for_selector(".tl-health", timeout=30_000)
        assert opened.exceptions() == []
