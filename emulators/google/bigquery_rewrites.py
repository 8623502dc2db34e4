"""The two lists of BigQuery constructs that are served: those that DuckDB means alike, and those written anew."""

from __future__ import annotations

import re

from sqlglot import exp

from emulators.google.bigquery_times import TIMES, NotServed, Rewrite, call, literal

PLAIN: frozenset[type] = frozenset({
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Join,
    exp.Subquery, exp.CTE, exp.With, exp.Union, exp.Except, exp.Intersect, exp.Distinct, exp.Qualify, exp.Window,
    exp.WindowSpec, exp.Alias, exp.Column, exp.Identifier, exp.Star, exp.Table, exp.TableAlias, exp.Paren, exp.Tuple,
    exp.Boolean, exp.Null, exp.Parameter, exp.Var, exp.WeekStart, exp.Case, exp.If, exp.In, exp.Between, exp.Is,
    exp.Not, exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Add, exp.Sub, exp.Mul, exp.Neg,
    exp.DPipe, exp.Dot, exp.PropertyEQ, exp.Exists, exp.RawString, exp.DataType, exp.AtTimeZone, exp.Interval,
    exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.LogicalOr, exp.LogicalAnd, exp.Stddev,
    exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag,
    exp.Lead, exp.FirstValue, exp.LastValue, exp.Ntile, exp.Coalesce, exp.Nullif, exp.Abs, exp.AnyValue, exp.Floor,
    exp.Ceil, exp.Sqrt, exp.Pow, exp.Ln, exp.Exp, exp.Sign, exp.Lower, exp.Upper, exp.StartsWith, exp.EndsWith,
    exp.IntDiv, exp.CurrentTimestamp, exp.CurrentDate, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey,
    exp.JSONPathSubscript, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.ArraySize, exp.RegexpLike,
})  # fmt: skip


def cast(node: exp.Expression) -> exp.Expression:
    bad = exp.Boolean(this=not isinstance(node, exp.TryCast))
    kind = node.args["to"].this
    match kind:
        case exp.DataType.Type.BIGINT:
            return call("bq_to_int", node.this, bad)
        case exp.DataType.Type.DOUBLE:
            return call("bq_to_float", node.this, bad)
    if isinstance(node, exp.TryCast):
        raise NotServed(f"SAFE_CAST to {kind.name}")
    match kind:
        case exp.DataType.Type.TEXT:
            return call("bq_to_string", node.this)
        case exp.DataType.Type.DATE:
            return call("bq_to_date", node.this)
        case exp.DataType.Type.TIMESTAMPTZ:
            return call("bq_to_timestamp", node.this)
        case exp.DataType.Type.DATETIME | exp.DataType.Type.TIMESTAMP:
            return call("bq_to_datetime", node.this)
        case exp.DataType.Type.BOOLEAN:
            return call("bq_to_bool", node.this)
    raise NotServed(f"CAST to {kind.name}")


def approx_quantiles(node: exp.Expression) -> exp.Expression:
    """Values that occur, at ranks ceil(i·n/N): BigQuery gives members of the input, never something between.

    The fractions are cut, not rounded, so that a rank that is a whole number stays what it is.
    """
    if not isinstance(node.expression, exp.Literal):
        raise NotServed("APPROX_QUANTILES with a number that is no literal")
    parts = int(node.expression.name)
    exact = [place * 10**15 // parts for place in range(parts + 1)]
    places = exp.Array(expressions=[exp.Literal.number(f"{one // 10**15}.{one % 10**15:015d}") for one in exact])
    return call("quantile_disc", node.this, places)


def bracket(node: exp.Expression) -> exp.Expression:
    offset, safe = node.args.get("offset"), bool(node.args.get("safe"))
    if offset is None or len(node.expressions) != 1:
        raise NotServed("an array index without OFFSET, ORDINAL or their SAFE_ forms")
    place = node.expressions[0]
    if offset:
        place = exp.Paren(this=exp.Sub(this=exp.Paren(this=place), expression=literal(int(offset))))
    return call("bq_at", node.this, place, exp.Boolean(this=safe))


def unnest(node: exp.Expression) -> exp.Expression:
    """A subquery with the element and its 0-based offset, so that both have BigQuery's names and numbers."""
    if isinstance(node.parent, exp.In):
        return node
    if len(node.expressions) != 1:
        raise NotServed("UNNEST of several arrays")
    source, alias, offset = node.expressions[0], node.args.get("alias"), node.args.get("offset")
    names = [*alias.columns, alias.this] if alias is not None else []
    name = next((one.name for one in names if one is not None), "")
    if not name:
        raise NotServed("UNNEST without an alias")
    columns: list[exp.Expression] = [exp.alias_(call("unnest", source), name)]
    if offset:
        word = offset.name if isinstance(offset, exp.Identifier) else "offset"
        places = exp.Sub(this=call("generate_subscripts", source.copy(), 1), expression=literal(1))
        columns.append(exp.alias_(places, word))
    inner = exp.Subquery(this=exp.Select(expressions=columns))
    return exp.Lateral(this=inner, alias=exp.TableAlias(this=exp.to_identifier(f"_{name}")))


def array(node: exp.Expression) -> exp.Expression:
    if any(isinstance(one, exp.Query) for one in node.expressions):
        raise NotServed("ARRAY of a subquery; use ARRAY_AGG")
    return exp.Array(expressions=node.expressions)


def array_agg(node: exp.Expression) -> exp.Expression:
    inner, limit = node.this, None
    if isinstance(inner, exp.Limit):
        inner, limit = inner.this, inner.expression
    if limit is None:
        return call("list", inner)
    return call("list_slice", call("list", inner), 1, limit)


def without_nulls(node: exp.Expression) -> exp.Expression:
    if isinstance(node.this, (exp.FirstValue, exp.LastValue)):
        return node
    raise NotServed("IGNORE NULLS outside of FIRST_VALUE and LAST_VALUE")


def string_agg(node: exp.Expression) -> exp.Expression:
    inner, separator = node.this, node.args.get("separator") or literal(",")
    if isinstance(inner, exp.Order):
        order = exp.Order(this=separator, expressions=inner.expressions)
        return call("string_agg", inner.this, order)
    return call("string_agg", inner, separator)


def struct(node: exp.Expression) -> exp.Expression:
    """Each field needs a name: given, or that of its column."""
    named = []
    for one in node.expressions:
        if isinstance(one, exp.Column):
            named.append(exp.PropertyEQ(this=exp.to_identifier(one.name), expression=one))
        elif isinstance(one, exp.PropertyEQ):
            named.append(one)
        else:
            raise NotServed("a STRUCT field without a name")
    return exp.Struct(expressions=named)


def extreme(name: str) -> Rewrite:
    """GREATEST and LEAST are NULL as soon as one operand is; DuckDB's pass over it."""

    def rewrite(node: exp.Expression) -> exp.Expression:
        values = [node.this, *node.expressions]
        missing = exp.or_(*[exp.Is(this=exp.Paren(this=one.copy()), expression=exp.Null()) for one in values])
        return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=call(name, *values))

    return rewrite


