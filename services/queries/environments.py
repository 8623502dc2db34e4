"""Which version runs where: each environment's current and newest deployment, and each endpoint's traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from services.config import Config
from services.environments import resolve
from services.queries import rows as r
from services.queries.base import Answer, Filters, View
from services.queries.health import health
from services.queries.identity import find
from services.store import schema
from services.vocabulary import TIER_ORDER, RunState, rank

NEEDS = ("gitlab.environments", "gitlab.deployments", "vertex.endpoints")
MOST_ENVIRONMENTS = 2000
HISTORY = 50
ENDPOINT_STATES = ("none", "canary", "serving")
"""Worst first: no version gets traffic, more than one does, one does."""

environment, deployment, project, endpoint = schema.environment, schema.deployment, schema.project, schema.endpoint


def environments(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Environments, worst newest deployment first; *current* is the newest that succeeded."""
    sources = health(conn, config, now, NEEDS)
    found = [_place(row._mapping, config) for row in conn.execute(_query(filters).limit(MOST_ENVIRONMENTS))]
    places = sorted((place for place in found if filters.environment in (None, place["environment"])), key=_by_tier)
    states = _newest_states(conn, places)
    for place in places:
        place["state"] = states.get(place["newest"])
    places.sort(key=lambda place: rank(place["state"] or RunState.SUCCEEDED))
    wanted = [place for place in places if filters.state in (None, place["state"])]
    cut = wanted[filters.offset : filters.offset + filters.limit]
    _add_deployments(conn, cut)
    products = r.products_of(conn, "project", (place["project_id"] for place in cut if place["project_id"]))
    for place in cut:
        place["products"] = products.get(place.pop("project_id"), [])
    endpoints = [_endpoint(row._mapping) for row in conn.execute(_endpoints(filters))]
    endpoints.sort(key=lambda one: ENDPOINT_STATES.index(one["state"]))
    return Answer(
        view="environments",
        data={
            "counts": r.tally(place["state"] for place in places if place["state"]),
            "never_deployed": sum(place["state"] is None for place in places),
            "guessed": sum(place["guess"] for place in places),
            "environments": cut,
            "endpoints": endpoints,
            "selected": _selected(conn, config, filters),
        },
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(cut),
        of=len(wanted),
        empty_because=None if cut or endpoints else r.empty_reason(sources, filters, "environments"),
    )


def _latest(alias: Any, *conditions: ColumnElement[bool]) -> Any:
    """The key of the newest deployment of an environment that meets the conditions, by one index seek."""
    return (
        select(alias.c.id)
        .where(
            alias.c.project_id == environment.c.project_id,
            alias.c.place == environment.c.name,
            alias.c.kind == "deployment",
            *conditions,
        )
        .order_by(alias.c.created_at.desc(), alias.c.id.desc())
        .limit(1)
        .correlate(environment)
        .scalar_subquery()
    )


def _query(filters: Filters) -> Select[Any]:
    newest, current = deployment.alias(), deployment.alias()
    query = r.identified(environment).add_columns(
        project.c.path,
        _latest(newest).label("newest_id"),
        _latest(current, current.c.state == RunState.SUCCEEDED).label("current_id"),
    )
    query = query.outerjoin(project, project.c.id == environment.c.project_id)
    return query.where(
        r.all_of(
            environment.c.available.is_not(False),
            None if filters.project is None else project.c.path == filters.project,
            r.of_product(filters, "project", environment.c.project_id),
            r.holds_text(filters, environment.c.name, project.c.path),
        )
    ).order_by(environment.c.id)


def _place(row: Any, config: Config) -> dict[str, Any]:
    place = resolve(config, row["name"], row["tier"])
    return {
        "id": r.id_of(row),
        "project": row["path"],
        "project_id": row["project_id"],
        "name": row["name"],
        "environment": place.environment,
        "tier": str(place.tier),
        "rule": place.rule,
        "guess": place.guess,
        "web_url": row["web_url"],
        **r.times(row, "observed_at", "gone_at"),
        "newest": row["newest_id"],
        "current": row["current_id"],
    }


def _newest_states(conn: Connection, places: Sequence[dict[str, Any]]) -> dict[int, str]:
    keys = [place["newest"] for place in places if place["newest"]]
    found: dict[int, str] = {}
    for start in range(0, len(keys), 500):
        query = select(deployment.c.id, deployment.c.state).where(deployment.c.id.in_(keys[start : start + 500]))
        found |= {row[0]: row[1] for row in conn.execute(query)}
    return found


