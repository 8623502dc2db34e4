"""Environments: what runs where, how the last deployment went, for which environment it counts, and endpoints."""

import pytest

from services.queries import environments
from services.queries.base import Filters
from services.records import Ref
from services.vocabulary import RunState
from tests.builders import (
    NOW,
    a_config,
    a_deployment,
    a_project,
    a_source,
    a_stream,
    ago,
    an_endpoint,
    an_environment,
    belongs,
    put,
)


def ask(store, filters=None, **sections):
    with store.read() as conn:
        return environments.environments(conn, a_config(**sections), filters or Filters(), NOW)


def names(store, filters=None):
    return [one["name"] for one in ask(store, filters).data["environments"]]


def collected(store, *things, family="gitlab"):
    with store.write() as conn:
        return put(conn, a_source(conn, family), a_project(), *things)


def test_what_runs_is_the_newest_success_and_not_the_newest_try(store):
    collected(store, an_environment("prod"), a_deployment("1", label="good", created_at=ago(hours=5)),
              a_deployment("2", state=RunState.FAILED, label="bad", created_at=ago(hours=1)))  # fmt: skip
    (one,) = ask(store).data["environments"]
    assert (one["current"]["label"], one["newest"]["label"], one["state"]) == ("good", "bad", "failed")


def test_the_worst_comes_first_then_what_is_nearest_to_production(store):
    collected(
        store,
        an_environment("dev"),
        an_environment("qa"),
        an_environment("prod"),
        a_deployment("1", "dev", state=RunState.FAILED),
        a_deployment("2", "qa"),
        a_deployment("3", "prod"),
    )
    assert names(store) == ["dev", "prod", "qa"]
    assert ask(store).data["counts"] == {"failed": 1, "succeeded": 2}


def test_a_deployment_of_another_project_to_a_place_of_that_name_is_another_one(store):
    other = Ref("project", "12")
    collected(
        store,
        a_project("12", "acme/other"),
        an_environment("prod"),
        an_environment("prod", other),
        a_deployment("1", label="mine"),
        a_deployment("2", project=other, label="theirs", created_at=ago(minutes=1)),
    )
    assert {one["project"]: one["current"]["label"] for one in ask(store).data["environments"]} == {
        "acme/forecast-training": "mine", "acme/other": "theirs",
    }  # fmt: skip


def test_an_environment_that_was_never_deployed_to_is_shown_and_counted(store):
    collected(store, an_environment("qa"))
    answer = ask(store)
    assert answer.data["never_deployed"] == 1
    assert answer.data["environments"][0]["current"] is None


def test_a_stopped_environment_is_left_out(store):
    collected(store, an_environment("review/feat", available=False), an_environment("qa", available=True))
    assert names(store) == ["qa"]


@pytest.mark.parametrize(
    ("name", "tier", "environment", "rule", "guess"),
    [
        pytest.param("production/api", None, "prod", "name", True, id="by a word of its name: a guess"),
        pytest.param("green", "production", "prod", "tier", False, id="by the tier that GitLab states"),
        pytest.param("prod", None, "prod", "configuration", False, id="by its configured name"),
        pytest.param("nonprod", "production", None, "none", True, id="nonprod is never production"),
        pytest.param("somewhere", None, None, "none", True, id="by nothing"),
    ],
)
def test_for_which_environment_it_counts_comes_with_its_rule(store, name, tier, environment, rule, guess):
    collected(store, an_environment(name, tier=tier))
    answer = ask(store)
    (one,) = answer.data["environments"]
    assert (one["environment"], one["rule"], one["guess"]) == (environment, rule, guess)
    assert answer.data["guessed"] == guess


