"""How Google says no: the error JSON of its APIs, with the reason that a program reads."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

OLD_REASONS = {
    400: "invalid",
    401: "authError",
    403: "accessDenied",
    404: "notFound",
    409: "duplicate",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}
"""The one-word reasons of Google's older JSON APIs (Storage and BigQuery), by status."""


class Refusal(Exception):
    """An answer other than the one that was asked for; carries the whole error object."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.status = status
        self.error = error

    def response(self) -> JSONResponse:
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if self.status == 401 else None
        return JSONResponse({"error": self.error}, self.status, headers)


def refuse(status: int, message: str, details: list[dict[str, Any]] | None = None) -> Refusal:
    """An error as Google's newer APIs (Vertex AI) write it: code, message, status, details."""
    error = {"code": status, "message": message, "status": STATUS_WORDS.get(status, "UNKNOWN")}
    return Refusal(status, error | ({"details": details} if details else {}))


def refuse_in_the_old_way(status: int, message: str, reason: str | None = None) -> Refusal:
    """An error as Storage and BigQuery write it: code, message, and a list of errors with a reason each."""
    word = reason or OLD_REASONS.get(status, "invalid")
    errors = [{"message": message, "domain": "global", "reason": word}]
    return Refusal(status, {"code": status, "message": message, "errors": errors, "status": STATUS_WORDS.get(status)})


def error_info(reason: str, domain: str, **metadata: str) -> dict[str, Any]:
    """google.rpc.ErrorInfo: the reason to test for, since messages change and reasons do not."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def service_disabled(service: str, title: str, project: str) -> Refusal:
    """403: the API was never switched on in the project. No role mends that."""
    link = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    message = (
        f"{title} has not been used in project {project} before or it is disabled. Enable it by visiting {link} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate."
    )
    info = error_info("SERVICE_DISABLED", "googleapis.com", service=service, consumer=f"projects/{project}")
    return refuse(403, message, [info])


def denied(status: int, service: str, permission: str, resource: str) -> Refusal:
    """The refusal that configuration asks for by status alone: 401, 403, 404, 429 or a server's error."""
    if status == 401:
        message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        return refuse(401, message, [error_info("ACCESS_TOKEN_EXPIRED", "googleapis.com", service=service)])
    if status == 403:
        message = f"Permission '{permission}' denied on resource '//{service}/{resource}' (or it may not exist)."
        info = error_info("IAM_PERMISSION_DENIED", service, permission=permission, resource=resource)
        return refuse(403, message, [info])
    if status == 429:
        info = error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", service=service, quota_limit_value="300")
        return refuse(429, f"Quota exceeded for quota metric 'Requests' of service '{service}'.", [info])
    if status == 404:
        return refuse(404, f"The resource '{resource}' was not found.")
    return refuse(status, "The service is currently unavailable." if status == 503 else "Internal error encountered.")
