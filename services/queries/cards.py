"""Problems and events as people read them: each with the thing it is about, and the page that shows that thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_

from services.queries.base import Filters, iso, to_millis
from services.queries.filters import UNASSIGNED
from services.queries.identity import text_ids

_PAGES = {
    "project": "pipelines", "step": "pipelines", "environment": "environments", "deployment": "environments",
    "change": "changes", "workspace": "infrastructure", "plan": "infrastructure", "resource": "infrastructure",
    "model": "models", "evaluation": "models", "endpoint": "models", "monitor": "models", "metric_point": "models",
    "feature_view": "ml-runs", "incident": "environments",
}  # fmt: skip
_ML_LANES = frozenset({"training", "model", "endpoint", "metrics", "data"})
DAY_MS = 24 * 60 * 60 * 1000
STATUS = {
    "drift": "drifted", "pending-replace": "pending", "plan-errored": "errored", "locked": "locked",
    "not-checked": "not checked", "check-stale": "stale", "schedule-late": "late", "schedule-paused": "paused",
    "schedule-skipped": "skipped silently", "owner-lost": "owner lost", "metric-bad": "bad", "source-stale": "stale",
    "source-limited": "limited", "source-unreadable": "broken", "source-no-access": "no-access",
    "part-no-access": "no-access", "feature-view-stale": "stale",
}  # fmt: skip
"""Kind of a problem -> the word of its own vocabulary, where that says more than the state."""


def status_of(row: Any) -> str:
    """The one word for a problem: of schedules *late* or *missed*, of states *drifted* or *locked*, else its state."""
    if row.kind == "schedule-late" and row.reason == "missed":
        return "missed"
    return str(STATUS.get(row.kind, row.state))


def view_of(table: str, lane: str | None, text: str | None = None) -> str:
    """The view that shows a thing of that table: GitLab's runs are pipelines, the others ML runs."""
    if table in ("run", "schedule"):
        gitlab = lane == "ci" if text is None else ":pipeline:" in text or ":pipeline-schedule:" in text
        return "pipelines" if gitlab else "ml-runs"
    if table == "version":
        return "models" if lane in _ML_LANES else "infrastructure" if lane == "infrastructure" else "environments"
    return _PAGES.get(table, "sources")


def product_is(column: ColumnElement[Any], product: str) -> ColumnElement[bool]:
    """Of that product; *unassigned* is what has none."""
    return or_(column.is_(None), column == UNASSIGNED) if product == UNASSIGNED else column == product


def narrowed(table: Any, filters: Filters) -> list[ColumnElement[bool]]:
    """What the filters ask of a problem's or an event's row; `kind` is its lane."""
    conditions: list[ColumnElement[bool]] = []
    if filters.product:
        conditions.append(product_is(table.c.product, filters.product))
    if filters.environment:
        conditions.append(table.c.environment == filters.environment)
    if filters.state:
        conditions.append(table.c.state == filters.state)
    if filters.kind:
        conditions.append(table.c.lane == filters.kind)
    if filters.text:
        conditions.append(table.c.title.icontains(filters.text, autoescape=True))
    return conditions


def subjects(conn: Connection, rows: Iterable[Any]) -> Mapping[tuple[str, int], str]:
    """(table, key) -> text id of what the rows are about."""
    return text_ids(conn, {(row.subject_table, row.subject_id) for row in rows})


def problem_card(row: Any, ids: Mapping[tuple[str, int], str], now: datetime, start: datetime) -> dict[str, Any]:
    """A problem as JSON; `day` counts the days it is open from 1; `new` is true where it opened in the window.

    `series` is the same for all slices of one metric of a model in an environment, and `slice` is which of them.
    """
    facts = row.facts if row.kind == "metric-bad" and row.facts else {}
    subject = ids.get((row.subject_table, row.subject_id))
    return {
        "id": row.id, "kind": row.kind, "severity": row.severity, "state": row.state,
        "status": status_of(row), "title": row.title,
        "reason": row.reason, "product": row.product, "environment": row.environment, "lane": row.lane,
        "place": row.place or None, "since": iso(row.opened_at), "seen_at": iso(row.seen_at),
        "updated_at": iso(row.updated_at), "first_bad": row.first_bad, "last_good": row.last_good,
        "day": max(0, to_millis(now) - row.opened_at) // DAY_MS + 1, "new": row.opened_at >= to_millis(start),
        "series": f"{facts['metric']} {facts['model']} {row.environment or ''}" if facts else None,
        "slice": facts.get("slice"),
        "subject": subject, "view": view_of(row.subject_table, row.lane, subject), "web_url": row.web_url,
    }  # fmt: skip


def event_line(row: Any, ids: Mapping[tuple[str, int], str], start: datetime) -> dict[str, Any]:
    """An event as JSON; `seen_late` where it occurred before the window."""
    subject = ids.get((row.subject_table, row.subject_id))
    return {
        "id": row.id, "lane": row.lane, "kind": row.kind, "at": iso(row.at), "seen_at": iso(row.seen_at),
        "seen_late": row.at < to_millis(start), "first_fill": bool(row.first_fill), "title": row.title,
        "state": row.state, "product": row.product, "environment": row.environment, "label": row.label,
        "actor": row.actor, "subject": subject, "view": view_of(row.subject_table, row.lane, subject),
        "web_url": row.web_url,
    }  # fmt: skip
