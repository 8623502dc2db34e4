"""What a query may do with a NaN: BigQuery compares it with nothing, DuckDB takes it for the largest number."""

from __future__ import annotations

from sqlglot import exp

from emulators.google.bigquery_times import NotServed, call

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
UNSAFE = (
    exp.Min, exp.Max, exp.ArgMax, exp.ArgMin, exp.ApproxQuantiles, exp.PercentileCont, exp.Greatest, exp.Least,
    exp.Between, exp.In, exp.Window, exp.Case, exp.Distinct, exp.Intersect, exp.Except,
)  # fmt: skip
"""What depends on how a NaN compares, beside the comparisons themselves."""


def refuse_unsafe(tree: exp.Expression) -> None:
    """Raises NotServed for a query whose answer might depend on where a NaN is ordered."""
    for node in tree.walk():
        simple_case = isinstance(node, exp.Case) and not node.this
        if isinstance(node, UNSAFE) and not simple_case:
            raise NotServed(f"{type(node).__name__} over a table that holds a NaN")
        if isinstance(node, exp.Order) and node.parent is not tree:
            raise NotServed("an inner ORDER BY over a table that holds a NaN")
        if isinstance(node, exp.Nullif) and not isinstance(node.expression, exp.Literal):
            raise NotServed("NULLIF of two columns over a table that holds a NaN")


def safe(comparison: exp.Expression) -> exp.Expression:
    """The comparison, false (for `!=` true) as soon as one side is a NaN."""
    sides = [call("bq_is_nan", side.copy()) for side in (comparison.this, comparison.expression)]
    answer = exp.Boolean(this=isinstance(comparison, exp.NEQ))
    return exp.Case(ifs=[exp.If(this=exp.or_(*sides), true=answer)], default=comparison.copy())
