"""Which pipelines ran in the window, worst first, and how each project fared."""

from ui import cells, details, lists, live, words
from ui.components import Column
from ui.markup import draw

RUNS = (
    Column("Status", cells.status(), name="state"),
    Column("Title", cells.opens("title"), name="title", wide=True),
    Column("Project", cells.text("project"), name="project"),
    Column("Ref", cells.text("ref"), name="ref"),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Trigger", cells.text("trigger"), name="trigger"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Took", cells.length("duration_seconds"), numeric=True),
    Column("Queued", cells.length("queued_seconds"), name="queued_seconds", numeric=True),
    Column("Source", cells.source(), name="web_url"),
)
PROJECTS = (
    Column("Project", cells.text("project"), name="project", wide=True),
    Column("Runs", cells.text("runs"), name="runs", numeric=True),
    Column("Failed", cells.text("failed"), name="failed", numeric=True),
    Column("Success rate", lambda row: words.percent(row["success_rate"]), name="success_rate", numeric=True),
    Column("Median", lambda row: cells.length("median")(row["duration_seconds"]), numeric=True),
    Column("p95", lambda row: cells.length("p95")(row["duration_seconds"]), numeric=True),
    Column("n", lambda row: row["duration_seconds"]["n"], numeric=True),
    Column("Queued", lambda row: cells.length("median")(row["queued_seconds"]), name="queued_seconds", numeric=True),
)
STATES = ("failed", "failing", "waiting", "warning", "running", "succeeded", "canceled")

live.block(
    "pipelines",
    lambda answer: (
        lists.show(answer, "runs", "pipelines", RUNS, STATES, details.run),
        draw(lists.section("By project", answer.data["projects"], PROJECTS)),
    ),
)
