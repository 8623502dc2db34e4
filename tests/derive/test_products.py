"""Which product a thing belongs to, by which rule, and when that is a guess."""

from __future__ import annotations

import tomllib

import pytest

from services import derive, products
from services.belonging import product_of
from services.config import Config
from services.naming import slug
from services.records import FeatureView, Monitor, Ref, Schedule
from services.store import schema
from tests.builders import (
    NOW,
    a_config,
    a_model,
    a_model_version,
    a_plan,
    a_project,
    a_run,
    a_training,
    a_version,
    a_workspace,
    an_endpoint,
)
from tests.derive.conftest import Team


def a_schedule(native_id: str = "s1", kind: str = "vertex-schedule", **more) -> Schedule:
    values = {"name": "churn-training-nightly", "state_raw": "ACTIVE"}
    return Schedule(native_id=native_id, kind=kind, **values | more)


def of(team: Team, table: str, key: int) -> list[tuple]:
    return [(row.product, row.rule, row.guess)
            for row in team.rows(schema.membership, thing_table=table, thing_id=key)]  # fmt: skip


@pytest.fixture
def unconfigured(team: Team) -> Team:
    team.config = a_config(product=[])
    return team


def test_configuration_comes_first_and_a_thing_may_belong_to_several(team: Team):
    team.config = a_config(product=[
        {"name": "one", "projects": ["acme/mono"]},
        {"name": "two", "projects": ["acme/m*"], "models": ["churn-*"]},
    ])  # fmt: skip
    keys = team.arrive(a_project("1", "acme/mono", topics=("product:three",)), a_model("m1", "churn-classifier"))
    assert of(team, "project", keys["1"]) == [("one", "configuration", False), ("two", "configuration", False)]
    assert of(team, "model", keys["m1"]) == [("two", "configuration", False)]


def test_a_label_or_topic_says_it_without_guessing(unconfigured: Team):
    keys = unconfigured.arrive(
        a_project("1", "acme/deep/repo", topics=("python", "product::Churn Model")),
        an_endpoint("e1", labels={"product": "churn"}),
    )
    assert of(unconfigured, "project", keys["1"]) == [("churn-model", "topic", False)]
    assert of(unconfigured, "endpoint", keys["e1"]) == [("churn", "label", False)]


def test_a_topic_that_is_the_name_of_a_configured_product_counts_and_any_other_does_not(team: Team):
    team.config = a_config(product=[{"name": "churn"}])
    keys = team.arrive(a_project("1", "x/a", topics=("churn",)), a_project("2", "x/b", topics=("python",)))
    assert of(team, "project", keys["1"]) == [("churn", "topic", False)]
    assert of(team, "project", keys["2"]) == []


def test_the_subgroup_below_the_configured_group_is_a_guess(unconfigured: Team):
    keys = unconfigured.arrive(a_project("1", "acme/Fraud_Scoring/api/core"), a_project("2", "acme/lonely"))
    assert of(unconfigured, "project", keys["1"]) == [("fraud-scoring", "subgroup", True)]
    assert of(unconfigured, "project", keys["2"]) == []


def test_a_state_that_names_a_product_is_that_products_though_the_platform_holds_it(unconfigured: Team):
    keys = unconfigured.arrive(
        a_project("1", "acme/churn/training"),
        a_project("2", "acme/platform/infra"),
        a_workspace("churn-prod", project=Ref("project", "2")),
        a_workspace("network-prod", project=Ref("project", "2")),
    )
    assert of(unconfigured, "workspace", keys["churn-prod"]) == [("churn", "name", True)]
    assert of(unconfigured, "workspace", keys["network-prod"]) == [("platform", "holder", True)]


def test_the_longest_run_of_words_that_two_names_share_groups_them(unconfigured: Team):
    keys = unconfigured.arrive(
        a_model("m1", "demand-forecast"), a_model("m2", "demand-planner"),
        an_endpoint("e1", name="demand-forecast-prod"),
        a_training("t1", name="demand-forecast-training"), a_schedule("s1", name="demand-forecast-training-nightly"),
        family="vertex",
    )  # fmt: skip
    for table, key in (("model", "m1"), ("endpoint", "e1"), ("run", "t1"), ("schedule", "s1")):
        assert of(unconfigured, table, keys[key]) == [("demand-forecast", "shared name", True)], table
    assert of(unconfigured, "model", keys["m2"]) == [("demand", "shared name", True)]


def test_words_that_say_what_a_thing_does_and_names_of_environments_group_nothing(unconfigured: Team):
    keys = unconfigured.arrive(
        a_model("m1", "alpha-training-prod"), an_endpoint("e1", name="beta-training-prod"),
        a_model("m2", "ml-model"), a_model("m3", "pipeline-model"), family="vertex",
    )  # fmt: skip
    assert not any(of(unconfigured, table, keys[key]) for table, key in
                   (("model", "m1"), ("endpoint", "e1"), ("model", "m2"), ("model", "m3")))  # fmt: skip


