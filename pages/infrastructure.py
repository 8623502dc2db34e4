"""What Terraform holds, whether reality still matches it, and what an apply would do."""

from ui import cells, details, lists, live
from ui.components import Column
from ui.status import badge

WORKSPACES = (
    Column("Status", cells.status("status", "status"), name="status"),
    Column("Workspace", cells.opens("name"), name="name"),
    Column("Environment", cells.guessed("environment"), name="environment"),
    Column("Drift", lambda row: badge(row["drift"]["status"], stale=row["drift"].get("stale", False)), name="drift"),
    Column("Checked", lambda row: row["drift"]["checked_at"] and cells.ago("checked_at")(row["drift"]), name="drift"),
    Column("Drifted", lambda row: len(row["drift"]["resources"]) or None, numeric=True),
    Column("Pending", lambda row: badge(row["pending"]["status"]), name="pending"),
    Column("Create", lambda row: row["pending"]["create"], numeric=True),
    Column("Update", lambda row: row["pending"]["update"], numeric=True),
    Column("Delete", lambda row: row["pending"]["delete"], numeric=True),
    Column("Replace", lambda row: row["pending"]["replace"], numeric=True),
    Column("Locked by", lambda row: row["lock"] and row["lock"]["by"]),
    Column("Serial", cells.text("serial"), name="serial", numeric=True),
    Column("Instances", cells.text("instances"), name="instances", numeric=True),
    Column("Written", cells.ago("updated_at"), name="updated_at"),
    Column("Source", cells.source(), name="web_url"),
)

live.block(
    "infrastructure",
    lambda answer: lists.show(answer, "workspaces", "workspaces", WORKSPACES, opened=details.workspace),
)
