"""The one door for HTML: whatever upstream text holds, it is shown as text and nothing else."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.markup import Html, draw, join, safe_url, tag, text

ATTACKS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</div></article>",
    "<!-- -->", "&lt;b&gt;", "javascript:alert(1)", "**bold** [x](javascript:alert(1)) `code`", ":red[x] $x^2$ :smile:",
)  # fmt: skip


class Seen(HTMLParser):
    """What a browser would make of it: elements, attributes, and the text between them."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.tags.append("comment")


@pytest.mark.parametrize("attack", ATTACKS)
def test_markup_in_a_text_is_shown_as_it_was_written(attack):
    seen = Seen(tag("b", attack))
    assert (seen.tags, seen.attributes, seen.text) == (["b"], [], attack)


@pytest.mark.parametrize("attack", ATTACKS)
def test_markup_in_an_attribute_stays_in_it(attack):
    seen = Seen(tag("b", "x", title=attack))
    assert (seen.tags, seen.attributes, seen.text) == (["b"], [("title", attack)], "x")


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_whatever_adds_an_element_or_an_attribute(content, title):
    seen = Seen(tag("b", content, title=title))
    assert (seen.tags, [name for name, _ in seen.attributes]) == (["b"], ["title"])


@given(st.text(max_size=60))
def test_what_is_drawn_has_no_line_that_markdown_could_read(content):
    assert "\n" not in tag("b", content, title=content)


@given(st.text(max_size=40))
def test_whatever_is_drawn_can_be_sent(content):
    text(content).encode("utf-8")


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\x00b", "a␀b"), ("a\x1b[31m", "a␛[31m"), ("a\nb", "a↵b"), ("a\u202eb", "a‹U+202E›b"),
        ("a\u2066b", "a‹U+2066›b"),
        ("a\u200bb", "a‹U+200B›b"), ("pay\u200dpal", "pay‹U+200D›pal"), ("a\ufeffb", "a‹U+FEFF›b"), ("\x7f", "␡"),
        ("\x9b", "‹U+009B›"), ("\ud800", "�"), ("a\u2028b", "a↵b"), ("\U000e0041", "‹U+E0041›"),
    ],
)  # fmt: skip
def test_signs_that_cannot_be_seen_are_made_visible(hidden, shown):
    assert text(hidden) == shown


@pytest.mark.parametrize("words", ["Zürich → 東京", "naïve café", "👩‍🔬 done", "10 µs ± 2", "עברית", "ﬁ"])
def test_words_of_any_language_and_emoji_stay_as_they_are(words):
    assert text(words) == words


def test_a_very_long_text_is_cut():
    assert len(text("x" * 100_000)) < 2100


def test_made_markup_is_not_escaped_again():
    assert join([tag("b", "1 < 2"), "<"]) == "<b>1 &lt; 2</b>&lt;"


@pytest.mark.parametrize("name", ["script", "style", "iframe", "b onclick=x", ""])
def test_an_element_that_could_carry_script_is_refused(name):
    with pytest.raises(ValueError, match="drawn"):
        tag(name)


@pytest.mark.parametrize("attribute", ["onclick", "ONLOAD", "a b", "x=y"])
def test_an_attribute_that_could_carry_script_is_refused(attribute):
    with pytest.raises(ValueError, match="drawn"):
        tag("b", **{attribute: "x"})


def test_text_that_did_not_come_through_the_door_is_not_drawn():
    with pytest.raises(TypeError, match="markup"):
        draw("<b>x</b>")
    assert isinstance(tag("b"), Html)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://gitlab.example/a/b?c=d#e", True), ("http://127.0.0.1:80/x", True), ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False), (" https://x", False), ("java\nscript:x", False), ("data:text/html,x", False),
        ("//evil.example", False), ("https://user:secret@host/", False), ("https://", False), ("", False),
        (None, False), ("http://[", False), ("vbscript:x", False),
    ],
)  # fmt: skip
def test_only_plain_web_addresses_without_credentials_become_links(url, kept):
    assert (safe_url(url) is not None) is kept
