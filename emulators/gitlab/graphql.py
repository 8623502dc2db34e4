"""How `POST /api/graphql` answers: limits first, then the query, always 200 with `errors` where something is wrong."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from emulators.data import Json
from emulators.gitlab import access
from emulators.gitlab.exchange import Answer, Refused, Request
from emulators.gitlab.graphql_limits import (
    MAX_COMPLEXITY,
    MAX_COMPLEXITY_ANONYMOUS,
    MAX_DEPTH,
    MAX_QUERY_CHARS,
    Costs,
)
from emulators.gitlab.graphql_nodes import Context
from emulators.gitlab.graphql_schema import schema


def answer(request: Request, secret: str | None) -> Answer:
    """One query, or a list of them (multiplex), which share one limit of complexity."""
    if request.method != "POST":
        raise Refused(404, {"error": "404 Not Found"})
    try:
        request.token = access.token_of(request.data, secret, request.now)
    except Refused:
        raise Refused(401, {"errors": [{"message": "Invalid token"}]}) from None
    access.require(request.token, access.READERS)
    try:
        asked = json.loads(request.body)
    except ValueError:
        raise Refused(400, {"errors": [{"message": "Unexpected end of document"}]}) from None
    several = isinstance(asked, list)
    if not all(isinstance(one, dict) for one in (asked if several else [asked])):
        raise Refused(400, {"errors": [{"message": "a query is an object with `query` and `variables`"}]})
    answers = _all(request, asked if several else [asked], signed_in=secret is not None)
    return Answer(answers if several else answers[0])


def _all(request: Request, asked: list[Json], signed_in: bool) -> list[Json]:
    prepared = [_prepared(one) for one in asked]
    limit = MAX_COMPLEXITY if signed_in else MAX_COMPLEXITY_ANONYMOUS
    score = sum(cost for _, cost, _ in prepared)
    too_much = f"Query has complexity of {score}, which exceeds max complexity of {limit}"
    context = Context(request, score, limit)
    answers = []
    for one, (document, _, error) in zip(asked, prepared, strict=True):
        if error is not None or document is None:
            answers.append(error or {"errors": []})
        elif score > limit:
            answers.append(_refused(too_much))
        else:
            answers.append(_executed(document, one, context))
    return answers


def _prepared(asked: Json) -> tuple[DocumentNode | None, int, Json | None]:
    """The parsed query and its complexity, or the answer that refuses it."""
    query = asked.get("query") or ""
    if len(query) > MAX_QUERY_CHARS:
        return None, 0, _refused("Query too large")
    document, errors = _parsed(query)
    if errors or document is None:
        return None, 0, {"errors": list(errors)}
    operation = get_operation_ast(document, asked.get("operationName"))
    if not isinstance(operation, OperationDefinitionNode):
        return None, 0, _refused("An operation name is required")
    cost, depth = Costs(schema(), document, asked.get("variables") or {}).of(operation)
    if depth > MAX_DEPTH:
        return None, cost, _refused(f"Query has depth of {depth}, which exceeds max depth of {MAX_DEPTH}")
    return document, cost, None


@lru_cache(maxsize=256)
def _parsed(query: str) -> tuple[DocumentNode | None, tuple[Json, ...]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, (dict(error.formatted),)
    errors = validate(schema(), document)
    return document, tuple(dict(error.formatted) for error in errors)


def _executed(document: DocumentNode, asked: Json, context: Context) -> Json:
    result: Any = execute_sync(
        schema(),
        document,
        context_value=context,
        variable_values=asked.get("variables") or {},
        operation_name=asked.get("operationName"),
    )
    answer: Json = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return answer


def _refused(message: str) -> Json:
    return {"errors": [{"message": message}]}
