"""A recorded GitLab: its objects by project and collection, and the parents that their ids tell of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulators.data import GitLabData
from emulators.replay.files import BadReplay, Json, entries, need, read_list, read_map
from emulators.replay.states import load_states

HOST = "https://gitlab.replay.invalid"
LONG_AGO = "1970-01-01T00:00:00.000Z"

NEEDED: dict[str, tuple[tuple[str, type], ...]] = {
    "pipelines": (("id", int), ("status", str)),
    "jobs": (("id", int), ("name", str), ("status", str), ("pipeline.id", int)),
    "bridges": (("id", int), ("name", str), ("status", str), ("pipeline.id", int)),
    "merge_requests": (("iid", int), ("state", str)),
    "commits": (("id", str),),
    "environments": (("id", int), ("name", str)),
    "deployments": (("id", int), ("environment.name", str), ("sha", str)),
    "releases": (("tag_name", str),),
    "tags": (("name", str),),
    "branches": (("name", str),),
    "pipeline_schedules": (("id", int),),
    "registry_repositories": (("id", int),),
    "issues": (("iid", int), ("state", str)),
    "packages": (("id", int),),
    "protected_branches": (("name", str),),
}
"""Collections, and what each object of one cannot do without."""

MAPS = (
    "merge_request_commits", "merge_request_notes", "merge_request_approvals", "merge_request_diffs", "compare",
    "test_report_summary", "schedule_pipelines",
)  # fmt: skip


def load_gitlab(folder: Path, data: GitLabData) -> None:
    """Fill `data` from the folder. Raises BadReplay."""
    for path in entries(folder):
        if path.name == "projects.json":
            for index, project in enumerate(read_list(path)):
                add_project(data, need(path, index, project, "id"), project)
        elif path.name == "groups.json":
            data.groups += read_list(path)
        elif path.name not in ("projects", "graphql"):
            raise BadReplay(path, "is not known here", "gitlab/ holds projects.json, groups.json, projects/, graphql/")
    projects = folder / "projects"
    for path in entries(projects) if projects.exists() else []:
        if not path.name.isdecimal():
            raise BadReplay(path, "is no project id", "name the folder by the project's number: projects/12345678/")
        add_project(data, int(path.name), {})
        _load_project(path, int(path.name), data)
    make_parents(data)
    for items in data.collections.values():
        if all(isinstance(item.get("id"), int) for item in items):
            items.sort(key=lambda item: item["id"])
    graphql = folder / "graphql"
    for path in entries(graphql) if graphql.exists() else []:
        if path.name != "terraformStates.json":
            raise BadReplay(path, "is not known here", "graphql/ holds terraformStates.json")
        load_states(path, projects, data)


def _load_project(folder: Path, project_id: int, data: GitLabData) -> None:
    for path in entries(folder):
        if path.is_dir():
            _load_bytes(path, data)
        elif path.suffix == ".json" and path.stem in NEEDED:
            items = read_list(path)
            for index, item in enumerate(items):
                for key, kind in NEEDED[path.stem]:
                    need(path, index, item, key, kind)
            _check_doubles(path, items)
            data.items(project_id, path.stem).extend(items)
        elif path.suffix == ".json" and path.stem in MAPS:
            data.mapping(project_id, path.stem).update(read_map(path))
        else:
            known = ", ".join([*NEEDED, *MAPS])
            raise BadReplay(path, "is no collection", f"name it COLLECTION.json, of {known}")


def _check_doubles(path: Path, items: list[Json]) -> None:
    seen: dict[Any, int] = {}
    for index, item in enumerate(items):
        if "id" not in item:
            continue
        if item["id"] in seen:
            fault = f"items {seen[item['id']]} and {index} have the same id {item['id']}"
            raise BadReplay(path, fault, "keep the newer of them")
        seen[item["id"]] = index


def _load_bytes(folder: Path, data: GitLabData) -> None:
    """`traces/JOB.log` and `artifacts/JOB/PATH`; the bytes of states are read where the states are."""
    if folder.name == "traces":
        for path in entries(folder):
            data.traces[_job_id(path, path.stem)] = path.read_text(encoding="utf-8", errors="replace")
    elif folder.name == "artifacts":
        for job in entries(folder):
            number = _job_id(job, job.name)
            for path in (one for one in sorted(job.rglob("*")) if one.is_file()):
                data.artifacts[(number, path.relative_to(job).as_posix())] = path.read_bytes()
    elif folder.name != "terraform_states":
        raise BadReplay(folder, "is not known here", "a project's folders are traces/, artifacts/, terraform_states/")


def _job_id(path: Path, name: str) -> int:
    if not name.isdecimal():
        raise BadReplay(path, "is not named by a job's number", "name it by the job's id, like 4567.log")
    return int(name)


def add_project(data: GitLabData, project_id: int, given: Json) -> Json:
    """A project, completed from its id where the recording says less."""
    project = data.projects.setdefault(project_id, {"id": project_id})
    project.update(given)
    path = project.setdefault("path_with_namespace", f"replay/project-{project_id}")
    project.setdefault("name", path.rpartition("/")[2])
    project.setdefault("path", path.rpartition("/")[2])
    project.setdefault("name_with_namespace", path.replace("/", " / "))
    project.setdefault("web_url", f"{HOST}/{path}")
    project.setdefault("default_branch", "main")
    project.setdefault("archived", False)
    project.setdefault("created_at", LONG_AGO)
    project.setdefault("last_activity_at", project["created_at"])
    return project


def make_parents(data: GitLabData) -> None:
    """Pipelines of jobs, downstream pipelines of bridges, and environments of deployments that were not recorded."""
    known = {key: {one["id"] for one in data.items(key, "pipelines")} for key in data.projects}
    for project_id in list(data.projects):
        for bridge in data.items(project_id, "bridges"):
            _make_downstream(data, known, project_id, bridge)
    for project_id in data.projects:
        jobs: dict[int, list[Json]] = {}
        for job in [*data.items(project_id, "jobs"), *data.items(project_id, "bridges")]:
            _make_pipeline(data, known, project_id, job["pipeline"], None)
            _complete_job(job)
            jobs.setdefault(job["pipeline"]["id"], []).append(job)
        for pipeline in data.items(project_id, "pipelines"):
            _complete_pipeline(data.projects[project_id], pipeline, jobs.get(pipeline["id"], []))
        environments = {one["name"] for one in data.items(project_id, "environments")}
        for deployment in data.items(project_id, "deployments"):
            _complete_deployment(deployment)
            if deployment["environment"]["name"] not in environments:
                environments.add(deployment["environment"]["name"])
                _make_environment(data.items(project_id, "environments"), deployment["environment"])


def _make_downstream(data: GitLabData, known: dict[int, set[int]], project_id: int, bridge: Json) -> None:
    shown = bridge.get("downstream_pipeline")
    if not isinstance(shown, dict) or not isinstance(shown.get("id"), int):
        return
    elsewhere = shown.get("project_id") or project_id
    add_project(data, elsewhere, {})
    _make_pipeline(data, known, elsewhere, shown, "parent_pipeline" if elsewhere == project_id else "pipeline")


def _make_pipeline(
    data: GitLabData, known: dict[int, set[int]], project_id: int, shown: Json, source: str | None
) -> None:
    """A pipeline as far as the job or bridge that names it shows it."""
    ids = known.setdefault(project_id, set())
    if shown["id"] not in ids:
        ids.add(shown["id"])
        told = {key: value for key, value in shown.items() if value is not None}
        data.items(project_id, "pipelines").append({"source": source} | told)


def _complete_pipeline(project: Json, pipeline: Json, jobs: list[Json]) -> None:
    times = sorted(one["created_at"] for one in jobs if one.get("created_at"))
    pipeline.setdefault("status", _status_of(jobs))
    pipeline.setdefault("iid", pipeline["id"])
    pipeline.setdefault("project_id", project["id"])
    for key in ("sha", "ref"):
        pipeline.setdefault(key, next((one[key] for one in jobs if one.get(key)), "unknown"))
    pipeline.setdefault("source", None)
    pipeline.setdefault("created_at", times[0] if times else LONG_AGO)
    pipeline.setdefault("updated_at", pipeline["created_at"])
    pipeline.setdefault("web_url", f"{project['web_url']}/-/pipelines/{pipeline['id']}")


def _status_of(jobs: list[Json]) -> str:
    """The worst of the jobs that count, for a pipeline of which nothing but its id was recorded."""
    words = {one["status"] for one in jobs if not one.get("allow_failure")}
    order = ("failed", "running", "pending", "created", "canceled", "manual")
    return next((word for word in order if word in words), "success")


def _complete_job(job: Json) -> None:
    job.setdefault("stage", "test")
    job.setdefault("allow_failure", False)
    for key in ("created_at", "started_at", "finished_at", "duration", "queued_duration"):
        job.setdefault(key, None)
    job.setdefault("ref", job["pipeline"].get("ref"))


def _complete_deployment(deployment: Json) -> None:
    """Before 13.0 a deployment told no status of its own: then its job's is the nearest there is."""
    deployment.setdefault("status", (deployment.get("deployable") or {}).get("status") or "created")
    deployment.setdefault("iid", deployment["id"])
    deployment.setdefault("created_at", LONG_AGO)
    deployment.setdefault("updated_at", deployment["created_at"])


def _make_environment(known: list[Json], shown: Json) -> None:
    number = shown.get("id") or max((one["id"] for one in known), default=0) + 1
    environment = {"id": number, "state": "available", "tier": None, "external_url": None} | shown
    environment.setdefault("slug", str(shown["name"]).replace("/", "-"))
    known.append(environment)
