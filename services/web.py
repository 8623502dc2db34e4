"""The routes beside the pages: health, metrics, the API and the webhook inbox."""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services import places, webhooks
from services.config import GitLabSource
from services.config_file import ConfigError, Loaded, load
from services.queries import discover as discover_views
from services.queries.filters import BadFilter, parse_filters
from services.queries.health import collector, health
from services.secrets import SecretMissing
from services.store import progress
from services.store.database import Store, StoreUnreachable, open_store
from services.timestamps import utc_now
from services.vocabulary import Freshness

GC_EVERY = 300.0
"""Seconds between collections of garbage off the request path; the one after each script run is switched off."""


@dataclass(frozen=True)
class Web:
    """What the routes work with; the store and the configuration are opened when they are first needed."""

    sign_in_is_on: Callable[[], bool]

    def store(self) -> Store:
        return _open(places.store_url())

    def loaded(self) -> Loaded:
        return load(places.config_path())


_STORES: dict[str, Store] = {}
_LOCK = threading.Lock()


def _open(url: str) -> Store:
    with _LOCK:
        if url not in _STORES:
            _STORES[url] = open_store(url)
        return _STORES[url]


def routes(web: Web) -> list[Route]:
    """All routes; the last ones keep the pages' fallback from answering 200 for a path that is none of ours."""

    async def answer(request: Request, respond: Callable[[Request, Web], Response]) -> Response:
        return await run_in_threadpool(respond, request, web)

    async def healthz(request: Request) -> Response:
        return await answer(request, _healthz)

    async def metrics(request: Request) -> Response:
        return await answer(request, _metrics)

    async def view(request: Request) -> Response:
        return await answer(request, _view)

    async def hook(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():  # counted as it comes: a length need not be told, or be true
            body += part
            if len(body) > webhooks.LONGEST_BODY:
                return _refusal(413, "the body is longer than 25 MB")
        return await run_in_threadpool(_hook, request, web, bytes(body))

    async def not_found(request: Request) -> Response:
        return _refusal(404, f"there is nothing at {request.url.path}")

    return [
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/api/v1/{view}", view),
        Route("/webhooks/{source}", hook, methods=["POST"]),
        Route("/webhooks/{rest:path}", not_found),
        Route("/api/{rest:path}", not_found),
    ]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Warm what pages need before the first visitor pays for it, and collect garbage between requests."""
    gc.collect()
    gc.freeze()
    stop = threading.Event()

    def collect() -> None:
        while not stop.wait(GC_EVERY):
            gc.collect()

    threading.Thread(target=collect, name="garbage", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        for store in _STORES.values():
            store.close()


def _refusal(code: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, code)


def _healthz(request: Request, web: Web) -> Response:
    """Open to all, and tells nothing more: the store can be read, and has the tables we know."""
    try:
        fine = web.store().schema_is_current()
    except StoreUnreachable:
        fine = False
    return JSONResponse({"ok": fine}, 200 if fine else 503)


def _may_read(request: Request, web: Web, loaded: Loaded) -> bool:
    """Once sign-in is on, a script needs a token of ours; it is known by its hash."""
    if not web.sign_in_is_on():
        return True
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = hashlib.sha256(token.strip().encode()).hexdigest()
    known = loaded.config.api.token_sha256
    return scheme.lower() == "bearer" and any(hmac.compare_digest(given, right) for right in known)


def _refused_token() -> Response:
    response = _refusal(401, "sign-in is on: send Authorization: Bearer TOKEN, its SHA-256 listed in api.token_sha256")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _view(request: Request, web: Web) -> Response:
    views = discover_views()
    name = request.path_params["view"]
    if name not in views:
        return _refusal(404, f"there is no view {name!r}; known: {', '.join(views)}")
    try:
        loaded = web.loaded()
        if not _may_read(request, web, loaded):
            return _refused_token()
        now = utc_now()
        filters = parse_filters(dict(request.query_params), loaded.config, now)
        with web.store().read() as conn:
            envelope = views[name].ask(conn, loaded.config, filters, now).envelope()
    except BadFilter as error:
        return _refusal(400, str(error))
    except ConfigError:
        return _refusal(503, "the configuration cannot be used; `python -m services check` says why")
    except StoreUnreachable:
        return _refusal(503, "the store cannot be read")
    return Response(json.dumps(envelope, ensure_ascii=False), media_type="application/json")


def _metrics(request: Request, web: Web) -> Response:
    """Prometheus text: whether we collect, and how old each stream is."""
    try:
        loaded = web.loaded()
        if not _may_read(request, web, loaded):
            return _refused_token()
        now = utc_now()
        with web.store().read() as conn:
            alive, streams = collector(conn, now), health(conn, loaded.config, now)
    except (ConfigError, StoreUnreachable):
        return PlainTextResponse("# neither store nor configuration can be read\n", 503)
    registry = CollectorRegistry()
    Gauge("throughline_collector_up", "1 while the collector's heartbeat is young", registry=registry).set(alive.alive)
    labels = ("source", "kind", "stream")
    age = Gauge("throughline_stream_age_seconds", "Age of the last good answer", labels, registry=registry)
    fresh = Gauge("throughline_stream_fresh", "1 where the stream keeps its promise", labels, registry=registry)
    for one in streams:
        fresh.labels(one.name, one.kind, one.stream).set(one.status is Freshness.FRESH)
        if one.as_of is not None:
            age.labels(one.name, one.kind, one.stream).set((now - one.as_of).total_seconds())
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


def _hook(request: Request, web: Web, body: bytes) -> Response:
    """Verify, write down which ids to fetch, answer at once; the collector does the rest."""
    try:
        loaded = web.loaded()
        source = _hooked(loaded, request.path_params["source"])
        if source is None or source.webhook is None:
            return _refusal(404, "no source of that name takes webhooks")
        now = utc_now()
        webhooks.verify(request.headers, body, loaded.secrets.get(source.webhook), now)
        payload = json.loads(body)
        kind, ids = webhooks.ids(payload if isinstance(payload, Mapping) else {})
        with web.store().write() as conn:
            delivery = webhooks.delivery_id(request.headers, body)
            progress.receive(conn, source.name, delivery, kind, ids, now)
    except webhooks.Refused as error:
        return _refusal(401, str(error))
    except (ValueError, RecursionError):
        return _refusal(400, "the body is no JSON")
    except (ConfigError, SecretMissing, StoreUnreachable):
        return _refusal(503, "not ready; send it again later")
    return JSONResponse({"accepted": kind}, 202)


def _hooked(loaded: Loaded, name: str) -> GitLabSource | None:
    return next(
        (entry for entry in loaded.config.source if isinstance(entry, GitLabSource) and entry.name == name), None
    )
