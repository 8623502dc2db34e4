"""Tries every stream of every source with its cheapest call, and says what is missing and how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from services.config_file import Loaded
from services.secrets import SecretMissing
from services.sources import discover
from services.sources.base import FeatureOff, Source, SourceError
from services.store import schema
from services.store.database import Store


@dataclass(frozen=True)
class Checked:
    """What one probe found. `ok` None means: not applicable here."""

    source: str
    scope: str
    stream: str
    ok: bool | None
    reason: str | None = None
    mend: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(loaded: Loaded, only: str | None = None) -> Iterator[Checked]:
    """Probe everything, or one source by its name; a source that fails hides no other."""
    for entry in loaded.config.source:
        if only in (None, entry.name):
            yield from _check_source(loaded, entry, discover()[entry.kind])


def unread_parts(store: Store, loaded: Loaded, only: str | None = None) -> Iterator[Checked]:
    """Parts (projects, datasets) that the collector's last sweep could not read, while their neighbours could.

    Asking each of them here would take a call a part; what the last sweep was told is in the store already.
    """
    part, source, project = schema.stream_part, schema.source, schema.project
    names = [entry.name for entry in loaded.config.source if only in (None, entry.name)]
    query = (
        select(source.c.name, part.c.stream, part.c.part, part.c.reason, project.c.path)
        .join(source, source.c.id == part.c.source_id)
        .outerjoin(project, (project.c.source_id == part.c.source_id) & (project.c.native_id == part.c.part))
        .where(source.c.name.in_(names))
        .order_by(source.c.name, part.c.part, part.c.stream)
    )
    with store.read() as conn:
        rows = conn.execute(query).all()
    for row in rows:
        yield Checked(row.name, row.path or row.part, row.stream, False, row.reason)


def _check_source(loaded: Loaded, entry: Any, source: Source) -> Iterator[Checked]:
    try:
        client = source.connect(entry, loaded.secrets)
    except (SecretMissing, SourceError) as error:
        yield Checked(entry.name, "", "connect", False, str(error), getattr(error, "mend", None))
        return
    try:
        try:
            scopes = source.scopes(client, entry)
        except SourceError as error:
            yield Checked(entry.name, "", "connect", False, error.reason, error.mend)
            return
        for scope in scopes:
            for stream in source.streams:
                try:
                    stream.check(client, scope)
                except FeatureOff as error:
                    yield Checked(entry.name, scope.name, stream.name, None, error.reason, error.mend)
                except SourceError as error:
                    yield Checked(entry.name, scope.name, stream.name, False, error.reason, error.mend or stream.grant)
                else:
                    yield Checked(entry.name, scope.name, stream.name, True)
    finally:
        client.close()
