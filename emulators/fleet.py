"""A large GitLab that never rests, made from a seed: for counting calls and for proving that no change is missed."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from emulators.clock import Clock
from emulators.data import GitLabData, Json, Upstreams

GROUP = "fleet"
HOST = "https://gitlab.fleet.invalid"
NAMES = ("build", "lint", "unit", "integration", "train", "evaluate", "package", "scan")
ENVIRONMENTS = (("qa", "testing"), ("production", "production"))
USER = {"id": 1, "username": "ada", "name": "Ada", "state": "active", "avatar_url": None, "web_url": f"{HOST}/ada"}
MINUTE = timedelta(minutes=1)
SUMMARY = (
    "id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at", "web_url",
)  # fmt: skip
"""What a job shows of its pipeline."""


Key = tuple[int, int, int]


class Change(NamedTuple):
    """Something that became true in the fleet: a pipeline or a deployment took on a status."""

    at: datetime
    kind: str
    project_id: int
    id: int
    status: str


class Fleet:
    """Moves a generated GitLab on; called with the time, as `Upstreams.advance` is. `log` is what happened."""

    def __init__(self, data: GitLabData, start: datetime, seed: int, jobs: int, changes: int, deployments: int) -> None:
        self.data, self.start, self.seed = data, start, seed
        self.jobs, self.changes, self.deployments = jobs, changes, deployments
        self.log: list[Change] = []
        self._last_id = {"pipeline": 1_000_000, "job": 9_000_000, "deployment": 500_000}
        self._last_iid: dict[tuple[int, str], int] = {}
        self._heads: dict[int, str] = {}
        self._planned = 0
        self._due: list[tuple[datetime, Key, Callable[..., None], tuple[Any, ...]]] = []

    def __call__(self, now: datetime) -> None:
        """Play all that is due. It makes no difference in how many steps somebody moves on."""
        while self.start + self._planned * MINUTE <= now:
            self._plan(self._planned)
            self._planned += 1
        while self._due and self._due[0][0] <= now:
            when, _, act, arguments = heapq.heappop(self._due)
            act(when, *arguments)

    def _plan(self, minute: int) -> None:
        """One minute's starts; each pipeline that starts ends two to five minutes later, which is a change too."""
        rng = random.Random(f"{self.seed}/{minute}")
        begins = self.start + minute * MINUTE
        projects = list(self.data.projects)
        for place in range((self.changes + minute % 2) // 2):
            at = begins + timedelta(milliseconds=rng.randrange(1, 60_000))
            lasts = timedelta(milliseconds=rng.randrange(120_000, 300_000))
            status = rng.choices(("success", "failed", "canceled"), (85, 12, 3))[0]
            self._push(at, (minute, place, 0), self._begin, rng.choice(projects), lasts, status, (minute, place, 1))
        for place in range(self.deployments):
            at = begins + timedelta(milliseconds=rng.randrange(1, 60_000))
            key, after = (minute, place, 2), (minute, place, 3)
            self._push(at, key, self._deploy, rng.choice(projects), rng.randrange(len(ENVIRONMENTS)), after)

    def _push(self, at: datetime, key: Key, act: Callable[..., None], *arguments: Any) -> None:
        """`key` orders what falls on the same millisecond, whenever it was foreseen."""
        heapq.heappush(self._due, (at, key, act, arguments))

    def _begin(self, at: datetime, project_id: int, lasts: timedelta, status: str, after: Key) -> None:
        pipeline, jobs = self.add_pipeline(project_id, at, "running")
        jobs[0] |= {"status": "running", "started_at": iso(at), "queued_duration": 0.5}
        self.data.projects[project_id]["last_activity_at"] = iso(at)
        self.log.append(Change(at, "pipeline", project_id, pipeline["id"], "running"))
        self._push(at + lasts, after, self._end, pipeline, jobs, status)

    def _end(self, at: datetime, pipeline: Json, jobs: list[Json], status: str) -> None:
        finish(pipeline, jobs, at, status)
        self.log.append(Change(at, "pipeline", pipeline["project_id"], pipeline["id"], status))

    def _deploy(self, at: datetime, project_id: int, place: int, after: Key) -> None:
        deployment = self.add_deployment(project_id, at, place, "running")
        self.log.append(Change(at, "deployment", project_id, deployment["id"], "running"))
        self._push(at + timedelta(seconds=20), after, self._deployed, project_id, deployment)

    def _deployed(self, at: datetime, project_id: int, deployment: Json) -> None:
        deployment |= {"status": "success", "updated_at": iso(at), "finished_at": iso(at)}
        self.log.append(Change(at, "deployment", project_id, deployment["id"], "success"))

    def add_pipeline(self, project_id: int, at: datetime, status: str) -> tuple[Json, list[Json]]:
        """A new pipeline on a new commit of `main`, with its jobs waiting. Parts are shared to save memory."""
        number, created = self._id("pipeline"), iso(at)
        commit = self._commit(project_id, number, created)
        web_url = f"{self.data.projects[project_id]['web_url']}/-/pipelines/{number}"
        pipeline: Json = {
            "id": number, "iid": self._iid(project_id, "pipeline"), "project_id": project_id, "sha": commit["id"],
            "ref": "main", "status": status, "source": "push", "created_at": created, "updated_at": created,
            "web_url": web_url, "name": None, "before_sha": (commit["parent_ids"] or ["0" * 40])[0], "tag": False,
            "yaml_errors": None, "user": USER, "started_at": created, "finished_at": None, "duration": None,
            "queued_duration": 1, "coverage": None,
        }  # fmt: skip
        shared = {key: pipeline[key] for key in SUMMARY}
        jobs = [self._job(project_id, shared, commit, created, place) for place in range(self.jobs)]
        self.data.items(project_id, "pipelines").append(pipeline)
        self.data.items(project_id, "jobs").extend(jobs)
        return pipeline, jobs

    def _commit(self, project_id: int, number: int, created: str) -> Json:
        sha = hashlib.sha1(f"{self.seed}/{number}".encode(), usedforsecurity=False).hexdigest()
        before = self._heads.get(project_id)
        self._heads[project_id] = sha
        commit = {
            "id": sha, "short_id": sha[:8], "title": f"Change {number}", "message": f"Change {number}",
            "parent_ids": [before] if before else [], "author_name": "Ada", "author_email": "ada@fleet.invalid",
            "authored_date": created, "committed_date": created, "created_at": created,
        }  # fmt: skip
        self.data.items(project_id, "commits").append(commit)
        return commit

    def _job(self, project_id: int, pipeline: Json, commit: Json, created: str, place: int) -> Json:
        number = self._id("job")
        name = "deploy" if place == self.jobs - 1 else NAMES[place % len(NAMES)]
        return {
            "id": number, "status": "created", "stage": ("build", "test", "deploy")[min(place * 3 // self.jobs, 2)],
            "name": name if place < len(NAMES) or name == "deploy" else f"{name} {place // len(NAMES)}",
            "ref": "main", "tag": False, "allow_failure": False, "created_at": created, "started_at": None,
            "finished_at": None, "duration": None, "queued_duration": None, "user": USER, "commit": commit,
            "pipeline": pipeline, "web_url": f"{self.data.projects[project_id]['web_url']}/-/jobs/{number}",
            "failure_reason": None, "artifacts": [], "runner": None,
        }  # fmt: skip

    def add_deployment(self, project_id: int, at: datetime, place: int, status: str) -> Json:
        """A deployment by the newest job that could deploy, to one of the environments."""
        environment = self.data.items(project_id, "environments")[place]
        jobs = self.data.items(project_id, "jobs")
        deploys = (job for job in reversed(jobs) if job["name"] == "deploy" and job["status"] == "success")
        job, created = next(deploys, jobs[-1]), iso(at)
        deployment: Json = {
            "id": self._id("deployment"), "iid": self._iid(project_id, "deployment"), "ref": "main", "status": status,
            "sha": job["commit"]["id"], "created_at": created, "updated_at": created, "user": USER,
            "environment": {key: environment[key] for key in ("id", "name", "slug", "external_url", "tier")},
            "deployable": job,
        }  # fmt: skip
        self.data.items(project_id, "deployments").append(deployment)
        return deployment

    def _id(self, kind: str) -> int:
        self._last_id[kind] += 1
        return self._last_id[kind]

    def _iid(self, project_id: int, kind: str) -> int:
        found = self._last_iid.get((project_id, kind), 0) + 1
        self._last_iid[project_id, kind] = found
        return found


def generate(
    projects: int,
    pipelines: int,
    clock: Clock,
    seed: int,
    jobs_per_pipeline: int = 8,
    changes_per_minute: int = 20,
    deployments_per_minute: int = 5,
) -> Upstreams:
    """A GitLab of so many projects, with so many finished pipelines each, that changes at that pace from now on.

    `upstreams.advance` is the Fleet; its `log` holds every change since. A pipeline changes twice (it starts, it
    ends), a deployment is begun and has succeeded 20 s later. The same seed gives the same fleet, moved to the
    clock's present.
    """
    if projects < 1 or pipelines < 1 or jobs_per_pipeline < 1:
        raise ValueError("a fleet needs at least one project, one pipeline and one job")
    start = clock.now().replace(microsecond=0)
    upstreams = Upstreams(clock=clock)
    fleet = Fleet(upstreams.gitlab, start, seed, jobs_per_pipeline, changes_per_minute, deployments_per_minute)
    upstreams.gitlab.groups.append(
        {"id": 1, "name": GROUP, "path": GROUP, "full_path": GROUP, "full_name": GROUP, "parent_id": None,
         "web_url": f"{HOST}/groups/{GROUP}"}
    )  # fmt: skip
    upstreams.gitlab.users["ada"] = USER
    for number in range(1, projects + 1):
        _add_project(upstreams.gitlab, number, start)
    _fill(fleet, pipelines, start, random.Random(f"{seed}/history"))
    upstreams.advance = fleet
    return upstreams


def _add_project(data: GitLabData, number: int, start: datetime) -> None:
    name = f"service-{number:04d}"
    founded = iso(start - timedelta(days=400))
    data.projects[number] = {
        "id": number, "name": name, "path": name, "path_with_namespace": f"{GROUP}/{name}",
        "name_with_namespace": f"{GROUP} / {name}", "web_url": f"{HOST}/{GROUP}/{name}", "default_branch": "main",
        "archived": False, "visibility": "private", "created_at": founded, "last_activity_at": founded, "topics": [],
        "namespace": {"id": 1, "name": GROUP, "path": GROUP, "kind": "group", "full_path": GROUP},
        "jobs_enabled": True, "empty_repo": False,
    }  # fmt: skip
    for place, (environment, tier) in enumerate(ENVIRONMENTS):
        data.items(number, "environments").append(
            {"id": number * 10 + place, "name": environment, "slug": environment, "external_url": None,
             "created_at": founded, "updated_at": founded, "tier": tier, "state": "available", "auto_stop_at": None}
        )  # fmt: skip


def _fill(fleet: Fleet, pipelines: int, start: datetime, rng: random.Random) -> None:
    """The past, oldest first over all projects, so that ids rise with time; each project was deployed once."""
    for back in range(pipelines, 0, -1):
        for project_id in fleet.data.projects:
            at = start - timedelta(hours=3 * back, milliseconds=rng.randrange(3_600_000))
            pipeline, jobs = fleet.add_pipeline(project_id, at, "running")
            status = rng.choices(("success", "failed", "canceled"), (85, 12, 3))[0]
            finish(pipeline, jobs, at + timedelta(seconds=rng.randrange(120, 300)), status)
            fleet.data.projects[project_id]["last_activity_at"] = pipeline["updated_at"]
    for project_id in fleet.data.projects:
        for place in range(len(ENVIRONMENTS)):
            at = start - timedelta(hours=1, seconds=rng.randrange(600))
            deployment = fleet.add_deployment(project_id, at, place, "success")
            deployment["finished_at"] = deployment["updated_at"]


def finish(pipeline: Json, jobs: list[Json], at: datetime, status: str) -> None:
    """End a pipeline: all its jobs succeed, or the middle one takes on the status and the later ones are skipped."""
    began = datetime.fromisoformat(pipeline["created_at"])
    step = (at - began) / len(jobs)
    lasts = round(step.total_seconds(), 3)
    bad = len(jobs) if status == "success" else len(jobs) // 2
    for place, job in enumerate(jobs):
        if place > bad:
            job["status"] = "skipped"
            continue
        job |= {
            "status": status if place == bad else "success",
            "started_at": iso(began + place * step),
            "finished_at": iso(began + (place + 1) * step),
            "duration": lasts,
            "queued_duration": 0.5,
        }
        if place == bad and status == "failed":
            job["failure_reason"] = "script_failure"
    whole = int((at - began).total_seconds())
    pipeline |= {"status": status, "updated_at": iso(at), "finished_at": iso(at), "duration": whole}
    jobs[0]["pipeline"] |= {"status": status, "updated_at": pipeline["updated_at"]}


def iso(at: datetime) -> str:
    """A time as GitLab writes it: UTC with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
