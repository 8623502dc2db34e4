"""How a join is declared: the keys that each side could be joined by, the kind of evidence, and its sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from services.scene import Scene


class Key(NamedTuple):
    """A thing, and a text that it can be found by; what follows the last "|" is what people are shown."""

    table: str
    id: int
    key: str


class Pair(NamedTuple):
    """Two things of which one names the other by key already."""

    from_table: str
    from_id: int
    to_table: str
    to_id: int
    shown: str


Pairs = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Target:
    """What can be found by a key: shared by every rule that leads to it."""

    name: str
    keys: Callable[[Scene], Iterator[Key]]
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to join two things."""

    name: str
    version: int
    evidence: str
    """declared, identical or inferred."""
    sentence: str
    """Says the evidence; {key} is what both sides hold."""
    tables: tuple[str, ...]
    """Where the things are from which it leads."""
    keys: Callable[[Scene], Iterator[Key]] | None
    pairs: Callable[[Scene], Iterator[Pair]] | None
    to: str | None
    must: bool
    """True where the thing names its target, so that not finding it is a broken link and no mere absence."""
    confirm: Callable[[Connection, Pairs], Pairs] | None


TARGETS: dict[str, Target] = {}
RULES: dict[str, Rule] = {}


def target(name: str, *tables: str) -> Callable[[Callable[[Scene], Iterable[Key]]], Callable[[Scene], Iterable[Key]]]:
    """Declare the keys by which things of some tables can be found, for the touched ones of a scene."""

    def declare(keys: Callable[[Scene], Iterable[Key]]) -> Callable[[Scene], Iterable[Key]]:
        if name in TARGETS:
            raise ValueError(f"two targets are called {name}")
        TARGETS[name] = Target(name, lambda scene: iter(keys(scene)), tables)
        return keys

    return declare


def rule(
    name: str,
    *tables: str,
    version: int,
    evidence: str,
    sentence: str,
    to: str,
    must: bool = False,
    confirm: Callable[[Connection, Pairs], Pairs] | None = None,
) -> Callable[[Callable[[Scene], Iterable[Key]]], Callable[[Scene], Iterable[Key]]]:
    """Declare a join by key: the function gives, for touched things of `tables`, the keys to look for in `to`."""

    def declare(keys: Callable[[Scene], Iterable[Key]]) -> Callable[[Scene], Iterable[Key]]:
        _add(Rule(name, version, evidence, sentence, tables, lambda scene: iter(keys(scene)), None, to, must, confirm))
        return keys

    return declare


def direct(
    name: str, *tables: str, version: int, sentence: str
) -> Callable[[Callable[[Scene], Iterable[Pair]]], Callable[[Scene], Iterable[Pair]]]:
    """Declare a join by what the upstream itself names: the reference is stored, so the evidence is *declared*."""

    def declare(pairs: Callable[[Scene], Iterable[Pair]]) -> Callable[[Scene], Iterable[Pair]]:
        _add(
            Rule(name, version, "declared", sentence, tables, None, lambda scene: iter(pairs(scene)), None, False, None)
        )
        return pairs

    return declare


def _add(new: Rule) -> None:
    if new.name in RULES:
        raise ValueError(f"two rules are called {new.name}")
    RULES[new.name] = new