def _by_tier(place: dict[str, Any]) -> tuple[int, str, str]:
    return (-TIER_ORDER[place["tier"]], place["project"] or "", place["name"] or "")


def _add_deployments(conn: Connection, places: Sequence[dict[str, Any]]) -> None:
    keys = sorted({place[name] for place in places for name in ("newest", "current") if place[name]})
    by_key: dict[int, dict[str, Any]] = {}
    for start in range(0, len(keys), 500):
        query = r.identified(deployment).where(deployment.c.id.in_(keys[start : start + 500]))
        by_key |= {row.id: deployed(row._mapping) for row in conn.execute(query)}
    for place in places:
        for name in ("newest", "current"):
            place[name] = by_key.get(place[name])


def deployed(row: Any) -> dict[str, Any]:
    """One deployment as lists show it."""
    names = ("label", "sha", "ref", "state", "state_raw", "author", "traffic", "web_url", "place")
    return {
        "id": r.id_of(row),
        **{name: row[name] for name in names},
        **r.times(row, "created_at", "finished_at", "observed_at"),
    }


def _endpoints(filters: Filters) -> Select[Any]:
    return (
        r.identified(endpoint)
        .where(
            r.all_of(
                endpoint.c.gone_at.is_(None),
                None if filters.environment is None else endpoint.c.environment == filters.environment,
                r.of_product(filters, "endpoint", endpoint.c.id),
                r.holds_text(filters, endpoint.c.name),
            )
        )
        .order_by(endpoint.c.name, endpoint.c.environment)
        .limit(MOST_ENVIRONMENTS)
    )


def _endpoint(row: Any) -> dict[str, Any]:
    split = sorted(row["traffic"] or (), key=lambda one: -(one.get("percent") or 0))
    serving = [one for one in split if one.get("percent")]
    return {
        "id": r.id_of(row),
        "name": row["name"],
        "environment": row["environment"],
        "state": ENDPOINT_STATES[0] if not serving else ENDPOINT_STATES[2 if len(serving) == 1 else 1],
        "traffic": split,
        "passed_over": _passed_over(split, serving),
        "monitored": row["monitored"],
        "web_url": row["web_url"],
        **r.times(row, "created_at", "updated_at", "observed_at"),
    }


def _passed_over(split: Sequence[Any], serving: Sequence[Any]) -> list[str]:
    """Versions that were deployed after all that serve, and get no traffic: rolled back, or not let in yet."""
    newest = max((str(one.get("deployed_at") or "") for one in serving), default="")
    idle = [one for one in split if not one.get("percent") and str(one.get("deployed_at") or "") > newest]
    return [str(one.get("version")) for one in idle] if serving else []


def _selected(conn: Connection, config: Config, filters: Filters) -> dict[str, Any] | None:
    """The environment or endpoint that is opened, with its last deployments; None where there is none."""
    thing = find(conn, filters.selected) if filters.selected else None
    if thing is None or thing[0] not in ("environment", "endpoint"):
        return None
    table = environment if thing[0] == "environment" else endpoint
    row = conn.execute(r.identified(table).where(table.c.id == thing[1])).one()._mapping
    where = deployment.c.place == row["name"]
    if thing[0] == "environment":
        counts_for = resolve(config, row["name"], row["tier"])._asdict()
        where = (deployment.c.project_id == row["project_id"]) & where & (deployment.c.kind == "deployment")
    else:
        counts_for = {"environment": row["environment"], "rule": "google project", "guess": False}
        where = where & (deployment.c.kind == "traffic") & (deployment.c.source_id == row["source_id"])
    query = r.identified(deployment).where(where).order_by(deployment.c.created_at.desc()).limit(HISTORY)
    return {
        "id": filters.selected,
        "kind": thing[0],
        "name": row["name"],
        "counts_for": {name: counts_for[name] for name in ("environment", "rule", "guess")},
        "web_url": row["web_url"],
        **r.times(row, "observed_at"),
        "deployments": [deployed(found._mapping) for found in conn.execute(query)],
    }


VIEW = View("environments", "Environments", environments, NEEDS)
