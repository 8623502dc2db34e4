"""What a BigQuery query means in DuckDB: only constructs whose meaning is known here are let through.

Every node of the parsed query must be on one of two lists: PLAIN (means the same in both) or REWRITES
(is written anew, mostly as a macro of `bigquery_macros`). Anything else is refused by name, so that a
query is answered rightly or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlglot
from sqlglot import exp

from emulators.google.answers import Refusal, refuse_in_the_old_way
from emulators.google.bigquery_nan import COMPARISONS, refuse_unsafe, safe
from emulators.google.bigquery_rewrites import PLAIN, REWRITES, NotServed

SCHEMA_VIEWS = {
    "TABLES", "COLUMNS", "PARTITIONS", "TABLE_STORAGE", "JOBS", "JOBS_BY_PROJECT", "JOBS_BY_USER", "__TABLES__",
}  # fmt: skip


@dataclass(frozen=True)
class SchemaView:
    """One INFORMATION_SCHEMA view that a query reads, and of which dataset (None: of the whole region)."""

    name: str
    project: str
    dataset: str | None


@dataclass
class Translated:
    """A query in DuckDB's words, with the tables, views and columns that it reads."""

    sql: str
    tables: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name of the table inside the engine -> (project, dataset, table)."""
    views: dict[str, SchemaView] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    """Lower-case names of the columns that are named anywhere; "*" when a whole row is read."""
    ordered_by: list[str] = field(default_factory=list)
    """Names (or numbers) of the result columns that the whole is ordered by; "?" for anything else."""
    computes: bool = False
    """Whether it does more than pick, compare, count, sum and order."""


@dataclass(frozen=True)
class Setting:
    """What a query is read against: the default project and dataset, the parameters, and the time."""

    project: str
    dataset: str | None
    parameters: dict[str, exp.Expression]
    now: datetime
    nan: bool = False
    """Whether a table that the query reads holds a NaN."""


def translate(sql: str, setting: Setting) -> Translated:
    """DuckDB SQL for one SELECT in BigQuery's dialect. Raises Refusal (400 invalidQuery) for anything else."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree]
    except sqlglot.errors.SqlglotError as error:
        raise invalid(f"Syntax error: {str(error).splitlines()[0]}") from error
    if len(trees) != 1:
        raise invalid("One statement is wanted, and no script: this local BigQuery only answers a SELECT.")
    (tree,) = trees
    if not isinstance(tree, exp.Query):
        raise invalid(f"Only SELECT is served here, not {type(tree).__name__}: this local BigQuery is only read.")
    translated = Translated("")
    try:
        _check(tree, translated)
        if setting.nan:
            refuse_unsafe(tree)
        _name_columns(tree)
        _bind_tables(tree, setting, translated)
        translated.ordered_by = _order_names(tree)
        tree = _fill_in(_rewrite(tree, setting.nan), setting)
        translated.sql = tree.sql("duckdb", identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except NotServed as error:
        raise invalid(f"This local BigQuery does not serve {error}.") from error
    except sqlglot.errors.SqlglotError as error:
        raise invalid(f"This local BigQuery does not serve: {str(error).splitlines()[0]}.") from error
    return translated


def invalid(message: str) -> Refusal:
    return refuse_in_the_old_way(400, message, "invalidQuery")


SIMPLE = (
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Table,
    exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star, exp.Literal, exp.Parameter, exp.Var, exp.And,
    exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Null, exp.Between,
    exp.Count, exp.Sum, exp.Min, exp.Max, exp.In, exp.Boolean, exp.Subquery, exp.CTE, exp.With,
)  # fmt: skip


def _check(tree: exp.Expression, found: Translated) -> None:
    """Refuses by name whatever is on neither list; notes the columns on the way."""
    for node in tree.walk():
        if type(node) not in PLAIN and type(node) not in REWRITES:
            raise NotServed(f"'{node.sql('bigquery')[:80]}' ({type(node).__name__})")
        for name, value in node.args.items():
            if type(node) in ALLOWED_ARGS and value and name not in ALLOWED_ARGS[type(node)]:
                raise NotServed(f"{name.strip('_').upper()} on {type(node).__name__}")
        if isinstance(node, exp.Select):
            _check_select(node)
        if isinstance(node, exp.Column):
            found.columns |= {part.name.lower() for part in node.parts}
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            found.columns.add("*")
        found.computes = found.computes or not isinstance(node, SIMPLE)


ALLOWED_ARGS = {
    exp.Select: {"with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows", "order",
                 "limit", "offset", "distinct", "laterals"},
    exp.Group: {"expressions"},
    exp.With: {"expressions"},
    exp.Distinct: {"expressions"},
    exp.Table: {"this", "db", "catalog", "alias", "joins"},
    exp.Star: {"except_", "replace"},
    exp.Unnest: {"expressions", "alias", "offset"},
}  # fmt: skip
"""Clauses that are served, of nodes that can carry others (ROLLUP, RECURSIVE, TABLESAMPLE, FOR SYSTEM_TIME …)."""


def _check_select(select: exp.Select) -> None:
    """Refused rather than guessed: an alias that hides a column of its own expression, and `*` over USING."""
    aliases = {one.alias.lower(): one.this for one in select.expressions if isinstance(one, exp.Alias) and one.alias}
    having = select.args.get("having")
    named = [*(select.args.get("group") or exp.Group()).expressions, *(having.find_all(exp.Column) if having else [])]
    for one in named:
        hidden = aliases.get(one.name.lower()) if isinstance(one, exp.Column) and not one.table else None
        if hidden is None or isinstance(hidden, exp.Column):
            continue
        if one.name.lower() in {column.name.lower() for column in hidden.find_all(exp.Column)}:
            raise NotServed(f"{one.name} in GROUP BY or HAVING, which is both an alias and a column inside of it")
    using = any(join.args.get("using") for join in select.args.get("joins") or [])
    if using and any(isinstance(one, exp.Star) for one in select.expressions):
        raise NotServed("SELECT * over a JOIN with USING, whose columns BigQuery orders in its own way")


def _name_columns(tree: exp.Query) -> None:
    """BigQuery names a result column that has no name f0_, f1_ … by its place among those without one.

    A field of a record (`error_result.reason`) has the field's name, also where it is grouped or ordered by.
    """
    for one in [one for select in tree.find_all(exp.Select) for one in select.expressions]:
        if isinstance(one, exp.Column) and one.table and not isinstance(one.this, exp.Star):
            one.replace(exp.alias_(one.copy(), one.name))
    select = tree
    while isinstance(select, (exp.SetOperation, exp.Subquery)):
        select = select.this
    count = 0
    for one in list(select.expressions):
        if not isinstance(one, (exp.Alias, exp.Column, exp.Star)):
            one.replace(exp.alias_(one.copy(), f"f{count}_"))
            count += 1


def _fill_in(tree: exp.Expression, setting: Setting) -> exp.Expression:
    """Parameters by their typed values, and the time by the upstream's clock."""
    for node in list(tree.walk()):
        if isinstance(node, exp.Parameter):
            if node.name not in setting.parameters:
                raise invalid(f"Query parameter '{node.name}' not found")
            node.replace(setting.parameters[node.name].copy())
        elif isinstance(node, exp.CurrentTimestamp):
            node.replace(exp.cast(exp.Literal.string(setting.now.isoformat()), "timestamptz"))
        elif isinstance(node, exp.CurrentDate):
            zone = ZoneInfo(node.this.name) if node.this else ZoneInfo("UTC")
            node.replace(exp.cast(exp.Literal.string(setting.now.astimezone(zone).date().isoformat()), "date"))
    return tree


def _bind_tables(tree: exp.Expression, setting: Setting, found: Translated) -> None:
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        parts = [part for piece in table.parts for part in piece.name.split(".")]
        if len(parts) == 1 and parts[0].lower() in ctes:
            continue
        upper = [part.upper() for part in parts]
        if "INFORMATION_SCHEMA" in upper or upper[-1] == "__TABLES__":
            name = _bind_view(parts, upper, setting, found)
        else:
            name = _bind_table(parts, setting, found)
        alias = table.alias or parts[-1]
        joins = table.args.get("joins")
        bound = exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(alias)))
        if joins:
            bound.set("joins", joins)
        table.replace(bound)


