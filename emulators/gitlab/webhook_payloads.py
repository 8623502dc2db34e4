"""What the bodies of GitLab's webhooks say: the objects that the API serves, with the hooks' own names."""

from __future__ import annotations

from datetime import datetime

from emulators.data import GitLabData, Json
from emulators.gitlab.index import Index


def payload(data: GitLabData, kind: str, project_id: int, item: Json, index: Index | None = None) -> Json:
    """The body of a hook of that kind about a pipeline, job, deployment, merge request, release, issue or push.

    A push is a dict with `ref`, `before`, `after` and `commits` (as the API serves them). Raises KeyError for a kind
    that has no such body.
    """
    project = data.projects[project_id]
    match kind:
        case "pipeline":
            return pipeline(project, item, (index or Index(data)).all(project_id, "jobs", "pipeline", item["id"]))
        case "job":
            return job(project, item)
        case "deployment":
            return deployment(project, item)
        case "merge_request":
            return merge_request(project, item)
        case "push":
            return push(project, item)
        case "release":
            return release(project, item)
        case "issue":
            return issue(project, item)
    raise KeyError(kind)


def hook_time(text: str | None) -> str | None:
    """Times in hooks are `2026-11-23 12:00:00 UTC`, unlike the API's."""
    return None if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC")


def project_part(project: Json) -> Json:
    space = project.get("namespace") or {}
    return {
        "id": project["id"], "name": project["name"], "description": project.get("description"),
        "web_url": project["web_url"], "avatar_url": project.get("avatar_url"),
        "git_ssh_url": project.get("ssh_url_to_repo"), "git_http_url": project.get("http_url_to_repo"),
        "namespace": space.get("name"), "visibility_level": {"private": 0, "internal": 10}.get(
            project.get("visibility", "private"), 20),
        "path_with_namespace": project["path_with_namespace"], "default_branch": project.get("default_branch"),
        "ci_config_path": project.get("ci_config_path"),
    }  # fmt: skip


def person(user: Json | None) -> Json | None:
    if not user:
        return None
    return {"id": user["id"], "name": user["name"], "username": user["username"], "avatar_url": user.get("avatar_url"),
            "email": "[REDACTED]"}  # fmt: skip


def _commit(commit: Json | None) -> Json | None:
    if not commit:
        return None
    return {
        "id": commit["id"], "message": commit.get("message"), "title": commit.get("title"),
        "timestamp": commit.get("committed_date") or commit.get("created_at"), "url": commit.get("web_url"),
        "author": {"name": commit.get("author_name"), "email": commit.get("author_email")},
    }  # fmt: skip


def pipeline(project: Json, item: Json, jobs: list[Json]) -> Json:
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            **{key: item.get(key) for key in ("id", "iid", "name", "ref", "tag", "sha", "before_sha", "source",
                                              "status", "duration", "queued_duration")},
            "detailed_status": (item.get("detailed_status") or {}).get("label", item["status"]),
            "stages": list(dict.fromkeys(job["stage"] for job in jobs)),
            "created_at": hook_time(item.get("created_at")), "finished_at": hook_time(item.get("finished_at")),
            "variables": [], "url": item.get("web_url"),
        },
        "merge_request": None,
        "user": person(item.get("user")),
        "project": project_part(project),
        "commit": _commit(next((job.get("commit") for job in jobs), None)),
        "builds": [_build(job) for job in jobs],
    }  # fmt: skip


def _build(item: Json) -> Json:
    return {
        **{key: item.get(key) for key in ("id", "stage", "name", "status", "duration", "queued_duration",
                                          "failure_reason", "allow_failure")},
        **{key: hook_time(item.get(key)) for key in ("created_at", "started_at", "finished_at")},
        "when": "manual" if item["status"] == "manual" else "on_success", "manual": item["status"] == "manual",
        "user": person(item.get("user")), "runner": None, "artifacts_file": {"filename": None, "size": None},
        "environment": None,
    }  # fmt: skip


