"""Which fields GitLab leaves out of its lists, though the object has them."""

from __future__ import annotations

from typing import Any

from emulators.data import Json

PIPELINE_LIST = (
    "id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at", "web_url", "name",
)  # fmt: skip
PROJECT_SIMPLE = (
    "id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at", "default_branch",
    "tag_list", "topics", "ssh_url_to_repo", "http_url_to_repo", "web_url", "readme_url", "forks_count", "avatar_url",
    "star_count", "last_activity_at", "namespace",
)  # fmt: skip
MERGE_REQUEST_DETAIL = frozenset((
    "subscribed", "changes_count", "latest_build_started_at", "latest_build_finished_at", "pipeline", "head_pipeline",
    "first_deployed_to_production_at", "diff_refs", "merge_error", "rebase_in_progress", "diverged_commits_count",
    "first_contribution", "user",
))  # fmt: skip
COMMIT_DETAIL = frozenset(("stats", "status", "project_id", "last_pipeline"))
DEPLOYMENT_DETAIL = frozenset(("pending_approval_count", "approvals", "approval_summary"))
SCHEDULE_DETAIL = frozenset(("last_pipeline", "variables"))
REGISTRY_DETAIL = frozenset(("tags", "tags_count", "size"))
TAG_LIST = ("name", "path", "location")


def served(value: Any) -> Any:
    """A copy without the emulators' own keys; GitLab's `_links` is a real field."""
    if isinstance(value, dict):
        return {
            key: served(item) if isinstance(item, (dict, list)) else item
            for key, item in value.items()
            if key[0] != "_" or key == "_links"
        }
    if isinstance(value, list):
        return [served(item) if isinstance(item, (dict, list)) else item for item in value]
    return value


def only(item: Json, keys: tuple[str, ...]) -> Json:
    """The named fields, those that the object has."""
    return {key: served(item[key]) for key in keys if key in item}


def without(item: Json, keys: frozenset[str]) -> Json:
    """All fields but the named ones."""
    return served({key: value for key, value in item.items() if key not in keys})


def pipeline_in_list(item: Json) -> Json:
    return only(item, PIPELINE_LIST)


def merge_request_in_list(item: Json) -> Json:
    return without(item, MERGE_REQUEST_DETAIL)


def commit_in_list(item: Json) -> Json:
    return without(item, COMMIT_DETAIL)


def deployment_in_list(item: Json) -> Json:
    return without(item, DEPLOYMENT_DETAIL)


def environment_in_list(item: Json) -> Json:
    return without(item, frozenset(("last_deployment",)))


def schedule_in_list(item: Json) -> Json:
    return without(item, SCHEDULE_DETAIL)


def tag_in_list(item: Json) -> Json:
    return only(item, TAG_LIST)
