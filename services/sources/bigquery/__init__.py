"""Metrics of models that lie in BigQuery, aggregated there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.config import BigQuerySource
from services.records import MetricPoint
from services.sources import google
from services.sources.base import Scope, Source, Stream
from services.sources.bigquery.metrics import ROLES, BigQueryClient, collect
from services.sources.bigquery.sql import BadMetric, build_sql
from services.timestamps import utc_now

__all__ = ["SOURCE", "BadMetric", "build_sql"]


def connect(source: BigQuerySource, secrets: Any) -> BigQueryClient:
    """The project's client; makes no call."""
    return BigQueryClient(source, google.credentials(source.credentials, secrets, source.anonymous))


def instance(client: Any, source: BigQuerySource) -> str:
    """bigquery/PROJECT."""
    return f"bigquery/{source.project}"


def scopes(client: Any, source: BigQuerySource) -> list[Scope]:
    """The project that pays for the queries."""
    return [Scope(key=source.project, name=source.project)]


def can_query(client: Any, scope: Scope) -> None:
    """A dry run of SELECT 1: it reads nothing and costs nothing."""
    from google.cloud import bigquery

    with google.translated("a query", client.access, utc_now()):
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
        client.google.query("SELECT 1", job_config=config, retry=None, job_retry=None, timeout=client.timeout)


SOURCE = Source(
    family="bigquery",
    title="BigQuery",
    connect=connect,
    instance=instance,
    scopes=scopes,
    streams=(
        Stream(
            name="metrics",
            title="Model metrics",
            yields=(MetricPoint,),
            collect=collect,
            check=can_query,
            every=timedelta(minutes=5),
            stale_after=timedelta(minutes=30),
            needs=f"bigquery.jobs.create and bigquery.tables.getData ({ROLES})",
            grant=google.grant_on_project("roles/bigquery.jobUser")
            + "; bq add-iam-policy-binding --member=serviceAccount:ACCOUNT --role=roles/bigquery.dataViewer DATASET",
        ),
    ),
)
