"""Which merge requests are open and what they wait for, and which were merged."""

from ui import cells, details, lists, live
from ui.components import Column

CHANGES = (
    Column("Status", cells.status("state", "merge_status"), name="state"),
    Column("Title", cells.opens("title"), name="title", wide=True),
    Column("Project", cells.text("project"), name="project"),
    Column("Author", cells.text("author"), name="author"),
    Column("Waits for", cells.text("waits_for"), name="waits_for", wide=True),
    Column("Open for", cells.length("open_seconds"), name="open_seconds", numeric=True),
    Column("Merged", lambda row: cells.ago("merged_at")(row) if row["merged_at"] else None, name="merged_at"),
    Column("In production", lambda row: cells.ago("shipped_at")(row) if row["shipped_at"] else None, name="shipped_at"),
    Column("Source", cells.source(), name="web_url"),
)

STATES = ("opened", "merged", "closed")

live.block(
    "changes",
    lambda answer: lists.show(
        answer, "changes", "merge requests", CHANGES, tuple(answer.data["counts"]), details.request
    ),
)
