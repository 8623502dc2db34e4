"""What each Terraform state holds: Google resources as version 4 of the state file writes them."""

from __future__ import annotations

import base64
from typing import Any

from emulators.data import Json
from emulators.world.engine import Sim
from emulators.world.ml_plans import ML_PRODUCTS
from emulators.world.serving import MACHINE, endpoint_number
from emulators.world.team import GOOGLE_PROJECTS, PROJECT_NUMBERS, REGION

GOOGLE = 'provider["registry.terraform.io/hashicorp/google"]'
RANDOM = 'provider["registry.terraform.io/hashicorp/random"]'


def resource(
    kind: str,
    name: str,
    attributes: Json,
    *,
    module: str | None = None,
    mode: str = "managed",
    sensitive: tuple[str, ...] = (),
    dependencies: tuple[str, ...] = (),
    status: str | None = None,
    deposed: str | None = None,
    provider: str = GOOGLE,
    key: str | int | None = None,
) -> Json:
    """One resource with one instance."""
    instance: Json = {
        "schema_version": 0,
        "attributes": attributes,
        "sensitive_attributes": [[{"type": "get_attr", "value": path}] for path in sensitive],
        "private": base64.b64encode(b'{"schema_version":"0"}').decode(),
    }
    if dependencies:
        instance["dependencies"] = list(dependencies)
    for word, value in (("status", status), ("deposed", deposed), ("index_key", key)):
        if value is not None:
            instance[word] = value
    found: Json = {"mode": mode, "type": kind, "name": name, "provider": provider, "instances": [instance]}
    return {"module": module, **found} if module else found


def endpoint(sim: Sim, environment: str, product: str, number: int | None = None, name: str | None = None) -> Json:
    number = number or endpoint_number(sim, environment, product)
    project = GOOGLE_PROJECTS[environment]
    return resource(
        "google_vertex_ai_endpoint",
        (name or product).replace("-", "_"),
        {
            "id": f"projects/{project}/locations/{REGION}/endpoints/{number}",
            "name": str(number),
            "display_name": f"{product}-{environment}",
            "location": REGION,
            "project": project,
            "labels": {"product": product, "environment": environment},
            "description": f"Online predictions of {product}",
            "network": None,
        },
    )


def bucket(environment: str, suffix: str, module: str | None = None) -> Json:
    name = f"{GOOGLE_PROJECTS[environment]}-{suffix}"
    attributes = {
        "id": name,
        "name": name,
        "location": "EUROPE-WEST4",
        "project": GOOGLE_PROJECTS[environment],
        "storage_class": "STANDARD",
        "force_destroy": False,
        "url": f"gs://{name}",
        "labels": {"environment": environment},
        "versioning": [{"enabled": True}],
    }
    return resource("google_storage_bucket", suffix.replace("-", "_"), attributes, module=module)


def dataset(environment: str, name: str) -> Json:
    project = GOOGLE_PROJECTS[environment]
    return resource(
        "google_bigquery_dataset",
        name,
        {
            "id": f"projects/{project}/datasets/{name}",
            "dataset_id": name,
            "location": "EU",
            "project": project,
            "labels": {"environment": environment},
            "default_table_expiration_ms": 0,
        },
    )


def account(environment: str, name: str) -> Json:
    project = GOOGLE_PROJECTS[environment]
    email = f"{name}@{project}.iam.gserviceaccount.com"
    return resource(
        "google_service_account",
        name,
        {
            "id": f"projects/{project}/serviceAccounts/{email}",
            "account_id": name,
            "email": email,
            "project": project,
            "display_name": name.title(),
            "disabled": False,
        },
    )


def cloud_run(sim: Sim, environment: str, name: str, revision: str) -> Json:
    """Its environment holds secrets in clear text, which no provider marks as sensitive."""
    project = GOOGLE_PROJECTS[environment]
    secret = sim.parts["canary"](f"cloud run {name} {environment} DB_URL")
    env = [{"name": "DB_URL", "value": secret}, {"name": "LOG_LEVEL", "value": "info"}]
    image = f"{REGION}-docker.pkg.dev/acme-ml-prod/serving/{name}:{revision[:8]}"
    return resource(
        "google_cloud_run_v2_service",
        name.replace("-", "_"),
        {
            "id": f"projects/{project}/locations/{REGION}/services/{name}",
            "name": name,
            "location": REGION,
            "project": project,
            "uri": f"https://{name}-x7.a.run.app",
            "labels": {"environment": environment},
            "template": [{"containers": [{"image": image, "env": env}], "service_account": "serving"}],
        },
        dependencies=("google_service_account.serving",),
    )


