"""Tries every stream of every source with its cheapest call, and says what is missing and how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from services.config_file import Loaded
from services.secrets import SecretMissing
from services.sources import discover
from services.sources.base import FeatureOff, Source, SourceError


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
