"""What happened to code: commits pushed, merge requests opened, approved, merged and closed, releases and images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from services.events.telling import Fact, native, tells
from services.scene import Scene
from services.store import schema
from services.wording import listed, project_name, short

project, version, change = schema.project, schema.version, schema.change


@tells("version")
def versions(scene: Scene) -> Iterable[Fact]:
    """Commits, releases and images, each when its source says it was made."""
    query = (
        select(version, project.c.path)
        .outerjoin(project, project.c.id == version.c.project_id)
        .where(version.c.kind.in_(("commit", "release", "image")), version.c.of.is_not(None))
    )
    for row in scene.rows(query, version.c.id, scene.ids("version")):
        yield _VERSIONS[row.kind](row, project_name(row.path or row.of, scene.config))


def _commit(row: Any, where: str) -> Fact:
    by = f" by {row.author}" if row.author else ""
    return _version(row, "code", "commit-pushed", f"{where}: new commit {short(row.native_id)}{by}")


def _release(row: Any, where: str) -> Fact:
    return _version(row, "code", "released", f"{where} released {row.label}")


def _image(row: Any, where: str) -> Fact:
    return _version(row, "ci", "image-pushed", f"A container image of {where} was pushed: {row.label}")


_VERSIONS = {"commit": _commit, "release": _release, "image": _image}


def _version(row: Any, lane: str, kind: str, title: str) -> Fact:
    facts = {"of": row.of, "title": row.title, "sha": row.sha or (row.native_id if row.kind == "commit" else None)}
    return Fact(lane=lane, kind=kind, at=row.created_at, subject=("version", row.id), source_id=row.source_id,
                native=native(row), version="made", title=title, label=row.label, actor=row.author,
                web_url=row.web_url, facts=facts | ({"digest": row.digest} if row.digest else {}))  # fmt: skip


@tells("change")
def changes(scene: Scene) -> Iterable[Fact]:
    """A request's steps; one that was already merged when we first saw it tells its opening and its merging."""
    before = {moved.id: moved.before or {} for moved in scene.of("change")}
    query = (
        select(change, project.c.path)
        .outerjoin(project, project.c.id == change.c.project_id)
        .where(change.c.state.is_not(None))
    )
    for row in scene.rows(query, change.c.id, scene.ids("change")):
        where = project_name(row.path, scene.config)
        named = f"{where} !{row.iid} “{row.title}”"
        by = f" by {row.author}" if row.author else ""
        yield _change(row, "change-opened", row.created_at, "opened", f"Merge request {named} was opened{by}")
        if row.state == "merged":
            title = f"Merge request {named} was merged into {row.target_branch}"
            yield _change(row, "change-merged", row.merged_at, "merged", title)
        if row.state == "closed":
            title = f"Merge request {named} was closed without merging"
            yield _change(row, "change-closed", row.closed_at, row.closed_at or "closed", title)
        new = [name for name in row.approved_by or () if name not in (before.get(row.id, {}).get("approved_by") or ())]
        if new:
            title = f"Merge request {named} was approved by {listed(new)}"
            yield _change(row, "change-approved", row.updated_at, ",".join(sorted(row.approved_by)), title, new[0])


def _change(row: Any, kind: str, at: int | None, version: str | int, title: str, actor: str | None = None) -> Fact:
    facts = {"iid": row.iid, "title": row.title, "source_branch": row.source_branch, "target_branch": row.target_branch,
             "merge_sha": row.merge_sha, "draft": row.draft, "labels": row.labels}  # fmt: skip
    return Fact(lane="code", kind=kind, at=at, subject=("change", row.id), source_id=row.source_id, native=native(row),
                version=version, title=title, label=f"!{row.iid}", actor=actor or row.author, web_url=row.web_url,
                facts=facts)  # fmt: skip
