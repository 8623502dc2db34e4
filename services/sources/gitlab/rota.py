"""Which project is due to be asked for what GitLab tells project by project only, and where something was deployed.

Kept in the cursor of the projects: "due": {stream: {project id: ISO of its last turn}}, "iids": {project id: highest
deployment iid read}, "open": {deployment id: [project id, ISO of its beginning]}.

GitLab has no list of deployments over projects, and one call a project a minute is too many. But each project numbers
its deployments, so one GraphQL query asks some thirty projects whether one of the next numbers exists, at a score of 7
each: of more than one, because a number is lost where GitLab takes the deployment back that had it.
Where one does, or where a deployment is under way, the project's own list is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from services.sources.base import Pull
from services.sources.gitlab.client import Json
from services.sources.gitlab.graphql import Refused, ask

EVERY = timedelta(seconds=60)
TURNS = {
    "deployments": timedelta(hours=3),
    "environments": timedelta(hours=3),
    "registry": timedelta(hours=3),
}
"""How often a project's turn comes where nothing else says that something changed."""
YOUNG = timedelta(hours=1)
"""A deployment under way is looked at each minute for so long; an older one waits, for example for approval."""
OLD_EVERY = timedelta(minutes=10)
LONGEST_QUERY = 9_000
PROBES = 30
NEXT = (1, 2, 3)
"""How far beyond the highest number that was read is asked."""


def turns(pull: Pull, cursor: Json, paths: dict[int, str]) -> dict[str, tuple[str, ...]]:
    """Whose turn it is: at once where it never came, else the longest waiting, an even share of them a minute."""
    living = {str(number) for number in paths}
    due: dict[str, Json] = {stream: dict((cursor.get("due") or {}).get(stream, {})) for stream in TURNS}
    touched: dict[str, tuple[str, ...]] = {}
    for stream, period in TURNS.items():
        had = {key: at for key, at in due[stream].items() if key in living}
        never = [key for key in map(str, paths) if key not in had]
        old = sorted((at, key) for key, at in had.items() if _waited(pull, at) >= period)
        chosen = never + [key for _, key in old[: -(-len(paths) * EVERY // period)]]
        if stream == "deployments":
            chosen += _deploying(pull, cursor, paths)
        due[stream] = had | dict.fromkeys((key for key in chosen if key in living), pull.now.isoformat())
        touched[stream] = tuple(dict.fromkeys(key for key in chosen if key in living))
    cursor["due"] = due
    return {stream: keys for stream, keys in touched.items() if keys}


def saw_deployments(pull: Pull, project_id: int, items: list[Any]) -> None:
    """Remember the highest number of a project's deployments, and which of them are under way."""
    iids: dict[str, int] = pull.client.memory.setdefault("iids", {})
    under_way: dict[str, list[Any]] = pull.client.memory.setdefault("open", {})
    key = str(project_id)
    iids.setdefault(key, 0)
    for item in items:
        if not isinstance(item, dict):
            continue
        if isinstance(item.get("iid"), int):
            iids[key] = max(iids[key], item["iid"])
        if item.get("status") in ("created", "running", "blocked"):
            under_way[str(item.get("id"))] = [project_id, item.get("created_at")]
        else:
            under_way[str(item.get("id"))] = []


def _deploying(pull: Pull, cursor: Json, paths: dict[int, str]) -> list[str]:
    """Projects with a new deployment, or with one under way."""
    seen, moved = pull.client.memory.get("iids", {}), pull.client.memory.get("open", {})
    iids = {key: max(int(cursor.get("iids", {}).get(key, 0)), seen.get(key, 0))
            for key in {**cursor.get("iids", {}), **seen} if int(key) in paths}  # fmt: skip
    under_way = {key: told for key, told in ({**cursor.get("open", {}), **moved}).items() if told and told[0] in paths}
    pull.client.memory["open"] = {}
    cursor |= {"iids": iids, "open": under_way}
    young = [str(project) for project, began in under_way.values() if _waited(pull, began) < YOUNG]
    old = {str(project) for project, _ in under_way.values()} - set(young)
    had = (cursor.get("due") or {}).get("deployments", {})
    waited = [key for key in old if _waited(pull, had.get(key)) >= OLD_EVERY]
    return [*young, *waited, *_unnumbered(pull, iids, paths), *_new(pull, iids, paths)]


def _unnumbered(pull: Pull, iids: dict[str, int], paths: dict[int, str]) -> list[str]:
    """Projects whose numbers were read and then lost by a crash before they stood in the cursor; once a process."""
    if pull.client.memory.get("numbered"):
        return []
    pull.client.memory["numbered"] = True
    return [str(key) for key in paths if str(key) not in iids]


def _new(pull: Pull, iids: dict[str, int], paths: dict[int, str]) -> Iterator[str]:
    """Projects in which one of the next deployments' numbers exists."""
    if pull.client.memory.get("no probes"):
        return
    query: list[str] = []
    for key, iid in iids.items():
        path = json.dumps(paths[int(key)])
        numbers = " ".join(f'd{ahead}:deployment(iid:"{iid + ahead}"){{id}}' for ahead in NEXT)
        query.append(f"p{key}:project(fullPath:{path}){{{numbers}}}")
        if len(query) >= PROBES or sum(map(len, query)) > LONGEST_QUERY:
            yield from _answered(pull, query)
            query = []
    if query:
        yield from _answered(pull, query)


def _answered(pull: Pull, query: list[str]) -> Iterator[str]:
    try:
        data, _ = ask(pull.client, f"query Deployed{{{' '.join(query)}}}", {}, "new deployments")
    except Refused:  # an older GitLab without this field: then pipelines say where to look
        pull.client.memory["no probes"] = True
        return
    for name, project in data.items():
        if isinstance(project, dict) and any(isinstance(found, dict) for found in project.values()):
            yield name.removeprefix("p")


def _waited(pull: Pull, at: Any) -> timedelta:
    """How long ago that was; for ever where it never was."""
    return pull.now - datetime.fromisoformat(at) if isinstance(at, str) else timedelta.max
