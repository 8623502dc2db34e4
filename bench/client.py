"""A viewer without a browser: speaks Streamlit's websocket and times a run from the trigger to its end."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

LONGEST_RUN = 120.0


class Viewer:
    """One session on one page; use it as an asynchronous context manager."""

    def __init__(self, base: str, page: str) -> None:
        self._url = base.replace("http://", "ws://") + "/_stcore/stream"
        self._page = page
        self._hashes: dict[str, str] = {}
        self.received = 0
        """Bytes that came over the websocket."""
        self.exceptions: list[str] = []

    async def __aenter__(self) -> Viewer:
        self._socket = await websockets.connect(
            self._url, subprotocols=[websockets.Subprotocol("streamlit")], max_size=None, ping_interval=None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def run(self) -> float:
        """Run the page once; returns seconds until the server said that the script has finished."""
        message = BackMsg()
        message.rerun_script.page_script_hash = self._hashes.get(self._page, "")
        message.rerun_script.page_name = self._page
        began = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(LONGEST_RUN):
            while True:
                raw = await self._socket.recv()
                answer = ForwardMsg()
                answer.ParseFromString(raw if isinstance(raw, bytes) else raw.encode())
                self.received += len(raw)
                kind = answer.WhichOneof("type")
                if kind == "navigation":
                    self._hashes = {page.url_pathname: page.page_script_hash for page in answer.navigation.app_pages}
                elif kind == "delta" and answer.delta.new_element.WhichOneof("type") == "exception":
                    self.exceptions.append(answer.delta.new_element.exception.message)
                elif kind == "script_finished":
                    return time.perf_counter() - began
