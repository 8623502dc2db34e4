"""A BigQuery with one table of metrics, and a way to ask it."""

from __future__ import annotations

from typing import Any

from google.cloud import bigquery

from emulators.data import BigQueryTable, Upstreams
from tests.emulators.local_google import NOON, empty_upstreams, options
from tests.oracle.queries import DATASET, PROJECT, SCHEMA, rows


def upstreams_with_metrics() -> Upstreams:
    upstreams = empty_upstreams()
    upstreams.bigquery.tables[(PROJECT, DATASET, "metrics")] = BigQueryTable(SCHEMA, rows(), NOON)
    return upstreams


def connect(url: str) -> bigquery.Client:
    return bigquery.Client(project=PROJECT, location="EU", **options(url))


def ask(client: bigquery.Client, sql: str, *parameters: Any, **config: Any) -> list[tuple[Any, ...]]:
    job_config = bigquery.QueryJobConfig(query_parameters=list(parameters), **config)
    job = client.query(sql, job_config=job_config, retry=None, job_retry=None, timeout=20)
    return [tuple(row.values()) for row in job.result(retry=None, timeout=20)]
