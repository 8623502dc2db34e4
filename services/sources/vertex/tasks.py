"""What a pipeline run did: its tasks with their states and parents, and what they say of the run as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.records import Ref, Run, Step
from services.redaction import redact_text
from services.sources.base import Batch, Notes, Pull
from services.sources.vertex import graph
from services.sources.vertex.jobs import run_of
from services.sources.vertex.reading import TASK_STATES, failure, last, link, resource_of, when
from services.vocabulary import FINAL, RunState

_CHUNK = 10
_EARLY = datetime.min.replace(tzinfo=UTC)
Json = Mapping[str, Any]


def collect(pull: Pull) -> Iterator[Batch]:
    """The detail of each run in `work`; one that is no longer there is gone."""
    task_notes = Notes(TASK_STATES)
    for start in range(0, len(pull.work), _CHUNK):
        names = pull.work[start : start + _CHUNK]
        records: list[Run | Step] = []
        gone: list[str] = []
        for name in names:
            if f"/locations/{pull.scope.key}/" not in name:
                continue  # another region's: what is not final is asked for in every scope
            item = pull.client.get(pull.scope, "pipelineJobs", name, pull.now)
            if item is None:
                gone.append(name)
            else:
                records += read_job(pull, item, task_notes)
        pull.notes.unknown_words.update(task_notes.unknown_words)
        task_notes.unknown_words.clear()
        yield Batch(records=tuple(records), done=names, gone={"pipeline-job": tuple(gone)} if gone else {})


def read_job(pull: Pull, item: Json, task_notes: Notes) -> list[Run | Step]:
    """The run and its steps.

    A run with a failed task is *failing* while it goes on. One that succeeded with every task answered by the
    cache trained nothing new: *warning*.
    """
    run = run_of(pull, item)
    details = list((item.get("jobDetail") or {}).get("taskDetails") or [])
    steps = _steps(pull, run, details, item.get("pipelineSpec") or {}, task_notes)
    holders = {step.parent_step for step in steps}
    leaves = [step for step in steps if step.native_id not in holders and step.state is not RunState.SKIPPED]
    if run.state is RunState.RUNNING and any(step.state is RunState.FAILED for step in steps):
        run = replace(run, state=RunState.FAILING)
    if run.state is RunState.SUCCEEDED and leaves and all(step.state is RunState.CACHED for step in leaves):
        run = replace(run, state=RunState.WARNING, fully_cached=True)
    return [run, *steps]


def _steps(pull: Pull, run: Run, details: list[Json], spec: Json, notes: Notes) -> list[Step]:
    """The tasks in the order of their creation, without the one that stands for the whole run."""
    by_id = {str(one.get("taskId")): one for one in details}
    parents = {key: str(one.get("parentTaskId") or "") for key, one in by_id.items()}
    roots = {key for key in by_id if key in parents.values() and parents[key] not in by_id}
    wanted = graph.before(spec)
    top = {path[0] for path in wanted}
    roots = {key for key in roots if by_id[key].get("taskName") not in top}
    shown = [key for key in by_id if key not in roots]
    siblings: dict[tuple[str, str], list[str]] = {}
    for key in shown:
        siblings.setdefault((parents[key], str(by_id[key].get("taskName"))), []).append(key)
    shown.sort(key=lambda key: (when(by_id[key].get("createTime")) or _EARLY, int(key) if key.isdigit() else 0))
    found = []
    for ordinal, key in enumerate(shown):
        names = wanted.get(_path(key, by_id, parents, roots), ())
        before = tuple(other for name in names for other in siblings.get((parents[key], name), ()))
        holder = parents[key] if parents[key] in by_id and parents[key] not in roots else None
        found.append(_step(pull, run, by_id[key], ordinal, before, holder, notes))
    return found


def _path(key: str, by_id: Mapping[str, Json], parents: Mapping[str, str], roots: set[str]) -> tuple[str, ...]:
    path: list[str] = []
    while key in by_id and key not in roots and len(path) < 50:
        path.insert(0, str(by_id[key].get("taskName")))
        key = parents[key]
    return tuple(path)


def _step(
    pull: Pull, run: Run, item: Json, ordinal: int, before: tuple[str, ...], holder: str | None, notes: Notes
) -> Step:
    raw = str(item.get("state", "STATE_UNSPECIFIED"))
    state = notes.state(raw)
    reason, message = failure(item.get("error"))
    if (reason or message) and state not in FINAL:
        message = f"being retried: {message or reason}"
    job = resource_of(((item.get("executorDetail") or {}).get("customJobDetail") or {}).get("job"), "customJobs")
    return Step(
        native_id=_id(run, str(item.get("taskId"))),
        kind="task",
        run=Ref("pipeline-job", run.native_id),
        name=redact_text(item.get("taskName")) or str(item.get("taskId")),
        ordinal=ordinal,
        state=state,
        state_raw=raw,
        parents=tuple(_id(run, other) for other in before),
        parent_step=_id(run, holder) if holder else None,
        created_at=when(item.get("createTime")),
        started_at=when(item.get("startTime")),
        finished_at=when(item.get("endTime")),
        failure_reason=reason,
        message=message,
        web_url=link(pull, f"locations/{{region}}/training/{last(job)}") if job else run.web_url,
        final=state in FINAL,
    )


def _id(run: Run, task_id: str) -> str:
    return f"{run.native_id}/tasks/{task_id}"
