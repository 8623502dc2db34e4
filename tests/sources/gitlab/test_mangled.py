"""Answers in which one value is of another kind: one of our errors, or a record kept aside, and never a crash."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from services.sources.base import SourceError
from services.sources.gitlab.streams import STREAMS
from services.store import writer
from tests.emulators.gitlab_builders import NOON, a_small_gitlab
from tests.sources.gitlab.local import reading_from

ODD: tuple[Any, ...] = (None, 0, -1, "", "odd", True, [], {}, [None], {"id": None}, ["x"], 1.5)
TRIES = 30
WORK = {
    "environments": ("1",),
    "deployments": ("1",),
    "jobs": ("1/10", "10"),
    "state_versions": ("1/prod",),
    "plans": ("1/101",),
    "approvals": ("1/1",),
    "registry": ("1",),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON document but the whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*path, key), *places(item, (*path, key)))]


def mangler(dice: random.Random) -> Any:
    """Changes one value of each answer into something odd."""

    def mangle(body: bytes) -> bytes:
        document = json.loads(body)
        everywhere = places(document)
        if not everywhere:
            return json.dumps(dice.choice(ODD)).encode()
        *way, last = dice.choice(everywhere)
        holder = document
        for key in way:
            holder = holder[key]
        holder[last] = dice.choice(ODD)
        return json.dumps(document).encode()

    return mangle


@pytest.mark.parametrize("stream", [stream.name for stream in STREAMS])
def test_no_odd_value_anywhere_is_a_crash(stream: str, store):
    with store.write() as conn:
        source = writer.source_key(conn, "gitlab", "gitlab.example", "gitlab", NOON)
    dice = random.Random(stream)
    upstreams = a_small_gitlab()
    upstreams.gitlab.artifacts[101, "throughline-plan.json"] = b'{"drift": [], "changes": [], "mode": "normal"}'
    with reading_from(upstreams, requests_per_minute=100_000) as gitlab:
        read_well = 0
        for _ in range(TRIES):
            gitlab.controls.faults.clear()
            gitlab.restart()
            gitlab.cursors.clear()
            gitlab.fault(mangle=mangler(dice))
            try:
                found = gitlab.read(stream, *WORK.get(stream, ()))
            except SourceError:
                continue
            read_well += 1
            with store.write() as conn:
                writer.apply(conn, source, found.records, NOON)
        assert read_well > TRIES / 10, "most odd values cost a record, not the stream"
