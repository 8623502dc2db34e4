"""What names, labels and groups tell of the product that a thing belongs to; one pure judgement over all things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from services.config import Config
from services.vocabulary import Tier, guess_tier

ROLE_WORDS = frozenset({
    "api", "app", "batch", "daily", "dashboard", "data", "deploy", "endpoint", "endpoints", "eval", "evaluation",
    "feature", "features", "hourly", "inference", "job", "jobs", "main", "metrics", "monitor", "monitoring", "monorepo",
    "nightly", "predict", "prediction", "predictions", "prep", "retrain", "run", "runs", "schedule", "scheduled",
    "score", "server", "serving", "state", "sync", "terraform", "tf", "train", "training", "view", "weekly",
})  # fmt: skip
"""Words that say what a thing does, not what it is for: they group nothing."""


class Member(NamedTuple):
    """A membership: the product, the rule that says so, its evidence, and whether it is a guess."""

    product: str
    rule: str
    evidence: str
    guess: bool


@dataclass(frozen=True, slots=True)
class Thing:
    """What is known of a thing that bears on its product."""

    table: str
    id: int
    name: str
    pattern_name: str | None = None
    """The name that patterns of the configuration match, where it is another (a project's full path)."""
    label: str | None = None
    labels: tuple[str, ...] = ()
    group: str | None = None
    parent: tuple[str, int | None] | None = None
    by_name: bool = True
    """False where only the thing that holds it tells its product (a GitLab schedule's project)."""


Book = dict[tuple[str, int], tuple[Member, ...]]


def slug(text: str) -> str:
    """A product's name as the configuration allows it: lower case, digits, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "unnamed"


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name, in order, in lower case."""
    return tuple(word for word in re.split(r"[^a-z0-9]+", name.lower()) if word)


def decide(things: list[Thing], config: Config, keys: Mapping[str, str]) -> Book:
    """The members of every thing that belongs anywhere; what is in no entry is *unassigned*.

    In order: configuration; label or topic; subgroup; the name of a product that is known by one of these; what holds
    the thing; the longest run of words that two names share. A state that names a product is that product's, though
    the project that holds it be the platform's: its own name tells more than its holder's group.
    """
    book: Book = {}
    for thing in things:
        found = configured(thing, config, keys) or _labelled(thing, config) or _grouped(thing)
        if found:
            book[thing.table, thing.id] = found
    known = {product.name for product in config.product} | {
        member.product for found in book.values() for member in found
    }
    by_words = {tokens(name): name for name in sorted(known)}
    for thing in things:
        key = (thing.table, thing.id)
        if key not in book and thing.by_name and (found := _naming(thing, by_words)):
            book[key] = found
    for thing in things:
        key = (thing.table, thing.id)
        if key not in book and thing.parent and thing.parent[1] is not None:
            held = book.get((thing.parent[0], thing.parent[1]), ())
            book.update(
                {key: tuple(Member(m.product, "holder", f"its {thing.parent[0]}", m.guess) for m in held)}
                if held
                else {}
            )
    rest = [thing for thing in things if (thing.table, thing.id) not in book and thing.by_name]
    return {**book, **_shared(rest, config)}


def configured(thing: Thing, config: Config, keys: Mapping[str, str]) -> tuple[Member, ...]:
    """The products whose patterns match the thing; `keys` tells which patterns of a product are for its table."""
    key = keys.get(thing.table)
    if key is None:
        return ()
    name = thing.pattern_name or thing.name
    found = []
    for product in config.product:
        pattern = next((one for one in getattr(product, key) if fnmatchcase(name, one)), None)
        if pattern is not None:
            found.append(Member(product.name, "configuration", f"{key} has {pattern}", False))
    return tuple(found)


def _labelled(thing: Thing, config: Config) -> tuple[Member, ...]:
    if thing.label:
        return (Member(slug(thing.label), "label", "label product", False),)
    names = {product.name for product in config.product}
    found = []
    for topic in thing.labels:
        match = re.fullmatch(r"product(?:::?|/|-)(.+)", topic, re.IGNORECASE)
        name = slug(match[1]) if match else topic
        if match or name in names:
            found.append(Member(name, "topic", f"topic {topic}", False))
    return tuple(dict.fromkeys(found))


def _grouped(thing: Thing) -> tuple[Member, ...]:
    if not thing.group:
        return ()
    return (Member(slug(thing.group), "subgroup", f"GitLab group {thing.group}", True),)


def _naming(thing: Thing, by_words: Mapping[tuple[str, ...], str]) -> tuple[Member, ...]:
    words = tokens(thing.name)
    runs = {run for run in _runs(words) if run in by_words}
    if not runs:
        return ()
    length = max(len(run) for run in runs)
    return tuple(
        Member(by_words[run], "name", f"its name holds {by_words[run]}", True)
        for run in sorted(runs)
        if len(run) == length
    )


def _runs(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            yield words[start:end]


def _shared(things: list[Thing], config: Config) -> Book:
    """Groups by the longest run of telling words that at least two different names share."""
    places = {environment.name.lower() for environment in config.environment}
    idle = {*config.not_product_words, *ROLE_WORDS}

    def tells(word: str) -> bool:
        return (
            word not in places
            and not word.isdigit()
            and guess_tier(word) is Tier.OTHER
            and not word.startswith("nonprod")
        )

    holders: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    own: dict[tuple[str, int], set[tuple[str, ...]]] = {}
    for thing in things:
        named = tuple(word for word in tokens(thing.name) if tells(word))
        core = tuple(word for word in named if word not in idle)
        own[thing.table, thing.id] = set(_runs(core))
        for run in own[thing.table, thing.id]:
            holders.setdefault(run, set()).add((thing.table, *named))
    book: Book = {}
    for key, runs in own.items():
        shared = [run for run in runs if len(holders[run]) >= 2]
        if shared:
            best = min(shared, key=lambda run: (-len(run), -sum(map(len, run)), run))
            name = "-".join(best)[:60]
            book[key] = (Member(name, "shared name", f"{len(holders[best])} names share {' '.join(best)}", True),)
    return book
