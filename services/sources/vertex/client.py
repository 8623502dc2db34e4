"""Google's own clients for Vertex AI over REST, one a service and region, made when they are first needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.config import VertexSource
from services.sources import google
from services.sources.base import Meter, Pull, Scope

PAGE = 100
"""No maximum is documented for most lists; featureGroups and featureOnlineStores have 100."""

Json = dict[str, Any]

LISTS: dict[str, tuple[str, str, str, str]] = {
    "pipelineJobs": ("pipeline_service", "PipelineServiceClient", "list_pipeline_jobs", "pipeline_jobs"),
    "schedules": ("schedule_service", "ScheduleServiceClient", "list_schedules", "schedules"),
    "customJobs": ("job_service", "JobServiceClient", "list_custom_jobs", "custom_jobs"),
    "models": ("model_service", "ModelServiceClient", "list_models", "models"),
    "modelVersions": ("model_service", "ModelServiceClient", "list_model_versions", "models"),
    "evaluations": ("model_service", "ModelServiceClient", "list_model_evaluations", "model_evaluations"),
    "endpoints": ("endpoint_service", "EndpointServiceClient", "list_endpoints", "endpoints"),
    "monitors": ("job_service", "JobServiceClient", "list_model_deployment_monitoring_jobs",
                 "model_deployment_monitoring_jobs"),
    "anomalies": ("job_service", "JobServiceClient", "search_model_deployment_monitoring_stats_anomalies",
                  "monitoring_stats"),
    "onlineStores": ("feature_online_store_admin_service", "FeatureOnlineStoreAdminServiceClient",
                     "list_feature_online_stores", "feature_online_stores"),
    "featureViews": ("feature_online_store_admin_service", "FeatureOnlineStoreAdminServiceClient",
                     "list_feature_views", "feature_views"),
    "featureViewSyncs": ("feature_online_store_admin_service", "FeatureOnlineStoreAdminServiceClient",
                         "list_feature_view_syncs", "feature_view_syncs"),
}  # fmt: skip
"""Collection -> (module, client, call, field of its answer that holds the rows)."""

NAMELESS = frozenset({"anomalies"})

GETS: dict[str, tuple[str, str, str]] = {
    "pipelineJobs": ("pipeline_service", "PipelineServiceClient", "get_pipeline_job"),
    "customJobs": ("job_service", "JobServiceClient", "get_custom_job"),
}


@dataclass
class VertexClient:
    """Vertex AI in one project; what it lists are plain dicts in Google's JSON, enums by their names."""

    source: VertexSource
    credentials: Any
    meter: Meter = field(default_factory=Meter)
    timeout: float = google.TIMEOUT
    present: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    """kind -> region -> what was last listed there; a thing is gone when no region has it."""
    _services: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def access(self) -> google.Access:
        role = "roles/aiplatform.viewer"
        grant = google.grant_on_project(role, self.source.project)
        return google.Access("aiplatform.googleapis.com", self.source.project, role, grant)

    def parent(self, scope: Scope) -> str:
        return f"projects/{self.source.project}/locations/{scope.key}"

    def pages(self, pull: Pull, collection: str, **request: Any) -> Iterator[tuple[list[Json], str]]:
        """The pages of a list, each with the token that leads to the next. Raises the errors of the contract.

        A row without a name is nothing that could be kept: it is set aside, and counted.
        """
        for rows, token in self._pages(pull.scope, collection, pull.now, request):
            named = [row for row in rows if row.get("name") or collection in NAMELESS]
            for _ in range(len(rows) - len(named)):
                pull.notes.reject(f"one of {collection}", "it has no name")
            yield named, token

    def rows(self, pull: Pull, collection: str, **request: Any) -> Iterator[Json]:
        """All rows of a list."""
        for page, _ in self.pages(pull, collection, **request):
            yield from page

    def _pages(self, scope: Scope, collection: str, now: datetime, request: Json) -> Iterator[tuple[list[Json], str]]:
        module, kind, call, field_name = LISTS[collection]
        if not {"parent", "name", "model_deployment_monitoring_job"} & set(request):
            request["parent"] = self.parent(scope)
        request.setdefault("page_size", PAGE)
        with google.translated(f"{collection} in {scope.key}", self.access, now):
            pager = self._call(scope.key, module, kind, call, request)
            for page in pager.pages:
                pb = type(page).pb(page)
                yield [plain(row) for row in getattr(pb, field_name)], str(pb.next_page_token)

    def get(self, scope: Scope, collection: str, name: str, now: datetime) -> Json | None:
        """One resource by its full name; None where it is no longer there."""
        from google.api_core.exceptions import NotFound

        module, kind, call = GETS[collection]
        with google.translated(f"{collection} in {scope.key}", self.access, now):
            try:
                found = self._call(scope.key, module, kind, call, {"name": name})
            except NotFound:
                return None
            return plain(type(found).pb(found))
        return None

    def first(self, scope: Scope, collection: str, now: datetime, **request: Any) -> list[Json]:
        """One row of a collection, or none: the cheapest look."""
        return next(self._pages(scope, collection, now, {"page_size": 1, **request}), ([], ""))[0]

    def whole(self, kind: str, scope: Scope, names: frozenset[str]) -> dict[str, frozenset[str]]:
        """What exists of a kind over all regions, once each has been listed; until then nothing is said."""
        known = self.present.setdefault(kind, {})
        known[scope.key] = names
        if set(known) < set(self.source.regions):
            return {}
        return {kind: frozenset().union(*known.values())}

    def close(self) -> None:
        for service in self._services.values():
            service.transport.close()

    def _call(self, region: str, module: str, kind: str, call: str, request: Json) -> Any:
        return getattr(self._service(region, module, kind), call)(request=request, retry=None, timeout=self.timeout)

    def _service(self, region: str, module: str, kind: str) -> Any:
        if (region, module) not in self._services:
            found = importlib.import_module(f"google.cloud.aiplatform_v1.services.{module}")
            endpoint = (self.source.api_endpoint or "https://{region}-aiplatform.googleapis.com").format(region=region)
            service = getattr(found, kind)(
                transport="rest", credentials=self.credentials, client_options={"api_endpoint": endpoint}
            )
            google.meter_session(service.transport._session, self.meter)
            self._services[region, module] = service
        return self._services[region, module]


def plain(pb: Any) -> Json:
    """A message in Google's JSON: an enum value that our library does not know stays a number."""
    from google.protobuf import json_format

    found: Json = json_format.MessageToDict(pb)
    return found
