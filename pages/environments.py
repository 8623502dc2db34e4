"""Which version runs where, and how its last deployment went; which model version answers on each endpoint."""

from ui import cells, details, lists, live
from ui.components import Column
from ui.markup import draw

ENVIRONMENTS = (
    Column("Status", lambda row: cells.status()(row["newest"] or {}), name="state"),
    Column("Environment", cells.opens("name"), name="name"),
    Column("Counts for", cells.guessed("environment"), name="environment"),
    Column("Project", cells.text("project"), name="project", wide=True),
    Column("Runs now", lambda row: row["current"] and row["current"]["label"], name="current"),
    Column("Since", lambda row: row["current"] and cells.ago("finished_at", "created_at")(row["current"])),
    Column("By", lambda row: row["current"] and row["current"]["author"]),
    Column("Newest", lambda row: row["newest"] and row["newest"]["label"], name="newest"),
    Column("Source", cells.source(), name="web_url"),
)
ENDPOINTS = (
    Column("Endpoint", cells.opens("name"), name="name"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Traffic", cells.shares, name="traffic", wide=True),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)

live.block(
    "environments",
    lambda answer: (
        lists.show(answer, "environments", "environments", ENVIRONMENTS, opened=details.environment),
        draw(lists.section("Endpoints", answer.data["endpoints"], ENDPOINTS)),
    ),
)
