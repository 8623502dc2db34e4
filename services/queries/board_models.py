"""The board's right half: the newest training, the newest model version, what serves, and how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, func, literal, select, union_all

from services.config import Config, Metric
from services.queries.base import to_millis
from services.queries.board_cells import Cell, Cells, Place, fetch, lead
from services.queries.keys import among
from services.scene import pick
from services.series import series_of, version_key
from services.store import schema
from services.vocabulary import RunState

ML_KINDS = ("pipeline-job", "custom-job", "dag-run")
RUNS_A_NAME = 12
"""So many newest runs of a name are looked at to find the newest of each environment."""
MOST_NAMES = 400
METRIC_REACH = timedelta(days=14)
MOST_POINTS = 60
"""So many newest points are looked at to find the newest of each environment."""
WHOLE = ("", "all", "overall", "total")
"""Names of the slice that is no slice: all of the traffic."""

run, version, model, endpoint = schema.run, schema.version, schema.model, schema.endpoint
detail, point, member = schema.model_detail, schema.metric_point, schema.membership


# Statements that never change are built once: building one costs more than running it.


def _names() -> Select[Any]:
    """Every name of an ML pipeline, by one step in the index each."""
    begin = [select(literal(kind, Text).label("kind"), literal("", Text).label("name")) for kind in ML_KINDS]
    known = select(union_all(*begin).subquery()).cte("known", recursive=True)
    following = (
        select(func.min(run.c.name)).where(run.c.kind == known.c.kind, run.c.name > known.c.name).scalar_subquery()
    )
    known = known.union_all(select(known.c.kind, following).where(known.c.name.is_not(None)))
    return select(known.c.kind, known.c.name).where(known.c.name > "").limit(MOST_NAMES)


_NAMES = _names()
_NEWEST = (
    pick(run, "id", "name", "environment", "created_at")
    .where(run.c.kind == bindparam("kind"), run.c.name == bindparam("name"))
    .order_by(run.c.created_at.desc())
    .limit(RUNS_A_NAME)
)
_OWNERS = pick(member, "thing_id", "product").where(member.c.thing_table == "run", among(member.c.thing_id))
_MODEL_VERSIONS = (
    pick(detail, "model_id", "version_id")
    .join(version, version.c.id == detail.c.version_id)
    .where(among(detail.c.model_id))
    .order_by(version.c.created_at, version.c.id)
)
_SERVED = pick(version, "native_id", "id").where(
    among(version.c.source_id, "sources"), version.c.kind == "model-version",
    among(version.c.native_id),
)  # fmt: skip
_POINTS = (
    pick(point, "metric", "model", "environment", "slice", "version", "at", "value")
    .where(
        point.c.metric == bindparam("metric"), point.c.slice.in_(WHOLE), point.c.at >= bindparam("since"),
        point.c.value.is_not(None),
    )
    .order_by(point.c.at.desc())
    .limit(MOST_POINTS)
)  # fmt: skip
_RUN = ("id", "state", "created_at", "finished_at", "labels", "web_url")
_VERSION = ("id", "label", "created_at", "web_url", "sha", "labels")
_ENDPOINT = ("id", "source_id", "name", "environment", "traffic", "gone_at", "updated_at", "web_url")


def training_cells(conn: Connection, products: Sequence[str]) -> Cells:
    """The newest run of each ML pipeline in each environment."""
    found = [row for kind, name in conn.execute(_NAMES).all()
             for row in conn.execute(_NEWEST, {"kind": kind, "name": name}).all()]  # fmt: skip
    owners = _owners(conn, [row.id for row in found])
    newest: dict[tuple[str, str, str], int] = {}
    for row in sorted(found, key=lambda one: (one.created_at or 0, one.id)):
        for product in owners.get(row.id, ()):
            if row.environment and product in products:
                newest[product, row.environment, row.name] = row.id
    runs = {row.id: row for row in fetch(conn, run, newest.values(), *_RUN)}
    cells: dict[Place, list[Cell]] = {}
    for (product, environment, name), key in newest.items():
        row = runs[key]
        cells.setdefault((product, environment), []).append(
            Cell(
                state=row.state or RunState.UNKNOWN, thing=("run", row.id), at=row.finished_at or row.created_at,
                shas=_shas(row.labels), title=f"{name}, {row.state}", web_url=row.web_url,
            )
        )  # fmt: skip
    return lead(cells)


def _owners(conn: Connection, keys: Sequence[int]) -> dict[int, list[str]]:
    """Run -> the products that it belongs to."""
    owners: dict[int, list[str]] = {}
    for start in range(0, len(keys), 800):
        for key, product in conn.execute(_OWNERS, {"keys": keys[start : start + 800]}).all():
            owners.setdefault(key, []).append(product)
    return owners


def _shas(labels: Mapping[str, Any] | None) -> tuple[str, ...]:
    sha = (labels or {}).get("git_sha")
    return (str(sha),) if sha else ()


def model_cells(conn: Connection, owned: Mapping[int, Sequence[str]]) -> Cells:
    """The newest registered version of each model, by the environment of its registry."""
    rows = {row.id: row for row in fetch(conn, model, owned, "id", "name", "environment", "gone_at", "web_url")}
    pairs = conn.execute(_MODEL_VERSIONS, {"keys": sorted(owned)}).all()
    newest: dict[int, int] = {row.model_id: row.version_id for row in pairs}
    versions = {row.id: row for row in fetch(conn, version, newest.values(), *_VERSION)}
    cells: dict[Place, list[Cell]] = {}
    for model_id, version_id in newest.items():
        owner, row = rows[model_id], versions[version_id]
        if owner.environment is None or owner.gone_at is not None:
            continue
        cell = Cell(
            state=RunState.SUCCEEDED, thing=("version", row.id), version=_v(row.label), at=row.created_at,
            title=f"newest version of {owner.name}", web_url=row.web_url or owner.web_url,
            shas=(row.sha,) if row.sha else _shas(row.labels),
        )  # fmt: skip
        for product in owned[model_id]:
            cells.setdefault((product, owner.environment), []).append(replace(cell))
    return lead(cells)


def _v(label: str | None) -> str | None:
    """A version as people say it: "v17"; a label that is no number stays as it is."""
    return f"v{label}" if label and label.isdigit() else label


def endpoint_cells(conn: Connection, owned: Mapping[int, Sequence[str]]) -> Cells:
    """Which model versions answer requests, with their shares; two at once is a canary, none is *none*."""
    rows = [
        row for row in fetch(conn, endpoint, owned, *_ENDPOINT) if row.gone_at is None and row.environment is not None
    ]
    natives = {str(entry.get("model")) for row in rows for entry in row.traffic or ()}
    keys: dict[str, int] = {}
    for start in range(0, len(natives), 500):
        portion = sorted(natives)[start : start + 500]
        served = conn.execute(_SERVED, {"sources": sorted({row.source_id for row in rows}), "keys": portion})
        keys |= {row.native_id: row.id for row in served.all()}
    cells: dict[Place, list[Cell]] = {}
    for row in rows:
        cell = _endpoint(row, keys)
        for product in owned[row.id]:
            cells.setdefault((product, row.environment), []).append(replace(cell))
    return lead(cells)


def _endpoint(row: Any, keys: Mapping[str, int]) -> Cell:
    split = sorted(
        (entry for entry in row.traffic or () if entry.get("percent")), key=lambda one: -float(one["percent"])
    )
    served = tuple(("version", keys[str(entry["model"])]) for entry in split if str(entry.get("model")) in keys)
    versions = [_v(str(entry.get("version"))) or "" for entry in split]
    percents = [f"{float(entry['percent']):g}" for entry in split]
    shares = ", ".join(f"{version} {percent} %" for version, percent in zip(versions, percents, strict=True))
    times = [str(entry["deployed_at"]) for entry in split if entry.get("deployed_at")]
    return Cell(
        state="none" if not split else RunState.SUCCEEDED if len(split) == 1 else "canary",
        thing=("endpoint", row.id), others=served, version="→".join(dict.fromkeys(versions)) or None,
        at=to_millis(datetime.fromisoformat(max(times))) if times else row.updated_at,
        title=f"{row.name}: {shares}" if shares else f"{row.name} serves nothing",
        note="/".join(percents) + " %" if len(split) > 1 else None, web_url=row.web_url,
    )  # fmt: skip


def metric_cells(
    conn: Connection, config: Config, products: Sequence[str], names: Iterable[str], now: datetime
) -> Cells:
    """The newest value of the first [[metric]] of each product, in each environment, over all versions."""
    environments = frozenset(names)
    cells: Cells = {}
    for product in products:
        for metric in [one for one in config.metric if one.product == product][:1]:
            for environment, row in _newest_points(conn, metric, environments, now).items():
                cells[product, environment] = Cell(
                    state="good", thing=("metric_point", version_key(series_of(row._mapping), row.version)),
                    version=f"{row.value:.3g}", at=row.at,
                    title=f"{metric.name} of {row.model}, {metric.better} is better", note=metric.name,
                )  # fmt: skip
    return cells


def _newest_points(conn: Connection, metric: Metric, environments: frozenset[str], now: datetime) -> dict[str, Any]:
    since = to_millis(now - METRIC_REACH)
    found: dict[str, Any] = {}
    for row in conn.execute(_POINTS, {"metric": metric.key, "since": since}).all():
        if fnmatchcase(row.model, metric.model):
            for environment in [row.environment] if row.environment else environments:
                found.setdefault(environment, row)
    return found
