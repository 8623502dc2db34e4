"""How GitLab is called: one metered session, paced by its own limit headers, its refusals in our five words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import gitlab
import requests
from gitlab.exceptions import GitlabError, GitlabParsingError
from requests.adapters import HTTPAdapter

from services.config import GitLabSource
from services.secrets import Secrets
from services.sources.base import (
    AccessDenied,
    Meter,
    RateLimited,
    SourceError,
    Unreachable,
    Unreadable,
)
from services.timestamps import utc_now

TIMEOUT_SECONDS = 20.0
RETRIES = 2
FIRST_WAIT = 0.1
TRANSIENT = frozenset((500, 502, 503, 504))
"""Tried again here, and not by python-gitlab: it would sleep until the reset of the rate limit, which GitLab always
tells."""
PER_PAGE = 100
MANNERS: dict[str, Any] = {"obey_rate_limit": False, "max_retries": 0}
SPARE = 0.1
"""The share of the upstream's limit that is left to everybody else who uses the token."""
DEFAULT_PAUSE = timedelta(seconds=60)
GRANT = (
    "In GitLab, open Settings > Access tokens of the group, add a token with the role Developer and the scope "
    "read_api, and put it where `token` in the configuration points"
)

Json = dict[str, Any]


class NotThere(AccessDenied):
    """404: what was asked for does not exist, or this token may not know that it does (GitLab does not say which)."""


class _Metered(HTTPAdapter):
    """Counts every call that leaves, redirects and retries too, and keeps what the answer's headers say."""

    def __init__(self, client: GitLabClient) -> None:
        self._client = client
        super().__init__(pool_maxsize=4)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        for attempt in range(RETRIES + 1):
            self._client.before_call()
            try:
                response = super().send(request, *args, **kwargs)
            except requests.exceptions.Timeout:
                raise  # a hang is not asked again at once
            except requests.exceptions.ConnectionError:
                if attempt == RETRIES:
                    raise
            else:
                self._client.saw(response)
                if response.status_code not in TRANSIENT or attempt == RETRIES:
                    return response
                response.close()
            time.sleep(FIRST_WAIT * 2**attempt)
        raise AssertionError("every attempt returns or raises")


