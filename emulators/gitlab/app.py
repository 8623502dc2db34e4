"""The local GitLab: REST v4, GraphQL and the Terraform state backend over whatever `GitLabData` holds."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from emulators.data import Upstreams
from emulators.gitlab import access, graphql, rest_ci, rest_code, rest_delivery, rest_projects, terraform
from emulators.gitlab.exchange import Answer, Refused, Request, not_found, refusal
from emulators.gitlab.index import Index
from emulators.gitlab.routes import Router

API = "/api/v4/"
GRAPHQL = "/api/graphql"
ANY_SCOPE = ("/personal_access_tokens/self", "/user")
ROUTER = Router(
    rest_projects.ROUTES, rest_ci.ROUTES, rest_code.ROUTES, rest_delivery.ROUTES, terraform.ROUTES
)  # fmt: skip

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def make_app(upstreams: Upstreams, *, requests_per_minute: int = 2000, prefix: str = "") -> App:
    """An ASGI app that serves `upstreams.gitlab`.

    `requests_per_minute` is the limit of one token (gitlab.com: 2,000); `prefix` puts all under a path, as a
    self-managed GitLab under a relative URL does.
    """
    server = _GitLab(upstreams, requests_per_minute, prefix.rstrip("/"))

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        status, headers, content = server.answer(scope, body)
        pairs = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": content if scope["method"] != "HEAD" else b""})

    return app


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


class _GitLab:
    def __init__(self, upstreams: Upstreams, requests_per_minute: int, prefix: str) -> None:
        self.upstreams = upstreams
        self.index = Index(upstreams.gitlab)
        self.limit = access.RateLimit(requests_per_minute)
        self.prefix = prefix

    def answer(self, scope: Message, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        with self.upstreams.lock:
            request = self._request(scope, body)
            secret = access.secret_of(request.headers)
            limit_headers, wait = self.limit.take(secret or "anonymous", request.now)
            if wait is not None:
                answer = Answer(
                    status=429, headers=(("retry-after", str(wait)),), content=b"Retry later\n",
                    content_type="text/plain",
                )  # fmt: skip
            else:
                answer = self._handled(request, secret)
            return _on_the_wire(request, answer, limit_headers)

    def _request(self, scope: Message, body: bytes) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace")
        host = headers.get("host") or ":".join(str(part) for part in scope.get("server") or ("localhost",))
        return Request(
            method="GET" if scope["method"] == "HEAD" else scope["method"],
            path=raw,
            query=parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True),
            headers=headers,
            body=body,
            base=f"{scope.get('scheme', 'http')}://{host}",
            data=self.upstreams.gitlab,
            index=self.index,
            now=self.upstreams.refresh(),
        )

    def _handled(self, request: Request, secret: str | None) -> Answer:
        try:
            if not request.path.startswith(f"{self.prefix}/"):
                raise not_found()
            path = request.path[len(self.prefix) :]
            if path == GRAPHQL:
                return graphql.answer(request, secret)
            if not path.startswith(API):
                raise not_found()
            return _rest(request, path[len(API) :], secret)
        except Refused as refused:
            return Answer(refused.payload, refused.status, refused.headers)


def _rest(request: Request, path: str, secret: str | None) -> Answer:
    request.token = access.token_of(request.data, secret, request.now)
    found = ROUTER.match(path)
    if found is None:
        raise Refused(404, {"error": "404 Not Found"})
    handlers, given = found
    handler = handlers.get(request.method)
    if handler is None:
        raise refusal(405)
    if request.method != "GET":
        access.require(request.token, frozenset(("api",)))
    elif not f"/{path}".startswith(ANY_SCOPE):
        access.require(request.token, access.READERS)
    return handler(request, **given)


def _on_the_wire(
    request: Request, answer: Answer, limit_headers: tuple[tuple[str, str], ...]
) -> tuple[int, list[tuple[str, str]], bytes]:
    content = b"" if answer.status == 204 else answer.body()
    headers = [*answer.headers, *limit_headers]
    status = answer.status
    if request.method == "GET" and status == 200:
        etag = f'W/"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        headers += [("etag", etag), ("cache-control", "max-age=0, private, must-revalidate")]
        if etag in request.headers.get("if-none-match", ""):
            return 304, headers, b""
    if status != 204:
        headers += [("content-type", answer.content_type), ("content-length", str(len(content)))]
    return status, headers, content
