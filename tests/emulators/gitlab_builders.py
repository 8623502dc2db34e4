"""A small GitLab, built object by object: every default is harmless, one argument matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from emulators.clock import ManualClock
from emulators.data import TerraformState, Token, Upstreams
from emulators.gitlab.app import make_app
from emulators.http import Controlled, Server

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEB = "https://gitlab.example.com"
TOKEN = "glpat-demo"


def at(minutes: float = 0) -> str:
    """A time as GitLab writes it, so many minutes before noon."""
    return (NOON - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def sha(number: int) -> str:
    return f"{number:040x}"


def a_user(name: str = "ada", number: int = 5) -> dict[str, Any]:
    return {"id": number, "username": name, "name": name.title(), "state": "active", "locked": False,
            "avatar_url": f"{WEB}/{name}.png", "web_url": f"{WEB}/{name}"}  # fmt: skip


def a_commit(number: int = 1, parent: int | None = None) -> dict[str, Any]:
    return {
        "id": sha(number), "short_id": sha(number)[:8], "title": f"Change {number}", "message": f"Change {number}\n",
        "created_at": at(100 - number), "parent_ids": [sha(parent)] if parent else [], "author_name": "Ada",
        "author_email": "ada@example.com", "authored_date": at(100 - number), "committer_name": "Ada",
        "committer_email": "ada@example.com", "committed_date": at(100 - number), "trailers": {},
        "extended_trailers": {}, "web_url": f"{WEB}/shop/churn/-/commit/{sha(number)}",
        "stats": {"additions": 3, "deletions": 1, "total": 4}, "status": "success", "project_id": 1,
        "last_pipeline": None,
    }  # fmt: skip


def a_project(number: int = 1, path: str = "shop/churn", **changes: Any) -> dict[str, Any]:
    space, _, name = path.rpartition("/")
    return {
        "id": number, "name": name, "name_with_namespace": path.replace("/", " / "), "path": name,
        "path_with_namespace": path, "description": None, "created_at": at(9000), "default_branch": "main",
        "tag_list": [], "topics": ["product:churn"], "ssh_url_to_repo": f"git@gitlab.example.com:{path}.git",
        "http_url_to_repo": f"{WEB}/{path}.git", "web_url": f"{WEB}/{path}", "readme_url": None, "forks_count": 0,
        "avatar_url": None, "star_count": 0, "last_activity_at": at(number), "updated_at": at(number),
        "namespace": {"id": 9, "name": space, "path": space, "kind": "group", "full_path": space, "parent_id": None,
                      "avatar_url": None, "web_url": f"{WEB}/groups/{space}"},
        "visibility": "private", "archived": False, "jobs_enabled": True, "empty_repo": False, "creator_id": 5,
        "statistics": {"commit_count": 3}, "_links": {"self": f"{WEB}/api/v4/projects/{number}"}, "_secret": "no",
    } | changes  # fmt: skip


def a_pipeline(number: int = 10, project: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "iid": number - 9, "project_id": project, "sha": sha(1), "ref": "main", "status": "success",
        "source": "push", "name": None, "created_at": at(30), "updated_at": at(20), "before_sha": sha(0), "tag": False,
        "web_url": f"{WEB}/shop/churn/-/pipelines/{number}", "yaml_errors": None, "user": a_user(),
        "started_at": at(29), "finished_at": at(20), "committed_at": None, "duration": 540, "queued_duration": 60,
        "coverage": "81.50", "_internal": "never",
        "detailed_status": {"icon": "status_success", "text": "Passed", "label": "passed", "group": "success",
                            "tooltip": "passed", "has_details": True, "illustration": None,
                            "details_path": f"/shop/churn/-/pipelines/{number}", "favicon": "/f.png"},
    } | changes  # fmt: skip


def a_job(number: int = 100, name: str = "train", pipeline: int = 10, **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "status": "success", "stage": "test", "name": name, "ref": "main", "tag": False,
        "coverage": None, "allow_failure": False, "created_at": at(30), "started_at": at(28), "finished_at": at(25),
        "erased_at": None, "duration": 180.25, "queued_duration": 12.5, "user": a_user(), "commit": a_commit(),
        "pipeline": {key: value for key, value in a_pipeline(pipeline).items() if key in (
            "id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at", "web_url")},
        "failure_reason": None, "web_url": f"{WEB}/shop/churn/-/jobs/{number}", "project":
        {"ci_job_token_scope_enabled": False}, "artifacts": [{"file_type": "trace", "size": 1500,
                                                              "filename": "job.log", "file_format": "raw"}],
        "artifacts_file": {"filename": "artifacts.zip", "size": 1000},
        "runner": {"id": 3, "description": "runner-3", "ip_address": "127.0.0.1", "active": True, "paused": False,
                   "is_shared": True, "runner_type": "instance_type", "name": None, "online": True,
                   "status": "online"},
        "runner_manager": None, "artifacts_expire_at": None, "archived": False, "tag_list": ["gpu"],
        "_retried": False, "_stage_index": 0, "_needs": [],
    } | changes  # fmt: skip


def a_bridge(number: int = 190, downstream: int = 20, **changes: Any) -> dict[str, Any]:
    job = {
        key: value
        for key, value in a_job(number, "deploy-child").items()
        if key
        not in (
            "artifacts",
            "artifacts_file",
            "runner",
            "runner_manager",
            "artifacts_expire_at",
            "archived",
            "tag_list",
        )
    }
    started = a_pipeline(downstream)
    shown = ("id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at", "web_url")
    return job | {"downstream_pipeline": {key: started[key] for key in shown}} | changes  # fmt: skip


def a_merge_request(iid: int = 1, project: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": 700 + iid, "iid": iid, "project_id": project, "title": f"Request {iid}", "description": "",
        "state": "opened", "created_at": at(60), "updated_at": at(40), "merged_by": None, "merge_user": None,
        "merged_at": None, "closed_by": None, "closed_at": None, "target_branch": "main", "source_branch": f"b{iid}",
        "user_notes_count": 0, "upvotes": 0, "downvotes": 0, "author": a_user(), "assignees": [], "assignee": None,
        "reviewers": [], "source_project_id": project, "target_project_id": project, "labels": ["ml"], "draft": False,
        "work_in_progress": False, "milestone": None, "merge_when_pipeline_succeeds": False, "sha": sha(2),
        "merge_status": "can_be_merged", "detailed_merge_status": "mergeable", "merge_commit_sha": None,
        "squash_commit_sha": None, "discussion_locked": None, "should_remove_source_branch": None,
        "force_remove_source_branch": False, "prepared_at": at(59), "reference": f"!{iid}",
        "references": {"short": f"!{iid}", "relative": f"!{iid}", "full": f"shop/churn!{iid}"},
        "web_url": f"{WEB}/shop/churn/-/merge_requests/{iid}", "time_stats": {"time_estimate": 0},
        "squash": False, "squash_on_merge": False, "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": False, "blocking_discussions_resolved": True, "imported": False, "imported_from": "none",
        "head_pipeline": a_pipeline(), "diff_refs": {"base_sha": sha(1), "head_sha": sha(2), "start_sha": sha(1)},
        "changes_count": "2", "merge_error": None, "first_deployed_to_production_at": None, "subscribed": False,
        "latest_build_started_at": at(50), "latest_build_finished_at": at(45), "first_contribution": False,
        "user": {"can_merge": True},
    } | changes  # fmt: skip


def an_environment(number: int = 50, name: str = "prod", **changes: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "slug": name, "external_url": None, "created_at": at(900), "updated_at": at(9),
            "tier": "production", "state": "available", "auto_stop_at": None, "description": None,
            "auto_stop_setting": "always", "kubernetes_namespace": None, "flux_resource_path": None,
            } | changes  # fmt: skip


def a_deployment(number: int = 60, **changes: Any) -> dict[str, Any]:
    place = {key: an_environment()[key] for key in ("id", "name", "slug", "external_url", "created_at", "updated_at")}
    return {"id": number, "iid": number - 59, "ref": "main", "sha": sha(1), "created_at": at(26), "updated_at": at(25),
            "user": a_user(), "environment": place, "deployable": a_job(), "status": "success",
            "pending_approval_count": 0, "approvals": [], "approval_summary": {"rules": []}} | changes  # fmt: skip


def a_release(tag: str = "v1.0.0", **changes: Any) -> dict[str, Any]:
    return {"tag_name": tag, "name": f"Release {tag}", "description": "notes", "created_at": at(15),
            "released_at": at(15), "upcoming_release": False, "author": a_user(), "commit": a_commit(),
            "milestones": [], "commit_path": "/c", "tag_path": "/t", "assets": {"count": 0, "links": []},
            "evidences": [], "_links": {"self": f"{WEB}/shop/churn/-/releases/{tag}"}} | changes  # fmt: skip


def a_schedule(number: int = 30, **changes: Any) -> dict[str, Any]:
    return {"id": number, "description": "nightly", "ref": "refs/heads/main", "cron": "0 3 * * *",
            "cron_timezone": "UTC", "next_run_at": at(-900), "active": True, "created_at": at(9000),
            "updated_at": at(540), "owner": a_user(), "variables": [{"key": "K", "value": "hunter2"}],
            "last_pipeline": {"id": 10, "sha": sha(1), "ref": "main", "status": "success"}} | changes  # fmt: skip


def an_image(number: int = 80, tags: int = 2) -> dict[str, Any]:
    place = "shop/churn/trainer"
    return {"id": number, "name": "trainer", "path": place, "project_id": 1,
            "location": f"registry.example.com/{place}",
            "created_at": at(800), "cleanup_policy_started_at": None, "status": None,
            "tags": [{"name": f"v{n}", "path": f"{place}:v{n}", "location": f"registry.example.com/{place}:v{n}",
                      "revision": sha(n), "short_revision": sha(n)[:9], "digest": f"sha256:{n:064x}",
                      "created_at": at(700 - n), "total_size": 1000 + n} for n in range(tags)]}  # fmt: skip


def an_issue(iid: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": 900 + iid, "iid": iid, "project_id": 1, "title": "Scores are late", "description": "", "labels": [],
            "state": "opened", "created_at": at(70), "updated_at": at(60), "closed_at": None, "closed_by": None,
            "milestone": None, "assignees": [], "author": a_user(), "type": "INCIDENT", "assignee": None,
            "user_notes_count": 0, "merge_requests_count": 0, "upvotes": 0, "downvotes": 0, "due_date": None,
            "confidential": False, "discussion_locked": None, "issue_type": "incident", "severity": "UNKNOWN",
            "web_url": f"{WEB}/shop/churn/-/issues/{iid}", "_links": {"self": "x"}} | changes  # fmt: skip


def a_package(number: int = 40, **changes: Any) -> dict[str, Any]:
    return {"id": number, "name": "churn", "version": "1.0", "package_type": "ml_model", "status": "default",
            "_links": {"web_path": "/p"}, "created_at": at(90), "last_downloaded_at": None,
            "tags": []} | changes  # fmt: skip


def a_state(name: str = "prod", serials: tuple[int, ...] = (1,)) -> TerraformState:
    state = TerraformState(1, name, created_at=at(500), updated_at=at(15))
    for serial in serials:
        state.versions[serial] = {"data": b'{"version": 4, "serial": %d}' % serial, "created_at": at(16 - serial),
                                  "username": "ada", "job_id": 100}  # fmt: skip
    return state


def _one_of_everything() -> dict[str, list[dict[str, Any]]]:
    main, side = a_commit(1), a_commit(2, parent=1)
    return {
        "pipelines": [a_pipeline(10), a_pipeline(20, source="parent_pipeline", updated_at=at(19))],
        "jobs": [a_job(100, status="failed", failure_reason="script_failure", _retried=True), a_job(101),
                 a_job(102, "deploy", stage="deploy", _stage_index=1, _needs=["train"]), a_job(103, pipeline=20)],
        "bridges": [a_bridge()],
        "merge_requests": [a_merge_request()],
        "commits": [main, side],
        "environments": [an_environment()],
        "deployments": [a_deployment()],
        "releases": [a_release()],
        "tags": [{"name": "v1.0.0", "message": "", "target": sha(1), "commit": main, "release": None,
                  "protected": False, "created_at": at(15)}],
        "branches": [{"name": "main", "commit": side, "merged": False, "protected": True, "default": True,
                      "developers_can_push": False, "developers_can_merge": True, "can_push": True,
                      "web_url": f"{WEB}/shop/churn/-/tree/main"}],
        "protected_branches": [{"id": 1, "name": "main", "push_access_levels": [], "merge_access_levels": [],
                                "allow_force_push": False, "code_owner_approval_required": False}],
        "pipeline_schedules": [a_schedule()],
        "registry_repositories": [an_image()],
        "issues": [an_issue()],
        "packages": [a_package()],
    }  # fmt: skip


def a_small_gitlab() -> Upstreams:
    """Two projects of one group; the first holds one of everything that is served."""
    upstreams = Upstreams(clock=ManualClock(NOON))
    data = upstreams.gitlab
    data.groups.append({"id": 9, "name": "Shop", "path": "shop", "full_path": "shop", "full_name": "Shop",
                        "web_url": f"{WEB}/groups/shop", "parent_id": None, "visibility": "private",
                        "description": "", "created_at": at(9000), "avatar_url": None})  # fmt: skip
    data.users["ada"] = a_user()
    data.tokens[TOKEN] = Token(TOKEN, username="ada", expires_at="2027-06-01")
    data.projects |= {1: a_project(1), 2: a_project(2, "shop/platform/infra")}
    for collection, items in _one_of_everything().items():
        data.items(1, collection).extend(items)
    data.mapping(1, "merge_request_commits")["1"] = [a_commit(2, parent=1)]
    data.mapping(1, "merge_request_approvals")["1"] = {
        "user_has_approved": False, "user_can_approve": False, "approved": True, "approved_by": [{"user": a_user()}],
    }  # fmt: skip
    data.mapping(1, "schedule_pipelines")["30"] = [data.items(1, "pipelines")[0]]
    data.traces[101] = "line one\nline two\n"
    data.artifacts[101, "reports/plan.json"] = b'{"drift": []}'
    data.states[1, "prod"] = a_state(serials=(1, 2))
    return upstreams


@contextmanager
def serving(upstreams: Upstreams, **options: Any) -> Iterator[tuple[str, Controlled]]:
    """The address of a local GitLab, and the controls beside it."""
    controlled = Controlled(make_app(upstreams, **options), "gitlab", upstreams.clock)
    with Server(controlled, "127.0.0.1", 0).start() as server:
        yield server.url, controlled
