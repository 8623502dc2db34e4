"""Which model version is deployed, which is newest and which is best: often three different ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, func, or_, select

from services.config import Config
from services.queries import rows as r
from services.queries import scores
from services.queries.base import Answer, Filters, View, iso
from services.queries.health import health
from services.queries.identity import text_id
from services.store import schema

NEEDS = ("vertex.models", "vertex.evaluations", "vertex.endpoints", "bigquery.metrics")
MOST_MODELS = 500
NEWEST = 10
"""So many of the newest versions are listed, and those that serve or are best beside them."""
LISTED = 20
"""Models a page: each comes with its versions."""

model, version, detail = schema.model, schema.version, schema.model_detail
endpoint, run, source = schema.endpoint, schema.run, schema.source


def models(conn: Connection, config: Config, filters: Filters, now: datetime) -> Answer:
    """Models by name over all environments; on a page, those first that are furthest from serving their newest."""
    sources = health(conn, config, now, NEEDS)
    groups = _groups(conn, config, filters)
    names = sorted(groups)
    size = LISTED if filters.limit == Filters().limit else filters.limit
    start = (filters.page - 1) * size
    cut = {name: groups[name] for name in names[start : start + size]}
    listed = _listed(conn, config, cut)
    return Answer(
        view="models",
        data={"models": listed, "limit": size, "selected": _selected(conn, config, filters, groups, now)},
        as_of=now,
        window=filters.window,
        sources=sources,
        shown=len(cut),
        of=len(names),
        empty_because=None if listed else r.empty_reason(sources, filters, "models"),
    )


def _groups(conn: Connection, config: Config, filters: Filters) -> dict[str, list[Any]]:
    """Name -> the model's registries, the one nearest to production first."""
    order = {environment.name: place for place, environment in enumerate(config.environment)}
    query = r.identified(model).where(
        r.all_of(
            model.c.gone_at.is_(None),
            None if filters.environment is None else model.c.environment == filters.environment,
            r.of_product(filters, "model", model.c.id),
            r.holds_text(filters, model.c.name),
        )
    )
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in conn.execute(query.order_by(model.c.id).limit(MOST_MODELS)):
        groups[row.name or row.native_id].append(row._mapping)
    for rows in groups.values():
        rows.sort(key=lambda row: -order.get(row["environment"], -1))
    return dict(groups)


