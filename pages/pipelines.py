"""Which pipelines ran in the window, worst first, and how each project fared."""

from ui import cells, details, lists, live, sentences, words
from ui.components import Column
from ui.markup import draw

RUNS = (
    Column("Status", cells.status(), name="state"),
    Column("Pipeline", cells.opens("title", "why"), name="title", wide=True),
    Column("Project", cells.project(), name="project"),
    Column("Ref", cells.clipped("ref"), name="ref"),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Trigger", lambda row: (row["trigger"] or "").replace("_", " "), name="trigger"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Took", cells.length("duration_seconds"), name="duration_seconds", numeric=True),
    Column("Queued", cells.length("queued_seconds"), name="queued_seconds", numeric=True),
    Column("Source", cells.source(), name="web_url"),
)
PROJECTS = (
    Column("Project", cells.project(), name="project", wide=True),
    Column("Runs", cells.count("runs"), name="runs", numeric=True),
    Column("Failed", cells.count("failed"), name="failed", numeric=True),
    Column("Success rate", lambda row: words.percent(row["success_rate"]), name="success_rate", numeric=True),
    Column("Median", lambda row: cells.length("median")(row["duration_seconds"]), numeric=True),
    Column("p95", lambda row: cells.length("p95")(row["duration_seconds"]), numeric=True),
    Column("n", lambda row: row["duration_seconds"]["n"], numeric=True),
    Column("Queued", lambda row: cells.length("median")(row["queued_seconds"]), name="queued_seconds", numeric=True),
)
STATES = ("failed", "failing", "unknown", "waiting", "warning", "running", "queued", "canceled", "succeeded", "skipped")

live.block(
    "pipelines",
    lambda answer: (
        lists.show(
            answer, "runs", "pipelines", RUNS, said=sentences.pipelines, streams=("pipelines",), states=STATES,
            opened=details.run, unmoved=("environment",),
        ),
        draw(lists.section("By project", answer.data["projects"], PROJECTS, most=lists.LEFT)),
    ),
)  # fmt: skip
