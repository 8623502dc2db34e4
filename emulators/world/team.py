"""Who is in the demo team, and which groups, repositories and Google projects are theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emulators.data import Json

WEB = "https://gitlab.acme.example"
REGISTRY = "registry.acme.example"
REGION = "europe-west4"
ROOT_GROUP = 9100
GOOGLE_PROJECTS = {"dev": "acme-ml-dev", "qa": "acme-ml-qa", "prod": "acme-ml-prod"}
PROJECT_NUMBERS = {"dev": "718203440112", "qa": "718203440226", "prod": "718203440339"}
PRODUCTS = ("demand-forecast", "churn", "fraud-scoring")
BOT = "project-bot"


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    role: str


PEOPLE = (
    Person("mira.voss", "Mira Voss", "data scientist"),
    Person("tomas.lind", "Tomás Lind", "data scientist"),
    Person("aiko.brandt", "Aiko Brandt", "data scientist"),
    Person("ravi.okafor", "Ravi Okafor", "ML engineer"),
    Person("lena.petrova", "Lena Petrova", "ML engineer"),
    Person("jonas.haile", "Jonas Haile", "ML engineer"),
    Person("sofia.duarte", "Sofia Duarte", "data engineer"),
    Person("emre.kaya", "Emre Kaya", "data engineer"),
    Person("nadia.roth", "Nadia Roth", "DevOps engineer"),
    Person("piet.vandijk", "Piet van Dijk", "DevOps engineer"),
)
LEFT = Person("oscar.melin", "Oscar Melin", "DevOps engineer, left the company")
ROBOT = Person(BOT, "Delivery Bot", "service account")


@dataclass(frozen=True)
class RepoPlan:
    """A repository as it is set up: which kind of pipeline it has, its product and how busy it is."""

    id: int
    path: str
    product: str | None
    kind: str
    busy: float
    """Merge requests begun a working day, in the history."""
    people: tuple[str, ...]
    topics: tuple[str, ...] = ()


REPOS = (
    RepoPlan(41010, "demand-forecast/training", "demand-forecast", "training", 0.7, ("mira.voss", "ravi.okafor")),
    RepoPlan(41020, "demand-forecast/serving", "demand-forecast", "twin", 0.6, ("ravi.okafor", "lena.petrova")),
    RepoPlan(41030, "demand-forecast/dashboard", "demand-forecast", "dashboard", 0.3, ("mira.voss", "aiko.brandt")),
    RepoPlan(41040, "churn/training", "churn", "training", 0.6, ("tomas.lind", "jonas.haile")),
    RepoPlan(41050, "churn/serving-api", "churn", "gated", 0.7, ("jonas.haile", "lena.petrova"), ("churn",)),
    RepoPlan(41060, "churn/features", "churn", "features", 0.5, ("sofia.duarte", "emre.kaya")),
    RepoPlan(41070, "fraud-scoring/monorepo", "fraud-scoring", "monorepo", 0.5, ("aiko.brandt", "jonas.haile")),
    RepoPlan(41080, "fraud-scoring/data-prep", "fraud-scoring", "library", 0.4, ("emre.kaya", "sofia.duarte")),
    RepoPlan(41090, "platform/infra", None, "infra", 0.4, ("nadia.roth", "piet.vandijk")),
    RepoPlan(41100, "platform/ml-lib", None, "library", 0.4, ("lena.petrova", "ravi.okafor")),
    RepoPlan(41110, "platform/pipeline-components", None, "library", 0.3, ("ravi.okafor", "nadia.roth")),
    RepoPlan(41120, "platform/access-broker", None, "gated", 0.2, ("piet.vandijk", "nadia.roth")),
)


@dataclass(frozen=True)
class Break:
    """A job of the default branch that fails, whatever is pushed: for a while, and then again every week."""

    job: str
    since: datetime
    lasts: timedelta
    reason: str = "script_failure"

    def holds(self, at: datetime) -> bool:
        return at >= self.since and (at - self.since) % timedelta(days=7) < self.lasts


@dataclass
class Repo:
    """A repository while the story is played: what its next push, pipeline and deployment build on."""

    plan: RepoPlan
    project: Json
    head: str = ""
    iids: dict[str, int] = field(default_factory=dict)
    environments: dict[str, Json] = field(default_factory=dict)
    deployed: dict[str, Json] = field(default_factory=dict)
    """Environment -> its newest successful deployment."""
    runs: dict[int, Any] = field(default_factory=dict)
    """Pipeline id -> the run that is played."""
    commits: dict[str, Json] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """Commits in the order in which they came to main."""
    place: dict[str, int] = field(default_factory=dict)
    branches: dict[str, Json] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    """Spans in which a job of the default branch always fails."""
    schedules: dict[str, Json] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.plan.id

    @property
    def path(self) -> str:
        return f"acme-ml/{self.plan.path}"

    @property
    def web_url(self) -> str:
        return f"{WEB}/{self.path}"

    def broken(self, at: datetime) -> dict[str, list[str]]:
        """Jobs of main that fail at that time, whatever is pushed, with their reason."""
        return {one.job: [one.reason] for one in self.breaks if one.holds(at)}

    def next_iid(self, kind: str) -> int:
        self.iids[kind] = self.iids.get(kind, 0) + 1
        return self.iids[kind]


def user_json(person: Person, number: int) -> Json:
    return {
        "id": number,
        "username": person.username,
        "public_email": None,
        "name": person.name,
        "state": "blocked" if person is LEFT else "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{WEB}/{person.username}",
    }


def group_json(number: int, path: str, parent: int | None, founded: str) -> Json:
    name = path.rsplit("/", 1)[-1]
    return {
        "id": number,
        "web_url": f"{WEB}/groups/{path}",
        "name": name,
        "path": name,
        "description": "",
        "visibility": "private",
        "avatar_url": None,
        "full_name": path.replace("/", " / "),
        "full_path": path,
        "created_at": founded,
        "parent_id": parent,
    }


def project_json(plan: RepoPlan, group: Json, founded: str) -> Json:
    name = plan.path.rsplit("/", 1)[-1]
    path = f"acme-ml/{plan.path}"
    namespace = {key: group[key] for key in ("id", "name", "path", "full_path", "parent_id", "avatar_url", "web_url")}
    return {
        "id": plan.id,
        "description": f"{plan.kind} of {plan.product or 'the platform'}",
        "name": name,
        "name_with_namespace": path.replace("/", " / "),
        "path": name,
        "path_with_namespace": path,
        "created_at": founded,
        "default_branch": "main",
        "tag_list": list(plan.topics),
        "topics": list(plan.topics),
        "ssh_url_to_repo": f"git@gitlab.acme.example:{path}.git",
        "http_url_to_repo": f"{WEB}/{path}.git",
        "web_url": f"{WEB}/{path}",
        "readme_url": f"{WEB}/{path}/-/blob/main/README.md",
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": founded,
        "visibility": "private",
        "namespace": {**namespace, "kind": "group"},
        "empty_repo": False,
        "archived": False,
        "issues_enabled": True,
        "merge_requests_enabled": True,
        "jobs_enabled": True,
        "container_registry_enabled": True,
        "environments_access_level": "enabled",
        "builds_access_level": "enabled",
        "shared_runners_enabled": True,
        "creator_id": 2001,
        "open_issues_count": 0,
        "updated_at": founded,
        "ci_forward_deployment_enabled": True,
        "ci_forward_deployment_rollback_allowed": True,
        "merge_method": "merge",
        "squash_option": "default_off",
        "only_allow_merge_if_pipeline_succeeds": False,
        "ci_config_path": ".gitlab-ci.yml",
    }


def found_team(sim: Any, founded: datetime, stamp: str) -> dict[str, Repo]:
    """Fill in groups, users and projects; gives the repositories by path below the root group."""
    gitlab = sim.up.gitlab
    for number, person in enumerate((*PEOPLE, LEFT, ROBOT), start=2001):
        gitlab.users[person.username] = user_json(person, number)
    root = group_json(ROOT_GROUP, "acme-ml", None, stamp)
    gitlab.groups.append(root)
    groups = {}
    for number, name in enumerate((*PRODUCTS, "platform"), start=1):
        groups[name] = group_json(ROOT_GROUP + number, f"acme-ml/{name}", ROOT_GROUP, stamp)
        gitlab.groups.append(groups[name])
    repos = {}
    for plan in REPOS:
        project = project_json(plan, groups[plan.path.split("/", 1)[0]], stamp)
        gitlab.projects[plan.id] = project
        repos[plan.path] = Repo(plan, project)
    return repos
