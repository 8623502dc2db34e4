"""One pipeline with all of its jobs: those with more than a page of them, those called for, and those long not seen.

The work's ids are "project/pipeline", or a pipeline's id alone where only that is known: then GitLab is asked which
project has it, fifty projects a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from services.sources.base import Batch, Pull
from services.sources.gitlab.client import Json
from services.sources.gitlab.graphql import UNTOLD, ask_projects
from services.sources.gitlab.pipelines import JOB, RUN, plan_jobs, reasons_for, records_of
from services.sources.gitlab.projects import Known, known
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
    projects = {one.id: one for one in known(pull)}
    located = _locate(pull, [key for key in pull.work if "/" not in key], projects)
    for key in pull.work:
        project_id = located.get(key) if "/" not in key else int(key.split("/")[0])
        project = projects.get(project_id) if project_id is not None else None
        if project is None:
            pull.notes.reject(f"pipeline {key}", "GitLab shows it in none of the projects any more")
            yield Batch(done=(key,))
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
            return Batch(done=(key,), parts={str(project.id): answered.reasons.get(project.id, UNTOLD)})
        if item is None:
            item = page
        elif isinstance(page.get("jobs"), dict):
            item["jobs"]["nodes"] += page["jobs"].get("nodes") or []
        after = next_page(page.get("jobs"))
    reasons = reasons_for(pull.client, project.id, [item])
    made = kept(pull.notes, "pipeline", item, lambda one: records_of(pull.notes, project, one, reasons))
    plans = kept(pull.notes, "pipeline", item, lambda one: plan_jobs(project, one, pull.source.plan_jobs))
    return Batch(tuple(made or ()), done=(key,), touched={"plans": plans} if plans else {})


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
