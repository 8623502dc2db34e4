"""The situations that are always there to be found: red mains, gates, canaries, releases, rare ends of pipelines."""

from __future__ import annotations

from datetime import datetime, timedelta

from emulators.data import Json
from emulators.world import ci
from emulators.world.commits import commit, tag
from emulators.world.engine import Sim, every_day, iso
from emulators.world.incidents import open_incident
from emulators.world.ml_plans import ML_PRODUCTS, MLProduct
from emulators.world.objects import detailed_status, pipeline_json
from emulators.world.repositories import RARE_STATES
from emulators.world.requests import merge, open_request
from emulators.world.serving import roll_traffic_back, start_canary
from emulators.world.team import Break, Repo

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def build_arcs(sim: Sim) -> None:
    repos: dict[str, Repo] = sim.parts["repos"]
    # Nobody presses production's button in these spans: merged work waits, and drift is not applied away.
    sim.parts["frozen"] = {
        "churn/serving-api": Break("deploy-prod", sim.epoch - 3 * DAY, 5 * DAY),
        "platform/infra": Break("apply:prod", sim.epoch - 4 * DAY - HOUR, 6 * DAY + 2 * HOUR),
    }
    _break(sim, repos["fraud-scoring/data-prep"], "unit-tests: [3.11]", 2.4, 4.0)
    _break(sim, repos["demand-forecast/dashboard"], "deploy-live", 1.2, 2.0)
    _ask(sim, repos["churn/serving-api"], (2.6, 1.9, 0.8), "merge")
    _deny(sim, repos["platform/access-broker"])
    sim.at(sim.epoch - 26 * HOUR, _platform_failures, sim, repos["platform/access-broker"])
    sim.at(sim.epoch - 20 * HOUR, _long_incident, sim, repos["demand-forecast/serving"])
    sim.at(sim.epoch - 50 * HOUR, _late_button, sim, repos["demand-forecast/serving"])
    sim.at(sim.epoch - 40 * HOUR, _skip_ci, sim, repos["platform/ml-lib"])
    sim.at(sim.epoch - 44 * HOUR, _yaml_error, sim, repos["platform/pipeline-components"])
    sim.at(sim.epoch - 30 * HOUR, _cancel_main, sim, repos["churn/training"])
    every_day(sim, sim.start, _releases, sim, repos)
    every_day(sim, sim.start, _rare_applies, sim, repos["platform/infra"])
    _canaries(sim)


def _break(sim: Sim, repo: Repo, job: str, days_before: float, lasts: float) -> None:
    """Main is red from that day on; enough is merged to see it on several commits."""
    since = sim.epoch - days_before * DAY
    repo.breaks.append(Break(job, since, lasts * DAY))
    _ask(sim, repo, tuple(days_before - 0.1 - 0.3 * number for number in range(4)), "merge")
    sim.plant("broken_since", project=repo.id, job=job, since=since)


def _ask(sim: Sim, repo: Repo, days_before: tuple[float, ...], fate: str) -> None:
    """Requests that are surely merged, a few hours after they were opened."""
    for number, days in enumerate(days_before):
        sim.at(sim.epoch - days * DAY - 2 * HOUR, _merged_request, sim, repo, f"arc/{number}", fate)


def _merged_request(at: datetime, sim: Sim, repo: Repo, key: str, fate: str) -> None:
    request = open_request(at, sim, repo, key, {"fate": fate, "outcomes": {}})
    sim.at(at + 2 * HOUR, merge, sim, repo, request)


def _late_button(at: datetime, sim: Sim, repo: Repo) -> None:
    """Somebody starts the production job of a pipeline that a newer one has overtaken; GitLab stops it."""
    job, environment = "deploy-prod-api", "prod/forecast-api"
    newest = repo.deployed[environment]["_run"] if environment in repo.deployed else 0
    for number, run in reversed(repo.runs.items()):
        if number < newest and run.kind == "main" and run.jobs[job]["status"] == "manual":
            ci.play(at, sim, run, job, repo.plan.people[0])
            return


def _deny(sim: Sim, repo: Repo) -> None:
    for collection in ("environments", "deployments"):
        sim.up.gitlab.denied[repo.id, collection] = 403
        sim.plant("project_denied", project=repo.id, collection=collection, status=403)


def _platform_failures(at: datetime, sim: Sim, repo: Repo) -> None:
    """One main run of which the platform is guilty: a runner died, and another never came."""
    found = commit(sim, at, repo, "main", "Rotate signing keys", repo.plan.people[0])
    outcomes = {"unit-tests": ["runner_system_failure", ""], "integration-tests": ["stuck_or_timeout_failure"]}
    run = ci.start_run(sim, at, repo, "main", found, username=repo.plan.people[0], outcomes=outcomes)
    for job, reasons in outcomes.items():
        sim.plant("platform_failure", project=repo.id, pipeline=run.pipeline["id"], job=job, reason=reasons[0], at=at)


def _long_incident(at: datetime, sim: Sim, repo: Repo) -> None:
    current = repo.deployed.get("prod/forecast-api")
    if current:
        open_incident(sim, at, repo, "prod/forecast-api", current, hours=24 * 60)


