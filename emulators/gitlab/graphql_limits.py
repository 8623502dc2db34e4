"""How much a GraphQL query costs by GitLab's rule, and how deep it goes.

Every field costs 1. A connection costs (its children + 1, and 1 for `sort`, 5 for `search`, 2 each for `ref` and `sha`)
x (1 + 0.01 x page size), cut to a whole number; a field that asks Gitaly costs 1 more. Source: GitLab's
`types/base_field.rb` and `resolvers/base_resolver.rb`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    get_named_type,
)
from graphql.utilities import value_from_ast_untyped

MAX_COMPLEXITY = 250
MAX_COMPLEXITY_ANONYMOUS = 200
MAX_DEPTH = 20
MAX_QUERY_CHARS = 10_000
MAX_PAGE = 100
GITALY = {("Pipeline", "commit"), ("Deployment", "commit"), ("Release", "commit"), ("Repository", "rootRef")}
EXTRA = {"search": 5, "sort": 1, "ref": 2, "sha": 2}


class Costs:
    """The complexity and the depth of one operation with its variables."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> None:
        self.schema = schema
        self.variables = variables
        self.fragments = {node.name.value: node for node in document.definitions
                          if isinstance(node, FragmentDefinitionNode)}  # fmt: skip

    def of(self, operation: OperationDefinitionNode) -> tuple[int, int]:
        return self._selections(operation.selection_set.selections, self.schema.query_type)

    def _selections(self, nodes: Iterable[SelectionNode], parent: Any) -> tuple[int, int]:
        cost = depth = 0
        for field in self._fields(nodes):
            own, deep = self._field(field, parent)
            cost += own
            depth = max(depth, deep)
        return cost, depth

    def _fields(self, nodes: Iterable[SelectionNode]) -> Iterable[FieldNode]:
        for node in nodes:
            if self._left_out(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(node.selection_set.selections)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fields(self.fragments[node.name.value].selection_set.selections)

    def _left_out(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            wanted = value_from_ast_untyped(directive.arguments[0].value, self.variables)
            if (directive.name.value, bool(wanted)) in (("skip", True), ("include", False)):
                return True
        return False

    def _field(self, node: FieldNode, parent: Any) -> tuple[int, int]:
        name = node.name.value
        if name.startswith("__"):
            return (1, 1) if name == "__typename" else (0, 0)
        definition = parent.fields[name]
        kind = get_named_type(definition.type)
        cost, depth = 1, 0
        if node.selection_set and isinstance(kind, GraphQLObjectType):
            children, depth = self._selections(node.selection_set.selections, kind)
            cost += children
        if (parent.name, name) in GITALY:
            cost += 1
        if kind.name.endswith("Connection"):
            cost = self._connection(node, cost)
        return cost, depth + 1

    def _connection(self, node: FieldNode, cost: int) -> int:
        given = {argument.name.value: value_from_ast_untyped(argument.value, self.variables)
                 for argument in node.arguments or ()}  # fmt: skip
        cost += sum(extra for name, extra in EXTRA.items() if given.get(name))
        if given.get("iid") or given.get("iids"):
            return cost
        first = given.get("first")
        size = min(first, MAX_PAGE) if isinstance(first, int) else MAX_PAGE
        return int(cost + cost * size * 0.01)
