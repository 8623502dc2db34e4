"""GitLab: projects, pipelines and jobs, requests, deployments, schedules, images, states, by REST and GraphQL."""

from __future__ import annotations

from services.sources.gitlab.streams import SOURCE

__all__ = ["SOURCE"]
