"""All tables, as schema.py describes them; see `adding` for how later revisions change them."""

from __future__ import annotations

from alembic import op

from services.store.schema import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind(), checkfirst=False)
