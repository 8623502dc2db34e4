"""One ASGI app for the local Google Cloud: Vertex AI, Cloud Storage and BigQuery, told apart by their paths."""

from __future__ import annotations

import gzip
from datetime import datetime

from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.data import Upstreams
from emulators.google import bigquery, storage, vertex
from emulators.google.answers import Refusal, refuse
from emulators.google.bigquery_engine import Engine

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def make_app(upstreams: Upstreams) -> ASGIApp:
    """Serves the three services for the real clients with `api_endpoint` set to this server's address."""

    engine = Engine(upstreams.bigquery)

    def respond(request: Request, body: bytes) -> Response:
        try:
            with upstreams.lock:
                answer = _answer(upstreams, engine, request, body, upstreams.refresh())
            return answer if isinstance(answer, Response) else vertex.render(answer, request.query_params)
        except Refusal as refusal:
            return refusal.response()

    async def handle(request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return await run_in_threadpool(respond, request, body)

    return Starlette(routes=[Route("/{path:path}", handle, methods=METHODS)])


def _answer(upstreams: Upstreams, engine: Engine, request: Request, body: bytes, now: datetime) -> Response | Message:
    path = request.url.path
    if "/storage/v1/b" in path:
        return storage.answer(upstreams, request, body, now)
    if path.startswith("/bigquery/v2/projects/"):
        return bigquery.answer(upstreams, engine, request, body, now)
    if path.startswith("/v1/"):
        return vertex.answer(upstreams, request, body)
    if path.split("/")[1] in upstreams.storage.buckets:
        return storage.by_path(upstreams, request)
    raise refuse(404, f"The path '{path}' is not served here.")