def test_environment_product_state_and_words_narrow_the_list(store):
    keys = collected(
        store,
        an_environment("dev"),
        an_environment("production/api"),
        a_project("12", "acme/other"),
        an_environment("qa", Ref("project", "12")),
        a_deployment("1", "dev", state=RunState.FAILED),
    )
    with store.write() as conn:
        belongs(conn, "demand-forecast", "project", keys["11"])
    assert names(store, Filters(environment="prod")) == ["production/api"]
    assert names(store, Filters(product="unassigned")) == ["qa"]
    assert names(store, Filters(state="failed")) == ["dev"]
    assert names(store, Filters(text="API")) == ["production/api"]
    assert ask(store, Filters(state="failed")).data["counts"] == {"failed": 1}


def test_a_page_says_how_much_there_is(store):
    collected(store, *(an_environment(f"env-{number}") for number in range(5)))
    answer = ask(store, Filters(limit=2, page=2))
    assert answer.truncated == {"shown": 2, "of": 5}
    assert names(store, Filters(limit=2, page=3)) == ["env-4"]


# --- endpoints


def serving(*split):
    return tuple({"deployed_id": version, "model": f"m@{version}", "version": version, "percent": percent,
                  "deployed_at": at} for version, percent, at in split)  # fmt: skip


@pytest.mark.parametrize(
    ("split", "state", "passed_over"),
    [
        pytest.param(serving(("17", 100, "2026-11-20T09:00:00Z")), "serving", [], id="one serves"),
        pytest.param(serving(("17", 90, "2026-11-20T09:00:00Z"), ("18", 10, "2026-11-24T09:00:00Z")), "canary", [],
                     id="two at once"),
        pytest.param(serving(("17", 100, "2026-11-20T09:00:00Z"), ("18", 0, "2026-11-24T09:00:00Z")), "serving", ["18"],
                     id="a later one gets nothing"),
        pytest.param(serving(("16", 0, "2026-11-10T09:00:00Z"), ("17", 100, "2026-11-20T09:00:00Z")), "serving", [],
                     id="an earlier one gets nothing"),
        pytest.param((), "none", [], id="nothing serves"),
    ],
)  # fmt: skip
def test_an_endpoint_says_what_serves(store, split, state, passed_over):
    collected(store, an_endpoint(traffic=split), family="vertex")
    (one,) = ask(store).data["endpoints"]
    assert (one["state"], one["passed_over"]) == (state, passed_over)


def test_endpoints_without_traffic_come_first_and_gone_ones_not_at_all(store):
    collected(store, an_endpoint("e1", name="a"), an_endpoint("e2", name="b", traffic=()), family="vertex")
    assert [one["name"] for one in ask(store).data["endpoints"]] == ["b", "a"]
    assert ask(store, Filters(environment="qa")).data["endpoints"] == []


# --- one opened


def test_an_environment_is_opened_with_its_own_deployments_newest_first(store):
    collected(store, an_environment("prod"), a_deployment("1", label="old", created_at=ago(days=2)),
              a_deployment("2", label="new"), a_deployment("3", "qa", label="elsewhere"))  # fmt: skip
    opened = ask(store, Filters(selected="gitlab.example:environment:11-prod")).data["selected"]
    assert [one["label"] for one in opened["deployments"]] == ["new", "old"]
    assert opened["counts_for"] == {"environment": "prod", "rule": "configuration", "guess": False}


def test_an_endpoint_is_opened_with_what_was_deployed_to_it(store):
    collected(store, an_endpoint(), a_deployment("t1", "prod", kind="traffic", place="demand-forecast", project=None,
              label="17", traffic=1.0), family="vertex")  # fmt: skip
    opened = ask(store, Filters(selected="vertex.example:endpoint:projects/1/endpoints/e1")).data["selected"]
    assert [one["label"] for one in opened["deployments"]] == ["17"]
    assert opened["kind"] == "endpoint"


def test_no_environments_says_why(store):
    with store.write() as conn:
        source = a_source(conn)
        for stream in ("environments", "deployments"):
            a_stream(conn, source, stream)
    assert ask(store).empty_because == "The sources hold no environments."