def _listed(conn: Connection, config: Config, groups: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    keys = [row["id"] for rows in groups.values() for row in rows]
    deployed = _deployed(conn)
    products = r.products_of(conn, "model", keys)
    best = dict(_best(conn, config, groups))
    wanted = {place["native_id"] for places in deployed.values() for place in places}
    versions = _versions(conn, keys, wanted, [key for key, _ in best.values()])
    shown = []
    for name, rows in groups.items():
        one = _model(name, rows, versions, deployed, products, config)
        _add_measured(conn, config, one)
        one["best"] = _best_shown(one, best.get(name))
        for found in one["versions"]:
            del found["key"]
        shown.append(one)
    return sorted(shown, key=lambda one: (-(one["newer_than_deployed"] or 0), one["name"]))


def _best(conn: Connection, config: Config, groups: Mapping[str, list[Any]]) -> Iterator[tuple[str, tuple[int, float]]]:
    """(name, (version, value)): by evaluation, in the registry nearest to production."""
    for name, rows in groups.items():
        metric = scores.primary(config, name)
        found = scores.best_of(conn, rows[0]["id"], metric) if metric else None
        if found:
            yield name, found


def _versions(
    conn: Connection, keys: Sequence[int], natives: set[str], best: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
    """Model -> its newest versions, those that serve and the best, newest first, each with its place from the top."""
    place = func.row_number().over(
        partition_by=detail.c.model_id, order_by=(version.c.created_at.desc().nulls_last(), version.c.id.desc())
    )
    ranked = (
        select(detail.c.model_id, detail.c.version_id, version.c.native_id, place.label("place"))
        .join(version, version.c.id == detail.c.version_id)
        .where(detail.c.model_id.in_(list(keys)), version.c.gone_at.is_(None))
        .subquery()
    )
    trained = func.coalesce(detail.c.run_id, version.c.run_id)
    query = (
        select(
            ranked.c.model_id, ranked.c.place, version.c.id, version.c.kind, version.c.native_id, version.c.label,
            version.c.sha, version.c.labels, version.c.created_at, version.c.web_url, source.c.instance,
            detail.c.aliases, detail.c.image_uri, run.c.native_id.label("run_native"), run.c.kind.label("run_kind"),
        )
        .join(version, version.c.id == ranked.c.version_id)
        .join(detail, detail.c.version_id == version.c.id)
        .join(source, source.c.id == version.c.source_id)
        .outerjoin(run, run.c.id == trained)
        .where(or_(ranked.c.place <= NEWEST, ranked.c.native_id.in_(sorted(natives)), version.c.id.in_(list(best))))
        .order_by(ranked.c.model_id, ranked.c.place)
    )  # fmt: skip
    rows = conn.execute(query).all()
    evaluated = scores.evaluations(conn, [row.id for row in rows])
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row.model_id].append({**_version(dict(row._mapping)), "evaluation": evaluated.get(row.id)})
    return found


def _version(row: Mapping[str, Any]) -> dict[str, Any]:
    trained = None
    if row["run_native"] is not None:
        trained = text_id(row["instance"], row["run_kind"], row["run_native"])
    return {
        "key": row["id"],
        "id": r.id_of(row),
        "version": row["label"],
        "native_id": row["native_id"],
        "place": row["place"],
        "aliases": row["aliases"] or [],
        "sha": row["sha"] or (row["labels"] or {}).get("git_sha"),
        "run": trained,
        "image": row["image_uri"],
        "created_at": iso(row["created_at"]),
        "web_url": row["web_url"],
        "measured": None,
    }


def _deployed(conn: Connection) -> dict[str, list[dict[str, Any]]]:
    """Model's native id -> where versions of it serve, with their share of the traffic; 0 is deployed and unused."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(r.identified(endpoint).where(endpoint.c.gone_at.is_(None))):
        for entry in row.traffic or ():
            native = str(entry.get("model") or "")
            found[native.partition("@")[0]].append(
                {"endpoint": row.name, "endpoint_id": r.id_of(row._mapping), "environment": row.environment,
                 "version": entry.get("version"), "native_id": native, "traffic": (entry.get("percent") or 0) / 100,
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
    order = {row["environment"]: place for place, row in enumerate(rows)}
    metric = scores.primary(config, name)
    serving = [place for row in rows for place in deployed.get(row["native_id"], []) if place["traffic"] > 0]
    serving.sort(key=lambda place: (order.get(place["environment"], len(order)), -place["traffic"]))
    lead = versions.get(rows[0]["id"], [])
    main = next((place["native_id"] for place in serving if place["environment"] == rows[0]["environment"]), None)
    newer = next((one["place"] - 1 for one in lead if one["native_id"] == main), None)
    return {
        "id": r.id_of(rows[0]),
        "name": name,
        "products": sorted({product for row in rows for product in products.get(row["id"], [])}),
        "environments": [row["environment"] for row in rows],
        "deployed": serving,
        "newest": {"environment": rows[0]["environment"], **_named(lead[0])} if lead else None,
        "newer_than_deployed": newer,
        "primary_metric": None if metric is None else {"name": metric.name, "better": metric.better},
        "versions": [
            {"environment": row["environment"], **one} for row in rows for one in versions.get(row["id"], [])
        ],
        "web_url": rows[0]["web_url"],
        "observed_at": iso(min(row["observed_at"] for row in rows)),
    }  # fmt: skip


def _named(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("id", "version", "created_at", "sha", "run", "web_url")}


def _add_measured(conn: Connection, config: Config, one: Mapping[str, Any]) -> None:
    metric = scores.primary(config, one["name"])
    if metric is not None:
        found = scores.measured(conn, metric, one["name"], [version["key"] for version in one["versions"]])
        for listed in one["versions"]:
            listed["measured"] = found.get(listed["key"])


def _best_shown(one: Mapping[str, Any], best: tuple[int, float] | None) -> dict[str, Any] | None:
    """By evaluation where there is one; else, among the listed versions, by what was measured while they served."""
    by_key = {listed["key"]: listed for listed in one["versions"]}
    if best is not None and best[0] in by_key:
        listed = by_key[best[0]]
        return {"environment": listed["environment"], **_named(listed), "value": best[1], "by": "evaluation"}
    values = [(listed["measured"]["value"], listed) for listed in one["versions"] if listed["measured"]]
    if not values or one["primary_metric"] is None:
        return None
    pick = max if one["primary_metric"]["better"] == "higher" else min
    value, listed = pick(values, key=lambda pair: pair[0])
    return {"environment": listed["environment"], **_named(listed), "value": value, "by": "measured"}


def _selected(
    conn: Connection, config: Config, filters: Filters, groups: Mapping[str, list[Any]], now: datetime
) -> dict[str, Any] | None:
    """The model that is opened, with its metrics over time; a version opens its model."""
    asked = (filters.selected or "").replace(":model-version:", ":model:").rpartition("@")
    wanted = {filters.selected, asked[0]}
    for name, rows in groups.items():
        if any(r.id_of(row) in wanted for row in rows):
            metrics = [metric for metric in config.metric if fnmatchcase(name, metric.model)]
            (shown,) = _listed(conn, config, {name: rows})
            return {**shown, "series": [scores.series(conn, metric, name, now) for metric in metrics]}
    return None


VIEW = View("models", "Models", models, NEEDS)
