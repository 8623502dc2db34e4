"""Where states lie: the objects of a Cloud Storage bucket with all their generations, or the files of a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from services.config import TerraformSource
from services.sources import google
from services.sources.base import AccessDenied, Meter, Unreachable, Unreadable
from services.timestamps import utc_now

STATE, PLAN, LOCK = ".tfstate", ".plan.json", ".tflock"
LOCAL_LOCK = ".lock.info"
MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """One generation of a state, a plan or a lock; `mark` moves with its content."""

    path: str
    mark: int
    at: datetime
    live: bool = True
    size: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies there now, newest generation first for each path."""

    states: dict[str, list[Blob]]
    plans: dict[str, list[Blob]]
    locks: dict[str, Blob]
    """State's path -> its lock."""


def sort_out(blobs: Iterator[Blob]) -> Listing:
    """Tell states, plans and locks apart by their names; a live lock is one that is held."""
    states: dict[str, list[Blob]] = {}
    plans: dict[str, list[Blob]] = {}
    locks: dict[str, Blob] = {}
    for blob in blobs:
        if blob.path.endswith(STATE):
            states.setdefault(blob.path, []).append(blob)
        elif blob.path.endswith(PLAN):
            plans.setdefault(blob.path, []).append(blob)
        elif blob.path.endswith(LOCK) and blob.live:
            locks[blob.path.removesuffix(LOCK) + STATE] = blob
        elif blob.path.endswith(LOCAL_LOCK):
            directory, _, file = blob.path.rpartition("/")
            own = file.removesuffix(LOCAL_LOCK).removeprefix(".")
            locks[f"{directory}/{own}" if directory else own] = blob
    for generations in (*states.values(), *plans.values()):
        generations.sort(key=lambda blob: blob.mark, reverse=True)
    return Listing(states, plans, locks)


@dataclass
class TerraformClient:
    """A bucket or a folder, read only."""

    source: TerraformSource
    credentials: Any = None
    meter: Meter = field(default_factory=Meter)
    timeout: float = google.TIMEOUT
    _storage: Any = None

    @property
    def access(self) -> google.Access:
        bucket = self.source.bucket
        return google.Access(
            service="storage.googleapis.com",
            project=self.source.google_project or "the bucket's project",
            role="roles/storage.objectViewer",
            grant=f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member serviceAccount:ACCOUNT "
            "--role roles/storage.objectViewer",
        )

    def listing(self, now: datetime) -> Listing:
        """Everything that lies there. Raises the errors of the contract."""
        if self.source.directory is not None:
            return sort_out(_files(Path(self.source.directory)))
        with google.translated(f"bucket {self.source.bucket}", self.access, now):
            return sort_out(self._objects())

    def probe(self, now: datetime) -> None:
        """The cheapest look: one object's name, or the folder itself."""
        if self.source.directory is not None:
            _folder(Path(self.source.directory))
            return
        with google.translated(f"bucket {self.source.bucket}", self.access, now):
            for _ in self._list(max_results=1):
                return

    def read(self, blob: Blob, now: datetime) -> bytes:
        """The bytes of one generation, in memory only."""
        if blob.size > MAX_BYTES:
            raise Unreadable(f"{blob.path} is larger than {MAX_BYTES >> 20} MiB")
        if self.source.directory is not None:
            self.meter.count(utc_now())
            return _read_file(Path(self.source.directory) / blob.path)
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

        with google.translated(f"{self.source.bucket}/{blob.path}", self.access, now):
            try:
                found = self._client().bucket(self.source.bucket).blob(blob.path, generation=blob.mark)
                return bytes(found.download_as_bytes(retry=None, timeout=self.timeout))
            except (DataCorruption, InvalidResponse) as error:
                raise Unreachable(f"{blob.path}: the body came damaged ({type(error).__name__})") from None

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()

    def _objects(self) -> Iterator[Blob]:
        for found in self._list(versions=True):
            live = found.time_deleted is None
            yield Blob(found.name, int(found.generation), found.time_created, live, int(found.size or 0))

    def _list(self, **options: Any) -> Any:
        return self._client().list_blobs(
            self.source.bucket, prefix=self.source.prefix or None, retry=None, timeout=self.timeout, **options
        )

    def _client(self) -> Any:
        if self._storage is None:
            # its tracing would ask for the bucket itself, in the background, which takes a permission we do not have
            os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
            from google.cloud.storage import Client

            options = {"api_endpoint": self.source.api_endpoint} if self.source.api_endpoint else None
            self._storage = Client(
                project=self.source.google_project or "-",
                credentials=self.credentials,
                client_options=options,
                _http=google.session(self.credentials, self.meter),
            )
        return self._storage


def _folder(root: Path) -> Path:
    try:
        if not root.is_dir():
            raise Unreachable(f"there is no folder {root}", "set `directory` to the folder that holds the states")
        next(root.iterdir(), None)
    except PermissionError:
        raise AccessDenied(f"the folder {root} may not be read", f"allow the collector to read {root}") from None
    return root


def _files(root: Path) -> Iterator[Blob]:
    for path in sorted(_folder(root).rglob("*")):
        name = PurePosixPath(path.relative_to(root)).as_posix()
        if not name.endswith((STATE, PLAN, LOCAL_LOCK)) or "/.terraform/" in f"/{name}":
            continue
        try:
            found = path.stat()
        except FileNotFoundError:  # removed while we were looking
            continue
        at = datetime.fromtimestamp(found.st_mtime, UTC)
        yield Blob(name, found.st_mtime_ns, at, True, found.st_size)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError:
        raise AccessDenied(f"{path.name} may not be read", f"allow the collector to read {path}") from None
    except OSError as error:
        raise Unreachable(f"{path.name} could not be read ({type(error).__name__})") from None


def lock_info(raw: bytes) -> dict[str, Any]:
    """Who holds a lock and since when, as Terraform wrote it; empty where it is not readable."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