def _bare(sim: Sim, at: datetime, repo: Repo, message: str, status: str) -> Json:
    """A pipeline that ends as it is created, without a job."""
    found = commit(sim, at, repo, "main", message, repo.plan.people[0])
    user = sim.up.gitlab.users[repo.plan.people[0]]
    pipeline = pipeline_json(sim, repo, found, "main", "push", user, at)
    path = pipeline["detailed_status"]["details_path"]
    pipeline |= {"status": status, "detailed_status": detailed_status(status, path), "finished_at": iso(at)}
    sim.up.gitlab.items(repo.id, "pipelines").append(pipeline)
    return pipeline


def _skip_ci(at: datetime, sim: Sim, repo: Repo) -> None:
    pipeline = _bare(sim, at, repo, "Fix a typo in the docs [skip ci]", "skipped")
    pipeline["finished_at"] = None
    sim.plant("skipped_pipeline", project=repo.id, pipeline=pipeline["id"], at=at)


def _yaml_error(at: datetime, sim: Sim, repo: Repo) -> None:
    pipeline = _bare(sim, at, repo, "Include shared jobs", "failed")
    pipeline["yaml_errors"] = "jobs:publish config contains unknown keys: scirpt"
    sim.plant("yaml_error", project=repo.id, pipeline=pipeline["id"], at=at)
    later = at + 2 * HOUR
    sim.at(later, _mend, sim, repo)


def _mend(at: datetime, sim: Sim, repo: Repo) -> None:
    found = commit(sim, at, repo, "main", "Mend the pipeline", repo.plan.people[0])
    ci.start_run(sim, at, repo, "main", found, username=repo.plan.people[0])


def _cancel_main(at: datetime, sim: Sim, repo: Repo) -> None:
    found = commit(sim, at, repo, "main", "Try another seed", repo.plan.people[0])
    run = ci.start_run(sim, at, repo, "main", found, username=repo.plan.people[0])
    sim.plant("canceled_pipeline", project=repo.id, pipeline=run.pipeline["id"], at=at)
    sim.at(at + timedelta(minutes=3), _stop, sim, run)


def _stop(at: datetime, sim: Sim, run: ci.Run) -> None:
    ci.cancel(sim, at, run)


def _releases(at: datetime, sim: Sim, repos: dict[str, Repo]) -> None:
    """Libraries and services get a tag about every ten days."""
    for repo in repos.values():
        if "release" not in ci.PIPELINES[repo.plan.kind]:
            continue
        if (at.toordinal() + repo.id // 10) % 10 == 0 and at.weekday() < 5:
            sim.at(at + 13 * HOUR, _release, sim, repo)


def _release(at: datetime, sim: Sim, repo: Repo) -> None:
    name = f"v1.{repo.next_iid('release')}.0"
    tag(sim, at, repo, name, repo.head, f"Release {name}")
    ci.start_run(
        sim,
        at,
        repo,
        "release",
        repo.commits[repo.head],
        ref=name,
        source="push",
        username=repo.plan.people[0],
        tag=True,
    )


def _rare_applies(at: datetime, sim: Sim, repo: Repo) -> None:
    """Each of the quiet states is applied about every three weeks; the feature store's last apply failed."""
    before = (sim.epoch - at) / DAY
    for number, name in enumerate(RARE_STATES):
        quiet_since = {"monitoring": 10, "experiments": 6.5}.get(name, 5)
        if before > quiet_since and (at.toordinal() + 3 * number) % 21 == 0:
            sim.at(at + 10 * HOUR, _apply, sim, repo, name, {})
        if name == "feature-store" and 3.5 <= before < 4.5:
            sim.at(at + 10 * HOUR, _apply, sim, repo, name, {f"apply:{name}": ["script_failure"]})


def _apply(at: datetime, sim: Sim, repo: Repo, name: str, outcomes: dict[str, list[str]]) -> None:
    ci.start_run(
        sim,
        at,
        repo,
        f"state-{name}",
        repo.commits[repo.head],
        source="web",
        username="piet.vandijk",
        outcomes=outcomes,
    )


def _canaries(sim: Sim) -> None:
    """In the history one promotion a week and product; while watched one every few hours, every third one bad."""
    fraud, forecast = ML_PRODUCTS[2], ML_PRODUCTS[0]
    for number, product in enumerate(ML_PRODUCTS):
        every_day(sim, sim.start, _weekly, sim, product, number)
        sim.at(sim.epoch + (1.5 + number) * HOUR / sim.speed, _live_canary, sim, product, number)
    sim.at(sim.epoch - 5 * HOUR, start_canary, sim, fraud, False, 6 * HOUR)
    sim.at(sim.epoch - 47 * HOUR, roll_traffic_back, sim, forecast)


def _weekly(at: datetime, sim: Sim, product: MLProduct, number: int) -> None:
    if at.weekday() != number + 1 or at + 36 * HOUR > sim.epoch:
        return
    good = sim.rng("canary", product.name, at.date()).random() < 0.8
    sim.at(at + 9 * HOUR, start_canary, sim, product, good, 22 * HOUR)


def _live_canary(at: datetime, sim: Sim, product: MLProduct, count: int) -> None:
    lasts = timedelta(minutes=45) / sim.speed
    start_canary(at, sim, product, count % 3 != 2, lasts)
    sim.at(at + 5 * HOUR / sim.speed, _live_canary, sim, product, count + 1)
