"""What a successful job does outside GitLab: push an image, train, publish a template, a package or a release."""

from __future__ import annotations

from datetime import datetime

from emulators.data import Json
from emulators.world import ci
from emulators.world.engine import Sim, iso
from emulators.world.repositories import JobPlan
from emulators.world.team import REGISTRY, Repo
from emulators.world.training import publish_template, train_from_ci


def watch_effects(sim: Sim) -> None:
    def heard(at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
        if job["status"] != "success":
            return
        if plan.image is not None and run.pipeline["ref"] == "main":
            push_image(sim, at, run, plan.image)
        effect, _, argument = (plan.effect or "").partition(":")
        if effect == "train":
            train_from_ci(sim, at, run, argument)
        elif effect == "template":
            publish_template(sim, at, run)
        elif effect == "package":
            publish_package(sim, at, run)
        elif effect == "release":
            publish_release(sim, at, run)

    ci.listen(sim, heard)


def push_image(sim: Sim, at: datetime, run: ci.Run, below: str) -> None:
    """Push to the project's registry, tagged by short SHA; a build called "latest-only" tags nothing but `latest`."""
    repo, latest_only = run.repo, below == "latest-only"
    path = repo.path if below in ("", "latest-only") else f"{repo.path}/{below}"
    registry = registry_of(sim, at, repo, path)
    digest = sim.sha("digest", path, run.commit["id"]) + sim.sha("digest2", path, run.commit["id"])[:24]
    if latest_only:
        sim.plant("image_tagged_latest_only", project=repo.id, pipeline=run.pipeline["id"], at=at)
    for name in ("latest",) if latest_only else (run.commit["short_id"], "latest"):
        found = registry["_by_name"].get(name)
        if found is None:
            found = {"name": name, "path": f"{path}:{name}", "location": f"{REGISTRY}/{path}:{name}"}
            registry["tags"].append(found)
            registry["_by_name"][name] = found
        found |= {
            "digest": f"sha256:{digest}",
            "revision": digest,
            "short_revision": digest[:9],
            "total_size": 310_000_000 + int(digest[:6], 16),
            "created_at": iso(at),
        }
    registry["tags_count"] = len(registry["tags"])


def registry_of(sim: Sim, at: datetime, repo: Repo, path: str) -> Json:
    for registry in sim.up.gitlab.items(repo.id, "registry_repositories"):
        if registry["path"] == path:
            return registry
    found = {
        "id": sim.new_id("registry", at, 6_100_000, 0.001),
        "name": path.removeprefix(repo.path).strip("/"),
        "path": path,
        "project_id": repo.id,
        "location": f"{REGISTRY}/{path}",
        "created_at": iso(at),
        "cleanup_policy_started_at": None,
        "status": None,
        "tags_count": 0,
        "tags": [],
        "_by_name": {},
    }
    sim.up.gitlab.items(repo.id, "registry_repositories").append(found)
    return found


def publish_package(sim: Sim, at: datetime, run: ci.Run) -> None:
    repo = run.repo
    version = run.pipeline["ref"].removeprefix("v")
    number = sim.new_id("package", at, 22_000_000, 0.01)
    sim.up.gitlab.items(repo.id, "packages").append(
        {
            "id": number,
            "name": repo.project["path"],
            "version": version,
            "package_type": "pypi",
            "status": "default",
            "_links": {"web_path": f"/{repo.path}/-/packages/{number}"},
            "created_at": iso(at),
            "last_downloaded_at": None,
            "project_id": repo.id,
            "project_path": repo.path,
            "tags": [],
            "pipeline": run.summary,
            "pipelines": [run.summary],
        }
    )
    publish_release(sim, at, run)


def publish_release(sim: Sim, at: datetime, run: ci.Run) -> None:
    repo, name = run.repo, run.pipeline["ref"]
    release = {
        "name": f"{repo.project['path']} {name}",
        "tag_name": name,
        "description": f"Changes of {name}",
        "created_at": iso(at),
        "released_at": iso(at),
        "upcoming_release": False,
        "author": run.pipeline["user"],
        "commit": run.commit,
        "milestones": [],
        "commit_path": f"/{repo.path}/-/commit/{run.commit['id']}",
        "tag_path": f"/{repo.path}/-/tags/{name}",
        "assets": {"count": 0, "sources": [], "links": []},
        "evidences": [],
        "_links": {"self": f"{repo.web_url}/-/releases/{name}"},
    }
    sim.up.gitlab.items(repo.id, "releases").append(release)
    for tag in sim.up.gitlab.items(repo.id, "tags"):
        if tag["name"] == name:
            tag["release"] = {"tag_name": name, "description": release["description"]}
