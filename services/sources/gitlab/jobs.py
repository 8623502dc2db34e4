"""One pipeline with all of its jobs: those with more than a page of them, those called for, and those long not seen.

The work's ids are "project/pipeline", or a pipeline's id alone where only that is known: then GitLab is asked which
project has it, fifty projects a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from services.sources.base import AccessDenied, Batch, Pull
from services.sources.gitlab.client import Json, NotThere, at_project
from services.sources.gitlab.graphql import UNTOLD, Answered, ask_projects
from services.sources.gitlab.pipelines import JOB, RUN, plan_jobs, reasons_for, records_of
from services.sources.gitlab.projects import Known, with_archived
from services.sources.gitlab.reading import chunks, kept, next_page

EVERY = timedelta(minutes=10)
WHOLE = f"""query Pipeline($ids:[ID!],$projects:Int,$after:String){{ queryComplexity{{score limit}}
 projects(ids:$ids,first:$projects){{nodes{{id pipeline(id:"gid://gitlab/Ci::Pipeline/%d"){{{RUN}
  jobs(first:100,after:$after){{pageInfo{{hasNextPage endCursor}} nodes{{{JOB}}}}}}}}}}}}}"""
"""Ids stand in the text: as variables they would have to be of types that differ between versions of GitLab."""
LOCATED = 10
PROJECTS = 50


def collect(pull: Pull) -> Iterator[Batch]:
    """Each pipeline of the work, whole."""
    projects = {one.id: one for one in with_archived(pull)}
    located = _locate(pull, [key for key in pull.work if "/" not in key], projects)
    for key in pull.work:
        project_id = located.get(key) if "/" not in key else int(key.split("/")[0])
        project = projects.get(project_id) if project_id is not None else None
        if project is None:
            pull.notes.reject(f"pipeline {key}", "GitLab shows it in none of the projects")
            yield Batch(done=(key,), gone=_gone_with_all(pull, key))
            continue
        yield _whole(pull, project, key)


def _whole(pull: Pull, project: Known, key: str) -> Batch:
    query = WHOLE % int(key.rpartition("/")[2])
    item: Json | None = None
    after: str | None = None
    while item is None or after is not None:
        answered = ask_projects(pull.client, query, [project.id], {"after": after}, "pipeline")
        page: Any = answered.projects.get(project.id, {}).get("pipeline")
        if not isinstance(page, dict):
            return _absent(pull, project, key, answered)
        if item is None:
            item = page
        elif isinstance(page.get("jobs"), dict):
            item["jobs"]["nodes"] += page["jobs"].get("nodes") or []
        after = next_page(page.get("jobs"))
    reasons = reasons_for(pull.client, project.id, [item])
    made = kept(pull.notes, "pipeline", item, lambda one: records_of(pull.notes, project, one, reasons))
    plans = kept(pull.notes, "pipeline", item, lambda one: plan_jobs(project, one, pull.source.plan_jobs))
    return Batch(tuple(made or ()), done=(key,), touched={"plans": plans} if plans else {})


def _absent(pull: Pull, project: Known, key: str, answered: Answered) -> Batch:
    """GraphQL tells null for what was deleted and for what may not be seen; REST tells them apart."""
    number = key.rpartition("/")[2]
    why = answered.reasons.get(project.id, UNTOLD)
    if project.id in answered.projects:
        try:
            pull.client.get(at_project(project.id, f"/pipelines/{number}"))
        except NotThere:
            return Batch(done=(key,), gone={"pipeline": (number,)})
        except AccessDenied as error:
            why = error.reason
    return Batch(done=(key,), parts={str(project.id): why})


def _gone_with_all(pull: Pull, key: str) -> dict[str, tuple[str, ...]]:
    """A pipeline that no project has is gone, unless there is a project whose pipelines cannot be read."""
    refused: dict[int, datetime] = pull.client.memory.get("refused pipelines", {})
    hidden = any(pull.now - at < 2 * EVERY for at in refused.values())
    return {} if hidden or "/" in key else {"pipeline": (key,)}


def _locate(pull: Pull, keys: list[str], projects: dict[int, Known]) -> dict[str, int]:
    """Which project has each of these pipelines."""
    found: dict[str, int] = {}
    for some in chunks([key for key in keys if key.isdecimal()], LOCATED):
        fields = " ".join(f'p{key}:pipeline(id:"gid://gitlab/Ci::Pipeline/{key}"){{id}}' for key in some)
        query = f"""query Locate($ids:[ID!],$projects:Int){{ queryComplexity{{score limit}}
         projects(ids:$ids,first:$projects){{nodes{{id {fields}}}}}}}"""
        for ids in chunks(sorted(projects), PROJECTS):
            answered = ask_projects(pull.client, query, ids, {}, "pipeline's project")
            for project_id, node in answered.projects.items():
                found |= {key: project_id for key in some if isinstance(node.get(f"p{key}"), dict)}
            if len([key for key in some if key in found]) == len(some):
                break
    return found
