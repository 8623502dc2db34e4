"""Terraform states that live on in GitLab, a bucket and a file: new serials, a lock that stays, a changed lineage."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from emulators.data import Json, TerraformState
from emulators.world import ci
from emulators.world.engine import Sim, iso
from emulators.world.repositories import JobPlan
from emulators.world.team import BOT
from emulators.world.tf_plans import full_plan, plan_of, write_plan
from emulators.world.tf_resources import resources_of

TERRAFORM = "1.11.4"
BUCKET = "acme-ml-terraform-state"
IN_GITLAB = (
    "dev", "qa", "prod", "data-lake", "experiments", "feature-store", "monitoring", "shared-network", "registry-mirror",
)  # fmt: skip
IN_BUCKET = {"fraud-prod": "terraform/fraud-scoring-prod.tfstate", "fraud-qa": "terraform/fraud-scoring-qa.tfstate"}
IN_FILE = {"churn-sandbox": "churn-sandbox.tfstate"}


@dataclass
class Workspace:
    """A state while it is played."""

    name: str
    lineage: str
    serial: int = 0
    revision: str = ""


def build_states(sim: Sim) -> None:
    """The first serial of each is older than the history; applies follow."""
    at = sim.start - timedelta(days=12)
    sim.up.storage.buckets[BUCKET] = {
        "name": BUCKET,
        "location": "EUROPE-WEST4",
        "timeCreated": iso(at),
        "versioning": {"enabled": True},
    }
    found: dict[str, Workspace] = {}
    for name in (*IN_GITLAB, *IN_BUCKET, *IN_FILE):
        found[name] = Workspace(name, str(uuid.UUID(sim.sha("lineage", name)[:32])))
        write_state(sim, at, found[name], sim.sha("revision", name), None, "piet.vandijk")
    sim.parts["workspaces"] = found
    ci.listen(sim, lambda when, run, plan, job: _after_job(sim, when, run, plan, job))
    for name in (*IN_BUCKET, *IN_FILE):
        sim.at(sim.start + timedelta(days=2, hours=9), _outside_apply, sim, found[name])
        sim.at(sim.start + timedelta(hours=6), _outside_check, sim, found[name])
    sim.at(sim.epoch - timedelta(hours=31), _lock, sim, "registry-mirror")
    sim.at(sim.epoch - timedelta(days=4, hours=2), _new_lineage, sim, found["feature-store"])
    sim.plant("missing_endpoint", endpoint=sim.parts["missing_endpoint"], state="prod")
    sim.plant("never_checked_state", project=sim.parts["repos"]["platform/infra"].id, state="shared-network")


def document(sim: Sim, space: Workspace) -> Json:
    """The state file of the workspace's present serial."""
    outputs: Json = {
        "revision": {"value": space.revision[:8], "type": "string"},
        "admin_token": {
            "value": sim.parts["canary"](f"sensitive output of {space.name}"),
            "type": "string",
            "sensitive": True,
        },
    }
    return {
        "version": 4,
        "terraform_version": TERRAFORM,
        "serial": space.serial,
        "lineage": space.lineage,
        "outputs": outputs,
        "resources": resources_of(sim, space.name, space.revision),
        "check_results": _checks(space.name),
    }


def _checks(name: str) -> list[Json] | None:
    if name not in ("churn-sandbox", "prod"):
        return None
    bad = name == "churn-sandbox"
    address = "check.endpoint_answers"
    return [
        {
            "object_kind": "check",
            "config_addr": address,
            "status": "fail" if bad else "pass",
            "objects": [
                {
                    "object_addr": address,
                    "status": "fail" if bad else "pass",
                    "failure_messages": ["the endpoint answered 503"] if bad else None,
                }
            ],
        }
    ]


