"""Terraform states and plans outside GitLab: in a Cloud Storage bucket, or in a local folder."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.config import TerraformSource
from services.records import Plan, StateContents, Version, Workspace
from services.sources import google
from services.sources.base import Scope, Source, Stream
from services.sources.terraform import streams
from services.sources.terraform.backends import TerraformClient
from services.timestamps import utc_now

_NEEDS = "roles/storage.objectViewer on the bucket, or the right to read the folder"
_GRANT = (
    "gcloud storage buckets add-iam-policy-binding gs://BUCKET --member serviceAccount:ACCOUNT "
    "--role roles/storage.objectViewer"
)


def connect(source: TerraformSource, secrets: Any) -> TerraformClient:
    """The bucket's or the folder's client; makes no call."""
    if source.bucket is None:
        return TerraformClient(source)
    return TerraformClient(source, google.credentials(source.credentials, secrets, source.anonymous))


def instance(client: Any, source: TerraformSource) -> str:
    """gs://BUCKET/PREFIX, or the folder's absolute path."""
    if source.bucket is None:
        return f"file://{source.directory.resolve()}" if source.directory else "file://"
    return f"gs://{source.bucket}/{source.prefix}".rstrip("/")


def scopes(client: Any, source: TerraformSource) -> list[Scope]:
    """The bucket, or the folder."""
    name = f"gs://{source.bucket}" if source.bucket else str(source.directory)
    return [Scope(key=name, name=name)]


def can_read(client: Any, scope: Scope) -> None:
    """Returns, or raises one of the contract's errors."""
    client.probe(utc_now())


SOURCE = Source(
    family="terraform",
    title="Terraform",
    connect=connect,
    instance=instance,
    scopes=scopes,
    streams=(
        Stream(
            name="states",
            title="States",
            yields=(Workspace, Version, StateContents),
            collect=streams.states,
            check=can_read,
            every=timedelta(seconds=60),
            stale_after=timedelta(minutes=5),
            needs=_NEEDS,
            grant=_GRANT,
        ),
        Stream(
            name="plans",
            title="Plans",
            yields=(Plan,),
            collect=streams.plans,
            check=can_read,
            every=timedelta(seconds=120),
            stale_after=timedelta(minutes=10),
            needs=_NEEDS,
            grant=_GRANT,
        ),
    ),
)
