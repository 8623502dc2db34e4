"""At any hour of any day of the week the team has at least three problems, as far as the data alone can tell."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.aiplatform_v1.types import Schedule

from tests.emulators.world_builders import a_moving_world, plans_of


def open_problems(world, now):
    """Kinds of trouble that are open, counted from what is served and not from what was planted."""
    found = Counter()
    for project in world.gitlab.projects:
        newest = [
            one
            for one in world.gitlab.items(project, "pipelines")
            if one["ref"] == "main" and one["source"] == "push" and one["finished_at"]
        ]
        found["red main"] += bool(newest) and newest[-1]["status"] == "failed"
    found["locked"] = sum(state.lock is not None for state in world.gitlab.states.values())
    for schedule in world.vertex.items("schedules").values():
        found["paused"] += schedule.state == Schedule.State.PAUSED
        found["late"] += schedule.state == Schedule.State.ACTIVE and schedule.next_run_time < now - timedelta(hours=2)
    applies = [job for job in world.gitlab.items(41090, "jobs") if job["name"] == "apply:feature-store"]
    found["apply failed"] = applies[-1]["status"] == "failed"
    found["plan failed"] = plans_of(world, "experiments")[-1]["errored"]
    found["drift"] = bool(plans_of(world, "prod")[-1]["drift"])
    rows = world.bigquery.tables["acme-ml-prod", "ml_metrics", "churn_metrics"].rows[-60:]
    auc = [row["value"] for row in rows if row["metric"] == "auc" and row["slice"] == "all"]
    found["metric"] = auc[-1] < 0.78
    return found


@pytest.mark.parametrize(
    "epoch",
    [datetime(2026, 11, 24, 8, tzinfo=UTC), datetime(2026, 8, 1, 21, 40, tzinfo=UTC)],
    ids=["tuesday", "saturday"],
)
def test_at_least_three_things_are_wrong_at_every_hour_of_a_week(epoch):
    world, clock = a_moving_world(epoch=epoch)
    fewest = {}
    for _ in range(7 * 8 + 1):
        found = open_problems(world, clock.now())
        fewest[clock.now()] = sum(found.values())
        clock.advance(timedelta(hours=3))
        world.refresh()
    assert min(fewest.values()) >= 3, min(fewest, key=fewest.get)


def test_problems_come_and_go():
    world, clock = a_moving_world()
    seen = []
    for _ in range(8):
        seen.append({kind for kind, count in open_problems(world, clock.now()).items() if count})
        clock.advance(timedelta(days=1))
        world.refresh()
    for kind in ("drift", "late", "metric"):
        assert any(kind in day for day in seen), kind
        assert any(kind not in day for day in seen), kind
