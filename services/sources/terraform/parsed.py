"""What is read out of a Terraform state: its counts, its checks, and its resources without a single secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.records import Ref, Resource, StateContents, StateDetail, Version

__all__ = ["ParsedResource", "ParsedState", "state_version_id", "to_records"]


@dataclass(frozen=True, slots=True)
class ParsedResource:
    """One instance of a resource; `key` is its address, and its deposed key where it has one."""

    key: str
    address: str
    type: str
    mode: str
    module: str | None
    provider: str | None
    status: str | None
    attributes: Mapping[str, Any]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedState:
    """A state in counts; what a format does not tell is None.

    `managed` counts resources as the configuration names them, `instances` what these come to with count
    and for_each, deposed objects included. `data_sources` are not among either.
    """

    format: str
    """"4", "3", "2", "1"; "json" for `terraform show -json`; "encrypted"; "empty"."""
    serial: int | None = None
    lineage: str | None = None
    terraform_version: str | None = None
    managed: int | None = None
    instances: int | None = None
    data_sources: int | None = None
    modules: tuple[str, ...] = ()
    indexed: int | None = None
    tainted: int | None = None
    deposed: int | None = None
    outputs: int | None = None
    sensitive_outputs: tuple[str, ...] = ()
    sensitive_paths: int | None = None
    types: Mapping[str, int] = field(default_factory=dict)
    """Type -> managed resources of it."""
    checks: Mapping[str, int] = field(default_factory=dict)
    encrypted: bool = False
    resources: tuple[ParsedResource, ...] = ()
    note: str | None = None
    """What could not be read, and what to do about it."""

    def detail(self) -> StateDetail:
        """The counts as the record that is kept of every serial."""
        return StateDetail(
            lineage=self.lineage,
            terraform_version=self.terraform_version,
            managed=self.managed,
            instances=self.instances,
            tainted=self.tainted,
            deposed=self.deposed,
            data_sources=self.data_sources,
            modules=self.modules,
            checks=self.checks,
            encrypted=self.encrypted,
        )


def state_version_id(workspace_id: str, serial: int | None, lineage: str | None = None) -> str:
    """workspace id # serial, and # lineage where the state was replaced by one of another lineage."""
    return f"{workspace_id}#{0 if serial is None else serial}" + (f"#{lineage}" if lineage else "")


def to_records(
    parsed: ParsedState,
    workspace: Ref,
    name: str,
    created_at: datetime | None,
    *,
    native_id: str | None = None,
    **of_version: Any,
) -> tuple[Version | StateContents, ...]:
    """The version that a state is, and what it holds; no contents where the resources could not be read.

    `of_version` are further fields of the version: project, author, run, step, web_url. Nothing at all is given
    for a state that was never written.
    """
    if parsed.format == "empty":
        return ()
    serial = parsed.serial or 0
    version = Version(
        native_id=native_id or state_version_id(workspace.native_id, serial),
        kind="state-version",
        of=name,
        label="no serial" if parsed.serial is None else str(serial),
        created_at=created_at,
        detail=parsed.detail(),
        **of_version,
    )
    if parsed.encrypted or (parsed.serial is None and parsed.format != "json"):
        return (version,)
    resources = tuple(_resource(found, workspace) for found in parsed.resources)
    contents = StateContents(
        workspace=workspace, serial=serial, lineage=parsed.lineage, created_at=created_at, resources=resources
    )
    return (version, contents)


def _resource(found: ParsedResource, workspace: Ref) -> Resource:
    return Resource(
        native_id=found.key,
        workspace=workspace,
        address=found.address,
        type=found.type,
        mode=found.mode,
        module=found.module,
        provider=found.provider,
        status=found.status,
        attributes=found.attributes,
        fingerprint=found.fingerprint,
    )
