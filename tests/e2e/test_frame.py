"""The pages in a real browser: first links, quick links, light and dark, a phone, and hostile text."""

from datetime import UTC, datetime, timedelta

import pytest

from services.store.database import open_store
from tests.builders import (
    SHA,
    a_deployment,
    a_heartbeat,
    a_problem,
    a_project,
    a_run,
    a_source,
    a_stream,
    a_training,
    an_environment,
    an_event,
    belongs,
    put,
)
from tests.e2e.browser import DESK, PHONE, serving
from tests.pages.conftest import CONFIG

HOSTILE = (
    '<img src=x onerror="window.broken=1"><script>window.broken=1</script> **bold** [x](javascript:1) $x^2$ :red[y]'
)
PAGES = ("", "board", "sources")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server over a store with one product, one problem, and text that would like to be more than text."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "throughline.toml").write_text(CONFIG, encoding="utf-8")
    now = datetime.now(UTC)
    store = open_store(folder / "store.sqlite3")
    store.migrate(now)
    with store.write() as conn:
        source = a_source(conn)
        a_heartbeat(conn, now + timedelta(hours=1))
        a_stream(conn, source, good_at=now)
        run = "projects/1/pipelineJobs/t1"
        keys = put(conn, source, a_project(), an_environment("prod"), a_deployment("71"), a_run("501"), a_training(run))
        belongs(conn, "demand-forecast", "project", keys["11"])
        belongs(conn, "demand-forecast", "run", keys[run])
        a_problem(conn, subject_id=keys["501"], title=HOSTILE, environment="prod", opened_at=now - timedelta(hours=1))
        an_event(conn, "1", at=now - timedelta(minutes=5), title=HOSTILE)
    store.close()
    with serving(folder / "throughline.toml", folder / "store.sqlite3") as url:
        yield url


@pytest.fixture
def visitor(tab, address):
    """visitor(): a new browser profile at a desk; options as Playwright's contexts have them."""

    def make(**options):
        return tab(address, **(DESK | options))

    return make


def test_the_first_link_on_a_fresh_server_shows_the_frame_and_asks_nobody_outside(visitor):
    seen = visitor().open("board?env=prod")
    assert seen.page.locator(".tl-brand").inner_text().startswith("Throughline")
    assert seen.page.locator("a.tl-cell, span.tl-cell").count() == 8
    assert (seen.outside, seen.errors) == ([], [])


def test_text_from_upstream_is_text_in_a_browser_too(visitor):
    page = visitor().open().page
    assert HOSTILE in page.locator("article.tl-card").first.inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator(".tl-today :is(img, script, strong, .katex)").count() == 0


def test_a_link_within_goes_on_without_loading_anew_and_its_address_says_it_all(visitor):
    seen = visitor().open("?env=prod")
    seen.page.evaluate("window.kept = 1")
    seen.act(lambda: seen.page.locator("article.tl-card a.tl-title").first.click())
    assert seen.page.evaluate("window.kept") == 1
    assert "/pipelines?" in seen.page.url
    assert "env=prod" in seen.page.url
    assert "selected=gitlab.example%3Apipeline%3A501" in seen.page.url


def test_a_link_can_be_opened_in_a_new_tab(visitor):
    seen = visitor().open()
    with seen.page.context.expect_page() as opened:
        seen.page.locator("article.tl-card a.tl-title").first.click(modifiers=["Control"])
    assert "/pipelines?selected=" in opened.value.url


def test_the_health_line_leads_to_sources_and_keeps_the_window(visitor):
    seen = visitor().open("?window=7d")
    seen.page.evaluate("window.kept = 1")
    seen.act(lambda: seen.page.locator("a.tl-src").first.click())
    assert "/sources?window=7d" in seen.page.url
    assert seen.page.evaluate("window.kept") == 1


def test_filters_go_along_by_a_click_in_the_sidebar(visitor):
    seen = visitor().open("?env=prod")
    seen.act(lambda: seen.page.get_by_role("link", name="Board").click())
    seen.page.wait_for_function("location.search.includes('env=prod')")
    assert seen.page.locator("th.tl-env").count() == 1


def test_hover_and_focus_light_the_thread_across_the_row(visitor):
    seen = visitor().open("board?env=prod")
    word = f"sha-{SHA[:12]}"
    cell = seen.page.locator(f'[data-thread~="{word}"]').first
    cell.hover()
    assert seen.page.locator(".tl-lit").count() == seen.page.locator(f'[data-thread~="{word}"]').count() >= 2
    seen.page.mouse.move(0, 0)
    assert seen.page.locator(".tl-lit").count() == 0
    cell.focus()
    assert seen.page.locator(".tl-lit").count() >= 2


def test_arrow_keys_move_from_cell_to_cell(visitor):
    page = visitor().open("board").page
    page.locator('[data-at="0,0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.at") == "1,1"


def test_copy_link_puts_the_address_with_all_its_state_into_the_clipboard(visitor):
    seen = visitor().open("board?env=prod")
    seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    seen.page.get_by_role("button", name="copy link").click()
    seen.page.wait_for_function("document.querySelector('.tl-brand .tl-copy').textContent === 'copied'")
    assert seen.page.evaluate("navigator.clipboard.readText()") == seen.page.url


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_each_page_without_scrolling_sideways(visitor, path):
    page = visitor(**PHONE).open(path).page
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= page.evaluate("window.innerWidth")


@pytest.mark.parametrize(("scheme", "bright"), [("light", True), ("dark", False)])
def test_colours_follow_the_systems_theme(visitor, scheme, bright):
    page = visitor(color_scheme=scheme).open().page
    ground = page.evaluate("getComputedStyle(document.querySelector('article.tl-card')).backgroundColor")
    assert (sum(int(part) for part in ground.strip("rgb()").split(",")[:3]) > 380) is bright
