"""Makes records and rows for tests: every default is harmless, so that a test names only what matters to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from services import records
from services.config import Config
from services.records import Record, Ref
from services.store import schema, writer
from services.store.upsert import insert_for, upsert
from services.timestamps import to_millis
from services.vocabulary import RunState

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
"""A Tuesday, 14:00 in Berlin: half a day after the standup of 09:30."""
SHA = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
PROJECT = Ref("project", "11")

_RAW = {RunState.SUCCEEDED: "success", RunState.WAITING: "manual", RunState.QUEUED: "pending"}


def ago(**parts: float) -> datetime:
    """So long before NOW."""
    return NOW - timedelta(**parts)


def a_config(**sections: Any) -> Config:
    """A team in Berlin with dev, qa and prod, one source of each family, and one product."""
    token = {"env": "TOKEN"}
    return Config.model_validate({
        "team": {"name": "Forecasting team", "time_zone": "Europe/Berlin"},
        "source": [
            {"kind": "gitlab", "name": "gitlab", "url": "https://gitlab.example", "token": token, "groups": ["acme"]},
            {"kind": "terraform", "name": "states", "directory": "/states"},
            {"kind": "vertex", "name": "vertex", "project": "acme-prod", "regions": ["europe-west4"]},
            {"kind": "bigquery", "name": "bigquery", "project": "acme-prod"},
        ],
        "product": [{"name": "demand-forecast", "projects": ["acme/*"]}],
        **sections,
    })  # fmt: skip


def a_project(native_id: str = "11", path: str = "acme/forecast-training", **more: Any) -> records.Project:
    values = {"name": path.rpartition("/")[2], "default_branch": "main", "web_url": f"https://gitlab.example/{path}"}
    return records.Project(native_id=native_id, path=path, **values | more)


def a_run(native_id: str = "501", state: RunState = RunState.SUCCEEDED, **more: Any) -> records.Run:
    """A CI pipeline of the default branch that finished well an hour ago."""
    values: dict[str, Any] = {
        "kind": "pipeline", "project": PROJECT, "name": "acme/forecast-training", "state_raw": _RAW.get(state, state),
        "trigger": "push", "ref": "main", "sha": SHA, "created_at": ago(hours=1), "finished_at": ago(minutes=50),
        "updated_at": ago(minutes=50), "duration_seconds": 600.0, "final": True,
        "web_url": f"https://gitlab.example/acme/forecast-training/-/pipelines/{native_id}",
    }  # fmt: skip
    return records.Run(native_id=native_id, state=state, **values | more)


def a_step(native_id: str = "9001", state: RunState = RunState.SUCCEEDED, **more: Any) -> records.Step:
    """A job of the pipeline 501 that ended fifty minutes ago."""
    values: dict[str, Any] = {
        "kind": "job", "run": Ref("pipeline", "501"), "name": "test", "stage": "test", "state_raw": state,
        "created_at": ago(hours=1), "finished_at": ago(minutes=50), "final": True,
    }  # fmt: skip
    return records.Step(native_id=native_id, state=state, **values | more)


def a_change(iid: str = "7", state: str = "opened", **more: Any) -> records.Change:
    """A merge request to main, made a day ago, with one approval of the one that it needs."""
    values: dict[str, Any] = {
        "project": PROJECT, "iid": iid, "title": f"Request {iid}", "author": "mira", "source_branch": f"feat/{iid}",
        "target_branch": "main", "created_at": ago(days=1), "reviewers": ("ravi",), "approved_by": ("ravi",),
        "approvals_required": 1,
    }  # fmt: skip
    return records.Change(native_id=f"3{iid}", state=state, **values | more)


def a_training(native_id: str = "projects/1/pipelineJobs/t1", **more: Any) -> records.Run:
    """An ML pipeline run in production."""
    values = {"kind": "pipeline-job", "project": None, "name": "demand-forecast-training", "environment": "prod",
              "labels": {"git_sha": SHA}, "web_url": None, "ref": None, "sha": None, "trigger": None}  # fmt: skip
    return a_run(native_id, **values | more)


def a_deployment(native_id: str = "71", environment: str = "prod", **more: Any) -> records.Deployment:
    """A GitLab deployment that finished well two hours ago."""
    state = more.pop("state", RunState.SUCCEEDED)
    values: dict[str, Any] = {
        "kind": "deployment", "project": PROJECT, "place": environment, "environment": environment, "label": SHA[:8],
        "sha": SHA, "ref": "main", "state_raw": _RAW.get(state, state), "created_at": ago(hours=2),
        "finished_at": ago(hours=2), "updated_at": ago(hours=2), "final": True,
    }  # fmt: skip
    return records.Deployment(native_id=native_id, state=state, **values | more)


def an_environment(name: str = "prod", project: Ref = PROJECT, **more: Any) -> records.Environment:
    return records.Environment(native_id=f"{project.native_id}-{name}", project=project, name=name, **more)


def a_version(native_id: str = SHA, kind: str = "commit", **more: Any) -> records.Version:
    values = {"of": "acme/forecast-training", "label": native_id[:8], "created_at": ago(hours=3)}
    return records.Version(native_id=native_id, kind=kind, **values | more)


def a_workspace(name: str = "forecast-prod", environment: str = "prod", **more: Any) -> records.Workspace:
    values = {"native_id": name, "name": name, "environment": environment, "serial": 41, "updated_at": ago(days=2)}
    return records.Workspace(**values | more)


def a_plan(workspace: str = "forecast-prod", **more: Any) -> records.Plan:
    values = {"native_id": f"{workspace}-plan", "workspace": Ref("workspace", workspace), "checked_at": ago(hours=3),
              "mode": "refresh-only", "complete": True}  # fmt: skip
    return records.Plan(**values | more)


def a_model(native_id: str = "projects/1/models/m1", name: str = "demand-forecast", **more: Any) -> records.Model:
    return records.Model(native_id=native_id, name=name, **{"environment": "prod"} | more)


def a_model_version(number: str = "17", model: str = "projects/1/models/m1", **more: Any) -> records.Version:
    detail = records.ModelDetail(model=Ref("model", model), run=more.pop("by", None))
    values = {"of": "demand-forecast", "label": number, "created_at": ago(days=1), "detail": detail}
    return a_version(f"{model}@{number}", "model-version", **values | more)


def an_endpoint(native_id: str = "projects/1/endpoints/e1", **more: Any) -> records.Endpoint:
    split = [{"deployed_id": "d1", "model": "projects/1/models/m1@17", "version": "17", "percent": 100,
              "deployed_at": "2026-11-23T10:00:00Z"}]  # fmt: skip
    values = {"name": "demand-forecast", "environment": "prod", "traffic": tuple(split), "monitored": True}
    return records.Endpoint(native_id=native_id, **values | more)


def a_source(conn: Connection, family: str = "gitlab", name: str | None = None, instance: str | None = None) -> int:
    """The key of a source that was first met ten days ago."""
    return writer.source_key(conn, family, instance or f"{family}.example", name or family, ago(days=10))


def put(conn: Connection, source_id: int, *things: Record) -> dict[str, int]:
    """Store records; gives native id -> key of those that are things."""
    return {str(one.native_id): one.id for one in _touched(conn, writer.apply(conn, source_id, things, NOW))}


def _touched(conn: Connection, touched: Iterable[writer.Touched]) -> Iterable[Any]:
    for one in touched:
        table = schema.METADATA.tables[one.table]
        if "native_id" in table.c and "kind" in table.c:
            yield conn.execute(table.select().where(table.c.id == one.id)).one()


def belongs(conn: Connection, product: str, table: str, *keys: int, guess: bool = False) -> None:
    """Make things members of a product."""
    rows = [{"product": product, "thing_table": table, "thing_id": key, "rule": "name" if guess else "configuration",
             "evidence": "its name", "guess": guess} for key in keys]  # fmt: skip
    conn.execute(insert_for(conn, schema.membership), rows)


def _insert(conn: Connection, table: Any, values: Mapping[str, Any]) -> int:
    stored = {key: to_millis(value) if isinstance(value, datetime) else value for key, value in values.items()}
    return int(conn.execute(table.insert().values(**stored)).inserted_primary_key[0])


def a_problem(conn: Connection, **more: Any) -> int:
    """An open red problem of a CI run, three hours old."""
    values = {
        "kind": "run-failed", "subject_table": "run", "subject_id": 1, "place": "main", "product": "demand-forecast",
        "environment": None, "lane": "ci", "severity": "red", "state": "failed", "title": "main fails",
        "opened_at": ago(hours=3), "seen_at": ago(hours=3), "updated_at": NOW, "first_fill": False,
    }  # fmt: skip
    return _insert(conn, schema.problem, values | more)


def an_event(conn: Connection, dedupe: str, **more: Any) -> int:
    """A pipeline that succeeded an hour ago, seen at once."""
    at = more.get("at", ago(hours=1))
    values = {
        "dedupe": dedupe, "lane": "ci", "kind": "pipeline-succeeded", "at": at, "seen_at": at, "first_fill": False,
        "subject_table": "run", "subject_id": 1, "product": "demand-forecast", "title": f"event {dedupe}",
        "state": "succeeded",
    }  # fmt: skip
    return _insert(conn, schema.event, values | more)


def a_link(conn: Connection, origin: tuple[str, int], target: tuple[str, int] | None, **more: Any) -> int:
    """A declared link."""
    to_table, to_id = target or (None, None)
    values = {
        "rule": "test", "rule_version": 1, "from_table": origin[0], "from_id": origin[1], "to_table": to_table,
        "to_id": to_id, "evidence_kind": "declared", "evidence": "its label says so", "made_at": NOW,
    }  # fmt: skip
    return _insert(conn, schema.link, values | more)


def a_stream(conn: Connection, source_id: int, stream: str = "pipelines", **more: Any) -> None:
    """A stream that was read well ten seconds ago, promised within five minutes."""
    values = {
        "source_id": source_id, "scope": "acme", "stream": stream, "scope_name": "acme", "status": "ok",
        "tried_at": ago(seconds=10), "good_at": ago(seconds=10), "every_ms": 60_000, "stale_after_ms": 300_000,
        "filled_at": ago(days=9), "rows_total": 100, "rejected": 0, "failures": 0,
    }  # fmt: skip
    stored = {key: to_millis(value) if isinstance(value, datetime) else value for key, value in (values | more).items()}
    upsert(conn, schema.stream_state, [stored])


def a_heartbeat(conn: Connection, at: datetime = NOW) -> None:
    conn.execute(insert_for(conn, schema.meta), [{"key": "heartbeat", "value": "test", "at": to_millis(at)}])
