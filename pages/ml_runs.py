"""Which ML runs there were, what failed first, what trained nothing new, and whether the schedules are kept."""

from ui import cells, details, lists, live, sentences
from ui.components import Column
from ui.markup import draw

RUNS = (
    Column("Status", cells.status(), name="state"),
    Column("Run", cells.opens("name", "why"), name="name", wide=True),
    Column("Kind", lambda row: row["kind"].replace("-", " "), name="kind"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Steps", cells.steps, lambda row: row["steps"]["total"], numeric=True),
    Column("Started by", lambda row: row["schedule"] or row["trigger"], name="schedule"),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Took", cells.length("elapsed_seconds"), name="elapsed_seconds", numeric=True),
    Column("Source", cells.source(), name="web_url"),
)
SCHEDULES = (
    Column("Status", cells.status("status"), name="status"),
    Column("Schedule", cells.text("name"), name="name"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("What is wrong", cells.inside("problem", cells.text("title")), wide=True),
    Column("Cron", lambda row: f"{row['cron']} {row['time_zone'] or ''}" if row["cron"] else None, name="cron"),
    Column("Last run", cells.ago("last_run_at"), name="last_run_at"),
    Column("Next run", cells.ago("next_run_at"), name="next_run_at"),
    Column("As of", cells.ago("observed_at"), name="observed_at"),
    Column("Source", cells.source(), name="web_url"),
)
STATES = ("failed", "failing", "unknown", "waiting", "warning", "running", "queued", "canceled", "succeeded", "skipped")

live.block(
    "ml-runs",
    lambda answer: (
        lists.show(
            answer, "runs", "ML runs", RUNS, said=sentences.ml_runs, streams=("pipeline_jobs", "custom_jobs"),
            states=STATES, opened=details.run,
        ),
        draw(lists.section("Schedules", answer.data["schedules"], SCHEDULES, "No ML schedule is known.")),
    ),
)  # fmt: skip
