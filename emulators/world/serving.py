"""Endpoints: which versions take which share of the traffic, canaries that rise or are rolled back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from google.cloud.aiplatform_v1.types import Endpoint

from emulators.world.engine import Sim
from emulators.world.ml_plans import ML_PRODUCTS, MLProduct
from emulators.world.ml_runs import parent_of, put
from emulators.world.models import crown, versions_of

EndpointPb = Endpoint.pb()
MACHINE = {"dev": "n1-standard-2", "qa": "n1-standard-2", "prod": "n1-standard-4"}


def endpoint_number(sim: Sim, environment: str, product: str) -> int:
    return sim.number("endpoint", environment, product)


def endpoint_pb(sim: Sim, environment: str, product: str) -> Any:
    name = f"{parent_of(environment)}/endpoints/{endpoint_number(sim, environment, product)}"
    return Endpoint.pb(sim.up.vertex.items("endpoints")[name])


def build_endpoints(sim: Sim, at: datetime) -> None:
    """One endpoint a product and environment, and one in production that no Terraform state knows."""
    for product in ML_PRODUCTS:
        for environment in ("dev", "qa", "prod"):
            _create(sim, at, environment, product.name, f"{product.name}-{environment}", product.name)
    _create(sim, sim.epoch - timedelta(days=12), "prod", "churn-shadow", "churn-shadow-test", "churn", wait=True)
    name = f"{parent_of('prod')}/endpoints/{endpoint_number(sim, 'prod', 'churn-shadow')}"
    sim.plant("unmanaged_endpoint", endpoint=name)


def _create(sim: Sim, at: datetime, environment: str, key: str, display: str, product: str, wait: bool = False) -> None:
    if wait:
        sim.at(at, lambda when: _create(sim, when, environment, key, display, product))
        return
    pb = EndpointPb(
        name=f"{parent_of(environment)}/endpoints/{endpoint_number(sim, environment, key)}",
        display_name=display,
        description=f"Online predictions of {product}",
        labels={"product": product, "environment": environment},
        etag=sim.sha("endpoint-etag", environment, key)[:16],
    )
    put(pb.create_time, at)
    put(pb.update_time, at)
    if key == product:
        pb.predict_request_response_logging_config.enabled = True
        pb.predict_request_response_logging_config.sampling_rate = 0.1
        pb.predict_request_response_logging_config.bigquery_destination.output_uri = (
            f"bq://acme-ml-{environment}.ml_logging.{product.replace('-', '_')}_requests"
        )
    sim.up.vertex.items("endpoints")[pb.name] = Endpoint.wrap(pb)


def deploy(sim: Sim, at: datetime, environment: str, product: MLProduct, version: Any, share: int = 100) -> str:
    """Deploy a version and give it so much of the traffic; the rest stays with what took most of it."""
    pb = endpoint_pb(sim, environment, product.name)
    deployed = next((one for one in pb.deployed_models if one.model_version_id == version.version_id), None)
    if deployed is None:
        base, _, _ = version.name.partition("@")
        deployed = pb.deployed_models.add(
            id=str(sim.number("deployed", pb.name, version.version_id, digits=18)),
            model=f"{base}@{version.version_id}",
            model_version_id=version.version_id,
            display_name=f"{product.model}-v{version.version_id}",
            service_account=f"serving@acme-ml-{environment}.iam.gserviceaccount.com",
        )
        deployed.dedicated_resources.machine_spec.machine_type = MACHINE[environment]
        deployed.dedicated_resources.min_replica_count = 2 if environment == "prod" else 1
        deployed.dedicated_resources.max_replica_count = 6
        put(deployed.create_time, at)
    return _split(sim, at, environment, product, deployed.id, share)


def _split(sim: Sim, at: datetime, environment: str, product: MLProduct, chosen: str, share: int) -> str:
    pb = endpoint_pb(sim, environment, product.name)
    main = max((key for key in pb.traffic_split if key != chosen), key=lambda key: pb.traffic_split[key], default=None)
    for key in list(pb.traffic_split):
        del pb.traffic_split[key]
    pb.traffic_split[chosen] = share if main else 100
    if main and share < 100:
        pb.traffic_split[main] = 100 - share
    put(pb.update_time, at)
    if share == 100:
        _tidy(pb)
        taken = next(one for one in pb.deployed_models if one.id == chosen)
        crown(sim, at, environment, product.name, taken.model_version_id)
        remember(sim, environment, product.name, taken.model_version_id)
    return str(chosen)


def _tidy(pb: Any) -> None:
    """Keep what has traffic, and the newest two beside it, as a way back."""
    idle = [one for one in pb.deployed_models if one.id not in pb.traffic_split]
    for one in idle[:-2]:
        pb.deployed_models.remove(one)


def remember(sim: Sim, environment: str, product: str, version: str) -> None:
    history: list[str] = sim.parts.setdefault("served", {}).setdefault((environment, product), [])
    if not history or history[-1] != version:
        history.append(version)


def served(sim: Sim, environment: str, product: str) -> list[str]:
    """Versions that had all the traffic, oldest first."""
    found: list[str] = sim.parts.setdefault("served", {}).setdefault((environment, product), [])
    return found


def start_canary(at: datetime, sim: Sim, product: MLProduct, good: bool, lasts: timedelta) -> None:
    """The newest version takes 10 % of production; later all of it, or none again."""
    versions = versions_of(sim, "prod", product.name)
    if not versions:
        return
    current = served(sim, "prod", product.name)
    newest = versions[-1]
    if not current:
        deploy(sim, at, "prod", product, newest)
        return
    if current[-1] == newest.version_id:
        return
    deploy(sim, at, "prod", product, newest, 10)
    sim.plant("canary", endpoint=endpoint_pb(sim, "prod", product.name).name, version=newest.version_id, at=at)
    sim.at(at + lasts, _end_canary, sim, product, newest, current[-1], good)


def _end_canary(at: datetime, sim: Sim, product: MLProduct, newest: Any, before: str, good: bool) -> None:
    winner = newest.version_id if good else before
    version = next(one for one in versions_of(sim, "prod", product.name) if one.version_id == winner)
    deploy(sim, at, "prod", product, version)
    if not good:
        endpoint = endpoint_pb(sim, "prod", product.name).name
        sim.plant("canary_rolled_back", endpoint=endpoint, version=newest.version_id, back_to=before, at=at)


def roll_traffic_back(at: datetime, sim: Sim, product: MLProduct) -> None:
    """All traffic goes back to the version that had it before."""
    history = served(sim, "prod", product.name)
    if len(history) < 2:
        return
    bad, before = history[-1], history[-2]
    version = next(one for one in versions_of(sim, "prod", product.name) if one.version_id == before)
    deploy(sim, at, "prod", product, version)
    endpoint = endpoint_pb(sim, "prod", product.name).name
    sim.plant("traffic_rollback", endpoint=endpoint, version=bad, back_to=before, at=at)
