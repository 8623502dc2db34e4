"""Asks BigQuery for the metrics of models, no oftener than their tables change and no dearer than allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.config import BigQuerySource, Metric
from services.records import MetricPoint
from services.redaction import redact_text
from services.sources import google
from services.sources.base import AccessDenied, Batch, Meter, Pull, SourceError, Unreadable
from services.sources.bigquery.sql import ROWS, BadMetric, Table, build_sql, constant, own_sql, table_of

KEPT = timedelta(days=400)
LATE = timedelta(days=3)
"""How far back an incremental read goes: rows that arrive late still get into their window."""
QUERY_SECONDS = 60.0
ROLES = "roles/bigquery.jobUser on the project and roles/bigquery.dataViewer on the dataset"


@dataclass
class BigQueryClient:
    """Google's client for one project."""

    source: BigQuerySource
    credentials: Any
    meter: Meter = field(default_factory=Meter)
    timeout: float = google.TIMEOUT
    _made: Any = None

    @property
    def access(self) -> google.Access:
        grant = (
            google.grant_on_project("roles/bigquery.jobUser", self.source.project)
            + "; bq add-iam-policy-binding --member=serviceAccount:ACCOUNT --role=roles/bigquery.dataViewer DATASET"
        )
        return google.Access("bigquery.googleapis.com", self.source.project, ROLES, grant)

    @property
    def google(self) -> Any:
        if self._made is None:
            from google.cloud import bigquery

            options = {"api_endpoint": self.source.api_endpoint} if self.source.api_endpoint else None
            self._made = bigquery.Client(
                project=self.source.project,
                location=self.source.location,
                credentials=self.credentials,
                client_options=options,
                _http=google.session(self.credentials, self.meter),
            )
        return self._made

    def close(self) -> None:
        if self._made is not None:
            self._made._http.close()


@dataclass(frozen=True, slots=True)
class Planned:
    """What a dry run told: what the query would read, and what it gives."""

    sql: str
    bytes: int
    modified: str | None
    """The newest change of the tables that it reads; None where that is not known."""


class TooDear(Exception):
    """The query would read more, or takes longer, than is allowed."""


def collect(pull: Pull) -> Iterator[Batch]:
    """Each metric of this source in a batch of its own; one that is refused is a part, and leaves the others."""
    cursor: dict[str, Any] = {"day": pull.cursor.get("day"), "bytes": pull.cursor.get("bytes", 0),
                              "metrics": dict(pull.cursor.get("metrics", {}))}  # fmt: skip
    if cursor["day"] != pull.now.date().isoformat():
        cursor |= {"day": pull.now.date().isoformat(), "bytes": 0}
    wanted = metrics_of(pull)
    cursor["metrics"] = {key: value for key, value in cursor["metrics"].items() if key in {one.key for one in wanted}}
    for metric in wanted:
        records: tuple[MetricPoint, ...] = ()
        problem: str | None = None
        try:
            records, problem = _measure(pull, metric, cursor)
        except (AccessDenied, Unreadable, BadMetric, TooDear) as error:
            problem = redact_text(str(error))
        except SourceError:
            yield Batch(cursor={**cursor, "metrics": dict(cursor["metrics"])})  # what was asked may have been billed
            raise
        yield Batch(records=records, cursor={**cursor, "metrics": dict(cursor["metrics"])}, parts={metric.key: problem})


def metrics_of(pull: Pull) -> list[Metric]:
    """The configured metrics that are read from this source: those that name it, or all where there is one source."""
    only = sum(one.kind == "bigquery" for one in pull.config.source) <= 1
    return [one for one in pull.config.metric if one.source == pull.source.name or (one.source is None and only)]


def _measure(pull: Pull, metric: Metric, cursor: dict[str, Any]) -> tuple[tuple[MetricPoint, ...], str | None]:
    """The windows since the last read; none, and no query, where the tables did not change since."""
    known: Mapping[str, Any] = cursor["metrics"].get(metric.key, {})
    table = table_of(metric, pull.source.project)
    time_type = "TIMESTAMP"
    if table is not None:
        modified, time_type = _look_at(pull, table, metric)
        if known and modified is not None and modified == known.get("modified"):
            return (), None
    begin = _begin(pull, metric, known)
    planned = _plan(pull, metric, begin, time_type)
    if known and planned.modified is not None and planned.modified == known.get("modified"):
        return (), None
    _afford(pull.source, planned, cursor)
    cursor["bytes"] += planned.bytes  # before it is asked: a query that breaks off is billed as well
    rows, spent = _ask(pull, metric, planned.sql, begin)
    cursor["bytes"] += spent - planned.bytes
    points = tuple(_point(metric, row) for row in rows[:ROWS])
    newest = max((point.at for point in points), default=None)
    read_to = newest.isoformat() if newest else known.get("read_to")
    cursor["metrics"][metric.key] = {"modified": planned.modified, "read_to": read_to}
    more = f"more than {ROWS} windows; the rest is not shown: use a longer window or fewer slices"
    return points, more if len(rows) > ROWS else None


