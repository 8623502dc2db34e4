"""The rows of a large team: its projects, pipelines, jobs, requests, deployments; the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HOUR = 3_600_000
DAY = 24 * HOUR
GITLAB, VERTEX = 1, 2
JOBS = ("lint", "test", "build-image", "scan", "deploy")
PLACES = (("dev", "development"), ("qa", "staging"), ("prod", "production"))
PEOPLE = ("ana", "boris", "chen", "dalia", "emre", "farah", "goran", "hana")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Size:
    """How much of everything; times are epoch milliseconds."""

    now: int
    projects: int = 200
    pipelines: int = 200_000
    ml_runs: int = 5_000
    models: int = 50
    points_a_model: int = 4_000
    workspaces: int = 40
    resources: int = 500
    days: int = 365
    seed: int = 20261124


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What jobs, deployments and events need of a pipeline."""

    id: int
    project: int
    ref: str
    sha: str
    state: str
    created: int
    seconds: int
    number: int
    child: bool


@dataclass(frozen=True)
class Fleet:
    """The size, and the pipelines that the other rows are made from."""

    size: Size
    pipelines: list[Pipeline] = field(default_factory=list)


def make(size: Size) -> Fleet:
    """All pipelines, oldest first; two in five on the default branch, the others on 60 branches a project."""
    chance = random.Random(size.seed)
    found = []
    for key in range(1, size.pipelines + 1):
        created = size.now - size.days * DAY + int(key / size.pipelines * (size.days * DAY - HOUR // 2))
        project = chance.randrange(1, size.projects + 1)
        ref = "main" if chance.random() < 0.4 else f"feature/{chance.randrange(60)}"
        state = chance.choices(("succeeded", "failed", "warning", "canceled"), (80, 12, 4, 4))[0]
        if size.now - created < HOUR and chance.random() < 0.3:
            state = "running"
        sha = hashlib.sha1(f"{size.seed}/{key}".encode(), usedforsecurity=False).hexdigest()
        child = chance.random() < 0.03
        found.append(
            Pipeline(key, project, ref, sha, state, created, chance.randrange(120, 2400), 1_000_000 + key, child)
        )
    return Fleet(size, found)


def path(project: int) -> str:
    """Ten projects a product."""
    return f"ml/product-{(project - 1) // 10:02d}/service-{project:03d}"


def url(project: int, what: str = "", number: object = "") -> str:
    return f"https://gitlab.example.com/{path(project)}" + (f"/-/{what}/{number}" if what else "")


def thing(key: int, source: int, kind: str, native: object, at: int) -> Row:
    """id, source_id, kind, native_id, observed_at, first_seen_at."""
    return (key, source, kind, str(native), at, at)


THING = ("id", "source_id", "kind", "native_id", "observed_at", "first_seen_at")
COLUMNS: dict[str, tuple[str, ...]] = {
    "project": (*THING, "path", "name", "web_url", "default_branch", "protected_branches", "topics", "archived"),
    "environment": (*THING, "project_id", "name", "tier", "available", "web_url"),
    "run": (
        *THING, "project_id", "name", "title", "state", "own_state", "state_raw", "trigger", "ref", "is_tag", "sha",
        "created_at", "started_at", "finished_at", "updated_at", "duration_seconds", "queued_seconds", "coverage",
        "author", "labels", "parameters", "web_url", "final", "fully_cached", "parent_id", "environment", "definition",
    ),
    "step": (
        *THING, "run_id", "name", "stage", "ordinal", "state", "state_raw", "allow_failure", "manual", "retried",
        "parents", "created_at", "started_at", "finished_at", "duration_seconds", "queued_seconds", "failure_reason",
        "web_url", "final",
    ),
    "change": (
        *THING, "project_id", "iid", "title", "state", "draft", "author", "source_branch", "target_branch", "sha",
        "merge_sha", "created_at", "merged_at", "updated_at", "reviewers", "labels", "web_url", "final",
    ),
    "deployment": (
        *THING, "project_id", "place", "environment", "tier", "version_id", "label", "sha", "ref", "state", "state_raw",
        "created_at", "finished_at", "updated_at", "author", "run_id", "step_id", "web_url", "final",
    ),
    "version": (
        *THING, "project_id", "of", "label", "title", "sha", "author", "created_at", "run_id", "labels", "web_url",
    ),
    "link": (
        "rule", "rule_version", "from_table", "from_id", "to_table", "to_id", "evidence_kind", "evidence", "made_at",
    ),
    "event": (
        "dedupe", "lane", "kind", "at", "seen_at", "first_fill", "source_id", "subject_table", "subject_id", "product",
        "environment", "title", "state", "label", "actor", "web_url", "facts",
    ),
}  # fmt: skip


def projects(size: Size) -> Iterator[Row]:
    for key in range(1, size.projects + 1):
        name = path(key).rsplit("/", 1)[1]
        yield (
            *thing(key, GITLAB, "project", key, size.now),
            path(key),
            name,
            url(key),
            "main",
            '["main"]',
            "[]",
            False,
        )


def environments(size: Size) -> Iterator[Row]:
    for key in range(size.projects * 3):
        project, (place, tier) = key // 3 + 1, PLACES[key % 3]
        who = thing(key + 1, GITLAB, "environment", f"{project}/{place}", size.now)
        yield (*who, project, place, tier, True, url(project, "environments", key + 1))


def runs(fleet: Fleet) -> Iterator[Row]:
    newest: dict[int, int] = {}
    for one in fleet.pipelines:
        started, final = one.created + 4_000, one.state != "running"
        finished = started + one.seconds * 1000 if final else None
        yield (
            *thing(one.id, GITLAB, "pipeline", one.number, one.created), one.project, path(one.project),
            f"Change {one.sha[:8]} of the demand model", one.state, one.state, raw(one.state),
            "parent_pipeline" if one.child else "push", one.ref, False, one.sha, one.created, started, finished,
            finished or started, float(one.seconds) if final else None, 4.0, 80.0 if one.id % 3 else None,
            PEOPLE[one.id % 8], "{}", "{}", url(one.project, "pipelines", one.number), final, False,
            newest.get(one.project) if one.child else None, None, None,
        )  # fmt: skip
        if not one.child:
            newest[one.project] = one.id
    yield from _ml_runs(fleet.size)


def raw(state: str) -> str:
    return {"succeeded": "success", "warning": "success"}.get(state, state)


def _ml_runs(size: Size) -> Iterator[Row]:
    for number in range(size.ml_runs):
        created = size.now - size.days * DAY + number * (size.days * DAY // size.ml_runs)
        state = "failed" if number % 11 == 0 else "succeeded"
        finished = created + 40 * 60_000
        name = f"product-{number % 20:02d}-training"
        labels = json.dumps({"product": f"product-{number % 20:02d}"})
        yield (
            *thing(size.pipelines + number + 1, VERTEX, "pipeline-job", f"job-{number}", created), None, name,
            f"{name}-{number}", state, state, f"PIPELINE_STATE_{state.upper()}", "schedule", None, False, None, created,
            created, finished, finished, 2400.0, 20.0, None, None, labels, '{"rate":0.1}', None, True, False, None,
            PLACES[number % 3][0], name,
        )  # fmt: skip


def steps(fleet: Fleet) -> Iterator[Row]:
    """Five jobs a pipeline: in a failed one, one fails and those after it are skipped."""
    chance = random.Random(fleet.size.seed + 1)
    key = 0
    for one in fleet.pipelines:
        bad = chance.randrange(5)
        spent, at = one.seconds / 5, one.created + 4_000
        for place, name in enumerate(JOBS):
            key += 1
            state = _job_state(one.state, place, bad)
            ran = state not in ("skipped", "running", "queued")
            end = at + int(spent * 1000) if ran else None
            reason = None if state != "failed" else "runner_system_failure" if key % 4 == 0 else "script_failure"
            yield (
                *thing(key, GITLAB, "job", 5_000_000 + key, one.created), one.id, name, name, place, state,
                raw(state), one.state == "warning" and place == bad, False, False, "[]", one.created,
                at if ran else None, end, spent if ran else None, 3.0, reason,
                url(one.project, "jobs", 5_000_000 + key),
                state not in ("running", "queued"),
            )  # fmt: skip
            at = end or at
    yield from _tasks(fleet.size, key)
    yield from _attempts(fleet, key + fleet.size.ml_runs * 10)


def _attempts(fleet: Fleet, key: int) -> Iterator[Row]:
    """In one of seven pipelines the tests had failed once before."""
    for one in fleet.pipelines[::7]:
        key += 1
        at = one.created + 4_000
        yield (
            *thing(key, GITLAB, "job", 5_000_000 + key, one.created), one.id, "test", "test", 1, "failed", "failed",
            False, False, True, "[]", one.created, at, at + 30_000, 30.0, 3.0, "script_failure", None, True,
        )  # fmt: skip


def _job_state(state: str, place: int, bad: int) -> str:
    if state in ("failed", "running", "canceled") and place > bad:
        return {"failed": "skipped", "running": "queued", "canceled": "canceled"}[state]
    if place == bad:
        return {"failed": "failed", "warning": "failed", "running": "running"}.get(state, "succeeded")
    return "succeeded"


def _tasks(size: Size, key: int) -> Iterator[Row]:
    for number in range(size.ml_runs):
        created = size.now - size.days * DAY + number * (size.days * DAY // size.ml_runs)
        for task in range(10):
            key += 1
            state = "failed" if number % 11 == 0 and task == 9 else "succeeded"
            at = created + task * 240_000
            yield (
                *thing(key, VERTEX, "task", f"job-{number}/{task}", created), size.pipelines + number + 1,
                f"task-{task}", None, task, state, state.upper(), False, False, False, json.dumps([str(task - 1)]),
                at, at, at + 240_000, 240.0, 0.0, None, None, True,
            )  # fmt: skip