def _bind_table(parts: list[str], setting: Setting, found: Translated) -> str:
    if len(parts) == 1 and setting.dataset:
        parts = [setting.dataset, *parts]
    if len(parts) not in (2, 3):
        raise invalid(f'Table "{".".join(parts)}" must be qualified with a dataset (e.g. dataset.table).')
    if "*" in parts[-1]:
        raise NotServed("wildcard tables")
    key = (setting.project, *parts) if len(parts) == 2 else tuple(parts)
    name = "|".join(key)
    found.tables[name] = key  # type: ignore[assignment]
    return name


def _bind_view(parts: list[str], upper: list[str], setting: Setting, found: Translated) -> str:
    legacy = upper[-1] == "__TABLES__"
    before = parts[:-1] if legacy else parts[: upper.index("INFORMATION_SCHEMA")]
    view = "__TABLES__" if legacy else ".".join(upper[upper.index("INFORMATION_SCHEMA") + 1 :])
    if view not in SCHEMA_VIEWS:
        raise NotServed(f"INFORMATION_SCHEMA.{view}")
    region = any(part.lower().startswith("region-") for part in before)
    project = before[0] if len(before) == 2 else setting.project
    dataset = None if region or not before else before[-1]
    if dataset is None and (legacy or view in ("TABLES", "COLUMNS", "PARTITIONS")) and not region:
        raise invalid(f"INFORMATION_SCHEMA.{view} must be qualified with a dataset or a region.")
    if dataset is not None and view.startswith("JOBS"):
        raise invalid(f"INFORMATION_SCHEMA.{view} is a view of a region, not of a dataset.")
    name = f"schema|{view}|{project}|{dataset}"
    found.views[name] = SchemaView(view, project, dataset)
    return name


def _order_names(tree: exp.Expression) -> list[str]:
    order = tree.args.get("order")
    keys = [ordered.this for ordered in order.expressions] if order else []
    return [key.name.lower() if isinstance(key, (exp.Column, exp.Literal)) else "?" for key in keys]


def _rewrite(tree: exp.Expression, nan: bool) -> exp.Expression:
    """From the leaves up, so that every rewrite finds its operands already written anew."""
    for node in reversed(list(tree.walk(bfs=False))):
        rewrite: Callable[[exp.Expression], exp.Expression] | None = REWRITES.get(type(node))
        if rewrite is None and nan and isinstance(node, COMPARISONS):
            rewrite = safe
        if rewrite is None:
            continue
        new = rewrite(node)
        if new is node:
            continue
        if node is tree:
            tree = new
        else:
            node.replace(new)
    return tree
