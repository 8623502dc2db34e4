"""Many keys as one parameter: the statement stays the same whatever their number, and so is built and compiled once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, bindparam, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class _Listed(TypeDecorator[Any]):
    """Keys as both databases can unfold them: one JSON array."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Each(FunctionElement[Any]):
    """The elements of a JSON array, as rows of one column named `value`."""

    name = "each"
    inherit_cache = True


@compiles(_Each, "sqlite")
def _sqlite(element: _Each, compiler: Any, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(_Each, "postgresql")
def _postgresql(element: _Each, compiler: Any, **how: Any) -> str:
    return f"jsonb_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS JSONB))"


def among(column: ColumnElement[Any], parameter: str = "keys") -> ColumnElement[bool]:
    """The condition that a column is one of the values of a list, which is given when the statement is run."""
    each = _Each(bindparam(parameter, type_=_Listed())).table_valued("value")
    value = each.c.value if isinstance(column.type, Text) else cast(each.c.value, column.type)
    return column.in_(select(value))