def concat(node: exp.Expression) -> exp.Expression:
    parts = [exp.Paren(this=one) for one in node.expressions]
    joined: exp.Expression = parts[0]
    for one in parts[1:]:
        joined = exp.DPipe(this=joined, expression=one)
    return exp.Paren(this=joined)


def text_of(node: exp.Expression) -> str:
    if isinstance(node, exp.RawString) or (isinstance(node, exp.Literal) and node.is_string):
        return node.name
    raise NotServed("a pattern that is no literal text")


def regexp_extract(node: exp.Expression) -> exp.Expression:
    pattern = text_of(node.expression)
    if node.args.get("position") or node.args.get("occurrence"):
        raise NotServed("REGEXP_EXTRACT with a position")
    groups = re.compile(pattern).groups
    if groups > 1:
        raise NotServed("REGEXP_EXTRACT with several groups")
    return call("bq_regexp_extract", node.this, pattern, groups)


def like(node: exp.Expression) -> exp.Expression:
    if "\\" in text_of(node.expression):
        raise NotServed("LIKE with an escape")
    return node


def json_value(node: exp.Expression) -> exp.Expression:
    path = "$"
    for step in node.expression.expressions[1:]:
        path += f"[{step.this}]" if isinstance(step, exp.JSONPathSubscript) else f'."{step.this}"'
    return call("bq_json_value", node.this, path)


def substring(node: exp.Expression) -> exp.Expression:
    start = node.args.get("start")
    if not isinstance(start, exp.Literal) or int(start.name) < 1:
        raise NotServed("SUBSTR from a place that is no literal above 0")
    length = node.args.get("length")
    return call("substring", node.this, start, *([length] if length is not None else []))


COMPUTING = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Mod, exp.IntDiv, exp.Array, exp.PropertyEQ, exp.Alias)
"""Where a whole number is computed with, or becomes a value that may be."""


def decimal(node: exp.Expression) -> exp.Expression:
    """1.5 is a FLOAT64 in BigQuery and a DECIMAL in DuckDB; a whole number has 64 bits, not DuckDB's 32."""
    if node.args.get("is_string"):
        return node
    if re.fullmatch(r"\d+", node.name):
        return exp.cast(node.copy(), "bigint") if isinstance(node.parent, COMPUTING) else node
    return exp.cast(exp.Literal.number(node.name), "double")


REWRITES: dict[type, Rewrite] = TIMES | {
    exp.Div: lambda node: call("bq_divide", node.this, node.expression),
    exp.SafeDivide: lambda node: call("bq_safe_divide", node.this, node.expression),
    exp.Mod: lambda node: call("mod", node.this, node.expression),
    exp.Cast: cast,
    exp.TryCast: cast,
    exp.ApproxQuantiles: approx_quantiles,
    exp.ApproxDistinct: lambda node: exp.Count(this=exp.Distinct(expressions=[node.this])),
    exp.PercentileCont: lambda node: call("quantile_cont", node.this, node.expression),
    exp.Bracket: bracket,
    exp.Unnest: unnest,
    exp.Array: array,
    exp.ArrayAgg: array_agg,
    exp.IgnoreNulls: without_nulls,
    exp.GroupConcat: string_agg,
    exp.Struct: struct,
    exp.Greatest: extreme("greatest"),
    exp.Least: extreme("least"),
    exp.ArgMax: lambda node: call("arg_max_null", node.this, node.expression),
    exp.ArgMin: lambda node: call("arg_min_null", node.this, node.expression),
    exp.Concat: concat,
    exp.RegexpExtract: regexp_extract,
    exp.Like: like,
    exp.JSONExtractScalar: json_value,
    exp.Substring: substring,
    exp.Round: lambda node: exp.cast(node, "double"),
    exp.Length: lambda node: call("length", node.this),
    exp.Literal: decimal,
    exp.GenerateSeries: lambda node: call("generate_series", *[node.args[name] for name in ("start", "end")]),
}
