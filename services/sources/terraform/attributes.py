"""Which attributes of a resource are kept, and how the secrets among the others are found.

A value is kept only where its name is on the list of plain attributes, its path is not marked as
sensitive, its name is not that of a secret, and its text holds none. Everything that one of these rules
finds is *taint*: it is replaced wherever else it occurs, in this state and, where it is random enough, in
everything that is read afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.redaction import REDACTED, Known, is_secret_name, looks_random, redact_text, redact_value, register_secret
from services.secret_shapes import assigned, shaped

GENERAL = frozenset({
    "name", "display_name", "location", "region", "zone", "project", "machine_type", "tier", "image", "labels",
    "effective_labels", "terraform_labels", "version", "engine_version", "database_version", "runtime", "disk_size",
    "disk_type", "size", "storage_class", "schedule", "cron", "time_zone", "min_replica_count", "max_replica_count",
    "min_replicas", "max_replicas", "node_count", "num_nodes", "instance_type", "account_id", "dataset_id", "table_id",
    "bucket", "role", "service", "network", "subnetwork", "format", "state", "deletion_protection", "force_destroy",
    "uniform_bucket_level_access", "versioning.enabled", "zones", "tags", "repository_id", "kind", "availability_type",
    "master_version", "node_version", "filename", "accelerator_type", "accelerator_count", "paused", "enabled",
})  # fmt: skip
"""Attributes that say what a thing is, for any type."""

BY_TYPE: dict[str, tuple[str, ...]] = {
    "google_cloud_run_v2_service": (
        "template.containers.image", "template.scaling.min_instance_count", "template.scaling.max_instance_count",
        "traffic.percent", "traffic.revision", "ingress",
    ),
    "google_cloud_run_service": ("template.spec.containers.image", "traffic.percent"),
    "google_cloudfunctions_function": ("available_memory_mb", "entry_point", "max_instances"),
    "google_compute_instance": ("boot_disk.initialize_params.image", "boot_disk.initialize_params.size"),
    "google_container_node_pool": ("node_config.machine_type", "autoscaling.max_node_count"),
    "google_composer_environment": ("config.software_config.image_version",),
    "google_storage_bucket": ("lifecycle_rule.condition.age",),
    "google_vertex_ai_feature_online_store_featureview": ("feature_online_store", "sync_config.cron"),
    "google_vertex_ai_endpoint": ("dedicated_endpoint_enabled",),
    "google_sql_database_instance": ("settings.tier", "settings.availability_type", "settings.disk_size"),
}  # fmt: skip
"""Further paths a type; a path goes through lists."""

BAGS = frozenset({
    "env", "environment_variables", "build_environment_variables", "env_variables", "user_env_vars", "metadata",
    "metadata_startup_script", "headers", "body", "config", "airflow_config_overrides", "parameters", "user_data",
    "custom_data", "content", "env_json", "values", "set_sensitive", "substitutions", "source_contents", "data",
    "input", "output", "triggers", "keepers", "triggers_replace",
})  # fmt: skip
"""Attributes that may hold anything, secrets too: never kept, whatever the lists above say."""

_NOT_KEPT_TYPES = ("random_", "tls_")
_MAX_TEXT, _MAX_LIST, _SHORTEST = 500, 20, 6


def leaves(value: Any) -> Iterator[str]:
    """The texts inside a value; a dynamically typed attribute is wrapped as {value, type}, and its type is none."""
    if isinstance(value, str):
        if len(value) >= _SHORTEST:
            yield value
    elif isinstance(value, Mapping):
        inner = [value["value"]] if set(value) == {"value", "type"} else value.values()
        for item in inner:
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)


class Taint:
    """The secrets of one state, as they are found in it."""

    def __init__(self) -> None:
        self.known = Known()

    def add(self, value: Any, *, named: bool) -> None:
        """All texts inside are secrets; `named`: because their own name says so, not only a mark somewhere above."""
        for text in leaves(value):
            self.known.add(text)
            if looks_random(text) or (named and len(text) >= 12 and "/" not in text):
                register_secret(text)

    def search(self, value: Any, name: str = "") -> None:
        """Find secrets in a value by the names and by the shapes inside it."""
        if isinstance(value, str):
            for start, end in (*shaped(value), *assigned(value)):
                self.add(value[start:end], named=True)
                self.add(value[start:end].rpartition(":")[2], named=False)
            self._search_json(value)
        elif isinstance(value, Mapping):
            pair = value.get("name") or value.get("key")
            for key, item in value.items():
                secret = is_secret_name(str(key)) or (key == "value" and is_secret_name(str(pair or "")))
                if secret:
                    self.add(item, named=True)
                else:
                    self.search(item, str(key))
        elif isinstance(value, list):
            for item in value:
                self.search(item, name)

    def _search_json(self, text: str) -> None:
        if text[:1] in "{[":
            try:
                self.search(json.loads(text))
            except ValueError:
                return


def at(value: Any, steps: Iterable[Any]) -> Any:
    """What stands at a path as `sensitive_attributes` writes it; None where there is nothing."""
    for step in steps:
        key = step.get("value") if isinstance(step, Mapping) else step
        key = key.get("value") if isinstance(key, Mapping) else key
        if isinstance(value, Mapping) and set(value) == {"value", "type"} and key not in value:
            value = value["value"]
        try:
            value = value[int(str(key))] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def first_name(steps: Iterable[Any]) -> str:
    """The attribute that a marked path begins with."""
    for step in steps:
        key = step.get("value") if isinstance(step, Mapping) else step
        return str(key.get("value") if isinstance(key, Mapping) else key)
    return ""


def plain(type_: str, attributes: Mapping[str, Any], marked: frozenset[str], known: Known) -> dict[str, Any]:
    """The attributes that may be kept; `marked` are the top-level names under which something is sensitive."""
    if type_.startswith(_NOT_KEPT_TYPES) or "" in marked:
        return {}
    kept: dict[str, Any] = {}
    paths = sorted(GENERAL | set(BY_TYPE.get(type_, ())) | ({"id"} if type_.startswith("google_") else set()))
    for path in paths:
        top = path.partition(".")[0]
        value = _through(attributes, path.split("."))
        if value is None or top in BAGS - {"config"} or (top == "config" and "." not in path):
            continue
        if top in marked or is_secret_name(path.rpartition(".")[2]):
            kept[path] = REDACTED
        elif (small := _small(value, known)) is not None:
            kept[path] = small
    return kept


def _through(value: Any, steps: list[str]) -> Any:
    for step in steps:
        while isinstance(value, list):
            if len(value) != 1:
                return [found for found in (_through(item, [step]) for item in value[:_MAX_LIST]) if found is not None]
            value = value[0]
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _small(value: Any, known: Known) -> Any:
    """The value without secrets, or None where it is empty or too large to be plain."""
    if isinstance(value, str):
        return redact_text(value[:_MAX_TEXT], known) if value else None
    if isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    if isinstance(value, list):
        items = [_small(item, known) for item in value[:_MAX_LIST] if not isinstance(item, list | Mapping)]
        return items or None
    if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
        return redact_value(dict(list(value.items())[:64]), known) or None
    return None


def fingerprint(key: bytes, attributes: Any) -> str:
    """HMAC-SHA256 of all attributes: equal if and only if nothing changed, and telling nothing else."""
    text = json.dumps(attributes, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
