"""What is read from GitLab: each stream with its rhythm, what it needs, and how to grant it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from services.records import Project, Run, Step, Version
from services.sources.base import Batch, Collect, Pull, Source, Stream
from services.sources.gitlab import projects, sweep
from services.sources.gitlab.client import GRANT, connect
from services.sources.gitlab.words import PIPELINE_STATES

minutes = timedelta(minutes=1)
NEEDS = "a token with the scope read_api and the role Reporter in the group"


def _told_the_time(collect: Collect) -> Collect:
    """Pauses that GitLab asks for are reckoned by the collector's clock."""

    def aligned(pull: Pull) -> Iterator[Batch]:
        pull.client.align(pull.now)
        yield from collect(pull)

    return aligned


STREAMS = (
    Stream(
        name="projects",
        title="Projects",
        yields=(Project,),
        collect=_told_the_time(projects.collect),
        check=projects.check,
        every=projects.EVERY,
        stale_after=10 * minutes,
        needs=NEEDS,
        grant=GRANT,
    ),
    Stream(
        name="pipelines",
        title="Pipelines and jobs",
        yields=(Run, Step, Version),
        collect=_told_the_time(sweep.collect),
        check=sweep.check,
        every=sweep.EVERY,
        stale_after=5 * minutes,
        overlap=sweep.OVERLAP,
        states=PIPELINE_STATES,
        needs=NEEDS,
        grant=GRANT,
    ),
)


def _instance(client: Any, entry: Any) -> str:
    return str(client.instance)


SOURCE = Source(
    family="gitlab",
    title="GitLab",
    connect=connect,
    instance=_instance,
    scopes=projects.scopes,
    streams=STREAMS,
)