def test_one_name_in_three_environments_is_no_group_by_itself(unconfigured: Team):
    keys = unconfigured.arrive(*(a_model(f"m{place}", "churn", environment=place) for place in ("dev", "qa", "prod")))
    assert of(unconfigured, "model", keys["mdev"]) == []


def test_what_came_before_is_judged_again_when_a_name_arrives_that_it_shares(unconfigured: Team):
    first = unconfigured.arrive(a_training("t1", name="churn-training"), family="vertex")["t1"]
    assert of(unconfigured, "run", first) == []
    unconfigured.arrive(a_model("m1", "churn-classifier"), family="vertex")
    assert of(unconfigured, "run", first) == [("churn", "shared name", True)]
    later = unconfigured.arrive(a_training("t2", name="churn-training"), family="vertex")["t2"]
    assert of(unconfigured, "run", later) == [("churn", "shared name", True)]


def test_a_run_with_its_own_label_keeps_it_though_its_name_says_else(unconfigured: Team):
    unconfigured.arrive(a_model("m1", "churn"), family="vertex")
    keys = unconfigured.arrive(
        a_training("t1", name="churn-training", labels={"product": "fraud"}),
        a_training("t2", name="churn-training"),
        family="vertex",
    )
    assert of(unconfigured, "run", keys["t1"]) == [("fraud", "label", False)]
    assert of(unconfigured, "run", keys["t2"]) == [("churn", "shared name", True)]


def test_configuration_of_a_name_comes_before_the_label_of_a_run(team: Team):
    team.config = a_config(product=[{"name": "churn", "pipelines": ["training"]}])
    key = team.arrive(a_training("t1", name="training", labels={"product": "fraud"}), family="vertex")["t1"]
    assert of(team, "run", key) == [("churn", "configuration", False)]


def test_a_project_that_moves_to_another_group_moves_to_another_product(unconfigured: Team):
    key = unconfigured.arrive(a_project("1", "acme/churn/training"))["1"]
    unconfigured.arrive(a_project("1", "acme/fraud/training"))
    assert of(unconfigured, "project", key) == [("fraud", "subgroup", True)]


def test_things_belong_where_what_holds_them_does(team: Team):
    team.config = a_config(
        product=[{"name": "churn", "models": ["churn"], "states": ["churn-*"], "projects": ["acme/x"]}]
    )
    team.arrive(a_project("11", "acme/x"))
    keys = team.arrive(
        a_model("m1", "churn"), a_model_version("3", "m1"), an_endpoint("e1", name="churn"),
        Monitor(native_id="w1", name="watch", endpoint=Ref("endpoint", "e1"), state="running", state_raw="x"),
        a_workspace("churn-prod"), a_plan("churn-prod"), a_version("churn-prod#41", "state-version", of="churn-prod"),
        a_run("501"), FeatureView(native_id="v1", name="churn_view", labels={"product": "churn"}),
    )  # fmt: skip
    things = {("version", keys["m1@3"]), ("plan", keys["churn-prod-plan"]), ("version", keys["churn-prod#41"]),
              ("run", keys["501"]), ("feature_view", keys["v1"])}  # fmt: skip
    assert product_of(team.conn, things) == dict.fromkeys(things, "churn")


def test_the_toml_that_confirms_the_guesses_is_valid_and_makes_them_certain(unconfigured: Team):
    team = unconfigured
    team.arrive(a_project("1", "acme/churn/training"), a_workspace("churn-pr[o]d"), a_model("m1", 'churn "x" \\ ü'))
    text = products.suggest_toml(team.conn, team.config)
    told = tomllib.loads(text)["product"]
    assert told == [{"name": "churn", "projects": ["acme/churn/training"], "states": ["churn-pr[[]o]d"],
                     "models": ['churn "x" \\ ü']}]  # fmt: skip
    team.config = Config.model_validate({**team.config.model_dump(), "product": told})
    derive.rebuild(team.conn, "products", team.config, NOW)
    assert {(row.product, row.rule, row.guess) for row in team.rows(schema.membership)} == {
        ("churn", "configuration", False)
    }
    assert products.suggest_toml(team.conn, team.config) == ""


def test_a_product_that_is_configured_is_printed_whole_so_that_it_can_be_put_in_place(team: Team):
    team.config = a_config(product=[{"name": "churn", "title": "Churn", "projects": ["acme/a"], "tables": ["d.t"]}])
    team.arrive(a_project("1", "acme/churn/b"))
    assert tomllib.loads(products.suggest_toml(team.conn, team.config))["product"] == [
        {"name": "churn", "title": "Churn", "projects": ["acme/a", "acme/churn/b"], "tables": ["d.t"]}
    ]


@pytest.mark.parametrize(("text", "name"), [("Fraud_Scoring", "fraud-scoring"), ("--", "unnamed"), ("é", "unnamed")])
def test_a_products_name_is_one_that_the_configuration_allows(text: str, name: str):
    assert slug(text) == name
