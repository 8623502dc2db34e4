"""Which merge requests are open and what they wait for, and which of the merged ones are in production."""

from ui import cells, details, lists, live, sentences
from ui.components import Column

CHANGES = (
    Column(
        "Status", cells.status("state", "merge_status", lambda row: "draft" if row["draft"] else None), name="state"
    ),
    Column("Request", cells.opens("title"), name="title", wide=True),
    Column("Project", cells.project(), name="project"),
    Column("Number", lambda row: f"!{row['iid']}", name="iid"),
    Column("Author", cells.text("author"), name="author"),
    Column("Waits for", cells.text("waits_for"), name="waits_for"),
    Column("Open for", cells.length("open_seconds"), name="open_seconds", numeric=True),
    Column("Merged", cells.ago("merged_at"), name="merged_at"),
    Column("In production", cells.shipped, name="production"),
    Column("Source", cells.source(), name="web_url"),
)

live.block(
    "changes",
    lambda answer: lists.show(
        answer, "changes", "merge requests", CHANGES, said=sentences.changes, streams=("merge_requests",),
        states=("opened", "merged", "closed"), opened=details.request, unmoved=("environment",),
    ),
)  # fmt: skip
