"""The board's right half: the newest training, the newest model version, what serves, and how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from services.config import Config, Metric
from services.queries.base import to_millis
from services.queries.board_cells import Cell, Cells, Place, fetch, lead
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


_NEXT_NAME = select(func.min(run.c.name)).where(run.c.kind == bindparam("kind"), run.c.name > bindparam("name"))
_NEWEST = (
    select(run.c.id)
    .where(run.c.kind == bindparam("kind"), run.c.name == bindparam("name"))
    .order_by(run.c.created_at.desc())
    .limit(RUNS_A_NAME)
)
_RUN = ("id", "name", "environment", "state", "created_at", "finished_at", "labels", "web_url")
_VERSION = ("id", "label", "created_at", "web_url", "sha", "labels")


def training_cells(conn: Connection, products: Sequence[str]) -> Cells:
    """The newest run of each ML pipeline in each environment."""
    rows = fetch(conn, run, _newest_runs(conn), *_RUN)
    owners: dict[int, list[str]] = {}
    for start in range(0, len(rows), 800):
        found = conn.execute(
            select(member.c.thing_id, member.c.product).where(
                member.c.thing_table == "run", member.c.thing_id.in_([row.id for row in rows[start : start + 800]])
            )
        )
        for key, product in found:
            owners.setdefault(key, []).append(product)
    newest: dict[tuple[str, str, str], Any] = {}
    for row in sorted(rows, key=lambda one: (one.created_at or 0, one.id)):
        for product in owners.get(row.id, ()):
            if row.environment and product in products:
                newest[product, row.environment, row.name] = row
    cells: dict[Place, list[Cell]] = {}
    for (product, environment, name), row in newest.items():
        cells.setdefault((product, environment), []).append(
            Cell(
                state=row.state or RunState.UNKNOWN, thing=("run", row.id), at=row.finished_at or row.created_at,
                shas=_shas(row.labels), title=f"{name}, {row.state}", web_url=row.web_url,
            )
        )  # fmt: skip
    return lead(cells)


def _newest_runs(conn: Connection) -> list[int]:
    """Keys of the newest ML runs of each name, by one step in the index a name and one seek for its runs."""
    keys: list[int] = []
    names = 0
    for kind in ML_KINDS:
        name = ""
        while names < MOST_NAMES:
            found = conn.execute(_NEXT_NAME, {"kind": kind, "name": name}).scalar()
            if found is None:
                break
            name, names = found, names + 1
            keys += conn.execute(_NEWEST, {"kind": kind, "name": name}).scalars()
    return keys


def _shas(labels: Mapping[str, Any] | None) -> tuple[str, ...]:
    sha = (labels or {}).get("git_sha")
    return (str(sha),) if sha else ()


def model_cells(conn: Connection, owned: Mapping[int, Sequence[str]]) -> Cells:
    """The newest registered version of each model, by the environment of its registry."""
    rows = {row.id: row for row in fetch(conn, model, owned, "id", "name", "environment", "gone_at", "web_url")}
    newest: dict[int, Any] = {}
    pairs = conn.execute(
        select(detail.c.model_id, detail.c.version_id, version.c.created_at)
        .join(version, version.c.id == detail.c.version_id)
        .where(detail.c.model_id.in_(sorted(owned)))
        .order_by(version.c.created_at, version.c.id)
    )
    for model_id, version_id, _ in pairs:
        newest[model_id] = version_id
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
    rows = [row for row in fetch(conn, endpoint, owned) if row.gone_at is None and row.environment is not None]
    natives = {str(entry.get("model")) for row in rows for entry in row.traffic or ()}
    keys: dict[str, int] = {}
    for start in range(0, len(natives), 500):
        portion = sorted(natives)[start : start + 500]
        found = conn.execute(
            select(version.c.native_id, version.c.id).where(
                version.c.source_id.in_({row.source_id for row in rows}), version.c.kind == "model-version",
                version.c.native_id.in_(portion),
            )
        )  # fmt: skip
        keys |= {row[0]: row[1] for row in found}
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
    rows = conn.execute(
        pick(point, "metric", "model", "environment", "slice", "version", "at", "value")
        .where(
            point.c.metric == metric.key, point.c.slice.in_(WHOLE), point.c.at >= to_millis(now - METRIC_REACH),
            point.c.value.is_not(None),
        )
        .order_by(point.c.at.desc())
        .limit(MOST_POINTS)
    )  # fmt: skip
    found: dict[str, Any] = {}
    for row in rows:
        if fnmatchcase(row.model, metric.model):
            for environment in [row.environment] if row.environment else environments:
                found.setdefault(environment, row)
    return found
