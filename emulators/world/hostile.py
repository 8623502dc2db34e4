"""Requests that nobody finishes, texts that must be shown as text, and secrets where people leave them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from emulators.data import Json, Token
from emulators.world import ci
from emulators.world.canary_secrets import disguised
from emulators.world.commits import commit
from emulators.world.engine import Sim, every_day
from emulators.world.requests import note, open_request
from emulators.world.team import Repo
from emulators.world.words import HOSTILE_BRANCHES, HOSTILE_TITLES

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def build_left_open(sim: Sim) -> None:
    """Requests that wait: for a review, forgotten as drafts, approved and not merged."""
    repos: dict[str, Repo] = sim.parts["repos"]
    wishes: tuple[tuple[str, float, str, str], ...] = (
        ("churn/training", 40, "draft", "stale_draft"),
        ("platform/ml-lib", 27, "draft", "stale_draft"),
        ("demand-forecast/training", 6, "wait", "waiting_for_review"),
        ("churn/features", 3.2, "wait", "waiting_for_review"),
        ("platform/infra", 1.4, "wait", "waiting_for_review"),
        ("demand-forecast/serving", 2.2, "approved", "approved_not_merged"),
    )
    for path, days, fate, situation in wishes:
        sim.at(sim.epoch - days * DAY, _leave, sim, repos[path], fate, situation)
    for number, title in enumerate(HOSTILE_TITLES):
        repo = list(repos.values())[number * 2]
        wish = {"title": title, "branch": HOSTILE_BRANCHES[number], "fate": "wait" if number % 2 else "merge"}
        sim.at(sim.epoch - (5 - number) * DAY - 3 * HOUR, _hostile, sim, repo, f"hostile/{number}", wish)
    sim.at(sim.epoch - 22 * HOUR, _leak, sim, repos["churn/training"])
    sim.at(sim.epoch - 21 * HOUR, _leaking_log, sim, repos["churn/features"])


def _leave(at: datetime, sim: Sim, repo: Repo, fate: str, situation: str) -> None:
    request = open_request(at, sim, repo, f"left/{situation}", {"fate": fate, "outcomes": {}})
    sim.plant(situation, project=repo.id, request=request["iid"], at=at)


def _hostile(at: datetime, sim: Sim, repo: Repo, key: str, wish: dict[str, Any]) -> None:
    request = open_request(at, sim, repo, key, {**wish, "outcomes": {}})
    sim.plant("hostile_text", project=repo.id, request=request["iid"], title=wish["title"], branch=wish["branch"])


def _leak(at: datetime, sim: Sim, repo: Repo) -> None:
    """A title, a branch, a description, a comment and a commit message with secrets in them."""
    secret = sim.parts["canary"]
    branch = secret("branch name")
    wish = {
        "title": f"Use token {secret('request title')}",
        "branch": f"fix/{branch.replace('://', '-').replace(':', '-').replace('@', '-')}",
        "description": f"Password for testing: {secret('request description')}",
        "message": f"Try it\n\nexport TOKEN={secret('commit message')}",
        "fate": "wait",
        "outcomes": {},
    }
    request = open_request(at, sim, repo, "leak", wish)
    author: Json = request["author"]
    note(
        sim, at, repo, request, author, f"curl -H 'PRIVATE-TOKEN: {secret('request note')}' https://gitlab.acme.example"
    )


def _leaking_log(at: datetime, sim: Sim, repo: Repo) -> None:
    """A failing job whose log prints secrets in every disguise."""
    found = commit(sim, at, repo, "main", "Print more while debugging", repo.plan.people[0])
    run = ci.start_run(sim, at, repo, "main", found, username=repo.plan.people[0],
                       outcomes={"unit-tests": ["script_failure"]})  # fmt: skip
    lines = []
    for way, text in disguised(sim.parts["canary"]("job log")).items():
        lines.append(f"DEBUG {way} PASSWORD={text}")
    run.labels["log:unit-tests"] = "\n".join(lines) + "\n"
    sim.plant("leaking_log", project=repo.id, pipeline=run.pipeline["id"], job="unit-tests", at=at)


def build_access(sim: Sim) -> None:
    """The collector's token always ends nine days from now; each repository protects its main."""
    value = f"glpat-{sim.sha('token')[:20]}"
    token = Token(value=value, scopes=("read_api",), username="project-bot")
    sim.up.gitlab.tokens[value] = token
    sim.parts["token"] = value

    def renew(at: datetime) -> None:
        token.expires_at = (at + 9 * DAY).date().isoformat()

    every_day(sim, sim.start, renew)
    sim.plant("token_expires_soon", username=token.username)
    for repo in sim.parts["repos"].values():
        level = {"access_level": 40, "access_level_description": "Maintainers", "user_id": None, "group_id": None}
        sim.up.gitlab.items(repo.id, "protected_branches").append(
            {
                "id": repo.id * 10 + 1,
                "name": "main",
                "push_access_levels": [{"id": repo.id * 10 + 2, **level}],
                "merge_access_levels": [{"id": repo.id * 10 + 3, **level}],
                "unprotect_access_levels": [],
                "allow_force_push": False,
                "code_owner_approval_required": False,
                "inherited": False,
            }
        )
