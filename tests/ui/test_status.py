"""A status is a shape, a word and a colour; every word of ours has its own, with enough contrast in both themes."""

import re
from pathlib import Path

import pytest

from services.vocabulary import Freshness, RunState, ScheduleState, WorkspaceState
from ui import glossary
from ui.status import LOOKS, badge, look

CSS = (Path(__file__).parents[2] / "ui" / "theme.css").read_text(encoding="utf-8")
ALL = [str(word) for words in (RunState, Freshness, WorkspaceState, ScheduleState) for word in words]


@pytest.mark.parametrize("word", ALL)
def test_every_word_has_a_look_that_the_style_sheet_knows_and_a_meaning(word):
    seen = LOOKS[word]
    assert f".tl-{seen.shape} {{" in CSS
    assert f".tl-c-{seen.tone} {{" in CSS
    assert glossary.LOOKUP.get(word)


def test_no_two_run_states_share_both_shape_and_colour():
    looks = [look(state) for state in RunState]
    assert len(set(looks)) == len(looks)


def test_a_word_that_is_not_ours_looks_like_unknown_and_never_green():
    assert look("brand new") == LOOKS[RunState.UNKNOWN]
    assert ">brand new<" in badge("brand new")


def test_stale_adds_to_a_red_and_does_not_hide_it():
    drawn = badge("failed", stale=True)
    assert all(part in drawn for part in ("tl-c-red", "failed", "tl-stale", "<em>stale</em>"))


@pytest.mark.parametrize("state", ["unknown", "no-access", "never"])
def test_what_is_not_known_is_outlined(state):
    assert look(state).tone == "outline"


def test_the_sources_own_word_stands_on_hover():
    assert "the source says: manual" in badge("waiting", raw="manual")


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def tokens():
    found = re.findall(r"--tl-([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {name: (light, dark) for name, light, dark in found}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("tone", ["red", "amber", "green", "blue", "violet", "grey"])
def test_every_tone_and_the_ink_can_be_read_on_every_ground_they_stand_on(tone, theme):
    known = tokens()
    for ground in ("ground", "panel", f"{tone}-bg"):
        for ink in (tone, "ink", "dim"):
            assert contrast(known[ink][theme], known[ground][theme]) >= 4.5, (ink, ground)
