"""The executable GraphQL schema: GitLab's types, written by hand, over REST's own objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLScalarType, GraphQLSchema, build_schema

from emulators.gitlab import graphql_delivery, graphql_jobs, graphql_pipelines, graphql_project
from emulators.gitlab.graphql_nodes import Node, whole_seconds

SDL = Path(__file__).with_name("schema.graphql")


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """The schema with a resolver on every field; built once a process."""
    built = build_schema(SDL.read_text(encoding="utf-8"))
    resolvers = _all_resolvers()
    for name, kind in built.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(kind, GraphQLObjectType):
            own = resolvers.get(name, {})
            if unknown := own.keys() - kind.fields.keys():
                raise LookupError(f"resolvers for fields that {name} does not have: {sorted(unknown)}")
            for field, definition in kind.fields.items():
                definition.resolve = own.get(field) or _plain(_snake(field))
        elif isinstance(kind, GraphQLEnumType):
            _accept_new_words(kind)
    _scalars(built)
    return built


def _all_resolvers() -> dict[str, dict[str, Callable[..., Any]]]:
    merged: dict[str, dict[str, Callable[..., Any]]] = {}
    for module in (graphql_project, graphql_delivery, graphql_pipelines, graphql_jobs):
        for name, fields in module.RESOLVERS.items():
            merged[name] = merged.get(name, {}) | fields
    return merged


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _plain(key: str) -> Callable[..., Any]:
    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        return (source.item if type(source) is Node else source).get(key)

    return resolve


def _accept_new_words(kind: GraphQLEnumType) -> None:
    """A newer GitLab may answer a word that this schema does not know; it is served, in upper case like the others."""
    upper = all(name.isupper() for name in kind.values)
    kind.coerce_output_value = lambda value: str(value).upper() if upper else str(value)  # type: ignore[method-assign]


def _scalars(built: GraphQLSchema) -> None:
    serializers: dict[str, Callable[[Any], Any]] = {"Time": whole_seconds, "BigInt": str, "Duration": float}
    for name, serialize in serializers.items():
        kind = built.type_map[name]
        if isinstance(kind, GraphQLScalarType):
            kind.coerce_output_value = serialize  # type: ignore[method-assign]
