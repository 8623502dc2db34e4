"""What GraphQL answers for many projects in one call: partial data is kept, and pages follow the query's score.

A page of N projects multiplies the score by 1 + N/100 only, while an alias a project would pay in full. GitLab
refuses a query over its limit (250) as a whole; the score that it tells beside each answer shrinks the next page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.sources.base import Unreadable
from services.sources.gitlab.client import GitLabClient, Json
from services.sources.gitlab.reading import clean, nodes

SMALLEST_PAGE = 5
TOO_NEAR = 0.8
"""The share of the score limit from which on pages shrink."""
UNTOLD = "GitLab gives none: the feature is off for this project, or the token's role there is too low"


class Refused(Unreadable):
    """GitLab answered with errors and no data at all."""


@dataclass(frozen=True)
class Answered:
    """The projects of an answer by their id, and why parts of them are null."""

    projects: dict[int, Json]
    reasons: dict[int, str] = field(default_factory=dict)

    def unreadable(self, project_id: int, connection: str) -> str | None:
        """Why a connection of a project could not be read; None where it was."""
        project = self.projects.get(project_id)
        if project is None:
            return "GitLab does not show this project to the token"
        if isinstance(project.get(connection), dict):
            return None
        return self.reasons.get(project_id, UNTOLD)


def ask(client: GitLabClient, query: str, variables: Json, what: str) -> tuple[Json, list[Json]]:
    """The data of a query, and the errors beside it. Raises Refused where there is no data, or a SourceError."""
    answer = client.post_graphql(query, variables, what)
    data, errors = answer.get("data"), answer.get("errors")
    told = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    if not isinstance(data, dict):
        why = clean(str(told[0].get("message"))[:300]) if told else "it holds no data"
        raise Refused(f"GitLab refuses the GraphQL query for {what}: {why}")
    return data, told


def page_size(client: GitLabClient, what: str, most: int) -> int:
    """How many projects go into one query of that name."""
    return int(min(client.memory.get(f"page {what}", most), most))


def ask_projects(client: GitLabClient, query: str, ids: list[int], variables: Json, what: str) -> Answered:
    """Ask one thing of up to a page of projects; where the query is too dear it is asked in halves.

    `query` takes $ids and $projects and asks `queryComplexity{score limit} projects(ids:$ids,first:$projects){…}`.
    """
    given = {**variables, "ids": [f"gid://gitlab/Project/{number}" for number in ids], "projects": len(ids)}
    try:
        data, errors = ask(client, query, given, what)
    except Refused:
        if len(ids) <= SMALLEST_PAGE:
            raise
        client.memory[f"page {what}"] = half = max(len(ids) // 2, SMALLEST_PAGE)
        first = ask_projects(client, query, ids[:half], variables, what)
        second = ask_projects(client, query, ids[half:], variables, what)
        return Answered(first.projects | second.projects, first.reasons | second.reasons)
    _mind_the_score(client, data.get("queryComplexity"), len(ids), what)
    listed = data.get("projects")
    found = {number: node for node in nodes(listed) if (number := global_number(node.get("id"))) is not None}
    return Answered(found, _reasons(listed, errors))


def _mind_the_score(client: GitLabClient, told: Any, asked: int, what: str) -> None:
    if not isinstance(told, dict):
        return
    score, limit = told.get("score"), told.get("limit")
    if isinstance(score, int) and isinstance(limit, int) and score > TOO_NEAR * limit:
        client.memory[f"page {what}"] = max(asked * 3 // 4, SMALLEST_PAGE)


def _reasons(listed: Any, errors: list[Json]) -> dict[int, str]:
    """Each error by the project that its path leads to."""
    rows = listed.get("nodes") if isinstance(listed, dict) else None
    found: dict[int, str] = {}
    for error in errors:
        path = error.get("path")
        place = path[2] if isinstance(path, list) and len(path) > 2 and isinstance(path[2], int) else None
        if place is None or not isinstance(rows, list) or place >= len(rows) or not isinstance(rows[place], dict):
            continue
        number = global_number(rows[place].get("id"))
        if number is not None:
            found[number] = clean(str(error.get("message"))[:300]) or UNTOLD
    return found


def global_number(found: Any) -> int | None:
    """The number in a global id like gid://gitlab/Project/7."""
    last = str(found or "").rpartition("/")[2]
    return int(last) if last.isdecimal() else None
