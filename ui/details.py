"""One thing opened: a run with its steps, a request, an environment, a workspace, a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui import cells, components, words
from ui.components import Column, fact, facts
from ui.lists import section
from ui.markup import Html, join, tag
from ui.moment import moment
from ui.status import badge

Thing = Mapping[str, Any]

STEPS = (
    Column("Status", cells.status(), name="state"),
    Column("Step", cells.text("name"), name="name"),
    Column("Stage", cells.text("stage"), name="stage"),
    Column("Took", cells.length("duration_seconds"), name="duration_seconds", numeric=True),
    Column("Queued", cells.length("queued_seconds"), name="queued_seconds", numeric=True),
    Column("Reason", lambda row: _reason(row), name="failure_reason", wide=True),
    Column("Source", cells.source()),
)
RELATED = (
    Column("Status", cells.status(), name="state"),
    Column("Name", cells.text("name"), name="name"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Source", cells.source()),
)
PIPELINES = (
    Column("Status", cells.status(), name="state"),
    Column("Ref", cells.text("ref"), name="ref"),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Source", cells.source()),
)
DEPLOYMENTS = (
    Column("Status", cells.status(), name="state"),
    Column("Version", cells.text("label"), name="label"),
    Column("Traffic", lambda row: None if row["traffic"] is None else words.percent(row["traffic"]), name="traffic"),
    Column("By", cells.text("author"), name="author"),
    Column("When", cells.ago("finished_at", "created_at"), name="finished_at"),
    Column("Source", cells.source()),
)
RESOURCES = (
    Column("Address", lambda row: tag("code", row["address"]), name="address", wide=True),
    Column("Type", cells.text("type"), name="type"),
    Column("Mark", cells.text("status"), name="status"),
    Column("Shown attributes", lambda row: _attributes(row["attributes"]), name="attributes", wide=True),
)
SERIALS = (
    Column("Serial", cells.text("label"), name="label", numeric=True),
    Column("Written", cells.ago("created_at"), name="created_at"),
    Column("By", cells.text("author"), name="author"),
    Column("Instances", cells.text("instances"), name="instances", numeric=True),
    Column("Terraform", cells.text("terraform_version"), name="terraform_version"),
)
PLANS = (
    Column("Checked", cells.ago("checked_at"), name="checked_at"),
    Column("Mode", cells.text("mode"), name="mode"),
    Column("Drifted", cells.text("drifted"), name="drifted", numeric=True),
    Column("Create", cells.text("create"), name="create", numeric=True),
    Column("Update", cells.text("update"), name="update", numeric=True),
    Column("Delete", cells.text("delete"), name="delete", numeric=True),
    Column("Replace", cells.text("replace"), name="replace", numeric=True),
    Column("Source", cells.source()),
)
VERSIONS = (
    Column("Version", cells.text("version"), name="version"),
    Column("Environment", cells.text("environment"), name="environment"),
    Column("Aliases", cells.listed("aliases"), name="aliases"),
    Column("Registered", cells.ago("created_at"), name="created_at"),
    Column("Evaluation", lambda row: _scores(row["evaluation"]), name="evaluation", wide=True),
    Column("Measured", lambda row: _measured(row["measured"]), name="measured"),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Source", cells.source()),
)


def run(thing: Thing) -> Html:
    """A pipeline or an ML run: what failed first, its steps, and what it started."""
    first = thing["first_failing_step"]
    said = None
    if first:
        said = components.notice_html("red", f"First failing step: {first['name']}. {first['message'] or ''}")
    elif thing["fully_cached"]:
        said = components.notice_html("amber", "Every task was a cache hit: this run trained nothing new.")
    return join(
        (
            components.heading(thing["title"] or thing["name"], badge(thing["state"], raw=thing["state_raw"])),
            said,
            facts(
                fact("Project", thing["project"] or thing["name"]),
                fact("Ref", thing["ref"] or "none"),
                fact("Commit", cells.short_sha()(thing) or "not known"),
                fact("Started by", thing["trigger"] or thing["author"] or "not known"),
                fact("Created", cells.ago("created_at")(thing)),
                fact("Took", cells.length("duration_seconds")(thing) or "not known"),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Steps", thing["steps"], STEPS, "No steps are read of this run yet."),
            section("Started by it", thing["downstream"], RELATED),
            section("Started it", thing["upstream"], RELATED),
        )
    )


def request(thing: Thing) -> Html:
    """A merge request: what it waits for, and its pipelines."""
    return join(
        (
            components.heading(f"!{thing['iid']} {thing['title']}", badge(thing["state"])),
            facts(
                fact("Project", thing["project"]),
                fact("Author", thing["author"] or "not known"),
                fact("Branches", f"{thing['source_branch']} → {thing['target_branch']}"),
                fact("Waits for", thing["waits_for"] or "nothing"),
                fact("Approved by", ", ".join(thing["approved_by"] or ()) or "nobody"),
                fact("Shipped", cells.ago("shipped_at")(thing) if thing["shipped_at"] else "not seen in production"),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Pipelines", thing["pipelines"], PIPELINES, "No pipeline of its commits is known."),
        )
    )


def environment(thing: Thing) -> Html:
    """An environment or an endpoint with its last deployments."""
    title = components.heading(thing["name"], components.source_link(thing["web_url"], "open"))
    return join((title, section("Deployments", thing["deployments"], DEPLOYMENTS, "No deployment is known.")))


def workspace(thing: Thing) -> Html:
    """A Terraform workspace: its resources now, its serials and its plans."""
    return join(
        (
            components.heading(thing["name"], components.source_link(thing["web_url"], "open")),
            section("Plans", thing["plans"], PLANS, "No plan was ever seen: nothing is known about drift."),
            section("Serials", thing["serials"], SERIALS, "No serial is read yet."),
            section("Resources", thing["resources"], RESOURCES, "No resource is known in the newest serial."),
        )
    )


def model(thing: Thing) -> Html:
    """A model with its versions."""
    title = components.heading(thing["name"], components.source_link(thing["web_url"], "open"))
    return join((title, section("Versions", thing["versions"], VERSIONS, "No version is known.")))


def _reason(row: Thing) -> object:
    owner = f" ({row['failure_owner']})" if row.get("failure_owner") else ""
    said = row["message"] or row["failure_reason"]
    return f"{said}{owner}" if said else None


def _attributes(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}: {value}" for name, value in sorted((values or {}).items()))


def _scores(scores: Mapping[str, Any] | None) -> str | None:
    if not scores:
        return None
    numbers = [(name, value) for name, value in scores.items() if isinstance(value, int | float)]
    return ", ".join(f"{name} {words.number(value)}" for name, value in numbers[:5])


def _measured(value: Mapping[str, Any] | None) -> object:
    if value is None:
        return None
    here = moment()
    age = words.age(value["at"], here.now, here.zone)
    return tag("span", words.number(value["value"]), " ", age)
