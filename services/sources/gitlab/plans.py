"""What Terraform would change and what has drifted: the value-free plan that a job leaves as an artifact.

The work's ids are "project/job/pipeline/finished/name of the job", finished as an ISO time, or just "project/job";
then the job is asked. A plan belongs to the state whose name is a whole word in the job's name
(the longest such name), else to the state that a job of the same words wrote last, else to the project's only state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from services.records import Plan, Ref
from services.sources.base import AccessDenied, Batch, Pull, Scope, Unreadable
from services.sources.gitlab.client import GitLabClient, Json, NotThere, at_project
from services.sources.gitlab.projects import Known, known, newest
from services.sources.gitlab.reading import chunks, inside, kept, when
from services.sources.gitlab.states import listed_states
from services.sources.terraform.plan import read_plan

VERBS = frozenset(("plan", "apply", "deploy", "drift", "check", "refresh", "terraform", "tofu", "tf"))
AT_ONCE = 20
MEND = "name the state in the job's name, for example drift:prod"


def collect(pull: Pull) -> Iterator[Batch]:
    """The plan of each job of the work; a job without the artifact made none, and is done."""
    projects = {str(one.id): one for one in known(pull)}
    names: dict[int, dict[str, Json]] = {}
    for some in chunks(list(pull.work), AT_ONCE):
        found: list[Plan] = []
        parts: dict[str, str | None] = {}
        for key in some:
            project = projects.get(key.split("/")[0])
            if project is None:
                continue
            if project.id not in names:
                names[project.id] = _states_of(pull, project)
            try:
                found += _plan(pull, project, key, names[project.id])
            except NotThere:
                continue
            except AccessDenied as error:
                parts[str(project.id)] = error.reason
            except Unreadable as error:
                pull.notes.reject(f"plan of job {key.split('/')[1]}", error.reason)
        yield Batch(tuple(found), done=tuple(some), parts=parts)


def _states_of(pull: Pull, project: Known) -> dict[str, Json]:
    remembered: dict[str, Json] = pull.client.memory.get("states", {})
    prefix = f"{project.id}/"
    if not any(key.startswith(prefix) for key in remembered):
        list(listed_states(pull.client, [project.id]))
        remembered = pull.client.memory.get("states", {})
    return {key.removeprefix(prefix): item for key, item in remembered.items() if key.startswith(prefix)}


def _plan(pull: Pull, project: Known, key: str, states: dict[str, Json]) -> list[Plan]:
    job_id, pipeline_id, finished, name = (*key.split("/", 4)[1:], "", "", "")[:4]
    artifact = quote(pull.source.plan_artifact)
    raw = pull.client.raw(at_project(project.id, f"/jobs/{job_id}/artifacts/{artifact}"))
    if not name:
        job = pull.client.get(at_project(project.id, f"/jobs/{job_id}"))
        name, finished = str(job.get("name")), str(job.get("finished_at") or job.get("created_at"))
        pipeline_id = str(inside(job, "pipeline").get("id") or "")
    checked_at = kept(pull.notes, "job", {"id": job_id, "at": finished}, lambda one: when(one, "at"))
    state = state_of(name, states)
    if state is None:
        pull.notes.reject(f"plan of job {job_id}", f"which state it is of is not known; {MEND}")
        return []
    plan = read_plan(
        raw,
        native_id=f"{project.id}/{job_id}",
        workspace=Ref("workspace", f"{project.id}/{state}"),
        checked_at=checked_at or pull.now,
        run=Ref("pipeline", pipeline_id) if pipeline_id else None,
        step=Ref("job", job_id),
        web_url=f"{project.web_url}/-/jobs/{job_id}" if project.web_url else None,
    )
    return [plan]


def state_of(job_name: str, states: dict[str, Json]) -> str | None:
    """Which of the states (as GraphQL tells them, by name) a job's plan is of; None where it cannot be told."""
    words = [name for name in states if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", job_name)]
    if words:
        return max(words, key=len)
    tokens = _tokens(job_name)
    same = [
        name
        for name, item in states.items()
        if (job := inside(item, "latestVersion", "job")) and _tokens(str(job.get("name"))) == tokens
    ]
    if len(same) == 1:
        return same[0]
    return next(iter(states)) if len(states) == 1 else None


def _tokens(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower())) - VERBS


def check(client: GitLabClient, scope: Scope) -> None:
    """The jobs of the project with the newest activity: artifacts are read by the same right."""
    client.page(at_project(newest(client, scope), "/jobs"), per_page=1)
