"""What the team does all day: requests are opened and merged, main is built, production is deployed and rolled back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from emulators.data import Json
from emulators.world import ci
from emulators.world.children import start_downstream
from emulators.world.commits import commit
from emulators.world.deployments import roll_back
from emulators.world.engine import WARM_UP, Sim, arrivals, every_day, every_hour, iso, spread
from emulators.world.incidents import open_incident
from emulators.world.requests import chance_outcomes, open_request
from emulators.world.team import Repo

LIVE_REQUESTS_PER_HOUR = 5.0


def begin_activity(sim: Sim, repos: dict[str, Repo]) -> None:
    """First commits, then requests for ever: a few a working day in the history, a steady stream while watched."""

    def on_main(at: datetime, repo: Repo, found: Json, request: Json | None) -> ci.Run:
        return _build_main(sim, at, repo, found, request)

    sim.parts["on_main"] = on_main
    sim.parts["after_main"] = lambda at, run, chance: _after_main(sim, at, run, chance, False)
    ci.listen(sim, lambda at, run, plan, job: start_downstream(sim, at, run, plan, job))
    for repo in repos.values():
        _found(sim, repo)
        every_day(sim, sim.start, _plan_day, sim, repo)
    every_hour(sim, sim.epoch - WARM_UP, _plan_hour, sim, list(repos.values()))


def _found(sim: Sim, repo: Repo) -> None:
    """The repository is older than the history that is told: a few commits without pipelines."""
    author = repo.plan.people[0]
    for day, message in ((117, "Initial commit"), (110, "Add pipeline"), (96, "First working version")):
        at = sim.epoch - timedelta(days=day, minutes=repo.id % 97)
        commit(sim, at, repo, "main", message, author, [repo.head] if repo.head else [])


def _plan_day(at: datetime, sim: Sim, repo: Repo) -> None:
    if sim.live(at):
        return
    chance = sim.rng("day", repo.id, at.date())
    working = at.weekday() < 5
    rate = repo.plan.busy if working else repo.plan.busy * 0.12
    for number, when in enumerate(arrivals(chance, at + timedelta(hours=7), at + timedelta(hours=17), rate / 10)):
        if not sim.live(when):
            sim.at(when, open_request, sim, repo, f"{at.date()}/{number}")


def _plan_hour(at: datetime, sim: Sim, repos: list[Repo]) -> None:
    """Spread over the hour, so that there is never long nothing to see."""
    chance = sim.rng("hour", at.isoformat())
    weights = [repo.plan.busy for repo in repos]
    wanted = LIVE_REQUESTS_PER_HOUR * sim.rate(at)
    count = int(wanted) + (chance.random() < wanted % 1)
    for number in range(count):
        repo = chance.choices(repos, weights)[0]
        minute = 60 * (number + chance.random()) / count
        sim.at(at + timedelta(minutes=minute), open_request, sim, repo, f"{at.isoformat()}/{number}")


def _build_main(sim: Sim, at: datetime, repo: Repo, found: Json, request: Json | None) -> ci.Run:
    """Main's pipeline after a merge; what is to be deployed by hand is decided when it has ended."""
    chance = sim.rng("main", repo.id, found["id"])
    outcomes = chance_outcomes(chance, repo, "main", 0.11)
    outcomes |= flaky_now(sim, repo, found["id"])
    author = request["author"]["username"] if request else repo.plan.people[0]
    hotfix = bool(request and "hotfix" in request["labels"])
    run = ci.start_run(sim, at, repo, "main", found, username=author, outcomes=outcomes)
    run.on_end.append(lambda when, done: _after_main(sim, when, done, chance, hotfix))
    gates = [plan.name for plan in run.plans.values() if plan.manual and not plan.allow_failure]
    if gates:
        sim.at(at + timedelta(minutes=25), _watch_gate, sim, run, gates[0], chance, hotfix)
    return run


def flaky_now(sim: Sim, repo: Repo, sha: str) -> dict[str, list[str]]:
    """The churn service's integration tests fail one time in four, and succeed when tried again."""
    if repo.plan.path != "churn/serving-api" or sim.rng("flaky", sha).random() > 0.27:
        return {}
    sim.plant("flaky_job", project=repo.id, job="integration-tests", sha=sha)
    return {"integration-tests": ["script_failure", ""]}


def _after_main(sim: Sim, at: datetime, run: ci.Run, chance: Any, hotfix: bool) -> None:
    if run.labels.get("decided") or run.pipeline["status"] != "success":
        return
    run.labels["decided"] = "yes"
    for plan in run.plans.values():
        if plan.manual and plan.environment:
            _decide(sim, at, run, plan.name, chance, hotfix)


def _watch_gate(at: datetime, sim: Sim, run: ci.Run, name: str, chance: Any, hotfix: bool) -> None:
    """A gate that everything waits for: look in until it opens or can no longer open."""
    status = run.jobs[name]["status"]
    if status == "manual":
        _decide(sim, at, run, name, chance, hotfix)
    elif status == "created" and run.pipeline["status"] in ("created", "pending", "running"):
        sim.at(at + timedelta(minutes=20), _watch_gate, sim, run, name, chance, hotfix)


def _decide(sim: Sim, at: datetime, run: ci.Run, name: str, chance: Any, hotfix: bool) -> None:
    """Whether and when somebody presses the button for production."""
    frozen = sim.parts["frozen"].get(run.repo.plan.path)
    if frozen and frozen.job == name and frozen.holds(at):
        return
    if not hotfix and chance.random() > 0.62:
        return
    wait = sim.pace(at, 0.3 if hotfix else spread(chance, 5, 0.9), spread(chance, 11, 0.5))
    who = chance.choice(run.repo.plan.people)
    sim.at(at + wait, _ship, sim, run, name, who, chance)


def _ship(at: datetime, sim: Sim, run: ci.Run, name: str, who: str, chance: Any) -> None:
    if chance.random() < 0.06:
        run.outcomes[name] = ["script_failure"]
    ci.play(at, sim, run, name, who)
    if chance.random() < 0.08:
        sim.at(at + timedelta(minutes=12), _regret, sim, run, name, who)


def _regret(at: datetime, sim: Sim, run: ci.Run, name: str, who: str) -> None:
    """The deployment went wrong in use: an incident, and back to the version before, or a hotfix."""
    environment = run.plans[name].environment or ""
    current = run.repo.deployed.get(environment)
    if current is None or current["sha"] != run.commit["id"]:
        return
    incident = open_incident(sim, at, run.repo, environment, current)
    chance = sim.rng("regret", run.repo.id, run.pipeline["iid"])
    if chance.random() < 0.6:
        sim.at(at + timedelta(minutes=18), roll_back, sim, run.repo, environment, who)
    else:
        wish = {"title": f"Hotfix: restore {environment}", "labels": ["hotfix"], "branch": None, "fate": "merge"}
        wish["description"] = f"Closes incident #{incident['iid']}."
        number = run.repo.next_iid("branch")
        wish["branch"] = f"hotfix/{number}-restore"
        sim.at(at + timedelta(minutes=25), _hotfix, sim, run.repo, number, wish)


def _hotfix(at: datetime, sim: Sim, repo: Repo, number: int, wish: dict[str, Any]) -> None:
    request = open_request(at, sim, repo, f"hotfix/{number}", wish)
    sim.plant("hotfix", project=repo.id, request=request["iid"], at=iso(at))
