"""The tables of what follows from the records, kept in the same transaction: events, links, problems, read models."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint

from services.store.table import METADATA, Document, Key, Millis

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
    Column("rule", Text, primary_key=True), Column("side", Text, primary_key=True), Column("key", Text,
    primary_key=True),
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
