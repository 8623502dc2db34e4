"""The first tables, as schema.py describes them."""

from __future__ import annotations

from alembic import op

from services.store.schema import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind(), checkfirst=False)
