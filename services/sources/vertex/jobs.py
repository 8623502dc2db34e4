"""Which pipeline runs and custom jobs there are; what a pipeline run did in detail is read by its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from services.records import Ref, Run
from services.redaction import redact_text
from services.sources.base import Batch, Pull, Unreadable
from services.sources.vertex.reading import (
    environment,
    failure,
    labels_of,
    last,
    link,
    parameters_of,
    sha_of,
    stamp,
    title_of,
    when,
)
from services.vocabulary import FINAL

OVERLAP = timedelta(minutes=5)
MASK = (
    "name", "display_name", "create_time", "start_time", "end_time", "update_time", "state", "error", "labels",
    "runtime_config", "template_uri", "template_metadata", "schedule_name", "pipeline_spec.pipeline_info",
)  # fmt: skip

Json = Mapping[str, Any]


def pipeline_jobs(pull: Pull) -> Iterator[Batch]:
    """What changed since the last sweep, then the history backwards in pages.

    A run is told from here when it is first seen; after that its detail tells what becomes of it, so that a
    run that is failing, or that trained nothing new, does not change its mind with every list.
    """
    cursor = dict(pull.cursor)
    if cursor.get("head"):
        yield _changed(pull, cursor)
        cursor["head"] = stamp(pull.now)
    else:
        cursor |= {"head": stamp(pull.now), "tail": stamp(pull.now), "start": stamp(pull.now), "seen": {}}
    if cursor.get("tail"):
        yield from _history(pull, cursor)


def _changed(pull: Pull, cursor: dict[str, Any]) -> Batch:
    since = (when(cursor["head"]) or pull.now) - OVERLAP
    seen: dict[str, list[Any]] = dict(cursor.get("seen", {}))
    records, touched = [], []
    rows = pull.client.rows(
        pull, "pipelineJobs", filter=f'update_time>="{stamp(since)}"', order_by="update_time desc",
        read_mask={"paths": list(MASK)},
    )  # fmt: skip
    for item in rows:
        name, updated = item["name"], str(item.get("updateTime"))
        if seen.get(name, [None])[0] == updated:
            continue
        run = run_of(pull, item)
        if name not in seen:
            records.append(run)
        touched.append(name)
        seen[name] = [updated, run.final]
    # what is over is remembered for as long as the overlap shows it again
    cursor["seen"] = {
        name: [updated, final]
        for name, (updated, final) in seen.items()
        if not final or (when(updated) or pull.now) >= since
    }
    after = {**cursor, "head": stamp(pull.now)}
    return Batch(records=tuple(records), cursor=after, touched={"tasks": tuple(touched)} if touched else {})


def _history(pull: Pull, cursor: dict[str, Any]) -> Iterator[Batch]:
    """Runs by the time of their creation, newest first, down to the beginning of the history."""
    start = when(cursor.get("start")) or pull.now
    wanted = [f'create_time<="{cursor["tail"]}"']
    if pull.since is not None:
        wanted.append(f'create_time>="{stamp(pull.since)}"')
    pages = pull.client.pages(
        pull, "pipelineJobs", filter=" AND ".join(wanted), order_by="create_time desc",
        read_mask={"paths": list(MASK)},
    )  # fmt: skip
    for rows, token in pages:
        runs = [run_of(pull, item) for item in rows]
        oldest = min((run.created_at for run in runs if run.created_at), default=None)
        cursor["tail"] = stamp(oldest) if token and oldest else None
        still = {item["name"]: [str(item.get("updateTime")), False] for item, run in zip(rows, runs, strict=True)
                 if not run.final}  # fmt: skip
        cursor["seen"] = cursor["seen"] | still
        yield Batch(
            records=tuple(runs),
            cursor=dict(cursor),
            touched={"tasks": tuple(run.native_id for run in runs)} if runs else {},
            progress=_progress(start, oldest, pull.since) if token else 1.0,
        )


def _progress(start: datetime, at: datetime | None, since: datetime | None) -> float | None:
    """The share of the time span that is read; None where the history has no beginning."""
    if at is None or since is None or start <= since:
        return None
    return min(1.0, max(0.0, (start - at) / (start - since)))


def run_of(pull: Pull, item: Json) -> Run:
    """A PipelineJob as a run, by what its list tells."""
    name, labels = item["name"], labels_of(item)
    raw = str(item.get("state", "PIPELINE_STATE_UNSPECIFIED"))
    state = pull.notes.state(raw)
    reason, message = failure(item.get("error"))
    config = item.get("runtimeConfig") or {}
    schedule = item.get("scheduleName")
    definition = item.get("templateUri") or ((item.get("pipelineSpec") or {}).get("pipelineInfo") or {}).get("name")
    return Run(
        native_id=name,
        kind="pipeline-job",
        name=title_of(item, name),
        title=last(name),
        state=state,
        state_raw=raw,
        trigger="schedule" if schedule else None,
        sha=sha_of(labels),
        created_at=when(item.get("createTime")),
        started_at=when(item.get("startTime")),
        finished_at=when(item.get("endTime")),
        updated_at=when(item.get("updateTime")),
        failure_reason=reason,
        failure_message=message,
        schedule=Ref("vertex-schedule", schedule) if schedule else None,
        environment=environment(pull, labels),
        definition=redact_text(definition),
        labels=labels,
        parameters=parameters_of(config.get("parameterValues") or config.get("parameters") or {}),
        web_url=link(pull, f"locations/{{region}}/pipelines/runs/{last(name)}"),
        final=state in FINAL,
    )


def custom_jobs(pull: Pull) -> Iterator[Batch]:
    """Custom jobs by the time of their creation, for there is no filter by change; open ones are read again.

    While a fill is under way, the cursor holds the token of its next page.
    """
    cursor = dict(pull.cursor)
    opened: dict[str, str] = dict(cursor.get("open", {}))
    if opened and cursor.get("head"):
        yield _reread(pull, opened)
    since = (when(cursor["head"]) or pull.now) - OVERLAP if cursor.get("head") else pull.since
    filling = cursor.get("filling") or {"since": stamp(since) if since else None, "began": stamp(pull.now), "token": ""}
    try:
        yield from _listed(pull, cursor, dict(filling), opened)
    except Unreadable:
        if not filling["token"]:
            raise
        yield from _listed(pull, cursor, {**filling, "token": ""}, opened)  # the token had run out


def _listed(pull: Pull, cursor: dict[str, Any], filling: dict[str, Any], opened: dict[str, str]) -> Iterator[Batch]:
    request = {"filter": f'create_time>="{filling["since"]}"'} if filling["since"] else {}
    pages = pull.client.pages(pull, "customJobs", page_token=filling["token"], **request)
    for rows, token in pages:
        runs = [custom_job_of(pull, item) for item in rows]
        for run in runs:
            if not run.final:
                opened[run.native_id] = run.state_raw
        filling = {**filling, "token": token}
        after = {"head": cursor.get("head"), "filling": filling} if token else {"head": filling["began"]}
        yield Batch(records=tuple(runs), cursor={**after, "open": dict(opened)})


def _reread(pull: Pull, opened: dict[str, str]) -> Batch:
    """The jobs that were not over when they were last seen."""
    records, gone = [], []
    for name in list(opened):
        item = pull.client.get(pull.scope, "customJobs", name, pull.now)
        run = custom_job_of(pull, item) if item else None
        if run is None or run.final:
            del opened[name]
        if run is None:
            gone.append(name)
        else:
            records.append(run)
    left = {"custom-job": tuple(gone)} if gone else {}
    return Batch(records=tuple(records), cursor={**pull.cursor, "open": dict(opened)}, gone=left)


def custom_job_of(pull: Pull, item: Json) -> Run:
    """A CustomJob as a run; what it runs, and with which machines, is among its parameters."""
    name, labels = item["name"], labels_of(item)
    raw = str(item.get("state", "JOB_STATE_UNSPECIFIED"))
    state = pull.notes.state(raw)
    reason, message = failure(item.get("error"))
    return Run(
        native_id=name,
        kind="custom-job",
        name=title_of(item, name),
        title=last(name),
        state=state,
        state_raw=raw,
        sha=sha_of(labels),
        created_at=when(item.get("createTime")),
        started_at=when(item.get("startTime")),
        finished_at=when(item.get("endTime")),
        updated_at=when(item.get("updateTime")),
        failure_reason=reason,
        failure_message=message,
        environment=environment(pull, labels),
        labels=labels,
        parameters=parameters_of(_work((item.get("jobSpec") or {}).get("workerPoolSpecs") or [])),
        web_url=link(pull, f"locations/{{region}}/training/{last(name)}"),
        final=state in FINAL,
    )


def _work(pools: list[Json]) -> dict[str, Any]:
    """What the first pool of workers runs. Arguments are one line, so that `--password x` is seen for what it is."""
    spec = pools[0] if pools else {}
    machine, container = spec.get("machineSpec") or {}, spec.get("containerSpec") or spec.get("pythonPackageSpec") or {}
    found = {
        "machine": machine.get("machineType"),
        "accelerator": machine.get("acceleratorType"),
        "replicas": spec.get("replicaCount"),
        "image": container.get("imageUri") or container.get("executorImageUri"),
        "command": redact_text(" ".join([*container.get("command", []), *container.get("args", [])])),
        "env": {str(one.get("name")): one.get("value") for one in container.get("env", [])},
        "pools": len(pools) if len(pools) > 1 else None,
    }
    return {name: value for name, value in found.items() if value}
