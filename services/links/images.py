"""Where an image came from: the commit that its tag begins, and the job that built it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, select

from services.links.code import SHORT
from services.links.rule import Key, Pairs, rule, target
from services.scene import Scene, among
from services.store import schema

_HEX = re.compile(rf"[0-9a-f]{{{SHORT},40}}")
_BUILDS = re.compile(r"build|image|docker|kaniko|container", re.IGNORECASE)
_ONLY_LOOKS = re.compile(r"scan|test|lint|check|sign|verify|deploy|clean", re.IGNORECASE)
_NO_NAMES = frozenset(
    ("build", "image", "images", "docker", "kaniko", "container", "push", "publish", "make", "trigger", "pipeline")
)
"""Words of a job's name that say what it does, and not of which image."""

version, run, step, detail = schema.version, schema.run, schema.step, schema.image_detail


def _tagged(scene: Scene) -> Iterator[tuple[Any, str]]:
    """Images whose own record holds no SHA, with each of their tags that could be the beginning of one."""
    query = (
        select(version.c.id, version.c.project_id, version.c.sha, detail.c.tags)
        .join(detail, detail.c.version_id == version.c.id)
        .where(version.c.kind == "image", version.c.project_id.is_not(None))
    )
    for row in scene.rows(query, version.c.id, scene.ids("version")):
        for tag in () if row.sha else row.tags or ():
            if _HEX.fullmatch(tag.lower()):
                yield row, tag.lower()


def _begins(conn: Connection, pairs: Pairs, shas: dict[int, str]) -> Pairs:
    """Those pairs in which a tag of the image is the beginning of the whole SHA."""
    query = select(detail.c.version_id, detail.c.tags)
    tags = {
        row.version_id: row.tags or () for row in among(conn, query, detail.c.version_id, {one for one, _ in pairs})
    }
    return {
        (image, other)
        for image, other in pairs
        if any(len(tag) >= SHORT and shas.get(other, "").startswith(tag.lower()) for tag in tags.get(image, ()))
    }


def _same_commit(conn: Connection, pairs: Pairs) -> Pairs:
    found = among(conn, select(version.c.id, version.c.native_id), version.c.id, {to for _, to in pairs})
    return _begins(conn, pairs, {row.id: row.native_id for row in found})


@rule("image-commit", "version", version=1, evidence="inferred", to="commit-of-project", confirm=_same_commit,
      sentence="The image's tag is the beginning of the SHA {key}… in the same project")  # fmt: skip
def image_commit(scene: Scene) -> Iterable[Key]:
    return (Key("version", row.id, f"{row.project_id}|{tag[:SHORT]}") for row, tag in _tagged(scene))


@target("build-job", "step", "run")
def build_jobs(scene: Scene) -> Iterable[Key]:
    """A job that builds images and succeeded, by the first digits of its pipeline's SHA within its project."""
    query = (
        select(step.c.id, step.c.name, run.c.project_id, run.c.sha)
        .join(run, run.c.id == step.c.run_id)
        .where(
            step.c.kind == "job",
            step.c.state == "succeeded",
            step.c.retried.is_not(True),
            run.c.sha.is_not(None),
            run.c.kind == "pipeline",
        )
    )
    rows = list(scene.rows(query, step.c.id, scene.ids("step")))
    if not scene.whole:
        rows += list(among(scene.conn, query, step.c.run_id, scene.ids("run")))
    for row in rows:
        if _BUILDS.search(row.name or "") and not _ONLY_LOOKS.search(row.name):
            yield Key("step", row.id, f"{row.project_id}|{row.sha[:SHORT]}")


def _same_job(conn: Connection, pairs: Pairs) -> Pairs:
    """The job of the same commit; of several, the only one that names the image, else the only one of its time."""
    query = select(
        step.c.id, step.c.run_id, step.c.name, step.c.started_at, step.c.finished_at, run.c.sha
    ).join(run, run.c.id == step.c.run_id)  # fmt: skip
    jobs = {row.id: row for row in among(conn, query, step.c.id, {to for _, to in pairs})}
    good = _begins(conn, pairs, {key: row.sha or "" for key, row in jobs.items()})
    by_image: defaultdict[int, list[Any]] = defaultdict(list)
    for image, job in good:
        by_image[image].append(jobs[job])
    several = {image: found for image, found in by_image.items() if len(found) > 1}
    if not several:
        return good
    bridges = _bridges(conn, {job.run_id for found in several.values() for job in found})
    images = select(version.c.id, version.c.of, version.c.created_at)
    for row in among(conn, images, version.c.id, several):
        good -= {(row.id, job.id) for job in several[row.id]}
        good |= {(row.id, job.id) for job in _likeliest(row, several[row.id], bridges)}
    return good


def _bridges(conn: Connection, runs: set[int]) -> dict[int, list[str]]:
    """Run -> the names of the jobs of other pipelines that started it, for example one for each part of a monorepo."""
    query = select(step.c.downstream_id, step.c.name)
    found: defaultdict[int, list[str]] = defaultdict(list)
    for row in among(conn, query, step.c.downstream_id, runs):
        found[row.downstream_id].append(row.name or "")
    return found


def _likeliest(image: Any, jobs: list[Any], bridges: dict[int, list[str]]) -> list[Any]:
    own = _words((image.of or "").rpartition("/")[2])
    named = [
        job for job in jobs if own and any(_words(name) == own for name in (job.name, *bridges.get(job.run_id, ())))
    ]
    left = named or jobs
    if len(left) == 1:
        return left
    during = [
        job
        for job in left
        if None not in (image.created_at, job.started_at, job.finished_at)
        and job.started_at <= image.created_at <= job.finished_at
    ]
    return during if len(during) == 1 else left


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in re.findall(r"[a-z0-9]+", name.lower()) if word not in _NO_NAMES)


@rule(
    "image-job",
    "version",
    version=2,
    evidence="inferred",
    to="build-job",
    confirm=_same_job,
    sentence="The job that builds images for {key}… in the same project; of several, the one of its name or time",
)
def image_job(scene: Scene) -> Iterable[Key]:  # fmt: skip
    return (Key("version", row.id, f"{row.project_id}|{tag[:SHORT]}") for row, tag in _tagged(scene))
