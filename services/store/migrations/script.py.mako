"""${message}."""

from __future__ import annotations

import sqlalchemy as sa

from services.store.migrations.adding import add_columns, add_index, add_table

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