def password(sim: Sim, where: str) -> Json:
    secret = sim.parts["canary"](f"random password {where}")
    attributes = {
        "id": "none",
        "length": 24,
        "special": False,
        "result": secret,
        "bcrypt_hash": "$2a$10$" + secret[:20],
    }
    return resource("random_password", "database", attributes, sensitive=("result", "bcrypt_hash"), provider=RANDOM)


def project_data(environment: str) -> Json:
    project = GOOGLE_PROJECTS[environment]
    return resource(
        "google_project",
        "this",
        {"id": f"projects/{project}", "project_id": project, "number": PROJECT_NUMBERS[environment]},
        mode="data",
    )


def environment_state(sim: Sim, environment: str, revision: str) -> list[Json]:
    """What dev, qa and prod have alike, and what only production has."""
    found = [
        project_data(environment),
        *(endpoint(sim, environment, product.name) for product in ML_PRODUCTS if product.name != "fraud-scoring"),
        *(bucket(environment, suffix) for suffix in ("models", "pipelines")),
        bucket(environment, "monitoring", module="module.monitoring"),
        *(dataset(environment, name) for name in ("features", "ml_metrics", "ml_logging")),
        *(account(environment, name) for name in ("trainer", "serving")),
        cloud_run(sim, environment, "forecast-api", revision),
        password(sim, f"state {environment}"),
    ]
    for one in found:
        attributes = one["instances"][0]["attributes"]
        if one["type"] == "google_vertex_ai_endpoint":
            attributes["machine_type"] = MACHINE[environment]
            attributes["min_replica_count"] = 2 if environment == "prod" else 1
            attributes["labels"]["revision"] = revision[:8]
    if environment == "prod":
        gone = endpoint(sim, "prod", "churn", sim.number("endpoint", "prod", "legacy"), "legacy_churn")
        found.append(gone)
        sim.parts["missing_endpoint"] = gone["instances"][0]["attributes"]["id"]
    return found


def feature_store_state(sim: Sim) -> list[Json]:
    """After an apply that failed half way: one tainted, two deposed."""
    view = {"project": GOOGLE_PROJECTS["prod"], "region": REGION, "labels": {"environment": "prod"}}
    store = {**view, "id": f"projects/acme-ml-prod/locations/{REGION}/featureOnlineStores/acme_online"}
    found = resource("google_vertex_ai_feature_online_store", "acme", {**store, "name": "acme_online"})
    old = dict(found["instances"][0])
    found["instances"] += [{**old, "deposed": "8f3c1a2b"}, {**old, "deposed": "c09d77e1"}]
    views = [
        resource(
            "google_vertex_ai_feature_online_store_featureview",
            name,
            {**view, "id": f"{store['id']}/featureViews/{name}", "name": name},
            status="tainted" if name == "churn_view" else None,
        )
        for name in ("churn_view", "fraud_view", "stores_view")
    ]
    return [found, *views]


def resources_of(sim: Sim, state: str, revision: str) -> list[Json]:
    """The resources of a state as of a revision of the infrastructure's code."""
    if state in ("dev", "qa", "prod"):
        return environment_state(sim, state, revision)
    if state == "feature-store":
        return feature_store_state(sim)
    label = {"revision": revision[:8]}
    makers: dict[str, list[Json]] = {
        "data-lake": [dataset("prod", "lake"), bucket("prod", "lake"), bucket("prod", "archive")],
        "experiments": [bucket("dev", "experiments"), account("dev", "experimenter")],
        "monitoring": [bucket("prod", "alerts"), account("prod", "alerter")],
        "shared-network": [account("prod", "network-admin")],
        "registry-mirror": [bucket("prod", "mirror"), password(sim, "state registry-mirror")],
        "fraud-prod": [endpoint(sim, "prod", "fraud-scoring"), dataset("prod", "fraud"), bucket("prod", "fraud")],
        "fraud-qa": [endpoint(sim, "qa", "fraud-scoring"), dataset("qa", "fraud"), bucket("qa", "fraud")],
        "churn-sandbox": [bucket("dev", "churn-sandbox"), account("dev", "churn-sandbox"),
                          cloud_run(sim, "dev", "churn-sandbox", revision)],
    }  # fmt: skip
    found = makers[state]
    first: dict[str, Any] = found[0]["instances"][0]["attributes"]
    first["labels"] = {**first.get("labels", {}), **label}
    return found
