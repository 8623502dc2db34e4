"""Which pipelines, jobs, logs, artifacts and schedules the local GitLab shows over REST."""

from __future__ import annotations

import io
import re
import zipfile

from emulators.data import Json
from emulators.gitlab.exchange import Answer, Refused, Request, not_found, refusal
from emulators.gitlab.paging import ordered, page
from emulators.gitlab.rest_projects import within
from emulators.gitlab.routes import Table
from emulators.gitlab.shapes import pipeline_in_list, schedule_in_list, served

STATUSES = (
    "created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "success", "failed",
    "canceling", "canceled", "skipped", "manual", "scheduled",
)  # fmt: skip
PIPELINE_ORDERS = ("id", "status", "ref", "updated_at", "user_id")
FINISHED = ("success", "failed", "canceled", "skipped")
NO_TESTS = {
    "total": {"time": 0, "count": 0, "success": 0, "failed": 0, "skipped": 0, "error": 0, "suite_error": None},
    "test_suites": [],
}


def pipelines(request: Request, id: str) -> Answer:
    """Child pipelines are not in it, unless `source=parent_pipeline` asks for them."""
    _, items = request.items(id, "pipelines")
    source = request.text("source")
    found = [item for item in items if (source or "parent_pipeline") == item.get("source")] if source else [
        item for item in items if item.get("source") != "parent_pipeline"
    ]  # fmt: skip
    if request.text("status"):
        request.choice("status", STATUSES, "success")
    for name in ("status", "ref", "sha", "name"):
        if wanted := request.text(name):
            found = [item for item in found if item.get(name) == wanted]
    if username := request.text("username"):
        found = [item for item in found if (item.get("user") or {}).get("username") == username]
    if request.text("yaml_errors") is not None:
        broken = request.flag("yaml_errors")
        found = [item for item in found if bool(item.get("yaml_errors")) == broken]
    for name in ("updated", "created"):
        found = within(found, request.time(f"{name}_after"), f"{name}_at", after=True)
        found = within(found, request.time(f"{name}_before"), f"{name}_at", after=False)
    found = _scoped(request, found)
    order = request.choice("order_by", PIPELINE_ORDERS, "id")
    return page(
        request, ordered(found, order, request.choice("sort", ("asc", "desc"), "desc") == "desc"), pipeline_in_list
    )


def _scoped(request: Request, found: list[Json]) -> list[Json]:
    if not request.text("scope"):
        return found
    scope = request.choice("scope", ("running", "pending", "finished", "branches", "tags"), "running")
    if scope in ("running", "pending"):
        return [item for item in found if item["status"] == scope]
    if scope == "finished":
        return [item for item in found if item["status"] in FINISHED]
    newest = {item["ref"]: item for item in found if bool(item.get("tag")) == (scope == "tags")}
    return list(newest.values())


def pipeline(request: Request, id: str, pipeline_id: str) -> Answer:
    return Answer(served(request.one(id, "pipelines", "id", pipeline_id)[1]))


def latest_pipeline(request: Request, id: str) -> Answer:
    """The newest pipeline of a ref (default branch); 403, not 404, when there is none."""
    project, _ = request.items(id, "pipelines")
    ref = request.text("ref") or project.get("default_branch") or "main"
    found = [
        item
        for item in request.index.all(project["id"], "pipelines", "ref", ref)
        if item.get("source") != "parent_pipeline"
    ]
    if not found:
        raise refusal(403)
    return Answer(served(max(found, key=lambda item: item["id"])))


def pipeline_jobs(request: Request, id: str, pipeline_id: str) -> Answer:
    """Without `include_retried` only the newest attempt of each job."""
    found = _of_pipeline(request, id, pipeline_id, "jobs")
    if not request.flag("include_retried"):
        found = [item for item in found if not was_retried(item, found)]
    return page(request, ordered(_with_status(request, found), "id", descending=True))


def was_retried(job: Json, siblings: list[Json]) -> bool:
    """Whether a newer attempt replaced the job; where it is not told, a later job of that name says so."""
    told = job.get("_retried")
    if told is not None:
        return bool(told)
    return any(other["name"] == job["name"] and other["id"] > job["id"] for other in siblings)


def bridges(request: Request, id: str, pipeline_id: str) -> Answer:
    found = _of_pipeline(request, id, pipeline_id, "bridges")
    return page(request, ordered(_with_status(request, found), "id", descending=True))


def _of_pipeline(request: Request, given: str, pipeline_id: str, collection: str) -> list[Json]:
    project, found = request.one(given, "pipelines", "id", pipeline_id)
    request.allow(project["id"], collection)
    return request.index.all(project["id"], collection, "pipeline", found["id"])


def _with_status(request: Request, found: list[Json]) -> list[Json]:
    scope = request.many("scope")
    if not scope:
        return found
    if not set(scope) <= set(STATUSES):
        raise Refused(400, {"error": "scope does not have a valid value"})
    return [item for item in found if item["status"] in scope]


