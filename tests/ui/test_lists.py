"""Second tables: what is beyond the first rows is folded away and counted, and nothing is cut without a word."""

from ui import cells, lists
from ui.components import Column

COLUMNS = (Column("Name", cells.text("name"), name="name"),)


def rows(number):
    return [{"name": f"row-{index}"} for index in range(number)]


def test_a_short_table_is_shown_whole():
    shown = lists.section("Steps", rows(3), COLUMNS, most=3)
    assert "<details" not in shown
    assert shown.count("row-") == 3


def test_what_is_beyond_the_first_rows_is_folded_away_and_counted():
    shown = lists.section("Steps", rows(5), COLUMNS, most=3)
    assert "<summary>2 more</summary>" in shown
    assert shown.count("row-") == 5
    assert shown.index("row-2") < shown.index("<details") < shown.index("row-3")


def test_the_heading_says_how_many_there_are():
    assert "1,200" in lists.section("Steps", rows(1200), COLUMNS)


def test_without_rows_it_says_why_or_is_not_there():
    assert "No steps are read yet." in lists.section("Steps", [], COLUMNS, "No steps are read yet.")
    assert lists.section("Steps", [], COLUMNS) == ""
