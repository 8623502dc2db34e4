"""Which configured environment a name, tier, Google project or label stands for, by which rule, and if we guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select

from services.config import Config, Environment, GitLabSource
from services.store import schema
from services.toml_text import glob, quote, quote_list
from services.vocabulary import Tier, guess_tier

_NON_PRODUCTION = re.compile(r"(?<![a-z0-9])non-?prod", re.IGNORECASE)


class Place(NamedTuple):
    """Where something counts. `environment` is None where no configured environment is meant, or several could be."""

    environment: str | None
    tier: Tier
    rule: str
    guess: bool


def tier_of(environment: Environment) -> Tier:
    """The tier that a configured environment has, told by its name where it is not given."""
    return environment.tier or guess_tier(environment.name)


def resolve(
    config: Config,
    name: str | None,
    tier_from_source: str | None = None,
    google_project: str | None = None,
    labels: Mapping[str, str] | None = None,
    of: Literal["environment", "state"] = "environment",
) -> Place:
    """The place a thing counts for: configuration, label, the source's tier, the Google project, the name, in order.

    `nonprod` is never production, even where the source's own tier says so: GitLab guesses that tier from the name.
    """
    told = name or ""
    for environment in config.environment:
        patterns = environment.gitlab if of == "environment" else environment.states
        if environment.name == told or any(fnmatchcase(told, pattern) for pattern in patterns):
            return Place(environment.name, tier_of(environment), "configuration", False)
    label = _labelled(labels)
    if label:
        return _named(config, label, "label", guess=False)
    misread = tier_from_source == Tier.PRODUCTION and _NON_PRODUCTION.search(told)
    if tier_from_source and not misread:
        tier = Tier(tier_from_source) if tier_from_source in set(Tier) else Tier.OTHER
        if tier is not Tier.OTHER:
            return Place(_only(config, tier), tier, "tier", False)
    for environment in config.environment:
        if google_project and environment.google_project == google_project:
            return Place(environment.name, tier_of(environment), "google project", False)
    return _named(config, told, "name", guess=True)


def _labelled(labels: Mapping[str, str] | None) -> str | None:
    for key in ("environment", "env"):
        if labels and labels.get(key):
            return labels[key]
    return None


def _named(config: Config, name: str, rule: str, guess: bool) -> Place:
    """The environment of that very name, else the only one of the tier that a whole word of the name tells."""
    for environment in config.environment:
        if environment.name.lower() == name.lower():
            return Place(environment.name, tier_of(environment), rule, guess)
    tier = guess_tier(name)
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    said = [environment.name for environment in config.environment if environment.name.lower() in words]
    if len(said) == 1 and not _NON_PRODUCTION.search(name):
        found = next(environment for environment in config.environment if environment.name == said[0])
        return Place(found.name, tier_of(found), rule, guess)
    return Place(_only(config, tier), tier, rule if tier is not Tier.OTHER else "none", guess)


def _only(config: Config, tier: Tier) -> str | None:
    """The configured environment of a tier; None where there is none, or more than one."""
    found = [environment.name for environment in config.environment if tier_of(environment) is tier]
    return found[0] if len(found) == 1 and tier is not Tier.OTHER else None


def tier_named(config: Config, environment: str | None) -> Tier:
    """The tier of an environment by its configured name, or as its name tells."""
    for known in config.environment:
        if known.name == environment:
            return tier_of(known)
    return guess_tier(environment or "")


_ENVIRONMENTS = select(schema.environment.c.name, schema.environment.c.tier).distinct()
_STATES = select(schema.workspace.c.name).distinct()


def suggest_toml(conn: Connection, config: Config) -> str:
    """The [[environment]] sections that would make every guess of an environment certain; "" where none was made."""
    guessed: dict[str, dict[str, set[str]]] = {}
    for name, tier in conn.execute(_ENVIRONMENTS):
        place = resolve(config, name, tier)
        if name and place.guess and place.environment:
            guessed.setdefault(place.environment, {}).setdefault("gitlab", set()).add(name)
    for (name,) in conn.execute(_STATES):
        place = resolve(config, name, of="state")
        if name and place.guess and place.environment:
            guessed.setdefault(place.environment, {}).setdefault("states", set()).add(name)
    return "\n".join(_section(environment, guessed[environment.name]) for environment in config.environment
                     if environment.name in guessed)  # fmt: skip


def _section(environment: Environment, more: Mapping[str, set[str]]) -> str:
    gitlab = [*environment.gitlab, *sorted(glob(name) for name in more.get("gitlab", ()))]
    states = [*environment.states, *sorted(glob(name) for name in more.get("states", ()))]
    lines = ["[[environment]]", f"name = {quote(environment.name)}", f'tier = "{tier_of(environment)}"']
    if gitlab:
        lines.append(f"gitlab = {quote_list(gitlab)}")
    if environment.google_project:
        lines.append(f"google_project = {quote(environment.google_project)}")
    if states:
        lines.append(f"states = {quote_list(states)}")
    return "\n".join(lines) + "\n"


def google_project_of(config: Config, source_name: str) -> str | None:
    """The Google project that a configured source reads; None for GitLab and for what is not configured."""
    for source in config.source:
        if source.name == source_name and not isinstance(source, GitLabSource):
            return getattr(source, "project", None) or getattr(source, "google_project", None)
    return None
