"""The tables, one a kind of record and a few read models; all times are epoch milliseconds, UTC.

Migrations (`migrations/`) build the same tables, add-only. Rows of upstream things have an integer key and
UNIQUE(source_id, kind, native_id); the text id `source:kind:native` is made at the edge.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Millis = BigInteger


def _thing(name: str, *columns: Column[Any], indexes: tuple[tuple[str, ...], ...] = ()) -> Table:
    """A table of upstream things: identity, when we last saw it, and its own columns."""
    table = Table(
        name,
        METADATA,
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("source_id", Key, ForeignKey("source.id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("native_id", Text, nullable=False),
        Column("observed_at", Millis, nullable=False),
        Column("first_seen_at", Millis, nullable=False),
        Column("gone_at", Millis),
        *columns,
        UniqueConstraint("source_id", "kind", "native_id", name=f"uq_{name}_identity"),
        sqlite_autoincrement=False,
    )
    for names in indexes:
        Index(f"ix_{name}_{'_'.join(names)}", *(table.c[column] for column in names))
    return table


def _ref(name: str, target: str) -> Column[Any]:
    """A key of another table; not enforced, as whichever side arrives last makes it whole."""
    return Column(name, Key, info={"target": target})


source = Table(
    "source", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("family", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_contact_at", Millis, nullable=False),
    UniqueConstraint("family", "instance", name="uq_source_instance"),
)  # fmt: skip

project = _thing(
    "project",
    Column("path", Text), Column("name", Text), Column("web_url", Text), Column("default_branch", Text),
    Column("protected_branches", Document), Column("topics", Document), Column("archived", Boolean),
    Column("last_activity_at", Millis),
    indexes=(("path",),),
)  # fmt: skip

environment = _thing(
    "environment",
    _ref("project_id", "project"), Column("name", Text), Column("tier", Text), Column("available", Boolean),
    Column("web_url", Text), Column("updated_at", Millis),
    indexes=(("project_id",),),
)  # fmt: skip

run = _thing(
    "run",
    _ref("project_id", "project"), Column("name", Text), Column("title", Text), Column("state", Text),
    Column("state_raw", Text), Column("trigger", Text), Column("ref", Text), Column("is_tag", Boolean),
    Column("sha", Text), Column("created_at", Millis), Column("started_at", Millis), Column("finished_at", Millis),
    Column("updated_at", Millis), Column("duration_seconds", Float), Column("queued_seconds", Float),
    Column("coverage", Float), Column("failure_reason", Text), Column("failure_message", Text),
    Column("author", Text), _ref("parent_id", "run"), _ref("schedule_id", "schedule"), Column("environment", Text),
    Column("definition", Text), Column("labels", Document), Column("parameters", Document), Column("web_url", Text),
    Column("final", Boolean), Column("fully_cached", Boolean),
    Column("own_state", Text),
    # The run's own state; `state` also counts what its downstream runs did.
    indexes=(
        ("project_id", "ref", "created_at"), ("created_at",), ("sha",), ("parent_id",), ("schedule_id", "created_at"),
        ("kind", "name", "created_at"), ("final", "kind", "observed_at"),
    ),
)  # fmt: skip

step = _thing(
    "step",
    _ref("run_id", "run"), Column("name", Text), Column("stage", Text), Column("ordinal", Integer),
    Column("state", Text), Column("state_raw", Text), Column("allow_failure", Boolean), Column("manual", Boolean),
    Column("retried", Boolean), Column("parents", Document), Column("parent_step", Text), Column("created_at", Millis),
    Column("started_at", Millis), Column("finished_at", Millis), Column("duration_seconds", Float),
    Column("queued_seconds", Float), Column("failure_reason", Text), Column("message", Text),
    _ref("downstream_id", "run"), Column("machine", Text), Column("web_url", Text), Column("final", Boolean),
    indexes=(("run_id",), ("downstream_id",), ("state", "finished_at")),
)  # fmt: skip

version = _thing(
    "version",
    _ref("project_id", "project"), Column("of", Text), Column("label", Text), Column("title", Text), Column("sha", Text),
    Column("digest", Text), Column("author", Text), Column("created_at", Millis), _ref("run_id", "run"),
    _ref("step_id", "step"), Column("labels", Document), Column("web_url", Text),
    indexes=(("kind", "of", "created_at"), ("sha",), ("digest",), ("run_id",), ("created_at",)),
)  # fmt: skip

state_detail = Table(
    "state_detail", METADATA,
    Column("version_id", Key, primary_key=True, autoincrement=False),
    Column("lineage", Text), Column("terraform_version", Text), Column("managed", Integer), Column("instances", Integer),
    Column("tainted", Integer), Column("deposed", Integer), Column("data_sources", Integer), Column("modules", Document),
    Column("checks", Document), Column("encrypted", Boolean),
)  # fmt: skip

model_detail = Table(
    "model_detail", METADATA,
    Column("version_id", Key, primary_key=True, autoincrement=False),
    Column("model_id", Key, info={"target": "model"}), Column("aliases", Document),
    Column("run_id", Key, info={"target": "run"}), Column("image_uri", Text), Column("artifact_uri", Text),
)  # fmt: skip
Index("ix_model_detail_model_id", model_detail.c.model_id)

image_detail = Table(
    "image_detail", METADATA,
    Column("version_id", Key, primary_key=True, autoincrement=False),
    Column("repository", Text), Column("tags", Document), Column("size_bytes", BigInteger),
)  # fmt: skip

deployment = _thing(
    "deployment",
    _ref("project_id", "project"), Column("place", Text), Column("environment", Text), Column("tier", Text),
    _ref("version_id", "version"), Column("label", Text), Column("sha", Text), Column("ref", Text), Column("state", Text),
    Column("state_raw", Text), Column("traffic", Float), Column("created_at", Millis), Column("finished_at", Millis),
    Column("updated_at", Millis), Column("author", Text), _ref("run_id", "run"), _ref("step_id", "step"),
    Column("web_url", Text), Column("final", Boolean),
    indexes=(("project_id", "place", "created_at"), ("finished_at",), ("sha",), ("kind", "place", "created_at"),
             ("final", "kind", "observed_at")),
)  # fmt: skip

change = _thing(
    "change",
    _ref("project_id", "project"), Column("iid", Text), Column("title", Text), Column("state", Text),
    Column("draft", Boolean), Column("author", Text), Column("source_branch", Text), Column("target_branch", Text),
    Column("sha", Text), Column("merge_sha", Text), Column("created_at", Millis), Column("merged_at", Millis),
    Column("closed_at", Millis), Column("updated_at", Millis), Column("reviewers", Document),
    Column("approved_by", Document), Column("approvals_required", Integer), Column("labels", Document),
    Column("merge_status", Text), Column("web_url", Text), Column("final", Boolean),
    indexes=(("state", "created_at"), ("merged_at",), ("project_id", "state"), ("sha",), ("merge_sha",)),
)  # fmt: skip

incident = _thing(
    "incident",
    _ref("project_id", "project"), Column("iid", Text), Column("title", Text), Column("state", Text),
    Column("severity", Text), Column("labels", Document), Column("author", Text), Column("created_at", Millis),
    Column("closed_at", Millis), Column("updated_at", Millis), Column("web_url", Text), Column("final", Boolean),
    indexes=(("state", "created_at"),),
)  # fmt: skip

schedule = _thing(
    "schedule",
    _ref("project_id", "project"), Column("name", Text), Column("cron", Text), Column("time_zone", Text),
    Column("active", Boolean), Column("state_raw", Text), Column("ref", Text), Column("owner", Text),
    Column("owner_active", Boolean), Column("next_run_at", Millis), Column("last_run_at", Millis),
    _ref("last_run_id", "run"), Column("created_at", Millis), Column("updated_at", Millis), Column("paused_at", Millis),
    Column("ended", Boolean), Column("allow_queueing", Boolean), Column("max_concurrent", Integer),
    Column("environment", Text), Column("definition", Text), Column("labels", Document), Column("web_url", Text),
)  # fmt: skip

workspace = _thing(
    "workspace",
    _ref("project_id", "project"), Column("name", Text), Column("environment", Text), Column("serial", BigInteger),
    Column("lineage", Text), Column("locked_at", Millis), Column("locked_by", Text), Column("lock_operation", Text),
    Column("created_at", Millis), Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

resource = Table(
    "resource", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("workspace_id", Key, ForeignKey("workspace.id"), nullable=False),
    Column("native_id", Text, nullable=False),
    Column("address", Text), Column("type", Text), Column("mode", Text), Column("module", Text), Column("provider", Text),
    Column("status", Text), Column("attributes", Document), Column("fingerprint", Text),
    Column("serial_from", BigInteger, nullable=False), Column("serial_to", BigInteger),
    UniqueConstraint("workspace_id", "native_id", "serial_from", name="uq_resource_identity"),
)  # fmt: skip
Index("ix_resource_workspace_id_serial_to", resource.c.workspace_id, resource.c.serial_to)
# As of serial s: serial_from <= s and (serial_to is NULL or serial_to > s). Rows are of the workspace's present lineage.

state_serial = Table(
    "state_serial", METADATA,
    # The serials whose contents were read; a serial that is missing here says nothing about the resources.
    Column("workspace_id", Key, ForeignKey("workspace.id"), primary_key=True, autoincrement=False),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("lineage", Text), Column("created_at", Millis), Column("observed_at", Millis, nullable=False),
)  # fmt: skip

plan = _thing(
    "plan",
    _ref("workspace_id", "workspace"), Column("checked_at", Millis), Column("mode", Text), Column("errored", Boolean),
    Column("complete", Boolean), Column("drift", Document), Column("changes", Document), Column("create", Integer),
    Column("update", Integer), Column("delete", Integer), Column("replace", Integer), Column("checks", Document),
    Column("terraform_version", Text), _ref("run_id", "run"), _ref("step_id", "step"), Column("web_url", Text),
    indexes=(("workspace_id", "checked_at"),),
)  # fmt: skip

model = _thing(
    "model",
    Column("name", Text), Column("environment", Text), Column("labels", Document), Column("created_at", Millis),
    Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

evaluation = _thing(
    "evaluation",
    _ref("version_id", "version"), Column("name", Text), Column("metrics", Document), Column("created_at", Millis),
    Column("web_url", Text),
    indexes=(("version_id",),),
)  # fmt: skip

endpoint = _thing(
    "endpoint",
    Column("name", Text), Column("environment", Text), Column("traffic", Document), Column("labels", Document),
    Column("monitored", Boolean), Column("created_at", Millis), Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

feature_view = _thing(
    "feature_view",
    Column("name", Text), Column("environment", Text), Column("cron", Text), Column("synced_at", Millis),
    Column("sync_state", Text), Column("sync_state_raw", Text), Column("labels", Document), Column("updated_at", Millis),
    Column("web_url", Text),
)  # fmt: skip

monitor = _thing(
    "monitor",
    Column("name", Text), _ref("endpoint_id", "endpoint"), Column("environment", Text), Column("state", Text),
    Column("state_raw", Text), Column("checked_at", Millis), Column("next_run_at", Millis), Column("anomalies", Document),
    Column("watched", Document), Column("unwatched", Document), Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

metric_point = Table(
    "metric_point", METADATA,
    Column("metric", Text, primary_key=True), Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True), Column("environment", Text, primary_key=True),
    Column("slice", Text, primary_key=True), Column("at", Millis, primary_key=True, autoincrement=False),
    # Empty text stands for "none" in a key: NULL is not equal to itself.
    Column("value", Float), Column("n", BigInteger), Column("source_id", Key), Column("observed_at", Millis),
)  # fmt: skip

# --- derived in the same transaction ------------------------------------------------------------------------------

event = Table(
    "event", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("dedupe", Text, nullable=False),
    # source id : kind : native id : version of the fact
    Column("lane", Text, nullable=False),
    # code, ci, infrastructure, training, model, endpoint, metrics, data, schedule, incident, source
    Column("kind", Text, nullable=False),
    # for example pipeline-failed, merged, deployed, state-applied, model-registered, traffic-changed, drift-found
    Column("at", Millis, nullable=False), Column("seen_at", Millis, nullable=False),
    Column("first_fill", Boolean, nullable=False),
    Column("source_id", Key), Column("subject_table", Text, nullable=False), Column("subject_id", Key, nullable=False),
    Column("product", Text), Column("environment", Text), Column("title", Text, nullable=False), Column("state", Text),
    Column("label", Text), Column("actor", Text), Column("web_url", Text), Column("facts", Document),
    UniqueConstraint("dedupe", name="uq_event_dedupe"),
)  # fmt: skip
Index("ix_event_at", event.c.at)
Index("ix_event_seen_at", event.c.seen_at)
Index("ix_event_subject", event.c.subject_table, event.c.subject_id)

link_key = Table(
    "link_key", METADATA,
    # What a rule could join by, from both its sides, so that whichever arrives last makes the link.
    Column("rule", Text, primary_key=True), Column("side", Text, primary_key=True), Column("key", Text, primary_key=True),
    Column("thing_table", Text, primary_key=True), Column("thing_id", Key, primary_key=True, autoincrement=False),
)  # fmt: skip
Index("ix_link_key_thing", link_key.c.thing_table, link_key.c.thing_id)

link = Table(
    "link", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("rule", Text, nullable=False), Column("rule_version", Integer, nullable=False),
    Column("from_table", Text, nullable=False), Column("from_id", Key, nullable=False),
    Column("to_table", Text), Column("to_id", Key),
    Column("evidence_kind", Text, nullable=False),
    # declared, identical, inferred; broken where it leads nowhere
    Column("evidence", Text, nullable=False), Column("broken", Text), Column("made_at", Millis, nullable=False),
    UniqueConstraint("rule", "from_table", "from_id", "to_table", "to_id", name="uq_link_ends"),
)  # fmt: skip
Index("ix_link_from", link.c.from_table, link.c.from_id)
Index("ix_link_to", link.c.to_table, link.c.to_id)

problem = Table(
    "problem", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    # run-failed, deployment-failed, waiting, schedule-late, schedule-paused, owner-lost, drift, pending-replace,
    # plan-errored, locked, not-checked, metric-bad, monitor-anomaly, feature-view-stale, source-unreadable …
    Column("subject_table", Text, nullable=False), Column("subject_id", Key, nullable=False),
    Column("place", Text, nullable=False),
    # The part of the subject that is bad, for example the branch; "" where it is the subject itself.
    Column("source_id", Key), Column("product", Text), Column("environment", Text), Column("lane", Text),
    Column("severity", Text, nullable=False),
    # red, amber
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False), Column("reason", Text), Column("facts", Document), Column("web_url", Text),
    Column("opened_at", Millis, nullable=False), Column("seen_at", Millis, nullable=False),
    Column("first_bad", Text), Column("last_good", Text), Column("updated_at", Millis, nullable=False),
    Column("closed_at", Millis), Column("first_fill", Boolean, nullable=False),
)  # fmt: skip
Index("ix_problem_open", problem.c.closed_at, problem.c.severity)
Index("ix_problem_subject", problem.c.subject_table, problem.c.subject_id, problem.c.kind)

membership = Table(
    "membership", METADATA,
    # Which product a thing belongs to, and how we know.
    Column("product", Text, primary_key=True), Column("thing_table", Text, primary_key=True),
    Column("thing_id", Key, primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False), Column("evidence", Text), Column("guess", Boolean, nullable=False),
)  # fmt: skip
Index("ix_membership_thing", membership.c.thing_table, membership.c.thing_id)

branch_head = Table(
    "branch_head", METADATA,
    # Read model: the pipeline created last of each (project, ref), child pipelines left out.
    Column("project_id", Key, primary_key=True, autoincrement=False), Column("ref", Text, primary_key=True),
    Column("run_id", Key, nullable=False), Column("is_default", Boolean, nullable=False),
    Column("created_at", Millis, nullable=False),
)  # fmt: skip
Index("ix_branch_head_is_default", branch_head.c.is_default)

run_daily = Table(
    "run_daily", METADATA,
    # Read model: runs by UTC day of creation and state (downstream counted in), child pipelines left out.
    Column("day", Integer, primary_key=True, autoincrement=False), Column("kind", Text, primary_key=True),
    Column("project_id", Key, primary_key=True, autoincrement=False), Column("name", Text, primary_key=True),
    # project_id 0 stands for "none"
    Column("runs", Integer), Column("succeeded", Integer), Column("warning", Integer), Column("failed", Integer),
    Column("canceled", Integer), Column("other", Integer), Column("duration_sum", Float), Column("duration_n", Integer),
)  # fmt: skip

job_daily = Table(
    "job_daily", METADATA,
    # Read model: steps by UTC day of their run's creation, project (0: none) and name. runs, failed and duration_sum
    # are of last attempts that have ended; retried is of attempts that a newer one replaced.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("project_id", Key, primary_key=True, autoincrement=False), Column("name", Text, primary_key=True),
    Column("runs", Integer), Column("failed", Integer), Column("retried", Integer), Column("duration_sum", Float),
)  # fmt: skip

# --- the collector's own -------------------------------------------------------------------------------------------

stream_state = Table(
    "stream_state", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("scope", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("scope_name", Text), Column("cursor", Document), Column("tried_at", Millis), Column("good_at", Millis),
    Column("status", Text, nullable=False),
    # ok, unreachable, limited, no-access, off, unreadable, bug, never
    Column("error", Text), Column("mend", Text), Column("failures", Integer), Column("resume_at", Millis),
    Column("rows_total", BigInteger), Column("rejected", BigInteger), Column("fill_progress", Float),
    Column("fill_started_at", Millis), Column("filled_at", Millis), Column("every_ms", BigInteger),
    Column("stale_after_ms", BigInteger), Column("lag_ms", BigInteger), Column("needs", Text), Column("grant", Text),
    Column("since", Millis),
    # how far back the history goes
)  # fmt: skip

stream_part = Table(
    "stream_part", METADATA,
    # Parts of a scope (a project, a dataset) that could not be read, while their neighbours could.
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("stream", Text, primary_key=True),
    Column("part", Text, primary_key=True), Column("reason", Text, nullable=False), Column("since", Millis, nullable=False),
    Column("tried_at", Millis, nullable=False),
)  # fmt: skip

work = Table(
    "work", METADATA,
    # Ids that a detail stream still has to fetch; they go in and out with the rows they belong to.
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("scope", Text, primary_key=True),
    Column("stream", Text, primary_key=True), Column("native_id", Text, primary_key=True),
    Column("added_at", Millis, nullable=False), Column("priority", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False), Column("not_before", Millis),
)  # fmt: skip
Index("ix_work_next", work.c.source_id, work.c.scope, work.c.stream, work.c.priority)

budget = Table(
    "budget", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("calls_total", BigInteger),
    Column("limit", Integer), Column("remaining", Integer), Column("resets_at", Millis), Column("updated_at", Millis),
)  # fmt: skip

call_count = Table(
    "call_count", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, primary_key=True, autoincrement=False), Column("calls", Integer, nullable=False),
)  # fmt: skip

unknown_word = Table(
    "unknown_word", METADATA,
    Column("source_id", Key, primary_key=True, autoincrement=False), Column("stream", Text, primary_key=True),
    Column("word", Text, primary_key=True), Column("count", BigInteger, nullable=False),
    Column("first_seen_at", Millis, nullable=False), Column("last_seen_at", Millis, nullable=False),
)  # fmt: skip

rejected = Table(
    "rejected", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True), Column("source_id", Key, nullable=False),
    Column("stream", Text, nullable=False), Column("what", Text, nullable=False), Column("why", Text, nullable=False),
    Column("at", Millis, nullable=False),
)  # fmt: skip

lease = Table(
    "lease", METADATA,
    Column("name", Text, primary_key=True), Column("holder", Text, nullable=False), Column("until", Millis, nullable=False),
)  # fmt: skip

inbox = Table(
    "inbox", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True), Column("source", Text, nullable=False),
    Column("delivery_id", Text, nullable=False), Column("kind", Text, nullable=False), Column("ids", Document, nullable=False),
    Column("received_at", Millis, nullable=False), Column("taken_at", Millis),
    UniqueConstraint("source", "delivery_id", name="uq_inbox_delivery"),
)  # fmt: skip

meta = Table(
    "meta", METADATA,
    # Single values: "version" moves with each committed write; "heartbeat", "config_hash", "fingerprint_salt" …
    Column("key", Text, primary_key=True), Column("value", Text), Column("at", Millis),
)  # fmt: skip

secret_mark = Table(
    "secret_mark", METADATA,
    # The key of the fingerprints is a random one a store; it never leaves it.
    Column("name", Text, primary_key=True), Column("key", LargeBinary, nullable=False),
)  # fmt: skip
