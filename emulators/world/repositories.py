"""What runs in each kind of repository: its jobs, stages, durations, environments and triggers."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class JobPlan:
    """One job of a pipeline as its configuration has it."""

    name: str
    stage: str
    seconds: float
    needs: tuple[str, ...] = ()
    allow_failure: bool = False
    manual: bool = False
    """With `allow_failure` optional, without it a gate that everything later waits for."""
    delay_minutes: float = 0
    environment: str | None = None
    action: str = "start"
    approval: bool = False
    """The environment is protected: the deployment is blocked until somebody approves."""
    trigger: str | None = None
    """This is a bridge: `child:NAME` or the path of another repository."""
    strategy: str | None = None
    tests: bool = False
    coverage: bool = False
    image: str | None = None
    """The registry path below the project's that a success pushes an image to ("" for the project's own)."""
    effect: str | None = None
    """What else a success does in the world: train:ENV, apply:STATE, plan:STATE, publish …"""


J = JobPlan

CHECKS = (
    J("lint", "check", 42),
    J("format", "check", 18),
    J("types", "check", 66),
    J("secrets-scan", "check", 24),
    J("unit-tests", "test", 170, tests=True, coverage=True),
    J("integration-tests", "test", 230, tests=True),
)
BRIEF = (CHECKS[0], CHECKS[2], CHECKS[4])
BUILD = (J("build-image", "build", 260, image=""), J("scan-image", "scan", 75, allow_failure=True))
LIB_CHECKS = (
    J("lint", "check", 35),
    J("format", "check", 16),
    J("unit-tests: [3.11]", "test", 120, tests=True, coverage=True),
    J("unit-tests: [3.12]", "test", 125, tests=True),
    J("unit-tests: [3.13]", "test", 128, tests=True),
    J("type-check", "test", 60, allow_failure=True),
)


def _gated() -> dict[str, tuple[JobPlan, ...]]:
    return {
        "request": (*CHECKS, BUILD[0]),
        "main": (
            *CHECKS,
            *BUILD,
            J("deploy-dev", "dev", 95, environment="dev"),
            J("smoke-dev", "dev", 40, needs=("deploy-dev",)),
            J("deploy-qa", "qa", 110, environment="qa"),
            J("acceptance-qa", "qa", 150, needs=("deploy-qa",), tests=True),
            J("deploy-prod", "prod", 130, environment="production", manual=True),
            J("smoke-prod", "verify", 45),
        ),
        "release": (*CHECKS[:1], J("publish-release", "release", 50, effect="release")),
    }


def _twin() -> dict[str, tuple[JobPlan, ...]]:
    """Two services that one pipeline deploys."""
    return {
        "request": (*CHECKS, BUILD[0]),
        "main": (
            *CHECKS,
            J("build-forecast-api", "build", 250, image="forecast-api"),
            J("build-forecast-batch", "build", 210, image="forecast-batch"),
            J("deploy-dev", "dev", 90, environment="dev"),
            J("deploy-qa", "qa", 105, environment="qa", delay_minutes=15),
            J("deploy-prod-api", "prod", 120, environment="prod/forecast-api", manual=True, allow_failure=True),
            J("deploy-prod-batch", "prod", 125, environment="prod/forecast-batch", manual=True, allow_failure=True),
        ),
        "release": (*CHECKS[:1], J("publish-release", "release", 50, effect="release")),
    }


def _training() -> dict[str, tuple[JobPlan, ...]]:
    return {
        "request": (*BRIEF, J("compile-pipeline", "build", 48)),
        "main": (
            *BRIEF,
            J("compile-pipeline", "build", 50),
            J("build-trainer", "build", 300, image="trainer"),
            J("train-dev", "train", 75, effect="train:dev"),
            J("publish-template", "publish", 30, effect="template"),
        ),
        "schedule": (J("compile-pipeline", "build", 50), J("train-qa", "train", 70, effect="train:qa")),
        "trigger": (J("compile-pipeline", "build", 48), J("check-features", "test", 90, tests=True)),
    }


def _monorepo() -> dict[str, tuple[JobPlan, ...]]:
    """A parent that starts a child a service."""
    child = (J("lint", "check", 38), J("unit-tests", "test", 140, tests=True, coverage=True))
    found: dict[str, tuple[JobPlan, ...]] = {
        "request": (
            J("changes", "prepare", 20),
            J("scorer", "children", 5, trigger="child:request-scorer", strategy="depend"),
            J("rules", "children", 5, trigger="child:request-rules", strategy="depend"),
        ),
        "main": (
            J("changes", "prepare", 20),
            J("scorer", "children", 5, trigger="child:main-scorer", strategy="depend"),
            J("rules", "children", 5, trigger="child:main-rules"),
        ),
        "schedule": (J("dependency-audit", "check", 80, allow_failure=True), J("licences", "check", 40)),
    }
    for service in ("scorer", "rules"):
        found[f"request-{service}"] = child
        found[f"main-{service}"] = (
            *child,
            J("build-image", "build", 220, image=service),
            J("deploy-dev", "dev", 80, environment=f"dev/{service}"),
            J("deploy-nonprod", "nonprod", 85, environment="nonprod")
            if service == "rules"
            else J("deploy-qa", "qa", 95, environment="qa/scorer"),
            J(
                "deploy-prod",
                "prod",
                120,
                environment=f"production/{service}",
                manual=True,
                allow_failure=True,
                approval=service == "scorer",
            ),
        )
    return found


STATES = ("dev", "qa", "prod", "data-lake", "experiments", "feature-store", "registry-mirror", "monitoring")
"""The states that have a drift job; `shared-network` has none."""
RARE_STATES = ("data-lake", "experiments", "feature-store", "monitoring", "shared-network", "registry-mirror")
"""States that are only applied by hand, each by a pipeline of its own."""


def _rare(name: str) -> tuple[JobPlan, ...]:
    apply = J(f"apply:{name}", "apply", 90, effect=f"apply:{name}")
    return (apply,) if name == "shared-network" else (J(f"plan:{name}", "plan", 55, effect=f"plan:{name}"), apply)


def _infra() -> dict[str, tuple[JobPlan, ...]]:
    plans = tuple(J(f"plan:{name}", "plan", 55, effect=f"plan:{name}") for name in ("dev", "qa", "prod"))
    return {
        "request": (J("fmt", "check", 15), J("validate", "check", 30), *plans),
        "main": (
            J("fmt", "check", 15),
            J("validate", "check", 30),
            *plans,
            J("apply:dev", "dev", 80, effect="apply:dev", environment="infra/dev"),
            J("apply:qa", "qa", 85, effect="apply:qa", environment="infra/qa"),
            J("apply:prod", "prod", 110, manual=True, effect="apply:prod", environment="infra/production"),
        ),
        "schedule": tuple(
            J(f"drift:{name}", "drift", 60, effect=f"drift:{name}", allow_failure=name == "experiments")
            for name in STATES
            if name != "monitoring"
        ),
        **{f"state-{name}": _rare(name) for name in RARE_STATES},
        "monitoring": (J("drift:monitoring", "drift", 60, effect="drift:monitoring"),),
    }


def _features() -> dict[str, tuple[JobPlan, ...]]:
    main = _gated()["main"]
    return {
        "request": CHECKS,
        "main": (
            *CHECKS,
            *(replace(job, manual=False) for job in main if job.name in ("deploy-dev", "deploy-qa")),
            J("retrain", "downstream", 5, trigger="churn/training"),
        ),
        "schedule": (J("check-sources", "check", 65), J("sync-features", "sync", 90, effect="sync")),
    }


def _library() -> dict[str, tuple[JobPlan, ...]]:
    return {
        "request": LIB_CHECKS,
        "main": (*LIB_CHECKS, J("build-package", "build", 40), J("docs", "pages", 30, allow_failure=True)),
        "release": (LIB_CHECKS[0], LIB_CHECKS[2], J("publish-package", "release", 35, effect="package")),
        "schedule": LIB_CHECKS,
    }


def _dashboard() -> dict[str, tuple[JobPlan, ...]]:
    return {
        "request": BRIEF,
        "main": (
            *BRIEF,
            J("build-image", "build", 150, image="latest-only"),
            J("deploy-dev", "deploy", 60, environment="dashboard-dev"),
            J("deploy-live", "deploy", 70, needs=("deploy-dev",), environment="dashboard-live"),
        ),
        "schedule": (J("refresh-extracts", "refresh", 140),),
    }


PIPELINES: dict[str, dict[str, tuple[JobPlan, ...]]] = {
    "gated": _gated(),
    "twin": _twin(),
    "training": _training(),
    "monorepo": _monorepo(),
    "infra": _infra(),
    "features": _features(),
    "library": _library(),
    "dashboard": _dashboard(),
}

TIERS: dict[str, str | None] = {
    "dev": "development",
    "qa": "testing",
    "production": "production",
    "infra/dev": "development",
    "infra/qa": "testing",
    "infra/production": "production",
    "nonprod": "other",
}
"""Environments whose tier somebody set; the others have none, and their names must be read."""
