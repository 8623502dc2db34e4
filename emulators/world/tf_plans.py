"""Drift, pending changes and checks: as a CI job's artifact without values, or as Terraform's own JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from emulators.data import Json
from emulators.world import ci
from emulators.world.engine import Sim, iso

ARTIFACT = "throughline-plan.json"
PENDING_SINCE = {"fraud-qa": 1.5, "data-lake": 3, "feature-store": 4.5}
"""State -> days before the epoch at which its code was changed and not applied any more."""
WEEK = timedelta(days=7)


def drifted(sim: Sim, at: datetime) -> bool:
    """Production is changed by hand four days before the epoch and applied again six days later, every week."""
    since = sim.epoch - timedelta(days=4, hours=1)
    return at >= since and (at - since) % WEEK < timedelta(days=6, hours=2)


def _change(address: str, actions: list[str], attributes: list[str], **more: object) -> Json:
    kind = address.split(".")[-2] if address.startswith("module.") else address.split(".")[0]
    return {"address": address, "type": kind, "actions": actions, **more, "attributes": attributes}


def drift_of(sim: Sim, at: datetime, name: str) -> list[Json]:
    if name == "prod" and drifted(sim, at):
        return [
            _change("google_vertex_ai_endpoint.churn", ["update"], ["machine_type", "min_replica_count"]),
            _change("google_storage_bucket.models", ["update"], ["lifecycle_rule.0.condition.0.age"]),
            _change("google_vertex_ai_endpoint.legacy_churn", ["delete"], []),
        ]
    if name == "dev" and (at - sim.epoch) % timedelta(days=3) < timedelta(hours=9):
        return [
            _change("google_cloud_run_v2_service.forecast_api", ["update"], ["template.0.scaling.0.max_instance_count"])
        ]
    if name == "fraud-prod":
        moved = "module.fraud.google_storage_bucket.fraud"
        return [_change("google_storage_bucket.fraud", ["no-op"], [], previous_address=moved)]
    return []


def changes_of(sim: Sim, at: datetime, name: str) -> list[Json]:
    """What an apply would do, but for nothing."""
    days = (sim.epoch - at) / timedelta(days=1)
    if days > PENDING_SINCE.get(name, -1) and name != "prod":
        return []
    if name == "fraud-qa":
        return [
            _change("google_vertex_ai_endpoint.fraud_scoring", ["update"], ["labels.tier"]),
            _change("google_monitoring_alert_policy.sync_lag", ["create"], []),
        ]
    if name == "data-lake":
        return [
            _change(
                "google_bigquery_dataset.lake",
                ["delete", "create"],
                ["location"],
                action_reason="replace_because_cannot_update",
                replace_paths=[["location"]],
            ),
            _change("google_storage_bucket.archive", ["update"], ["storage_class"]),
        ]
    if name == "feature-store":
        return [
            _change(
                "google_vertex_ai_feature_online_store_featureview.churn_view",
                ["delete", "create"],
                [],
                action_reason="replace_because_tainted",
            )
        ]
    if name == "prod" and drifted(sim, at):
        return [
            _change("google_vertex_ai_endpoint.legacy_churn", ["create"], []),
            _change("google_cloud_run_v2_service.forecast_api", ["update"], ["template.0.containers.0.image"]),
        ]
    return []


def cannot_plan(sim: Sim, at: datetime, name: str) -> bool:
    """The experiments' code has been broken since six days before the epoch."""
    return name == "experiments" and at >= sim.epoch - timedelta(days=6)


def checks_of(name: str) -> list[Json]:
    words = {"prod": "pass", "churn-sandbox": "fail"}
    return [{"address": "check.endpoint_answers", "status": words[name]}] if name in words else []


def plan_of(sim: Sim, at: datetime, name: str, failed: bool) -> Json:
    """The artifact: names only, never a value. A drift check is a normal plan too, so it also says what is pending."""
    errored = failed or cannot_plan(sim, at, name)
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "timestamp": iso(at),
        "mode": "refresh-only" if name == "monitoring" else "normal",
        "errored": errored,
        "complete": not errored,
        "drift": [] if errored else drift_of(sim, at, name),
        "changes": [] if errored else changes_of(sim, at, name),
        "checks": checks_of(name),
        "outputs_changed": [],
    }


def write_plan(sim: Sim, at: datetime, run: ci.Run, job: Json, plan: Json) -> None:
    """Upload it as the job's artifact."""
    data = json.dumps(plan).encode()
    sim.up.gitlab.artifacts[job["id"], ARTIFACT] = data
    job["artifacts_file"] = {"filename": "artifacts.zip", "size": len(data)}
    job["artifacts"].append(
        {"file_type": "archive", "size": len(data), "filename": "artifacts.zip", "file_format": "zip"}
    )
    job["artifacts_expire_at"] = iso(at + timedelta(days=30))
    if run.kind == "request":
        return
    name = job["name"].split(":", 1)[1]
    for situation, found in (("drift", plan["drift"]), ("pending_plan", plan["changes"])):
        if found:
            sim.plant(situation, state=name, project=run.repo.id, job=job["id"], at=at)
    if any("delete" in one["actions"] and "create" in one["actions"] for one in plan["changes"]):
        sim.plant("pending_replace", state=name, project=run.repo.id, job=job["id"], at=at)
    if plan["errored"]:
        sim.plant("errored_plan", state=name, project=run.repo.id, job=job["id"], at=at)


def full_plan(sim: Sim, at: datetime, name: str, state: Json) -> Json:
    """Terraform's own plan JSON, with values, secrets in its variables included, as `terraform show -json` gives it."""
    drift, changes = drift_of(sim, at, name), changes_of(sim, at, name)
    if any("previous_address" in one for one in drift):
        sim.plant("moved_is_not_drift", state=name, at=at)
    if changes:
        sim.plant("pending_plan", state=name, at=at)
    if any(check["status"] == "fail" for check in checks_of(name)):
        sim.plant("failing_check", state=name, at=at)
    still = [
        _full(f"{one['type']}.{one['name']}", one["type"], ["no-op"], one["instances"][0]["attributes"])
        for one in state["resources"]
        if one["mode"] == "managed"
    ]
    return {
        "format_version": "1.2",
        "terraform_version": state["terraform_version"],
        "variables": {"db_password": {"value": sim.parts["canary"](f"plan variable of {name}")}},
        "planned_values": {"outputs": {}, "root_module": {}},
        "resource_drift": [_full(one["address"], one["type"], one["actions"], {}, one) for one in drift],
        "resource_changes": [
            *still,
            *(_full(one["address"], one["type"], one["actions"], {}, one) for one in changes),
        ],
        "output_changes": {},
        "checks": [
            {
                "address": {"kind": "check", "name": "endpoint_answers", "to_display": one["address"]},
                "status": one["status"],
                "instances": [{"address": {"to_display": one["address"]}, "status": one["status"]}],
            }
            for one in checks_of(name)
        ],
        "timestamp": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "applyable": bool(changes),
        "complete": True,
        "errored": False,
    }


def _full(address: str, kind: str, actions: list[str], before: Json, one: Json | None = None) -> Json:
    found: Json = {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": address.rsplit(".", 1)[-1],
        "provider_name": "registry.terraform.io/hashicorp/google",
        "change": {
            "actions": actions,
            "before": before,
            "after": before,
            "after_unknown": {},
            "before_sensitive": {},
            "after_sensitive": {},
        },
    }
    if one and "previous_address" in one:
        found["previous_address"] = one["previous_address"]
    return found
