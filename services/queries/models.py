"""Which model version is deployed, which is newest and which is best: often three different ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, func, select

from services.config import Config, Metric
from services.queries import rows as r
from services.queries.base import Answer, Filters, View, iso, to_millis
from services.queries.health import health
from services.store import schema

NEEDS = ("vertex.models", "vertex.evaluations", "vertex.endpoints", "bigquery.metrics")
MOST_MODELS = 500
MOST_VERSIONS = 20
MOST_POINTS = 5000
SERIES_REACH = timedelta(days=90)

model, version, detail = schema.model, schema.version, schema.model_detail
endpoint, evaluation, point, run = schema.endpoint, schema.evaluation, schema.metric_point, schema.run


def models(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Models by name over all environments; a version that serves and is neither newest nor best says so."""
    sources = health(conn, config, now, NEEDS)
    rows = [row._mapping for row in conn.execute(_query(filters))]
    by_name: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_name[row["name"] or row["native_id"]].append(row)
    names = sorted(by_name)
    cut = names[filters.offset : filters.offset + filters.limit]
    keys = [row["id"] for name in cut for row in by_name[name]]
    versions, deployed = _versions(conn, keys), _deployed(conn)
    products = r.products_of(conn, "model", keys)
    listed = [_model(name, by_name[name], versions, deployed, products, config) for name in cut]
    _add_primary(conn, listed, config)
    for one in listed:
        one["best"] = _best(one, config)
    return Answer(
        view="models",
        data={"models": listed, "selected": _selected(conn, config, filters, listed, now)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(cut),
        of=len(names),
        empty_because=None if listed else r.empty_reason(sources, filters, "models"),
    )


def _query(filters: Filters) -> Any:
    query = r.identified(model).where(
        r.all_of(
            model.c.gone_at.is_(None),
            None if filters.environment is None else model.c.environment == filters.environment,
            r.of_product(filters, "model", model.c.id),
            r.holds_text(filters, model.c.name),
        )
    )
    return query.order_by(model.c.name, model.c.id).limit(MOST_MODELS)


def _versions(conn: Connection, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Model key -> its versions, newest first, with what they were trained by and how they were evaluated."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    scores: dict[int, dict[str, Any]] = {}
    for start in range(0, len(keys), 200):
        query = (
            r.identified(version)
            .add_columns(detail.c.model_id, detail.c.aliases, detail.c.image_uri, run.c.native_id.label("run_native"))
            .join(detail, detail.c.version_id == version.c.id)
            .outerjoin(run, run.c.id == func.coalesce(detail.c.run_id, version.c.run_id))
            .where(detail.c.model_id.in_(list(keys[start : start + 200])))
            .order_by(version.c.created_at.desc().nulls_last(), version.c.id.desc())
        )
        for row in conn.execute(query):
            if len(found[row.model_id]) < MOST_VERSIONS:
                found[row.model_id].append({"key": row.id, **_version(row._mapping)})
    shown = [one["key"] for group in found.values() for one in group]
    for start in range(0, len(shown), 500):
        wanted = select(evaluation.c.version_id, evaluation.c.metrics, evaluation.c.created_at)
        wanted = wanted.where(evaluation.c.version_id.in_(shown[start : start + 500])).order_by(evaluation.c.created_at)
        scores |= {row.version_id: row.metrics or {} for row in conn.execute(wanted)}
    for group in found.values():
        for one in group:
            one["evaluation"] = scores.get(one.pop("key"))
    return found


def _version(row: Any) -> dict[str, Any]:
    return {
        "id": r.id_of(row),
        "version": row["label"],
        "native_id": row["native_id"],
        "aliases": row["aliases"] or [],
        "sha": row["sha"] or (row["labels"] or {}).get("git_sha"),
        "run": None if row["run_native"] is None else f"{row['instance']}:pipeline-job:{row['run_native']}",
        "image": row["image_uri"],
        "created_at": iso(row["created_at"]),
        "web_url": row["web_url"],
    }


def _deployed(conn: Connection) -> dict[str, list[dict[str, Any]]]:
    """Model version's native id -> where it serves, with its share of the traffic."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(r.identified(endpoint).where(endpoint.c.gone_at.is_(None))):
        for entry in row.traffic or ():
            found[str(entry.get("model"))].append(
                {"endpoint": row.name, "endpoint_id": r.id_of(row._mapping), "environment": row.environment,
                 "version": entry.get("version"), "traffic": (entry.get("percent") or 0) / 100,
                 "since": entry.get("deployed_at"), "web_url": row.web_url}
            )  # fmt: skip
    return found


def _model(
    name: str,
    rows: Sequence[Any],
    versions: Mapping[int, list[dict[str, Any]]],
    deployed: Mapping[str, list[dict[str, Any]]],
    products: Mapping[int, list[str]],
    config: Config,
) -> dict[str, Any]:
    order = [environment.name for environment in config.environment]
    all_versions = [
        {"environment": row["environment"], **one} for row in rows for one in versions.get(row["id"], [])
    ]  # fmt: skip
    serving = [place for one in all_versions for place in deployed.get(one["native_id"], [])]
    serving.sort(key=lambda place: (place["environment"] not in order, -_place(order, place), -place["traffic"]))
    return {
        "id": r.id_of(rows[0]),
        "name": name,
        "products": sorted({product for row in rows for product in products.get(row["id"], [])}),
        "environments": [row["environment"] for row in rows],
        "deployed": serving,
        "newest": max(all_versions, key=lambda one: one["created_at"] or "", default=None),
        "versions": sorted(all_versions, key=lambda one: one["created_at"] or "", reverse=True),
        "web_url": rows[0]["web_url"],
        "observed_at": iso(min(row["observed_at"] for row in rows)),
    }


def _place(order: Sequence[str], place: Mapping[str, Any]) -> int:
    return order.index(place["environment"]) if place["environment"] in order else -1


def _add_primary(conn: Connection, listed: Sequence[dict[str, Any]], config: Config) -> None:
    """The newest measured value of the primary metric of each version: the first [[metric]] that names the model."""
    for one in listed:
        metric = primary(config, one["name"])
        one["primary_metric"] = None if metric is None else {"name": metric.name, "better": metric.better}
        measured: dict[str, Any] = {}
        if metric is not None:
            query = (
                select(point.c.version, point.c.value, point.c.at)
                .where(point.c.metric == metric.key, point.c.slice == "")
                .order_by(point.c.at)
            )
            measured = {row.version: {"value": row.value, "at": iso(row.at)} for row in conn.execute(query)}
        for found in one["versions"]:
            found["measured"] = measured.get(found["version"])


def primary(config: Config, name: str) -> Metric | None:
    """The metric by which versions of a model are compared: the first that the configuration names for it."""
    return next((metric for metric in config.metric if fnmatchcase(name, metric.model)), None)


def _best(one: Mapping[str, Any], config: Config) -> dict[str, Any] | None:
    """The version with the best primary metric, by its evaluation, else by what was measured; None if unknown."""
    metric = primary(config, one["name"])
    if metric is None:
        return None
    scored = [(score, found) for found in one["versions"] if (score := _score(found, metric.name)) is not None]
    if not scored:
        return None
    pick = max if metric.better == "higher" else min
    value, found = pick(scored, key=lambda pair: pair[0])
    return {"id": found["id"], "version": found["version"], "environment": found["environment"], "value": value}


def _score(found: Mapping[str, Any], name: str) -> float | None:
    evaluated = (found["evaluation"] or {}).get(name)
    if isinstance(evaluated, int | float):
        return float(evaluated)
    return found["measured"]["value"] if found["measured"] else None


def _selected(
    conn: Connection, config: Config, filters: Filters, listed: Sequence[dict[str, Any]], now: datetime
) -> dict[str, Any] | None:
    """The model that is opened, from the page's own list, with its metrics over time; a version opens its model."""
    if filters.selected is None:
        return None
    for one in listed:
        if filters.selected in (one["id"], *(found["id"] for found in one["versions"])):
            metrics = [metric for metric in config.metric if fnmatchcase(one["name"], metric.model)]
            return {**one, "series": [_series(conn, metric, now) for metric in metrics]}
    return None


def _series(conn: Connection, metric: Metric, now: datetime) -> dict[str, Any]:
    """One metric over the last 90 days, oldest first, slices left out."""
    query = (
        select(point)
        .where(point.c.metric == metric.key, point.c.slice == "", point.c.at >= to_millis(now - SERIES_REACH))
        .order_by(point.c.at)
        .limit(MOST_POINTS)
    )
    return {
        "metric": metric.name,
        "better": metric.better,
        "threshold": metric.threshold,
        "points": [
            {"version": row.version or None, "environment": row.environment or None, "at": iso(row.at),
             "value": row.value, "n": row.n}
            for row in conn.execute(query)
        ],
    }  # fmt: skip


VIEW = View("models", "Models", models, NEEDS)
