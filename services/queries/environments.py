"""Which version runs where: each environment's current and newest deployment, and each endpoint's traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from services.config import Config
from services.environments import Place, resolve
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
    places = _places(conn, config, filters)
    wanted = [place for place in places if filters.state in (None, place.state)]
    cut = _page(conn, config, wanted[filters.offset : filters.offset + filters.limit])
    endpoints = [_endpoint(row._mapping) for row in conn.execute(_endpoints(filters))]
    endpoints.sort(key=lambda one: ENDPOINT_STATES.index(one["state"]))
    return Answer(
        view="environments",
        data={
            "counts": r.tally(place.state for place in places if place.state),
            "never_deployed": sum(place.state is None for place in places),
            "guessed": sum(place.told.guess for place in places),
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


class _Environment(NamedTuple):
    """What sorting and counting need of an environment."""

    id: int
    told: Place
    state: str | None
    """That of its newest deployment; None where there is none."""
    order: tuple[int, int, str, str]


def _places(conn: Connection, config: Config, filters: Filters) -> list[_Environment]:
    """The environments asked for: worst newest deployment first, then those nearest to production."""
    query = (
        select(
            environment.c.id, environment.c.name, environment.c.tier, project.c.path, _latest("state").label("state"),
        )
        .outerjoin(project, project.c.id == environment.c.project_id)
        .where(
            environment.c.available.is_not(False),
            r.all_of(
                None if filters.project is None else project.c.path == filters.project,
                r.of_product(filters, "project", environment.c.project_id),
                r.holds_text(filters, environment.c.name, project.c.path),
            ),
        )
        .order_by(environment.c.id)
        .limit(MOST_ENVIRONMENTS)
    )  # fmt: skip
    told = cache(lambda name, tier: resolve(config, name, tier))
    found = []
    for row in conn.execute(query):
        place = told(row.name, row.tier)
        if filters.environment in (None, place.environment):
            worst = rank(row.state or RunState.SUCCEEDED)
            order = (worst, -TIER_ORDER[place.tier], row.path or "", row.name or "")
            found.append(_Environment(row.id, place, row.state, order))
    return sorted(found, key=lambda one: one.order)


def _latest(column: str, *, succeeded: bool = False) -> Any:
    """A column of an environment's newest deployment, or of its newest that succeeded, by one index seek.

    Not by a join: PostgreSQL would read all deployments to find these.
    """
    inner = deployment.alias()
    return (
        select(inner.c[column])
        .where(
            inner.c.project_id == environment.c.project_id,
            inner.c.place == environment.c.name,
            inner.c.kind == "deployment",
            *([inner.c.state == RunState.SUCCEEDED] if succeeded else []),
        )
        .order_by(inner.c.created_at.desc(), inner.c.id.desc())
        .limit(1)
        .correlate(environment)
        .scalar_subquery()
    )


def _page(conn: Connection, config: Config, cut: Sequence[_Environment]) -> list[dict[str, Any]]:
    """These environments with their newest and their current deployment."""
    query = r.identified(environment).add_columns(
        project.c.path, _latest("id").label("newest"), _latest("id", succeeded=True).label("current")
    )
    query = query.outerjoin(project, project.c.id == environment.c.project_id)
    rows = r.by_key(conn, query, environment.c.id, [one.id for one in cut])
    keys = {row.newest for row in rows} | {row.current for row in rows}
    made = _deployments(conn, sorted(key for key in keys if key))
    products = r.products_of(conn, "project", (row.project_id for row in rows if row.project_id))
    return [
        {
            "id": r.id_of(row._mapping),
            "project": row.path,
            "products": products.get(row.project_id, []),
            "name": row.name,
            **_counts_for(one.told),
            "tier": str(one.told.tier),
            "web_url": row.web_url,
            **r.times(row._mapping, "observed_at", "gone_at"),
            "state": one.state,
            "newest": made.get(row.newest or 0),
            "current": made.get(row.current or 0),
        }
        for one, row in zip(cut, rows, strict=True)
    ]


def _counts_for(place: Place) -> dict[str, Any]:
    return {"environment": place.environment, "rule": place.rule, "guess": place.guess}


def _deployments(conn: Connection, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    query = r.identified(deployment)
    return {row.id: deployed(row._mapping) for row in r.by_key(conn, query, deployment.c.id, keys)}


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
        counts_for = _counts_for(resolve(config, row["name"], row["tier"]))
        where = (deployment.c.project_id == row["project_id"]) & where & (deployment.c.kind == "deployment")
    else:
        counts_for = {"environment": row["environment"], "rule": "google project", "guess": False}
        where = where & (deployment.c.kind == "traffic") & (deployment.c.source_id == row["source_id"])
    query = r.identified(deployment).where(where).order_by(deployment.c.created_at.desc()).limit(HISTORY)
    return {
        "id": filters.selected,
        "kind": thing[0],
        "name": row["name"],
        "counts_for": counts_for,
        "web_url": row["web_url"],
        **r.times(row, "observed_at"),
        "deployments": [deployed(found._mapping) for found in conn.execute(query)],
    }


VIEW = View("environments", "Environments", environments, NEEDS)
