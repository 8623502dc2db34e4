"""The only ways in which a migration changes the tables: it adds what is missing, and passes over what is there.

The first revision builds the tables as `schema.py` has them now, so a new store already holds what later revisions
add; an older store gets it from them. Nothing is dropped, renamed or narrowed (SQLite would copy the whole table).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Table


def add_table(table: Table) -> None:
    """Create a table with its indexes."""
    table.create(op.get_bind(), checkfirst=True)


def add_columns(table: str, *columns: Column[Any]) -> None:
    """Add columns, which must be nullable: the rows that are there have no value for them."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if not column.nullable:
            raise ValueError(f"{table}.{column.name} must be nullable: rows that are there have no value for it")
        if column.name not in there:
            op.add_column(table, column)


def add_index(name: str, table: str, *columns: str) -> None:
    """Create an index of a table that is there."""
    op.create_index(name, table, list(columns), if_not_exists=True)