def job(project: Json, item: Json) -> Json:
    times = {f"build_{key}": hook_time(item.get(key)) for key in ("created_at", "started_at", "finished_at")}
    ran = item.get("pipeline") or {}
    return {
        "object_kind": "build", "ref": item.get("ref"), "tag": item.get("tag"), "before_sha": "0" * 40,
        "sha": ran.get("sha"), "build_id": item["id"], "build_name": item["name"], "build_stage": item["stage"],
        "build_status": item["status"], **times, "build_duration": item.get("duration"),
        "build_queued_duration": item.get("queued_duration"), "build_allow_failure": item.get("allow_failure"),
        "build_failure_reason": item.get("failure_reason") or "unknown_failure", "retries_count": 0,
        "pipeline_id": ran.get("id"), "runner": None, "project_id": project["id"],
        "project_name": project["name_with_namespace"], "user": person(item.get("user")),
        "commit": {"id": ran.get("id"), "sha": ran.get("sha"), "status": ran.get("status"),
                   "message": (item.get("commit") or {}).get("message")},
        "project": project_part(project), "environment": None,
    }  # fmt: skip


def deployment(project: Json, item: Json) -> Json:
    ran = item.get("deployable") or {}
    commit = ran.get("commit") or {}
    return {
        "object_kind": "deployment", "status": item["status"], "status_changed_at": hook_time(item["updated_at"]),
        "deployment_id": item["id"], "deployable_id": ran.get("id"), "deployable_url": ran.get("web_url"),
        "environment": item["environment"]["name"], "environment_tier": item["environment"].get("tier"),
        "environment_external_url": item["environment"].get("external_url"), "project": project_part(project),
        "short_sha": item["sha"][:8], "ref": item.get("ref"), "user": person(item.get("user")),
        "commit_url": commit.get("web_url"), "commit_title": commit.get("title"),
    }  # fmt: skip


def merge_request(project: Json, item: Json) -> Json:
    action = {"merged": "merge", "closed": "close"}.get(item["state"], "update")
    return {
        "object_kind": "merge_request", "event_type": "merge_request", "user": person(item.get("author")),
        "project": project_part(project), "labels": [{"title": label} for label in item.get("labels") or []],
        "changes": {}, "reviewers": [person(one) for one in item.get("reviewers") or []],
        "object_attributes": {
            **{key: item.get(key) for key in ("id", "iid", "title", "description", "state", "draft", "source_branch",
                                              "target_branch", "merge_status", "detailed_merge_status",
                                              "merge_commit_sha", "source_project_id", "target_project_id")},
            **{key: hook_time(item.get(key)) for key in ("created_at", "updated_at")},
            "author_id": (item.get("author") or {}).get("id"), "url": item.get("web_url"), "action": action,
            "last_commit": {"id": item.get("sha")},
        },
    }  # fmt: skip


def push(project: Json, item: Json) -> Json:
    commits = [_commit(one) for one in item.get("commits") or []]
    return {
        "object_kind": "push", "event_name": "push", "before": item["before"], "after": item["after"],
        "ref": item["ref"], "checkout_sha": item["after"], "project_id": project["id"],
        "project": project_part(project), "commits": commits, "total_commits_count": len(commits),
    }  # fmt: skip


def release(project: Json, item: Json) -> Json:
    return {
        "object_kind": "release", "action": "create", "id": item.get("id"), "tag": item["tag_name"],
        "name": item["name"], "description": item.get("description"), "created_at": hook_time(item.get("created_at")),
        "released_at": hook_time(item.get("released_at")), "project": project_part(project),
        "commit": _commit(item.get("commit")), "url": (item.get("_links") or {}).get("self"),
    }  # fmt: skip


def issue(project: Json, item: Json) -> Json:
    kind = "incident" if item.get("issue_type") == "incident" else "issue"
    return {
        "object_kind": kind, "event_type": kind, "user": person(item.get("author")), "project": project_part(project),
        "object_attributes": {
            **{key: item.get(key) for key in ("id", "iid", "title", "description", "state", "severity")},
            **{key: hook_time(item.get(key)) for key in ("created_at", "updated_at", "closed_at")},
            "url": item.get("web_url"), "type": kind.title(),
            "action": "close" if item["state"] == "closed" else "update",
        },
        "labels": [{"title": label} for label in item.get("labels") or []], "changes": {},
    }  # fmt: skip
