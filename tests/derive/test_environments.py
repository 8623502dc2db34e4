"""Which environment a name, tier, Google project or label stands for."""

from __future__ import annotations

import tomllib

import pytest

from services.environments import resolve, suggest_toml
from services.vocabulary import Tier
from tests.builders import a_config, a_project, a_workspace, an_environment
from tests.derive.conftest import Team

CONFIG = a_config(environment=[
    {"name": "dev", "google_project": "acme-dev"}, {"name": "qa", "gitlab": ["acceptance/*"]},
    {"name": "prod", "google_project": "acme-prod", "states": ["live-*"]},
])  # fmt: skip


@pytest.mark.parametrize(
    ("told", "environment", "tier", "rule", "guess"),
    [
        pytest.param({"name": "acceptance/api"}, "qa", Tier.TESTING, "configuration", False, id="a configured pattern"),
        pytest.param({"name": "prod"}, "prod", Tier.PRODUCTION, "configuration", False, id="its very name"),
        pytest.param({"name": "x", "labels": {"env": "qa"}, "tier_from_source": "production"}, "qa", Tier.TESTING,
                     "label", False, id="a label before the tier"),
        pytest.param({"name": "blue", "tier_from_source": "production", "google_project": "acme-dev"}, "prod",
                     Tier.PRODUCTION, "tier", False, id="the tier before the Google project"),
        pytest.param({"name": "blue", "google_project": "acme-dev"}, "dev", Tier.DEVELOPMENT, "google project", False,
                     id="the Google project before the name"),
        pytest.param({"name": "production/api"}, "prod", Tier.PRODUCTION, "name", True, id="a whole word of the name"),
        pytest.param({"name": "products"}, None, Tier.OTHER, "none", True, id="a part of a word is no word"),
        pytest.param({"name": "staging"}, None, Tier.STAGING, "name", True, id="a tier without a configured column"),
        pytest.param({"name": None}, None, Tier.OTHER, "none", True, id="no name at all"),
    ],
)  # fmt: skip
def test_the_first_rule_that_applies_decides(told, environment, tier, rule, guess):
    assert tuple(resolve(CONFIG, **told)) == (environment, tier, rule, guess)


@pytest.mark.parametrize("name", ["nonprod", "non-prod", "acme-nonprod-eu"])
def test_nonprod_is_not_production(name: str):
    """Not by its name, and not by the tier that GitLab guessed from it (gitlab 377916)."""
    assert resolve(CONFIG, name).tier is Tier.OTHER
    found = resolve(CONFIG, name, tier_from_source="production")
    assert (found.environment, found.tier) == (None, Tier.OTHER)


def test_a_tier_that_two_configured_environments_have_decides_for_neither():
    config = a_config(
        environment=[{"name": "prod-eu", "tier": "production"}, {"name": "prod-us", "tier": "production"}]
    )
    assert resolve(config, "live").environment is None
    assert resolve(config, "live").tier is Tier.PRODUCTION
    assert resolve(config, "prod-us").environment == "prod-us"


def test_patterns_of_states_do_not_hold_for_gitlab_environments():
    assert resolve(CONFIG, "live-eu", of="state").rule == "configuration"
    assert resolve(CONFIG, "live-eu").rule == "name"


def test_a_tier_word_that_we_do_not_know_is_passed_over():
    assert resolve(CONFIG, "prod-eu", tier_from_source="galactic").rule == "name"


def test_the_toml_that_confirms_environments_makes_them_certain(team: Team):
    team.arrive(a_project(), an_environment("production/api"), an_environment("x"), a_workspace("churn-qa"))
    told = tomllib.loads(suggest_toml(team.conn, team.config))["environment"]
    assert told == [
        {"name": "qa", "tier": "testing", "states": ["churn-qa"]},
        {"name": "prod", "tier": "production", "gitlab": ["production/api"]},
    ]
    assert not resolve(a_config(environment=told), "production/api").guess
