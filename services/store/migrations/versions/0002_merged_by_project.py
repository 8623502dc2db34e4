"""An index for what was merged into a project since some time: the board counts it for each environment."""

from __future__ import annotations

from services.store.migrations.adding import add_index

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_index("ix_change_project_id_merged_at", "change", "project_id", "merged_at")