def write_state(sim: Sim, at: datetime, space: Workspace, revision: str, job: Json | None, username: str) -> None:
    """A new serial, where the state is kept."""
    space.serial += 1
    space.revision = revision
    data = json.dumps(document(sim, space)).encode()
    if space.name in IN_BUCKET:
        sim.up.storage.put(BUCKET, IN_BUCKET[space.name], data, at)
        return
    if space.name in IN_FILE:
        sim.up.files[IN_FILE[space.name]] = data
        return
    project = sim.parts["repos"]["platform/infra"].id
    state = sim.up.gitlab.states.get((project, space.name))
    if state is None:
        state = TerraformState(project, space.name, iso(at), iso(at))
        sim.up.gitlab.states[project, space.name] = state
    state.updated_at = iso(at)
    state.versions[space.serial] = {
        "data": data,
        "created_at": iso(at),
        "username": username,
        "job_id": job["id"] if job else None,
    }


def _after_job(sim: Sim, at: datetime, run: ci.Run, plan: JobPlan, job: Json) -> None:
    effect, _, name = (plan.effect or "").partition(":")
    if effect == "apply" and job["status"] == "success":
        space = sim.parts["workspaces"][name]
        write_state(sim, at, space, run.commit["id"], job, job["user"]["username"])
        sim.plant("apply", state=name, serial=space.serial, job=job["id"], at=at)
    elif effect == "apply" and job["status"] == "failed":
        sim.plant("apply_failed", state=name, job=job["id"], at=at)
    elif effect in ("plan", "drift") and job["status"] in ("success", "failed") and job["started_at"]:
        write_plan(sim, at, run, job, plan_of(sim, at, name, job["status"] == "failed"))


def _outside_apply(at: datetime, sim: Sim, space: Workspace) -> None:
    """States that no CI job writes: somebody applies from time to time, more often while watched.

    Not fraud's qa since two days before the epoch: there the code has changed since, and that is pending.
    """
    if space.name == "fraud-qa" and at >= sim.epoch - timedelta(days=2):
        return
    chance = sim.rng("outside", space.name, at.isoformat())
    write_state(sim, at, space, sim.sha("revision", space.name, space.serial), None, BOT)
    wait = timedelta(days=2 + chance.random() * 7)
    if sim.live(at):
        wait = timedelta(hours=(2 + chance.random() * 7) / sim.rate(at))
    elif at < sim.epoch < at + wait:
        wait = sim.epoch - at + timedelta(minutes=40)
    sim.at(at + wait, _outside_apply, sim, space)


def _outside_check(at: datetime, sim: Sim, space: Workspace) -> None:
    """Each day a full plan is laid beside the state, in the bucket or the folder."""
    data = json.dumps(full_plan(sim, at, space.name, document(sim, space))).encode()
    if space.name in IN_BUCKET:
        sim.up.storage.put(BUCKET, IN_BUCKET[space.name].replace(".tfstate", ".plan.json"), data, at)
    else:
        sim.up.files[f"{space.name}.plan.json"] = data
    sim.at(at + timedelta(hours=24), _outside_check, sim, space)


def _lock(at: datetime, sim: Sim, name: str) -> None:
    project = sim.parts["repos"]["platform/infra"].id
    state: Any = sim.up.gitlab.states[project, name]
    state.lock = {
        "ID": str(uuid.UUID(sim.sha("lock", name)[:32])),
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "piet.vandijk@laptop-0417",
        "Version": TERRAFORM,
        "Created": at.isoformat().replace("+00:00", "Z"),
        "Path": "",
        "_at": iso(at),
        "_username": "piet.vandijk",
    }
    sim.plant("locked_state", project=project, state=name, at=at)


def _new_lineage(at: datetime, sim: Sim, space: Workspace) -> None:
    """Somebody made the state anew: another lineage under the old name."""
    before = space.lineage
    space.lineage = str(uuid.UUID(sim.sha("lineage", space.name, "new")[:32]))
    write_state(sim, at, space, sim.sha("revision", space.name, "new"), None, "piet.vandijk")
    project = sim.parts["repos"]["platform/infra"].id
    sim.plant("lineage_change", project=project, state=space.name, before=before, after=space.lineage, at=at)
