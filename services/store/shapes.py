"""How a record lies in its table: which column a field goes to, and how its value is written there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Table, Text

from services import records
from services.records import Ref
from services.store import schema
from services.timestamps import to_millis

Resolve = Callable[[str, Ref], int]
"""(table, reference) -> key."""

TABLES: dict[type, Table] = {
    records.Project: schema.project,
    records.Environment: schema.environment,
    records.Schedule: schema.schedule,
    records.Workspace: schema.workspace,
    records.Model: schema.model,
    records.Endpoint: schema.endpoint,
    records.FeatureView: schema.feature_view,
    records.Monitor: schema.monitor,
    records.Run: schema.run,
    records.Step: schema.step,
    records.Version: schema.version,
    records.Evaluation: schema.evaluation,
    records.Deployment: schema.deployment,
    records.Change: schema.change,
    records.Incident: schema.incident,
    records.Plan: schema.plan,
}
"""Record -> table, in the order in which changes are told: what is referred to before what refers to it."""

DETAILS: dict[type, Table] = {
    records.StateDetail: schema.state_detail,
    records.ModelDetail: schema.model_detail,
    records.ImageDetail: schema.image_detail,
}

KINDS: dict[str, Table] = {
    "project": schema.project, "environment": schema.environment, "pipeline": schema.run,
    "pipeline-job": schema.run, "custom-job": schema.run, "sync": schema.run, "dag-run": schema.run,
    "job": schema.step, "bridge": schema.step, "task": schema.step, "commit": schema.version, "tag": schema.version,
    "release": schema.version, "image": schema.version, "state-version": schema.version,
    "model-version": schema.version, "deployment": schema.deployment, "traffic": schema.deployment,
    "merge-request": schema.change, "incident": schema.incident, "pipeline-schedule": schema.schedule,
    "vertex-schedule": schema.schedule, "workspace": schema.workspace, "plan": schema.plan, "model": schema.model,
    "evaluation": schema.evaluation, "endpoint": schema.endpoint, "feature-view": schema.feature_view,
    "monitor": schema.monitor,
}  # fmt: skip
"""Kind -> the table that holds it."""

KEPT = frozenset({"id", "source_id", "kind", "native_id", "observed_at", "first_seen_at", "gone_at"})
"""Columns that say who a row is and when we saw it; the others are its content."""

_TOO_LARGE = 1 << 63
"""No integer column holds it."""
_NOT_DIRECT = frozenset({"native_id", "kind", "detail"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record and the column it goes to; `target` is the table that a reference leads to."""

    name: str
    column: str
    target: str | None
    document: bool
    holds: type
    """str, float (any number) or bool: what the column can hold."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table, and what of a record goes where."""

    table: Table
    fields: tuple[Field, ...]

    @property
    def references(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.target is not None)


def _shape(kind: type, table: Table) -> Shape:
    found = []
    for field in dataclasses.fields(kind):
        if field.name in _NOT_DIRECT:
            continue
        name = field.name if field.name in table.c else f"{field.name}_id"
        column = table.c[name]
        target = column.info.get("target")
        holds = str if isinstance(column.type, Text) else bool if isinstance(column.type, Boolean) else float
        found.append(Field(field.name, name, target, isinstance(column.type, type(schema.Document)), holds))
    return Shape(table, tuple(found))


SHAPES: dict[type, Shape] = {kind: _shape(kind, table) for kind, table in (TABLES | DETAILS).items()}


def references(record: Any) -> list[tuple[str, Ref]]:
    """Every (table, reference) that a record holds, its detail's included."""
    found = [
        (field.target, value)
        for field in SHAPES[type(record)].references
        if field.target is not None and (value := getattr(record, field.name)) is not None
    ]
    detail = getattr(record, "detail", None)
    return found if detail is None else found + references(detail)


def content(record: Any, resolve: Resolve) -> dict[str, Any]:
    """The columns of a record, its identity and its detail left out."""
    row: dict[str, Any] = {}
    for field in SHAPES[type(record)].fields:
        value = getattr(record, field.name)
        if value is None:
            row[field.column] = None
        elif field.target is not None:
            row[field.column] = resolve(field.target, value)
        else:
            row[field.column] = plain(value) if field.document else fitting(scalar(value), field.holds)
    return row


def millis(at: datetime) -> int:
    """Epoch milliseconds of an aware time. Raises ValueError for a naive one, which would mean this machine's zone."""
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone reached the store: {at!r}")
    return to_millis(at)


def scalar(value: Any) -> Any:
    """A value as a plain column holds it on both databases."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, datetime):
        return millis(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def fitting(value: Any, holds: type) -> Any:
    """The value where the column can hold it; None where an upstream sent another kind, for a row is worth more."""
    if holds is str:
        return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else None
    if holds is bool:
        return value if isinstance(value, bool) else None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if number and abs(value) < _TOO_LARGE else None


def plain(value: Any) -> Any:
    """A value as JSON holds it on both databases."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(inner) for inner in value)
    if isinstance(value, datetime):
        return value.isoformat()
    return scalar(value)


def text(value: str) -> str:
    """Text that both databases can hold: PostgreSQL takes no NUL, and neither takes half a surrogate pair."""
    if value.isascii():
        return str(value) if "\x00" not in value else value.replace("\x00", "\ufffd")
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