def _look_at(pull: Pull, table: Table, metric: Metric) -> tuple[str | None, str]:
    """(when the table last changed, the type of its time column)."""
    with google.translated(f"table {table}", pull.client.access, pull.now):
        found = pull.client.google.get_table(str(table), retry=None, timeout=pull.client.timeout)
    kinds = {one.name.lower(): one.field_type for one in found.schema}
    modified = found.modified.isoformat() if found.modified else None
    return modified, kinds.get(metric.time.lower(), "TIMESTAMP")


def _begin(pull: Pull, metric: Metric, known: Mapping[str, Any]) -> datetime:
    """The start of a whole window, so that no window is ever read in part."""
    begin = pull.now - KEPT if pull.since is None else max(pull.since, pull.now - KEPT)
    if known.get("read_to"):
        begin = max(begin, datetime.fromisoformat(known["read_to"]) - LATE)
    begin = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return begin.replace(hour=0) if metric.window == "day" else begin


def _plan(pull: Pull, metric: Metric, begin: datetime, time_type: str) -> Planned:
    """A dry run: it costs nothing, and tells what the query would read."""
    columns: frozenset[str] = frozenset()
    if metric.sql is not None:
        job = _dry(pull, metric, own_sql(metric), begin)
        columns = frozenset(one.name.lower() for one in job.schema or ())
    sql = build_sql(metric, pull.source.project, time_type=time_type, columns=columns)
    job = _dry(pull, metric, sql, begin)
    changes = []
    for one in job.referenced_tables:
        with google.translated(f"table {one.dataset_id}.{one.table_id}", pull.client.access, pull.now):
            found = pull.client.google.get_table(one, retry=None, timeout=pull.client.timeout)
        changes.append(found.modified.isoformat() if found.modified else None)
    known = [change for change in changes if change is not None]
    newest = max(known) if known and len(known) == len(changes) else None
    return Planned(sql, int(job.total_bytes_processed or 0), newest)


def _dry(pull: Pull, metric: Metric, sql: str, begin: datetime) -> Any:
    config = _job(pull, metric, begin)
    config.dry_run, config.use_query_cache = True, False
    with google.translated(f"the query of {metric.key}", pull.client.access, pull.now):
        return pull.client.google.query(sql, job_config=config, retry=None, job_retry=None, timeout=pull.client.timeout)


def _afford(source: BigQuerySource, planned: Planned, cursor: Mapping[str, Any]) -> None:
    if planned.bytes > source.max_bytes_per_query:
        raise TooDear(
            f"the query would read {_size(planned.bytes)}, and max_bytes_per_query is "
            f"{_size(source.max_bytes_per_query)}: partition the table by its time, or raise the cap"
        )
    if cursor["bytes"] + planned.bytes > source.max_bytes_per_day:
        raise TooDear(
            f"{_size(cursor['bytes'])} were read today, this query would read {_size(planned.bytes)}, and "
            f"max_bytes_per_day is {_size(source.max_bytes_per_day)}: it is asked again tomorrow"
        )


def _ask(pull: Pull, metric: Metric, sql: str, begin: datetime) -> tuple[list[Any], int]:
    """The rows, and the bytes that were billed for them."""
    from google.api_core.exceptions import GoogleAPICallError

    config = _job(pull, metric, begin)
    config.maximum_bytes_billed = pull.source.max_bytes_per_query
    what = f"the query of {metric.key}"
    with google.translated(what, pull.client.access, pull.now):
        try:
            job = pull.client.google.query(
                sql, job_config=config, retry=None, job_retry=None, timeout=pull.client.timeout
            )
            rows = list(job.result(retry=None, job_retry=None, timeout=QUERY_SECONDS))
        except FutureTimeout:
            with suppress(GoogleAPICallError):
                job.cancel(retry=None, timeout=pull.client.timeout)
            mend = "partition the table by its time, or use a longer window"
            raise TooDear(f"{what} was not done within {QUERY_SECONDS:.0f} s: {mend}") from None
        except GoogleAPICallError as error:
            if "bytesBilledLimitExceeded" in google.reasons(error):
                cap = _size(pull.source.max_bytes_per_query)
                raise TooDear(f"{what} would be billed more than max_bytes_per_query ({cap})") from None
            raise
    return rows, int(job.total_bytes_billed or job.total_bytes_processed or 0)


def _job(pull: Pull, metric: Metric, begin: datetime) -> Any:
    from google.cloud import bigquery

    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("from", "TIMESTAMP", begin),
            bigquery.ScalarQueryParameter("to", "TIMESTAMP", pull.now),
            bigquery.ScalarQueryParameter("model", "STRING", metric.model),
        ],
        labels={"throughline": "metrics", "product": _label(metric.product), "metric": _label(metric.name)},
    )


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_\-]", "-", text.lower())[:63]


def _point(metric: Metric, row: Any) -> MetricPoint:
    found = dict(row.items())
    value = found.get("value")
    return MetricPoint(
        metric=metric.key,
        model=metric.model,
        version=_word(found.get("version"), metric.version),
        environment=_word(found.get("environment"), metric.environment),
        slice=_word(found.get("slice"), metric.slice),
        at=found["window_start"],
        value=float(value) if value is not None and math.isfinite(value) else None,
        n=int(found["n"]) if found.get("n") is not None else None,
    )


def _word(found: Any, given: str | None) -> str | None:
    if (fixed := constant(given)) is not None:
        return fixed
    return redact_text(str(found)) if found is not None else None


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"
