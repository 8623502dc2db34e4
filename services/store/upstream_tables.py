"""The tables of what upstreams hold: one a kind of record, and one a kind of detail."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from services.store.table import METADATA, Document, Key, Millis, ref, thing

source = Table(
    "source", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("family", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_contact_at", Millis, nullable=False),
    UniqueConstraint("family", "instance", name="uq_source_instance"),
)  # fmt: skip

project = thing(
    "project",
    Column("path", Text), Column("name", Text), Column("web_url", Text), Column("default_branch", Text),
    Column("protected_branches", Document), Column("topics", Document), Column("archived", Boolean),
    Column("last_activity_at", Millis),
    indexes=(("path",),),
)  # fmt: skip

environment = thing(
    "environment",
    ref("project_id", "project"), Column("name", Text), Column("tier", Text), Column("available", Boolean),
    Column("web_url", Text), Column("updated_at", Millis),
    indexes=(("project_id",),),
)  # fmt: skip

run = thing(
    "run",
    ref("project_id", "project"), Column("name", Text), Column("title", Text), Column("state", Text),
    Column("state_raw", Text), Column("trigger", Text), Column("ref", Text), Column("is_tag", Boolean),
    Column("sha", Text), Column("created_at", Millis), Column("started_at", Millis), Column("finished_at", Millis),
    Column("updated_at", Millis), Column("duration_seconds", Float), Column("queued_seconds", Float),
    Column("coverage", Float), Column("failure_reason", Text), Column("failure_message", Text),
    Column("author", Text), ref("parent_id", "run"), ref("schedule_id", "schedule"), Column("environment", Text),
    Column("definition", Text), Column("labels", Document), Column("parameters", Document), Column("web_url", Text),
    Column("final", Boolean), Column("fully_cached", Boolean),
    Column("own_state", Text),
    # The run's own state; `state` also counts what its downstream runs did.
    indexes=(
        ("project_id", "ref", "created_at"), ("created_at",), ("sha",), ("parent_id",), ("schedule_id", "created_at"),
        ("kind", "name", "created_at"), ("final", "kind", "observed_at"),
    ),
)  # fmt: skip

step = thing(
    "step",
    ref("run_id", "run"), Column("name", Text), Column("stage", Text), Column("ordinal", Integer),
    Column("state", Text), Column("state_raw", Text), Column("allow_failure", Boolean), Column("manual", Boolean),
    Column("retried", Boolean), Column("parents", Document), Column("parent_step", Text), Column("created_at", Millis),
    Column("started_at", Millis), Column("finished_at", Millis), Column("duration_seconds", Float),
    Column("queued_seconds", Float), Column("failure_reason", Text), Column("message", Text),
    ref("downstream_id", "run"), Column("machine", Text), Column("web_url", Text), Column("final", Boolean),
    indexes=(("run_id",), ("downstream_id",), ("state", "finished_at")),
)  # fmt: skip

version = thing(
    "version",
    ref("project_id", "project"), Column("of", Text), Column("label", Text), Column("title", Text), Column("sha", Text),
    Column("digest", Text), Column("author", Text), Column("created_at", Millis), ref("run_id", "run"),
    ref("step_id", "step"), Column("labels", Document), Column("web_url", Text),
    indexes=(("kind", "of", "created_at"), ("sha",), ("digest",), ("run_id",), ("created_at",)),
)  # fmt: skip

state_detail = Table(
    "state_detail", METADATA,
    Column("version_id", Key, primary_key=True, autoincrement=False),
    Column("lineage", Text), Column("terraform_version", Text), Column("managed", Integer), Column("instances",
    Integer),
    Column("tainted", Integer), Column("deposed", Integer), Column("data_sources", Integer), Column("modules",
    Document),
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

deployment = thing(
    "deployment",
    ref("project_id", "project"), Column("place", Text), Column("environment", Text), Column("tier", Text),
    ref("version_id", "version"), Column("label", Text), Column("sha", Text), Column("ref", Text), Column("state",
    Text),
    Column("state_raw", Text), Column("traffic", Float), Column("created_at", Millis), Column("finished_at", Millis),
    Column("updated_at", Millis), Column("author", Text), ref("run_id", "run"), ref("step_id", "step"),
    Column("web_url", Text), Column("final", Boolean),
    indexes=(("project_id", "place", "created_at"), ("finished_at",), ("sha",), ("kind", "place", "created_at"),
             ("final", "kind", "observed_at")),
)  # fmt: skip

change = thing(
    "change",
    ref("project_id", "project"), Column("iid", Text), Column("title", Text), Column("state", Text),
    Column("draft", Boolean), Column("author", Text), Column("source_branch", Text), Column("target_branch", Text),
    Column("sha", Text), Column("merge_sha", Text), Column("created_at", Millis), Column("merged_at", Millis),
    Column("closed_at", Millis), Column("updated_at", Millis), Column("reviewers", Document),
    Column("approved_by", Document), Column("approvals_required", Integer), Column("labels", Document),
    Column("merge_status", Text), Column("web_url", Text), Column("final", Boolean),
    indexes=(("state", "created_at"), ("merged_at",), ("project_id", "state"), ("project_id", "merged_at"), ("sha",),
             ("merge_sha",)),
)  # fmt: skip

incident = thing(
    "incident",
    ref("project_id", "project"), Column("iid", Text), Column("title", Text), Column("state", Text),
    Column("severity", Text), Column("labels", Document), Column("author", Text), Column("created_at", Millis),
    Column("closed_at", Millis), Column("updated_at", Millis), Column("web_url", Text), Column("final", Boolean),
    indexes=(("state", "created_at"),),
)  # fmt: skip

schedule = thing(
    "schedule",
    ref("project_id", "project"), Column("name", Text), Column("cron", Text), Column("time_zone", Text),
    Column("active", Boolean), Column("state_raw", Text), Column("ref", Text), Column("owner", Text),
    Column("owner_active", Boolean), Column("next_run_at", Millis), Column("last_run_at", Millis),
    ref("last_run_id", "run"), Column("created_at", Millis), Column("updated_at", Millis), Column("paused_at", Millis),
    Column("ended", Boolean), Column("allow_queueing", Boolean), Column("max_concurrent", Integer),
    Column("environment", Text), Column("definition", Text), Column("labels", Document), Column("web_url", Text),
)  # fmt: skip

workspace = thing(
    "workspace",
    ref("project_id", "project"), Column("name", Text), Column("environment", Text), Column("serial", BigInteger),
    Column("lineage", Text), Column("locked_at", Millis), Column("locked_by", Text), Column("lock_operation", Text),
    Column("created_at", Millis), Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

resource = Table(
    "resource", METADATA,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("workspace_id", Key, ForeignKey("workspace.id"), nullable=False),
    Column("native_id", Text, nullable=False),
    Column("address", Text), Column("type", Text), Column("mode", Text), Column("module", Text), Column("provider",
    Text),
    Column("status", Text), Column("attributes", Document), Column("fingerprint", Text),
    Column("serial_from", BigInteger, nullable=False), Column("serial_to", BigInteger),
    UniqueConstraint("workspace_id", "native_id", "serial_from", name="uq_resource_identity"),
)  # fmt: skip
Index("ix_resource_workspace_id_serial_to", resource.c.workspace_id, resource.c.serial_to)
# As of serial s: serial_from <= s and (serial_to is NULL or serial_to > s). Rows are of the workspace's present
# lineage.

state_serial = Table(
    "state_serial", METADATA,
    # The serials whose contents were read; a serial that is missing here says nothing about the resources.
    Column("workspace_id", Key, ForeignKey("workspace.id"), primary_key=True, autoincrement=False),
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("lineage", Text), Column("created_at", Millis), Column("observed_at", Millis, nullable=False),
)  # fmt: skip

plan = thing(
    "plan",
    ref("workspace_id", "workspace"), Column("checked_at", Millis), Column("mode", Text), Column("errored", Boolean),
    Column("complete", Boolean), Column("drift", Document), Column("changes", Document), Column("create", Integer),
    Column("update", Integer), Column("delete", Integer), Column("replace", Integer), Column("checks", Document),
    Column("terraform_version", Text), ref("run_id", "run"), ref("step_id", "step"), Column("web_url", Text),
    indexes=(("workspace_id", "checked_at"),),
)  # fmt: skip

model = thing(
    "model",
    Column("name", Text), Column("environment", Text), Column("labels", Document), Column("created_at", Millis),
    Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

evaluation = thing(
    "evaluation",
    ref("version_id", "version"), Column("name", Text), Column("metrics", Document), Column("created_at", Millis),
    Column("web_url", Text),
    indexes=(("version_id",),),
)  # fmt: skip

endpoint = thing(
    "endpoint",
    Column("name", Text), Column("environment", Text), Column("traffic", Document), Column("labels", Document),
    Column("monitored", Boolean), Column("created_at", Millis), Column("updated_at", Millis), Column("web_url", Text),
)  # fmt: skip

feature_view = thing(
    "feature_view",
    Column("name", Text), Column("environment", Text), Column("cron", Text), Column("synced_at", Millis),
    Column("sync_state", Text), Column("sync_state_raw", Text), Column("labels", Document), Column("updated_at",
    Millis),
    Column("web_url", Text),
)  # fmt: skip

monitor = thing(
    "monitor",
    Column("name", Text), ref("endpoint_id", "endpoint"), Column("environment", Text), Column("state", Text),
    Column("state_raw", Text), Column("checked_at", Millis), Column("next_run_at", Millis), Column("anomalies",
    Document),
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
