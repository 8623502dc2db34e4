"""A store of either kind in which records arrive as the collector brings them, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select

from services import derive
from services.config import Config
from services.records import Record
from services.store import rollups, schema, writer
from services.store.database import Store
from tests.builders import NOW, a_config, a_source
from tests.store.conftest import (
    migrated_database,
    migrated_file,
    postgres_store,
    postgres_url,
    sqlite_store,
    store,
)

__all__ = ["migrated_database", "migrated_file", "postgres_store", "postgres_url", "sqlite_store", "store"]


class Team:
    """The rows of a team, and how they come to be: `arrive` is one committed batch of one source."""

    def __init__(self, conn: Connection, config: Config) -> None:
        self.conn, self.config = conn, config

    def source(self, family: str = "gitlab", instance: str | None = None) -> int:
        return a_source(self.conn, family, instance=instance)

    def arrive(
        self, *records: Record, now: datetime = NOW, family: str = "gitlab", instance: str | None = None,
        first_fill: bool = False,
    ) -> dict[str, int]:  # fmt: skip
        """Write and derive as the collector does; gives native id -> key."""
        touched = writer.apply(self.conn, self.source(family, instance), records, now)
        rollups.refresh(self.conn, touched, now)
        derive.refresh(self.conn, touched, self.config, now, first_fill)
        return {str(one.after.get("native_id")): one.id for one in touched}

    def gone(self, kind: str, *present: str, now: datetime = NOW, family: str = "gitlab") -> None:
        """The daily sweep found that of this kind only `present` are still there."""
        touched = writer.mark_gone(self.conn, self.source(family), kind, frozenset(present), now)
        derive.refresh(self.conn, touched, self.config, now, first_fill=False)

    def sweep(self, now: datetime = NOW) -> None:
        derive.sweep(self.conn, self.config, now)

    def rows(self, table: Table, **equal: Any) -> list[Any]:
        where = [table.c[name] == value for name, value in equal.items()]
        return list(self.conn.execute(select(table).where(*where).order_by(*table.primary_key)))

    def problems(self, kind: str | None = None) -> list[Any]:
        """Open problems."""
        return [row for row in self.rows(schema.problem)
                if row.closed_at is None and kind in (None, row.kind)]  # fmt: skip

    def problem(self, kind: str) -> Any:
        (only,) = self.problems(kind)
        return only

    def events(self, *kinds: str) -> list[Any]:
        return [row for row in self.rows(schema.event) if not kinds or row.kind in kinds]

    def kinds(self) -> list[str]:
        return sorted(row.kind for row in self.rows(schema.event))

    def links(self, rule: str) -> list[Any]:
        return self.rows(schema.link, rule=rule)

    def products(self, table: str, key: int) -> list[str]:
        return [row.product for row in self.rows(schema.membership, thing_table=table, thing_id=key)]


@pytest.fixture
def team(store: Store) -> Iterator[Team]:
    with store.write() as conn:
        yield Team(conn, a_config())