def test_report_summary(request: Request, id: str, pipeline_id: str) -> Answer:
    project, found = request.one(id, "pipelines", "id", pipeline_id)
    request.allow(project["id"], "test_report_summary")
    return Answer(request.data.mapping(project["id"], "test_report_summary").get(str(found["id"]), NO_TESTS))


def variables(request: Request, id: str, pipeline_id: str) -> Answer:
    """Variables of a pipeline are for Maintainers (they hold secrets); no reader's token gets them."""
    request.one(id, "pipelines", "id", pipeline_id)
    raise refusal(403)


def project_jobs(request: Request, id: str) -> Answer:
    _, items = request.items(id, "jobs")
    return page(request, ordered(_with_status(request, items), "id", descending=True), keyset=("id",))


def _job(request: Request, given: str, job_id: str) -> Json:
    return request.one(given, "jobs", "id", job_id)[1]


def job(request: Request, id: str, job_id: str) -> Answer:
    return Answer(served(_job(request, id, job_id)))


def trace(request: Request, id: str, job_id: str) -> Answer:
    """The whole log as plain text; a `Range: bytes=…` is honoured, an empty log is an empty text."""
    found = _job(request, id, job_id)
    request.allow(request.project(id)["id"], "traces")
    content = request.data.traces.get(found["id"], "").encode()
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked or asked.groups() == ("", ""):
        return Answer(content=content, content_type="text/plain")
    first, last = asked.groups()
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= len(content):
        return Answer(status=416, headers=(("content-range", f"bytes */{len(content)}"),), content=b"")
    where = (("content-range", f"bytes {start}-{end - 1}/{len(content)}"),)
    return Answer(status=206, headers=where, content=content[start:end], content_type="text/plain")


def artifact(request: Request, id: str, job_id: str, path: str) -> Answer:
    found = _job(request, id, job_id)
    content = request.data.artifacts.get((found["id"], path))
    if content is None:
        raise not_found()
    kind = "application/json" if path.endswith(".json") else "application/octet-stream"
    return Answer(content=content, content_type=kind)


def archive(request: Request, id: str, job_id: str) -> Answer:
    found = _job(request, id, job_id)
    files = {path: content for (owner, path), content in request.data.artifacts.items() if owner == found["id"]}
    if not files:
        raise not_found()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as box:
        for path, content in sorted(files.items()):
            box.writestr(path, content)
    return Answer(content=packed.getvalue(), content_type="application/zip")


def schedules(request: Request, id: str) -> Answer:
    _, items = request.items(id, "pipeline_schedules")
    if request.text("scope"):
        active = request.choice("scope", ("active", "inactive"), "active") == "active"
        items = [item for item in items if bool(item.get("active")) == active]
    return page(request, ordered(items, "id", descending=False), schedule_in_list)


def schedule(request: Request, id: str, schedule_id: str) -> Answer:
    """The only place with `last_pipeline`; its variables are for the owner."""
    found = served(request.one(id, "pipeline_schedules", "id", schedule_id)[1])
    found.pop("variables", None)
    return Answer(found)


def schedule_pipelines(request: Request, id: str, schedule_id: str) -> Answer:
    project, found = request.one(id, "pipeline_schedules", "id", schedule_id)
    ran = request.data.mapping(project["id"], "schedule_pipelines").get(str(found["id"]), [])
    descending = request.choice("sort", ("asc", "desc"), "asc") == "desc"
    return page(request, ordered(ran, "id", descending), pipeline_in_list)


ROUTES: Table = {
    ("GET", "projects/:id/pipelines"): pipelines,
    ("GET", "projects/:id/pipelines/latest"): latest_pipeline,
    ("GET", "projects/:id/pipelines/:pipeline_id"): pipeline,
    ("GET", "projects/:id/pipelines/:pipeline_id/jobs"): pipeline_jobs,
    ("GET", "projects/:id/pipelines/:pipeline_id/bridges"): bridges,
    ("GET", "projects/:id/pipelines/:pipeline_id/test_report_summary"): test_report_summary,
    ("GET", "projects/:id/pipelines/:pipeline_id/variables"): variables,
    ("GET", "projects/:id/jobs"): project_jobs,
    ("GET", "projects/:id/jobs/:job_id"): job,
    ("GET", "projects/:id/jobs/:job_id/trace"): trace,
    ("GET", "projects/:id/jobs/:job_id/artifacts"): archive,
    ("GET", "projects/:id/jobs/:job_id/artifacts/*path"): artifact,
    ("GET", "projects/:id/pipeline_schedules"): schedules,
    ("GET", "projects/:id/pipeline_schedules/:schedule_id"): schedule,
    ("GET", "projects/:id/pipeline_schedules/:schedule_id/pipelines"): schedule_pipelines,
}
