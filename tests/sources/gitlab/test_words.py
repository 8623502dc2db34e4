"""GitLab's words in ours: every word that GitLab documents, and the ones that it does not."""

from __future__ import annotations

import pytest

from services.sources.gitlab import SOURCE
from services.sources.gitlab.words import DEPLOYMENT_STATES, PIPELINE_STATES, tier_of
from services.vocabulary import RunState, Tier
from tests.sources.gitlab.local import Local, stream_of

PIPELINE_WORDS = (
    "created, waiting_for_resource, preparing, pending, running, success, failed, canceling, canceled, skipped, "
    "manual, scheduled, waiting_for_callback"
)
"""`status` of a pipeline or a job, as docs.gitlab.com/api/pipelines and the GraphQL enum CiJobStatus list them."""
DEPLOYMENT_WORDS = "created, running, success, failed, canceled, skipped, blocked"
"""`status` of a deployment, as docs.gitlab.com/api/deployments lists them."""


def test_every_pipeline_word_of_gitlab_has_one_of_ours():
    assert set(PIPELINE_WORDS.split(", ")) == set(PIPELINE_STATES)


def test_every_deployment_word_of_gitlab_has_one_of_ours():
    assert set(DEPLOYMENT_WORDS.split(", ")) == set(DEPLOYMENT_STATES)


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("waiting_for_resource", RunState.QUEUED),
        ("scheduled", RunState.QUEUED),
        ("canceling", RunState.RUNNING),
        ("manual", RunState.WAITING),
        ("skipped", RunState.SKIPPED),
    ],
)
def test_words_mean_what_the_definitions_say(word: str, ours: RunState):
    assert PIPELINE_STATES[word] is ours


def test_a_word_we_do_not_know_is_unknown_and_is_counted(gitlab: Local):
    gitlab.fault(path="/api/graphql", replace=(b'"status":"SUCCESS"', b'"status":"PONDERING"'))
    found = gitlab.read("pipelines")
    run = gitlab.rows["pipeline", "10"]
    assert (run.state, run.state_raw, run.final) == (RunState.UNKNOWN, "pondering", False)
    assert found.notes.unknown_words["pondering"] >= 2


def test_a_status_that_is_null_is_unknown_and_is_counted(gitlab: Local):
    gitlab.fault(path="/api/graphql", replace=(b'"status":"SUCCESS"', b'"status":null'))
    found = gitlab.read("pipelines")
    assert gitlab.rows["pipeline", "10"].state is RunState.UNKNOWN
    assert found.notes.unknown_words["(empty)"] >= 2


@pytest.mark.parametrize(
    ("told", "tier"),
    [("production", Tier.PRODUCTION), ("testing", Tier.TESTING), (None, None), ("moon", None), (7, None)],
)
def test_a_tier_is_gitlabs_or_none(told: object, tier: Tier | None):
    assert tier_of(told) is tier


def test_each_stream_says_what_it_needs_and_how_to_grant_it():
    for stream in SOURCE.streams:
        assert "read_api" in stream.needs
        assert "Access tokens" in stream.grant
        assert stream.stale_after > stream.every


def test_the_streams_that_give_states_declare_their_words():
    for name, words in (("pipelines", PIPELINE_STATES), ("jobs", PIPELINE_STATES), ("deployments", DEPLOYMENT_STATES)):
        assert stream_of(SOURCE, name).states == words
