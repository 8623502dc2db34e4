"""The sentence before a list: the worst first, every number true, and no number that is zero."""

import re

import pytest

from services.queries.base import Answer
from services.queries.windows import recent
from tests.builders import NOW
from ui import sentences


def told(say, of=None, **data):
    answer = Answer("view", data, NOW, window=recent(24, NOW), of=of)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", say(answer))).strip()


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"failed": 2, "waiting": 1, "succeeded": 9}, "2 of 12 pipelines failed 1 waiting 9 succeeded last 24 hours"),
        ({"failing": 1, "succeeded": 1}, "1 of 2 pipelines will fail 1 succeeded last 24 hours"),
        ({"unknown": 1, "succeeded": 1}, "1 of 2 pipelines in a state that we do not know 1 succeeded last 24 hours"),
        ({"waiting": 1, "succeeded": 1}, "1 of 2 pipelines waits for somebody 1 succeeded last 24 hours"),
        ({"succeeded": 1}, "None of 1 pipeline failed 1 succeeded last 24 hours"),
        ({"failed": 1200}, "1,200 of 1,200 pipelines failed last 24 hours"),
        ({}, "No pipelines last 24 hours"),
    ],
)
def test_pipelines(counts, sentence):
    assert told(sentences.pipelines, counts=counts) == sentence


def test_ml_runs_tell_of_schedules_that_are_not_kept_too():
    schedules = [{"status": word} for word in ("missed", "paused", "paused", "on time")]
    sentence = told(sentences.ml_runs, counts={"failed": 1, "succeeded": 2}, fully_cached=1, schedules=schedules)
    assert sentence == (
        "1 of 3 ML runs failed 2 succeeded 1 trained nothing new 1 schedule missed 2 schedules paused last 24 hours"
    )


def test_changes():
    counts = {"opened": 3, "merged": 2, "closed": 0, "drafts": 1}
    assert told(sentences.changes, counts=counts, waiting={"review": 1, "production": 4}) == (
        "3 merge requests open 1 waits too long for a review 1 draft 4 merged and not in production for over a day "
        "2 merged last 24 hours"
    )


@pytest.mark.parametrize(
    ("counts", "headline"),
    [
        ({"failed": 1, "succeeded": 2}, "The newest deployment of 1 of 3 environments failed 2 succeeded"),
        ({"waiting": 2, "succeeded": 1}, "2 of 3 environments wait for somebody 1 succeeded"),
        ({"succeeded": 3}, "No deployment of 3 environments failed 3 succeeded"),
    ],
)
def test_environments(counts, headline):
    sentence = told(sentences.environments, counts=counts, never_deployed=0, guessed=0, endpoints=[{"state": "canary"}])
    assert sentence == f"{headline} 1 endpoint with a canary"


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"pending": 2, "destroying": 1}, "The next apply of 1 of 2 workspaces would lose data 2 pending"),
        ({"drifted": 1, "in sync": 1, "destroying": 0}, "1 of 2 workspaces not in sync 1 drifted 1 in sync"),
        ({"in sync": 2, "destroying": 0}, "All of 2 workspaces in sync"),
        ({"not checked": 2, "destroying": 0}, "2 of 2 workspaces not in sync 2 not checked"),
    ],
)
def test_infrastructure(counts, sentence):
    assert told(sentences.infrastructure, counts=counts) == sentence


def test_models_that_serve_neither_the_newest_nor_the_best():
    place = {"environment": "prod", "version": "16"}
    behind = {"newer_than_deployed": 2, "deployed": [place], "best": {"environment": "prod", "version": "15"}}
    good = {"newer_than_deployed": 0, "deployed": [place], "best": {"environment": "prod", "version": "16"}}
    nowhere = {"newer_than_deployed": None, "deployed": [], "best": None}
    assert told(sentences.models, of=3, models=[behind, good, nowhere]) == (
        "1 of 3 models does not serve the newest version 1 serves another version than the best 1 served nowhere"
    )
