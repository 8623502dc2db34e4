"""Who calls the local GitLab, what the token may do, and how many calls a minute it has left."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from datetime import date, datetime

from emulators.data import GitLabData, Token
from emulators.gitlab.exchange import Refused

WINDOW_SECONDS = 60
READERS = frozenset(("read_api", "api"))


def secret_of(headers: dict[str, str]) -> str | None:
    """The token that a call carries: PRIVATE-TOKEN, Bearer, JOB-TOKEN, or the password of basic auth."""
    for name in ("private-token", "job-token"):
        if headers.get(name):
            return headers[name]
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def token_of(data: GitLabData, secret: str | None, now: datetime) -> Token:
    """The token behind a secret, or 401; where no token is known, any secret (and none) will do."""
    if not data.tokens:
        return Token(secret or "any", scopes=("api",))
    token = data.tokens.get(secret or "")
    if token is None or not token.active:
        raise Refused(401, {"message": "401 Unauthorized"})
    if token.expires_at and date.fromisoformat(token.expires_at[:10]) <= now.date():
        text = "Token is expired. You can either do re-authorization or token refresh."
        raise Refused(401, {"error": "invalid_token", "error_description": text})
    return token


def require(token: Token, scopes: frozenset[str]) -> None:
    """403 when the token has none of these scopes."""
    if not scopes.intersection(token.scopes):
        text = "The request requires higher privileges than provided by the access token."
        names = " ".join(sorted(scopes))
        raise Refused(403, {"error": "insufficient_scope", "error_description": text, "scope": names})


@dataclass
class _Window:
    opened: datetime
    opened_monotonic: float
    used: int = 0


class RateLimit:
    """Calls per minute and token. A window ends by the upstream's clock or by real time, whichever is first."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._windows: dict[str, _Window] = {}

    def take(self, who: str, now: datetime) -> tuple[tuple[tuple[str, str], ...], int | None]:
        """The headers for this call, and the seconds to wait when it is one too many."""
        window = self._windows.get(who)
        ticks = time.monotonic()
        if window is None or (now - window.opened).total_seconds() >= WINDOW_SECONDS or (
            ticks - window.opened_monotonic >= WINDOW_SECONDS
        ):  # fmt: skip
            window = self._windows[who] = _Window(now, ticks)
        window.used += 1
        reset = int(window.opened.timestamp()) + WINDOW_SECONDS
        headers = (
            ("ratelimit-limit", str(self.per_minute)),
            ("ratelimit-observed", str(window.used)),
            ("ratelimit-remaining", str(max(self.per_minute - window.used, 0))),
            ("ratelimit-reset", str(reset)),
        )
        over = window.used > self.per_minute
        return headers, max(reset - int(now.timestamp()), 1) if over else None
