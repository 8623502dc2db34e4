"""Joins between what Terraform holds and what the cloud lists: the same resource id on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select

from services.config import VertexSource
from services.links.rule import Key, Pair, direct, rule, target
from services.scene import Scene, among
from services.store import schema

ENDPOINT_TYPES = ("google_vertex_ai_endpoint", "google_vertex_ai_endpoint_with_model_garden_deployment")
_ENDPOINT = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/endpoints/(?P<id>[^/@]+)")


def endpoint_key(text: object, numbers: Mapping[str, str]) -> str | None:
    """One text for one endpoint, whether its name holds the project's id or its number; None where it is none."""
    found = _ENDPOINT.search(str(text or ""))
    if not found:
        return None
    return f"{numbers.get(found['project'], found['project'])}/{found['region']}|{found['id']}"


def project_numbers(scene: Scene) -> dict[str, str]:
    """Google project id -> number, as far as configuration or a source's own instance tells."""
    source = schema.source
    query = select(source.c.name, source.c.instance).where(source.c.family == "vertex")
    instances = {row.name: row.instance for row in scene.conn.execute(query)}
    found = {}
    for entry in scene.config.source:
        if isinstance(entry, VertexSource):
            told = re.match(r"aiplatform/(\d+)", instances.get(entry.name, ""))
            number = entry.project_number or (told[1] if told else None)
            if number:
                found[entry.project] = number
    return found


def endpoint_resources(scene: Scene) -> Iterator[Any]:
    """Present resources that are endpoints, of touched states and of touched resources."""
    table = schema.resource
    query = select(table).where(table.c.serial_to.is_(None), table.c.type.in_(ENDPOINT_TYPES))
    seen: set[int] = set()
    rows = list(scene.rows(query, table.c.id, scene.ids("resource")))
    if not scene.whole:
        rows += list(among(scene.conn, query, table.c.workspace_id, scene.ids("workspace")))
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield row


def resource_key(row: Any, numbers: Mapping[str, str]) -> str | None:
    """The endpoint that a resource stands for: by its id, else by project, region and name."""
    told = row.attributes or {}
    for field in ("id", "self_link", "name"):
        if key := endpoint_key(told.get(field), numbers):
            return key
    project, region, name = told.get("project"), told.get("location") or told.get("region"), told.get("name")
    if not (project and region and name):
        return None
    return endpoint_key(f"projects/{project}/locations/{region}/endpoints/{name}", numbers)


@target("endpoint-resource", "resource", "workspace")
def resources(scene: Scene) -> Iterable[Key]:
    numbers = project_numbers(scene)
    for row in endpoint_resources(scene):
        if key := resource_key(row, numbers):
            yield Key("resource", row.id, key)


@rule("endpoint-resource", "endpoint", version=1, evidence="identical", to="endpoint-resource",
      sentence="The endpoint and the Terraform resource have the same id, {key}")  # fmt: skip
def endpoint_resource(scene: Scene) -> Iterable[Key]:
    numbers, table = project_numbers(scene), schema.endpoint
    query = select(table.c.id, table.c.native_id).where(table.c.name.is_not(None), table.c.gone_at.is_(None))
    for row in scene.rows(query, table.c.id, scene.ids("endpoint")):
        if key := endpoint_key(row.native_id, numbers):
            yield Key("endpoint", row.id, key)


@direct("plan-job", "plan", version=1, sentence="The plan names the job that made it")
def plan_job(scene: Scene) -> Iterable[Pair]:
    table = schema.plan
    query = select(table).where(table.c.step_id.is_not(None))
    for row in scene.rows(query, table.c.id, scene.ids("plan")):
        yield Pair("plan", row.id, "step", row.step_id, row.native_id)


def forget_deleted(conn: Connection) -> None:
    """Take away keys and links of resource rows that are no longer there: a new lineage replaces them all."""
    table, key, link = schema.resource, schema.link_key, schema.link
    there = select(table.c.id)
    conn.execute(delete(key).where(key.c.thing_table == "resource", key.c.thing_id.not_in(there)))
    conn.execute(delete(link).where(link.c.to_table == "resource", link.c.to_id.not_in(there)))
