"""What BigQuery answers over its REST API (v2): queries and their jobs, datasets, tables, and rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulators.data import BigQueryData, BigQueryTable, Upstreams
from emulators.google.answers import refuse_in_the_old_way
from emulators.google.bigquery_engine import Engine, Job, Key, table_bytes
from emulators.google.bigquery_schema import USER
from emulators.google.bigquery_sql import Setting
from emulators.google.bigquery_types import cell, parameter

Json = dict[str, Any]
Query = Mapping[str, str]

LOCATION = "EU"
PASSED_OVER = {
    "kind", "requestId", "timeoutMs", "maxResults", "location", "formatOptions", "useQueryCache", "priority", "labels",
    "dryRun", "jobCreationMode", "jobTimeoutMs", "createDisposition", "writeDisposition",
}  # fmt: skip
"""Parameters of a query that do not change its rows (dryRun and labels are read elsewhere)."""
READ = {"query", "useLegacySql", "parameterMode", "queryParameters", "maximumBytesBilled", "defaultDataset"}


def answer(upstreams: Upstreams, engine: Engine, request: Request, body: bytes, now: datetime) -> Response:
    """The answer to one request. Call with `upstreams.lock` held. Raises Refusal."""
    parts = request.url.path.removeprefix("/bigquery/v2/projects/").strip("/").split("/")
    project, query = parts[0], request.query_params
    given = json.loads(body) if body else {}
    match request.method, parts[1:]:
        case "POST", ["queries"]:
            job = _run(engine, project, None, given, given.get("labels", {}), bool(given.get("dryRun")), given, now)
            return JSONResponse(_results(job, _paging(given), "bigquery#queryResponse"))
        case "POST", ["jobs"]:
            return JSONResponse(_insert(engine, project, given, now))
        case "GET", ["jobs"]:
            jobs = [job for job in engine.jobs.values() if job.project == project]
            newest = sorted(jobs, key=lambda job: job.created, reverse=True)[: int(query.get("maxResults") or 50)]
            return JSONResponse({"kind": "bigquery#jobList", "jobs": [_listed(job) for job in newest]})
        case "GET", ["jobs", job_id]:
            return JSONResponse(_job(_found(engine, project, job_id)))
        case "GET", ["queries", job_id]:
            return JSONResponse(_results(_found(engine, project, job_id), query, "bigquery#getQueryResultsResponse"))
        case "GET", ["datasets", *rest]:
            return JSONResponse(_catalog(upstreams.bigquery, project, rest, query))
    raise refuse_in_the_old_way(404, f"{request.method} {request.url.path} is not served here.")


def _insert(engine: Engine, project: str, given: Json, now: datetime) -> Json:
    configuration = given.get("configuration", {})
    if "query" not in configuration:
        raise refuse_in_the_old_way(501, "Only query jobs are served here: this local BigQuery is only read.")
    reference = given.get("jobReference", {})
    job_id = reference.get("jobId")
    if job_id in engine.jobs:
        raise refuse_in_the_old_way(409, f"Already Exists: Job {project}:{LOCATION}.{job_id}")
    dry, labels = bool(configuration.get("dryRun")), configuration.get("labels", {})
    job = _run(engine, project, job_id, configuration["query"], labels, dry, reference, now)
    if job.dry and job.error:
        raise job.error
    return _job(job)


def _run(
    engine: Engine,
    project: str,
    job_id: str | None,
    asked: Json,
    labels: dict[str, str],
    dry: bool,
    reference: Json,
    now: datetime,
) -> Job:
    unknown = set(asked) - PASSED_OVER - READ
    if unknown:
        raise refuse_in_the_old_way(400, f"Queries with {', '.join(sorted(unknown))} are not served here.")
    if asked.get("useLegacySql", True):
        raise refuse_in_the_old_way(400, "Legacy SQL is not served here; set useLegacySql to false.", "invalidQuery")
    if asked.get("parameterMode", "NAMED").upper() != "NAMED":
        raise refuse_in_the_old_way(400, "Positional parameters are not served here.", "invalidQuery")
    dataset = asked.get("defaultDataset") or {}
    setting = Setting(
        project=dataset.get("projectId", project),
        dataset=dataset.get("datasetId"),
        parameters={one["name"]: parameter(one) for one in asked.get("queryParameters", [])},
        now=now,
    )
    location = reference.get("location") or LOCATION
    job = Job(job_id or f"job_{uuid.uuid4().hex}", project, location, asked["query"], labels, now, dry, asked)
    cap = asked.get("maximumBytesBilled")
    return engine.run(job, setting, None if cap is None else int(cap))


def _found(engine: Engine, project: str, job_id: str) -> Job:
    job = engine.jobs.get(job_id)
    if job is None or job.project != project:
        raise refuse_in_the_old_way(404, f"Not found: Job {project}:{LOCATION}.{job_id}")
    return job


def _paging(given: Json) -> Query:
    times = given.get("formatOptions", {}).get("useInt64Timestamp", False)
    wanted = {"formatOptions.useInt64Timestamp": str(times).lower()}
    return wanted | ({"maxResults": str(given["maxResults"])} if given.get("maxResults") is not None else {})


def _reference(job: Job) -> Json:
    return {"projectId": job.project, "jobId": job.id, "location": job.location}


def _results(job: Job, query: Query, kind: str) -> Json:
    if job.error:
        raise job.error
    shown = {
        "kind": kind,
        "jobReference": _reference(job),
        "jobComplete": True,
        "schema": {"fields": job.fields},
        "totalBytesProcessed": str(job.bytes),
        "cacheHit": False,
    }
    return shown if job.dry else shown | {"totalRows": str(len(job.rows))} | _rows(job.fields, job.rows, query)


def _rows(fields: list[Json], rows: list[tuple[Any, ...]], query: Query) -> Json:
    """One page of rows; `pageToken` is where the next one begins."""
    start = int(query.get("pageToken") or query.get("startIndex") or 0)
    size = min(int(query["maxResults"]) if query.get("maxResults") else 10_000, 10_000)
    exact = query.get("formatOptions.useInt64Timestamp", "").lower() == "true"
    page = [
        {"f": [{"v": cell(value, one, exact)} for value, one in zip(row, fields, strict=True)]}
        for row in rows[start : start + size]
    ]
    return {"rows": page} | ({"pageToken": str(start + size)} if start + size < len(rows) else {})


def _millis(when: datetime | None) -> str:
    return str(int(when.timestamp() * 1000)) if when else "0"


def _job(job: Job) -> Json:
    at = _millis(job.created)
    statistics: Json = {"creationTime": at, "startTime": at, "endTime": at, "totalBytesProcessed": str(job.bytes)}
    statistics["query"] = {
        "totalBytesProcessed": str(job.bytes),
        "totalBytesBilled": str(job.billed),
        "cacheHit": False,
        "statementType": "SELECT",
        "schema": {"fields": job.fields},
        "referencedTables": [_table_reference(key) for key in job.tables],
    }
    status: Json = {"state": "DONE"}
    if job.error:
        (first,) = job.error.error["errors"]
        problem = {"reason": first["reason"], "message": first["message"]}
        status |= {"errorResult": problem, "errors": [problem]}
    return {
        "kind": "bigquery#job",
        "id": f"{job.project}:{job.location}.{job.id}",
        "jobReference": _reference(job),
        "user_email": USER,
        "configuration": {
            "jobType": "QUERY",
            "query": job.configuration,
            "dryRun": job.dry,
            "labels": job.labels,
        },
        "status": status,
        "statistics": statistics,
    }


def _listed(job: Job) -> Json:
    shown = _job(job)
    failed = {"errorResult": shown["status"]["errorResult"]} if job.error else {}
    return shown | {"kind": "bigquery#job", "state": "DONE"} | failed


def _table_reference(key: Key) -> Json:
    return {"projectId": key[0], "datasetId": key[1], "tableId": key[2]}


def _catalog(data: BigQueryData, project: str, rest: list[str], query: Query) -> Json:
    datasets = sorted({key[1] for key in data.tables if key[0] == project})
    if not rest:
        seen = [_dataset(project, name) for name in datasets if (project, name) not in data.denied]
        return {"kind": "bigquery#datasetList", "datasets": seen}
    dataset = rest[0]
    status = data.denied.get((project, dataset))
    if status is not None:
        message = f"Access Denied: Dataset {project}:{dataset}: User does not have permission"
        raise refuse_in_the_old_way(status, message)
    if dataset not in datasets:
        raise refuse_in_the_old_way(404, f"Not found: Dataset {project}:{dataset}")
    if rest[1:] == []:
        return _dataset(project, dataset) | {"kind": "bigquery#dataset"}
    if rest[1:] == ["tables"]:
        keys = sorted(key for key in data.tables if key[:2] == (project, dataset))
        listed = [_listed_table(key) for key in keys]
        return {"kind": "bigquery#tableList", "tables": listed, "totalItems": len(listed)}
    return _one_table(data, (project, dataset, rest[2] if len(rest) > 2 else ""), rest[3:], query)


def _one_table(data: BigQueryData, key: Key, rest: list[str], query: Query) -> Json:
    table = data.tables.get(key)
    if table is None or rest not in ([], ["data"]):
        raise refuse_in_the_old_way(404, f"Not found: Table {key[0]}:{key[1]}.{key[2]}")
    if not rest:
        return _table(key, table)
    names = query["selectedFields"].split(",") if query.get("selectedFields") else [one["name"] for one in table.schema]
    fields = [one for one in table.schema if one["name"] in names]
    rows = [tuple(row.get(one["name"]) for one in fields) for row in table.rows]
    return {"kind": "bigquery#tableDataList", "totalRows": str(len(rows))} | _rows(fields, rows, query)


def _dataset(project: str, dataset: str) -> Json:
    return {
        "kind": "bigquery#dataset",
        "id": f"{project}:{dataset}",
        "datasetReference": {"projectId": project, "datasetId": dataset},
        "location": LOCATION,
    }


def _listed_table(key: Key) -> Json:
    name = f"{key[0]}:{key[1]}.{key[2]}"
    return {"kind": "bigquery#table", "id": name, "tableReference": _table_reference(key), "type": "TABLE"}


def _table(key: Key, table: BigQueryTable) -> Json:
    return _listed_table(key) | {
        "schema": {"fields": table.schema},
        "numRows": str(len(table.rows)),
        "numBytes": str(table_bytes(table)),
        "lastModifiedTime": _millis(table.modified),
        "location": LOCATION,
    }
