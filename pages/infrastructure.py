"""What Terraform holds, whether reality still matches it, and what an apply would do."""

from services.queries.plans import ORDER
from ui import cells, details, lists, live, sentences
from ui.components import Column

WORKSPACES = (
    Column("Status", cells.status("status", "status"), name="status"),
    Column("Workspace", cells.workspace, name="name", wide=True),
    Column("Environment", cells.guessed("environment"), name="environment"),
    Column("Drift", cells.drift, lambda row: row["drift"]["status"]),
    Column("Drifted", lambda row: len(row["drift"]["resources"]) or None, lambda row: len(row["drift"]["resources"]),
           numeric=True),
    Column("Checked", lambda row: cells.ago("checked_at")(row["drift"]) or "never",
           lambda row: row["drift"]["checked_at"]),
    Column("Next apply", cells.changes, lambda row: row["pending"]["status"]),
    Column("Locked by", cells.inside("lock", cells.text("by")), lambda row: row["lock"] and row["lock"]["by"]),
    Column("Serial", cells.text("serial"), name="serial", numeric=True),
    Column("Instances", cells.count("instances"), name="instances", numeric=True),
    Column("Written", cells.ago("updated_at"), name="updated_at"),
    Column("Source", cells.source(), name="web_url"),
)  # fmt: skip

live.block(
    "infrastructure",
    lambda answer: lists.show(
        answer, "workspaces", "workspaces", WORKSPACES, said=sentences.infrastructure, streams=("states",),
        states=ORDER, opened=details.workspace, unmoved=("window",),
    ),
)  # fmt: skip
