"""The rows of what came of a large team's pipelines: commits, requests, deployments, links and events."""

from __future__ import annotations

from collections.abc import Iterator

from bench.fleet import DAY, GITLAB, PEOPLE, PLACES, Fleet, Pipeline, Row, path, raw, thing, url


def mainline(fleet: Fleet) -> list[Pipeline]:
    """Pipelines that ended on the default branch, without child pipelines."""
    return [one for one in fleet.pipelines if one.ref == "main" and not one.child and one.state != "running"]


def versions(fleet: Fleet) -> Iterator[Row]:
    """The commit of each pipeline of the default branch."""
    for key, one in enumerate(mainline(fleet), 1):
        yield (
            *thing(key, GITLAB, "commit", one.sha, one.created), one.project, path(one.project), one.sha[:8],
            f"Change {one.sha[:8]}", one.sha, PEOPLE[one.id % 8], one.created, one.id, "{}",
            url(one.project, "commit", one.sha),
        )  # fmt: skip


def deployments(fleet: Fleet) -> Iterator[Row]:
    """Every second good pipeline of the default branch deploys to one place."""
    good = [(key, one) for key, one in enumerate(mainline(fleet), 1) if one.state in ("succeeded", "warning")]
    for number, (version, one) in enumerate(good[::2], 1):
        place, tier = PLACES[number % 3]
        at = one.created + one.seconds * 1000
        state = "failed" if number % 40 == 0 else "succeeded"
        yield (
            *thing(number, GITLAB, "deployment", 100_000 + number, at), one.project, place, place, tier, version,
            one.sha[:8], one.sha, "main", state, raw(state), at, at + 60_000, at + 60_000, PEOPLE[number % 8], one.id,
            one.id * 5, url(one.project, "environments", place), True,
        )  # fmt: skip


def changes(fleet: Fleet) -> Iterator[Row]:
    """A request a pipeline of the default branch, merged by it; the last two hundred are still open."""
    merged = mainline(fleet)[-60_000:]
    for key, one in enumerate(merged, 1):
        is_open = key > len(merged) - 200
        at = one.created if not is_open else None
        yield (
            *thing(key, GITLAB, "merge-request", 700_000 + key, one.created), one.project, str(key),
            f"Change {one.sha[:8]} of the demand model", "opened" if is_open else "merged", False, PEOPLE[one.id % 8],
            f"feature/{key % 60}", "main", one.sha, None if is_open else one.sha, one.created - 2 * DAY, at,
            at or one.created, '["ana"]', "[]", url(one.project, "merge_requests", key), not is_open,
        )  # fmt: skip


def links(fleet: Fleet) -> Iterator[Row]:
    for version, one in enumerate(mainline(fleet), 1):
        yield ("run-commit", 1, "run", one.id, "version", version, "declared", f"GitLab ran the pipeline for {one.sha}",
               one.created)  # fmt: skip
    for row in deployments(fleet):
        yield ("deployment-commit", 1, "deployment", row[0], "version", row[10], "declared",
               f"GitLab deployed {row[12]}", row[4])  # fmt: skip


def events(fleet: Fleet) -> Iterator[Row]:
    """The ends of pipelines of the default branch, merges and deployments."""
    for one in mainline(fleet):
        kind = "pipeline-failed" if one.state == "failed" else "pipeline-succeeded"
        at = one.created + one.seconds * 1000
        title = f"The pipeline of {path(one.project)} on main {kind.split('-')[1]}"
        yield _event("ci", kind, at, "run", one.id, one.project, title, one.state, one.sha)
    for row in changes(fleet):
        if row[17] is not None:
            yield _event("code", "merged", row[17], "change", row[0], row[6], f"{row[8]} was merged", None, row[14])
    for row in deployments(fleet):
        title = f"{row[11]} was deployed to {row[7]}"
        yield _event("ci", "deployed", row[17], "deployment", row[0], row[6], title, row[14], row[12], row[8])


def _event(
    lane: str, kind: str, at: int, table: str, key: int, project: int, title: str, state: str | None, sha: str,
    environment: str | None = None,
) -> Row:  # fmt: skip
    product = f"product-{(project - 1) // 10:02d}"
    return (
        f"{GITLAB}:{table}:{key}:{kind}", lane, kind, at, at, False, GITLAB, table, key, product, environment, title,
        state, sha[:8], PEOPLE[key % 8], url(project), "{}",
    )  # fmt: skip
