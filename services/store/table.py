"""What every table is made of: keys, documents, times, and the columns that all upstream things share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Millis = BigInteger


def thing(name: str, *columns: Column[Any], indexes: tuple[tuple[str, ...], ...] = ()) -> Table:
    """A table of upstream things: identity, when we last saw it, and its own columns."""
    table = Table(
        name,
        METADATA,
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("source_id", Key, ForeignKey("source.id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("native_id", Text, nullable=False),
        Column("observed_at", Millis, nullable=False),
        Column("first_seen_at", Millis, nullable=False),
        Column("gone_at", Millis),
        *columns,
        UniqueConstraint("source_id", "kind", "native_id", name=f"uq_{name}_identity"),
        sqlite_autoincrement=False,
    )
    for names in indexes:
        Index(f"ix_{name}_{'_'.join(names)}", *(table.c[column] for column in names))
    return table


def ref(name: str, target: str) -> Column[Any]:
    """A key of another table; not enforced, as whichever side arrives last makes it whole."""
    return Column(name, Key, info={"target": target})