@dataclass(repr=False)
class GitLabClient:
    """python-gitlab on a session of ours. Its repr, and every error it raises, is free of the token."""

    url: str
    calls_per_minute: int
    meter: Meter = field(default_factory=Meter)
    api: gitlab.Gitlab = field(init=False)
    session: requests.Session = field(init=False)
    memory: Json = field(default_factory=dict)
    """What streams remember between their turns to save calls; nothing is lost when it is."""
    notices: dict[str, str] = field(default_factory=dict)
    """What a person should know though everything can be read, for example that the token ends soon."""
    _ahead: timedelta = timedelta(0)
    _skew: timedelta | None = None
    _pause_until: datetime | None = None
    _tokens: float = 0.0
    _filled_at: float = field(default_factory=time.monotonic)
    _sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._tokens = float(self.calls_per_minute)

    def __repr__(self) -> str:
        return f"GitLabClient({self.url!r})"

    @property
    def instance(self) -> str:
        """Host and path prefix, for example "gitlab.com" or "git.acme.com/gitlab"."""
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/").lower()

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def align(self, now: datetime) -> None:
        """Tell by the caller's clock what time it is; it goes on from there."""
        self._ahead = now - utc_now()

    def now(self) -> datetime:
        """The caller's present."""
        return utc_now() + self._ahead

    def upstream_now(self) -> datetime:
        """GitLab's present, by the Date of its last answer: its filters compare with its own clock."""
        if self._skew is None:
            self.get("/version")
        return self.now() + (self._skew or timedelta(0))

    def before_call(self) -> None:
        """Wait or refuse as the limits ask, and count one call that leaves. Raises RateLimited."""
        self._pace()
        self.meter.count(self.now())

    def saw(self, response: requests.Response) -> None:
        """Keep what an answer's headers tell of GitLab's clock and limits."""
        now = self.now()
        date = _date(response.headers.get("Date"))
        if date is not None:
            self._skew = date - now
        limit, left = (_number(response.headers.get(f"RateLimit-{name}")) for name in ("Limit", "Remaining"))
        reset = _number(response.headers.get("RateLimit-Reset"))
        resets_at = None if reset is None else datetime.fromtimestamp(reset, UTC) - (self._skew or timedelta(0))
        if limit is not None or left is not None:
            self.meter.saw_limit(limit, left, resets_at)
        if response.status_code == 429:
            after = _number(response.headers.get("Retry-After"))
            self._pause_until = now + timedelta(seconds=after) if after is not None else resets_at
            if self._pause_until is None or self._pause_until <= now:
                self._pause_until = now + DEFAULT_PAUSE

    def get(self, path: str, **params: Any) -> Json:
        """The JSON object of one GET. Raises a SourceError."""
        with self._calling(path):
            found = self._request("get", path, params).json()
        if not isinstance(found, dict):
            raise Unreadable(f"GitLab's answer to {_shown(path)} is not an object")
        return found

    def raw(self, path: str, **params: Any) -> bytes:
        """The bytes of one GET; empty where GitLab answers 204. Raises a SourceError."""
        with self._calling(path):
            return self._request("get", path, params).content

    def page(self, path: str, **params: Any) -> tuple[list[Json], bool]:
        """One page of a list, and whether the Link header names another. Raises a SourceError."""
        with self._calling(path):
            response = self._request("get", path, {"per_page": PER_PAGE, **params})
            items = response.json()
        if not isinstance(items, list):
            raise Unreadable(f"GitLab's answer to {_shown(path)} is not a list")
        return [_object(item) for item in items], "next" in response.links

    def listed(self, path: str, **params: Any) -> Iterator[Json]:
        """All items of a list, page after page by the Link header. Raises a SourceError."""
        items: Any = None
        while True:
            with self._calling(path):
                try:
                    if items is None:
                        items = self.api.http_list(path, query_data=params, iterator=True, **MANNERS)
                    item = next(items)
                except StopIteration:
                    return
                except (KeyError, TypeError, AttributeError):  # python-gitlab takes any JSON for a list
                    raise Unreadable(f"GitLab's answer to {_shown(path)} is not a list") from None
            yield _object(item)

    def post_graphql(self, query: str, variables: Json, what: str) -> Json:
        """The whole GraphQL answer, `data` and `errors` side by side. Raises a SourceError."""
        with self._calling(what):
            response = self.api.http_request(
                "post",
                f"{self.url}/api/graphql",
                post_data={"query": query, "variables": variables},
                **MANNERS,
            )
            answer = response.json()
        if not isinstance(answer, dict):
            raise Unreadable(f"GitLab's GraphQL answer for {what} is not an object")
        return answer

    def _request(self, verb: str, path: str, params: Json) -> requests.Response:
        return self.api.http_request(verb, path, query_data=params, **MANNERS)

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        """The one place where what python-gitlab and requests raise becomes one of our errors."""
        try:
            yield
        except (GitlabParsingError, requests.exceptions.InvalidJSONError):
            raise Unreadable(f"GitLab's answer to {_shown(what)} is not valid JSON") from None
        except GitlabError as error:
            raise self._refused(error.response_code, what) from None
        except requests.exceptions.RequestException as error:
            reason = f"{self.instance} did not answer {_shown(what)} ({type(error).__name__})"
            raise Unreachable(reason, "check the address, the network, the proxy and the CA file") from None

    def _refused(self, status: int | None, what: str) -> SourceError:
        where = _shown(what)
        if status == 429:
            return RateLimited("GitLab asks for a pause (429)", self._pause_until or self.now() + DEFAULT_PAUSE)
        if status == 401:
            return AccessDenied(f"GitLab does not accept the token (401 at {where})", GRANT)
        if status == 403:
            return AccessDenied(f"GitLab refuses {where} (403)", GRANT)
        if status == 404:
            return NotThere(f"GitLab does not show {where} (404)", GRANT)
        if status is not None and status >= 500:
            return Unreachable(f"GitLab failed at {where} ({status})")
        return Unreadable(f"GitLab does not understand {where} ({status})")

    def _pace(self) -> None:
        """Leave a tenth of GitLab's limit to others, and keep to `calls_per_minute` of the configuration."""
        meter, now = self.meter, self.now()
        if self._pause_until is not None and now < self._pause_until:
            raise RateLimited("GitLab asked for a pause (429)", self._pause_until)
        low = meter.limit and meter.remaining is not None and meter.remaining < SPARE * meter.limit
        if low and meter.resets_at is not None and now < meter.resets_at:
            raise RateLimited(f"{meter.remaining} of {meter.limit} calls are left to this token", meter.resets_at)
        ticks = time.monotonic()
        rate = self.calls_per_minute / 60
        self._tokens = min(self._tokens + (ticks - self._filled_at) * rate, float(self.calls_per_minute))
        self._filled_at = ticks
        if self._tokens < 1:
            self._sleep((1 - self._tokens) / rate)
        self._tokens -= 1


def connect(entry: GitLabSource, secrets: Secrets) -> GitLabClient:
    """The client of a configured GitLab. Makes no call. Raises SecretMissing."""
    client = GitLabClient(entry.url.rstrip("/"), entry.calls_per_minute)
    session = requests.Session()
    adapter = _Metered(client)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    if entry.proxy:
        session.proxies = {"http": entry.proxy, "https": entry.proxy}
    client.session = session
    client.api = gitlab.Gitlab(
        client.url,
        oauth_token=secrets.get(entry.token),  # as Bearer, which requests drops when it is led to another host
        ssl_verify=str(entry.ca_file) if entry.ca_file else True,
        timeout=TIMEOUT_SECONDS,
        keep_base_url=True,
        per_page=PER_PAGE,
        user_agent="throughline",
        session=session,
    )
    return client


def at_project(project_id: int | str, rest: str = "") -> str:
    """The path of something of a project, which may be named by id or by full path."""
    return f"/projects/{quote(str(project_id), safe='')}{rest}"


def at_group(group: str, rest: str) -> str:
    """The path of something of a group, named by its full path."""
    return f"/groups/{quote(group, safe='')}{rest}"


def _object(item: Any) -> Json:
    """An entry that is no object stands as an empty one: whoever makes a record of it keeps it aside."""
    return item if isinstance(item, dict) else {}


def _shown(what: str) -> str:
    return what.partition("?")[0]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().lstrip("-").isdecimal() else None


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except ValueError:
        return None
