"""What the Google sources share: credentials, a session that counts its calls, and what Google's refusals mean."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.config import Config, SecretRef
from services.redaction import redact_text, register_secret
from services.sources.base import (
    AccessDenied,
    FeatureOff,
    Meter,
    RateLimited,
    SourceError,
    Unreachable,
    Unreadable,
)
from services.timestamps import utc_now

SCOPES = ("https://www.googleapis.com/auth/cloud-platform.read-only",)
TIMEOUT = 20.0
"""Seconds that a call may take to connect, and between two pieces of its answer."""
_PAUSE = timedelta(seconds=60)
_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED",
                     "RESOURCE_EXHAUSTED"})  # fmt: skip
_OFF = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
_KEYS = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool", "from_info"),
    "impersonated_service_account": ("google.auth.impersonated_credentials", "from_impersonated_service_account_info"),
}
"""Type of a key file -> who reads it."""
_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_LOGIN = "run `gcloud auth application-default login`, or name a key file under `credentials`"


class NotThere(AccessDenied):
    """404: gone, or hidden from us; Google does not say which."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a stream asks for: the API, the role that allows it, and how to grant that."""

    service: str
    project: str
    role: str
    grant: str

    @property
    def enable(self) -> str:
        """The command that switches the API on."""
        return f"gcloud services enable {self.service} --project {self.project}"


def grant_on_project(role: str, project: str = "PROJECT") -> str:
    """The command that gives a role on a project to the account that we read with."""
    return f"gcloud projects add-iam-policy-binding {project} --member serviceAccount:ACCOUNT --role {role}"


def credentials(ref: SecretRef | None, secrets: Any, anonymous: bool) -> Any:
    """Google credentials: none, those of a key or workload identity file, else the application default ones.

    The reference leads to the file's text. Raises AccessDenied with the mend where there are none, and
    services.secrets.SecretMissing where the reference leads nowhere.
    """
    import google.auth as untyped
    from google.auth import credentials as kinds
    from google.auth.exceptions import GoogleAuthError

    auth: Any = untyped
    anonymously: Any = kinds.AnonymousCredentials
    if anonymous:
        return anonymously()
    try:
        if ref is None:
            return auth.default(scopes=SCOPES)[0]
        return _from_key(json.loads(secrets.get(ref)))
    except GoogleAuthError as error:
        raise AccessDenied(f"no usable Google credentials ({type(error).__name__})", _LOGIN) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        mend = f"give the JSON file as Google wrote it; its type is one of {', '.join(_KEYS)}"
        raise AccessDenied("the Google credentials are no key file that is known", mend) from None


def _from_key(info: dict[str, Any]) -> Any:
    """Credentials of the one kind that the file says it is."""
    module, loader = _KEYS[info["type"]]
    for name in ("private_key", "client_secret", "refresh_token"):
        register_secret(info.get(name))
    if info.get("subject_token_type") == _AWS:
        module = "google.auth.aws"
    return getattr(importlib.import_module(module).Credentials, loader)(info, scopes=list(SCOPES))


def meter_session(session: Any, meter: Meter) -> Any:
    """Count each call that leaves through this requests session, and send none twice by itself."""
    from requests.adapters import HTTPAdapter

    class Counting(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            meter.count(utc_now())
            return super().send(request, *args, **kwargs)

    for scheme in ("http://", "https://"):
        session.mount(scheme, Counting(max_retries=0))
    return session


def session(creds: Any, meter: Meter) -> Any:
    """An authorized session for the Storage and BigQuery clients, with the meter on it."""
    from google.auth.transport import requests as transport

    authorized: Any = transport.AuthorizedSession
    return meter_session(authorized(creds, max_refresh_attempts=1), meter)


@contextmanager
def translated(what: str, access: Access, now: datetime) -> Iterator[None]:
    """Turn whatever a Google client raises into one of our error classes; `what` names the thing that is read."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.protobuf.json_format import ParseError

    try:
        yield
    except GoogleAPICallError as error:
        raise refusal(error, what, access, now) from None
    except (RetryError, TransportError, requests.Timeout) as error:
        raise Unreachable(f"{what}: no answer in time ({type(error).__name__})") from None
    except GoogleAuthError as error:
        raise AccessDenied(f"{what}: the credentials were refused ({type(error).__name__})", _LOGIN) from None
    except (ParseError, requests.exceptions.JSONDecodeError, json.JSONDecodeError) as error:
        raise Unreadable(f"{what}: the answer is no JSON of this API ({type(error).__name__})") from None
    except requests.RequestException as error:
        raise Unreachable(f"{what}: the connection failed ({type(error).__name__})") from None


def reasons(error: Any) -> frozenset[str]:
    """The machine-readable reasons of an error: `ErrorInfo.reason` of newer APIs, `errors[].reason` of older ones."""
    listed = [one.get("reason") for one in error.errors or () if isinstance(one, Mapping)]
    return frozenset(str(one) for one in (error.reason, *listed) if one)


def refusal(error: Any, what: str, access: Access, now: datetime) -> SourceError:
    """Our error for one of Google's, told by its code and reason, never by its message."""
    code, why = int(error.code or 0), reasons(error)
    said = redact_text(str(error.message or "").partition("\n")[0][:300]) or ""
    if why & _OFF:
        return FeatureOff(f"{what}: {access.service} is not switched on in {access.project}", access.enable)
    if code == 429 or why & _LIMITS:
        return RateLimited(f"{what}: Google asks for a pause", now + _pause(error))
    if code == 401:
        return AccessDenied(f"{what}: Google does not know these credentials (401)", _LOGIN)
    if code == 403:
        return AccessDenied(f"{what}: not allowed (403); {access.role} is missing", access.grant)
    if code == 404:
        mend = f"check that it exists in {access.project}, and that the account may see it ({access.role})"
        return NotThere(f"{what}: not found, or not to be seen (404)", mend)
    if code >= 500 or code == 0:
        return Unreachable(f"{what}: Google answers {code or type(error).__name__}")
    return Unreadable(f"{what}: Google refuses the question ({code}): {said}")


def _pause(error: Any) -> timedelta:
    headers = getattr(error.response, "headers", None) or {}
    given = str(headers.get("Retry-After", ""))
    return timedelta(seconds=min(int(given), 3600)) if given.isdigit() else _PAUSE


def environment_of(config: Config, project: str, labels: Mapping[str, str]) -> str | None:
    """The environment of a thing in a Google project: its label, else the configured one of the project."""
    names = {environment.name.lower(): environment.name for environment in config.environment}
    for label in ("environment", "env"):
        if value := labels.get(label):
            return names.get(value.lower(), value)
    return next((one.name for one in config.environment if one.google_project == project), None)


def console(path: str, project: str) -> str:
    """A link into Google's console."""
    return f"https://console.cloud.google.com/{path}?project={project}"
