"""One thing opened: a run with its steps, a request, an environment, a workspace, a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.stateful import is_stateful
from ui import cells, components, words
from ui.components import Column, fact, facts
from ui.lists import LEFT, section
from ui.markup import Html, join, tag
from ui.moment import moment
from ui.status import badge

Thing = Mapping[str, Any]

FEW, MOST_STEPS = 5, 40

STEPS = (
    Column("Status", cells.status(), name="state"),
    Column("Step", cells.text("name"), name="name"),
    Column("Stage", cells.text("stage"), name="stage"),
    Column("Took", cells.length("elapsed_seconds"), name="elapsed_seconds", numeric=True),
    Column("Queued", cells.length("queued_seconds"), name="queued_seconds", numeric=True),
    Column("Reason", lambda row: _reason(row), name="failure_reason", wide=True),
    Column("Source", cells.source()),
)
RELATED = (
    Column("Status", cells.status(), name="state"),
    Column("Name", cells.opens("name"), name="name", wide=True),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Source", cells.source()),
)
PIPELINES = (
    Column("Status", cells.status(), name="state"),
    Column("Ref", cells.text("ref"), name="ref", wide=True),
    Column("Commit", cells.short_sha(), name="sha"),
    Column("Created", cells.ago("created_at"), name="created_at"),
    Column("Source", cells.source()),
)
DEPLOYMENTS = (
    Column("Status", cells.status(), name="state"),
    Column("Version", lambda row: tag("code", row["label"], title=row["sha"]), name="label", wide=True),
    Column("By", cells.text("author"), name="author"),
    Column("When", cells.ago("finished_at", "created_at"), name="finished_at"),
    Column("Source", cells.source()),
)
TRAFFIC = (
    Column("Version", lambda row: f"v{row['label']}", name="label"),
    Column("Traffic", lambda row: words.percent(row["traffic"]), name="traffic", numeric=True),
    Column("Deployed", cells.ago("created_at"), name="created_at", wide=True),
    Column("Source", cells.source()),
)
DRIFTED = (
    Column("Address", lambda row: tag("code", row["address"]), name="address"),
    Column(
        "Somebody", lambda row: _DONE.get(tuple(row["actions"] or ()), ", ".join(row["actions"] or ())), name="actions"
    ),
    Column("Attributes", cells.listed("attributes", 6), name="attributes", wide=True),
)
DUE = (
    Column("Address", lambda row: tag("code", row["address"]), name="address"),
    Column("It would", lambda row: _would(row), name="actions"),
    Column("Because of", lambda row: ", ".join(row.get("replace_paths") or row.get("attributes") or ()), wide=True),
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
        said = components.notice_html(
            "red", "First failing step: ", tag("b", first["name"]), f". {first['message'] or ''}"
        )
    elif thing["fully_cached"]:
        said = components.notice_html("amber", "Every task was a cache hit: this run trained nothing new.")
    return join(
        (
            components.heading(
                thing["title"] or thing["name"] or f"#{thing['id'].rpartition(':')[2]}",
                badge(thing["state"], raw=thing["state_raw"]),
            ),
            said,
            facts(
                fact("Project", thing["project"])
                if thing["project"]
                else fact("Pipeline", thing["name"] or "not known"),
                fact("Ref", thing["ref"]) if thing["ref"] else fact("Environment", thing["environment"] or "none"),
                fact(
                    "Commit",
                    cells.short_sha()({"sha": thing["sha"] or (thing["labels"] or {}).get("git_sha")}) or "not known",
                ),
                fact("Started by", (thing["trigger"] or thing["author"] or "not known").replace("_", " ")),
                fact("Created", cells.ago("created_at")(thing)),
                fact("Took", cells.length("elapsed_seconds")(thing) or "not known"),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Steps", thing["steps"], STEPS, "No steps are read of this run yet.", most=MOST_STEPS),
            section("Started by it", thing["downstream"], RELATED),
            section("Started it", thing["upstream"], RELATED),
        )
    )


def request(thing: Thing) -> Html:
    """A merge request: what it waits for, and its pipelines."""
    shipped = cells.shipped(thing) if thing["state"] == "merged" else "not merged"
    return join(
        (
            components.heading(f"!{thing['iid']} {thing['title']}", badge(thing["state"])),
            facts(
                fact("Project", thing["project"] or "not read yet"),
                fact("Author", thing["author"] or "not known"),
                fact("Branches", f"{thing['source_branch']} → {thing['target_branch']}"),
                fact("Waits for", thing["waits_for"] or "nothing"),
                fact("Approved by", _approvals(thing)),
                fact("In production", shipped or "its project has no production"),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Pipelines", thing["pipelines"], PIPELINES, "No pipeline of its commits is known."),
        )
    )


def environment(thing: Thing) -> Html:
    """An environment or an endpoint with its last deployments."""
    is_endpoint = thing["kind"] == "endpoint"
    columns = TRAFFIC if is_endpoint else DEPLOYMENTS
    title = "Versions deployed to it" if is_endpoint else "Deployments"
    return join(
        (
            components.heading(thing["name"], thing["kind"]),
            facts(
                fact("Counts for", cells.guessed("environment")(thing["counts_for"])),
                fact("Told by", thing["counts_for"]["rule"]),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section(title, thing["deployments"], columns, "No deployment is known.", most=LEFT),
        )
    )


def workspace(thing: Thing) -> Html:
    """A Terraform workspace: what is wrong, what drifted, what an apply would do, its plans, serials and resources."""
    drift, due = thing["drift"], thing["pending"]
    never = "No plan was ever seen: nothing is known about drift."
    well = "Nothing has drifted, by the last check." if drift["checked_at"] else never
    none = (
        "The code was never compared with the state." if due["checked_at"] is None else "An apply would change nothing."
    )
    lock = thing["lock"]
    locked = join((lock["by"] or "somebody", " ", cells.ago("at")(lock))) if lock else "nobody"
    return join(
        (
            components.heading(thing["name"], badge(thing["status"])),
            cells.problems(thing["problems"]),
            facts(
                fact("Environment", cells.guessed("environment")(thing)),
                fact("Serial", thing["serial"] if thing["serial"] is not None else "not known"),
                fact("Written", cells.ago("updated_at")(thing) or "not known"),
                fact("By", thing["applied_by"] or "not known"),
                fact("Checked", cells.ago("checked_at")(drift) or "never"),
                fact("Locked by", locked),
                *(fact(name.capitalize(), cells.count(name)(thing)) for name in ("instances", "tainted", "deposed")),
                fact("Terraform", thing["terraform_version"] or "not known"),
                fact("Lineage", tag("code", (thing["lineage"] or "not known")[:8], title=thing["lineage"])),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Drift: reality is not the state", drift["resources"], DRIFTED, well, most=LEFT),
            section("Pending: the code is not the state", due["changes"], DUE, none, most=LEFT),
            section("Plans", thing["plans"], PLANS, never, most=FEW),
            section("Serials", thing["serials"], SERIALS, "No serial is read yet.", most=FEW),
            section("Resources", thing["resources"], RESOURCES, "No resource is known in the newest serial.", most=FEW),
        )
    )  # fmt: skip


def model(thing: Thing) -> Html:
    """A model: what serves, what is newest and best, and its versions."""
    return join(
        (
            components.heading(thing["name"], ", ".join(thing["products"])),
            facts(
                fact("Deployed", cells.deployed(thing)),
                fact("Newest", cells.newest(thing) or "none"),
                fact("Best", cells.best(thing)),
                fact("As of", cells.ago("observed_at")(thing)),
                fact("Source", components.source_link(thing["web_url"], "open")),
            ),
            section("Versions", thing["versions"], VERSIONS, "No version is known.", most=LEFT),
        )
    )


_DONE = {("update",): "changed it", ("delete",): "deleted it", ("create",): "made it"}


def _would(row: Thing) -> Html:
    """What an apply does to a resource; what cannot be made again is red."""
    actions = row["actions"] or ()
    replaced = "delete" in actions and "create" in actions
    said = "replace it" if replaced else " and ".join(f"{action} it" for action in actions)
    loses = "delete" in actions and is_stateful(row.get("type") or "")
    return badge("pending", f"{said}, and lose its data" if loses else said, tone="red" if loses else None)


def _approvals(thing: Thing) -> str:
    if thing["approved_by"] is None:
        return "not read"
    return ", ".join(thing["approved_by"]) or "nobody"


def _reason(row: Thing) -> object:
    if row.get("failure_owner"):
        return f"{row['failure_reason'].replace('_', ' ')}, {row['failure_owner']}"
    return row["message"] or row["failure_reason"]


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
    return tag("span", words.number(value["value"]), tag("span", " ", age, cls="tl-dim"))
