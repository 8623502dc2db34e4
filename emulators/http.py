"""How a local upstream is put on a port, how its calls are counted, and how it is made to fail on purpose."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import uvicorn

from emulators.clock import Clock
from emulators.faults import Call, CallLog, Fault, Faults

__all__ = ["Call", "CallLog", "Controlled", "Fault", "Faults", "Server", "serve"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

CONTROL = "/_emulator/"


class Controlled:
    """An upstream whose calls are counted, whose faults and clock are switched from outside.

    Routes under `/_emulator/` (calls, faults, clock) belong to no real protocol and are never counted.
    `clock_offset` shifts the `Date` header that it answers with.
    """

    def __init__(self, app: App, name: str, clock: Clock) -> None:
        self.app = app
        self.name = name
        self.clock = clock
        self.calls = CallLog()
        self.faults = Faults()
        self.clock_offset = timedelta(0)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace")
        if path.startswith(CONTROL):
            await self._control(scope["method"], path.removeprefix(CONTROL), receive, send)
            return
        query = scope["query_string"].decode("ascii", "replace")
        fault = self.faults.strike(scope["method"], f"{path}?{query}" if query else path)
        counted = self._counting(scope["method"], path, query, send)
        if fault is None:
            await self.app(scope, receive, counted)
        else:
            await _answer_with(fault, self.app, scope, receive, counted)

    def _counting(self, method: str, path: str, query: str, send: Send) -> Send:
        names = tuple(sorted({part.partition("=")[0] for part in query.split("&") if part}))

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = self.clock.now()
                self.calls.add(Call(method, path, names, message["status"], now.isoformat()))
                date = format_datetime(now + self.clock_offset, usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
            await send(message)

        return counted

    async def _control(self, method: str, what: str, receive: Receive, send: Send) -> None:
        body = json.loads(await _body(receive) or b"{}") if method in ("POST", "PUT") else {}
        answer: dict[str, Any] = {"upstream": self.name}
        match method, what:
            case "GET", "calls":
                answer |= {"total": self.calls.total, "calls": [vars(call) for call in self.calls.all()]}
            case "DELETE", "calls":
                self.calls.clear()
            case "POST", "faults":
                try:
                    self.faults.add(Fault.from_json(body))
                except (TypeError, ValueError, re.error) as error:
                    await _respond(send, 400, [], json.dumps({"message": f"no such fault: {error}"}).encode())
                    return
            case "DELETE", "faults":
                self.faults.clear()
            case "PUT", "clock":
                self.clock_offset = timedelta(seconds=float(body["offset_seconds"]))
            case _:
                await _respond(send, 404, [], b'{"message": "calls, faults or clock"}')
                return
        await _respond(send, 200, [], json.dumps(answer).encode())


async def _answer_with(fault: Fault, app: App, scope: Message, receive: Receive, send: Send) -> None:
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    extra = [(name.lower().encode(), value.encode()) for name, value in fault.headers]
    if fault.status is not None or fault.body is not None:
        status, headers, body = fault.status or 200, [], fault.body or b""
    else:
        status, headers, body = await _taken(app, scope, receive)
    if fault.replace is not None:
        body = body.replace(*fault.replace)
    if fault.mangle is not None:
        body = fault.mangle(body)
    given = {name for name, _ in extra}
    kept = [(name, value) for name, value in headers if name not in given]
    await _respond(send, status, kept + extra, body, cut=fault.cut_after_bytes)


async def _taken(app: App, scope: Message, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """What the upstream would have answered."""
    start: Message = {}
    parts: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return start["status"], list(start.get("headers", [])), b"".join(parts)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, cut: int | None = None
) -> None:
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    if not any(name == b"content-type" for name, _ in kept):
        kept.append((b"content-type", b"application/json"))
    if status not in (204, 304):
        kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    if cut is None:
        await send({"type": "http.response.body", "body": body})
    else:  # a server that sees the app return before the body is whole closes the connection
        await send({"type": "http.response.body", "body": body[:cut], "more_body": True})


class Server:
    """An app on a port of this machine, in a daemon thread, until `stop`."""

    def __init__(self, app: App, host: str, port: int) -> None:
        # IPPROTO_TCP by name: asyncio sets TCP_NODELAY only then, and an answer takes 40 ms without
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.host, self.port = self._socket.getsockname()[:2]
        config = uvicorn.Config(
            app, log_config=None, log_level="error", lifespan="off", ws="none", loop="asyncio", http="h11",
            date_header=False, server_header=False, access_log=False, timeout_keep_alive=75,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self, within: float = 10.0) -> Server:
        self._thread.start()
        deadline = time.monotonic() + within
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the local upstream did not start on {self.url} within {within} s")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop at once: calls that hang are dropped."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(app: App, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve an ASGI app on a free port (or the given one) of the loopback interface."""
    return Server(app, host, port).start()
