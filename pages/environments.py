"""Which version runs where, and how its last deployment went; which model version answers on each endpoint."""

from ui import cells, details, lists, live, sentences
from ui.components import Column
from ui.markup import draw

ENVIRONMENTS = (
    Column("Status", cells.tried, name="state"),
    Column("Environment", cells.opens("name"), name="name"),
    Column("Counts for", cells.guessed("environment"), name="environment"),
    Column("Project", cells.project(), name="project"),
    Column("Runs now", cells.runs_now, lambda row: row["current"] and row["current"]["label"], wide=True),
    Column("Since", cells.inside("current", cells.ago("finished_at", "created_at")),
           lambda row: row["current"] and row["current"]["finished_at"]),
    Column("By", cells.inside("current", cells.text("author")),
           lambda row: row["current"] and row["current"]["author"]),
    Column("Last tried", cells.inside("newest", cells.ago("finished_at", "created_at")),
           lambda row: row["newest"] and row["newest"]["created_at"]),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)  # fmt: skip
ENDPOINTS = (
    Column("Status", cells.status(), name="state"),
    Column("Endpoint", cells.opens("name"), name="name"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Traffic", cells.shares, name="traffic", wide=True),
    Column("Monitoring", lambda row: "on" if row["monitored"] else "none", name="monitored"),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)
STATES = ("failed", "failing", "unknown", "waiting", "warning", "running", "queued", "canceled", "succeeded", "skipped")

live.block(
    "environments",
    lambda answer: (
        lists.show(
            answer, "environments", "environments", ENVIRONMENTS, said=sentences.environments,
            streams=("deployments",), states=STATES, opened=details.environment, unmoved=("window",),
        ),
        draw(lists.section("Model endpoints", answer.data["endpoints"], ENDPOINTS)),
    ),
)  # fmt: skip
