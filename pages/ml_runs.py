"""Which ML runs there were, what failed first, what trained nothing new, and whether the schedules are kept."""

from ui import cells, details, lists, live
from ui.components import Column
from ui.markup import draw

RUNS = (
    Column("Status", cells.status(), name="state"),
    Column("Run", cells.opens("name"), name="name", wide=True),
    Column("Kind", cells.text("kind"), name="kind"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Steps", lambda row: row["steps"]["total"], numeric=True),
    Column("First failing step", cells.first_failing, name="first_failing_step", wide=True),
    Column("Note", lambda row: "trained nothing new" if row["fully_cached"] else None),
    Column("Schedule", cells.text("schedule"), name="schedule"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Took", cells.length("duration_seconds"), name="duration_seconds", numeric=True),
    Column("Source", cells.source(), name="web_url"),
)
SCHEDULES = (
    Column("Status", cells.kept, name="problem"),
    Column("Schedule", cells.text("name"), name="name"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("What is wrong", lambda row: row["problem"] and row["problem"]["title"], wide=True),
    Column("Cron", cells.text("cron"), name="cron"),
    Column("Last run", lambda row: row["last_run_at"] and cells.ago("last_run_at")(row), name="last_run_at"),
    Column("Next run", lambda row: row["next_run_at"] and cells.ago("next_run_at")(row), name="next_run_at"),
    Column("Source", cells.source(), name="web_url"),
)
STATES = ("failed", "failing", "waiting", "warning", "running", "queued", "succeeded", "canceled")

live.block(
    "ml-runs",
    lambda answer: (
        lists.show(answer, "runs", "ML runs", RUNS, STATES, details.run),
        draw(lists.section("Schedules", answer.data["schedules"], SCHEDULES, "No ML schedule is known.")),
    ),
)
