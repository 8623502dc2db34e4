"""Starts the processes of one machine, restarts what crashes, and leaves nothing behind when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

GRACE = 3.0
"""Seconds between asking a child to end and ending it."""
LONGEST_WAIT = 30.0
STEADY = 60.0
"""A child that ran this many seconds starts again at once; one that dies sooner waits longer each time."""
LINE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Child:
    """A process to keep running. Where `restart` is False, its end is the end of all."""

    name: str
    argv: list[str]
    restart: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


def supervise(children: list[Child]) -> int:
    """Run until a signal comes or an essential child ends; returns the exit code for the shell."""
    return asyncio.run(_supervise(children))


async def _supervise(children: list[Child]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, stopping.set)
    return max(await asyncio.gather(*(_keep(child, stopping) for child in children)))


async def _keep(child: Child, stopping: asyncio.Event) -> int:
    wait = 1.0
    while not stopping.is_set():
        began = time.monotonic()
        code = await _run_once(child, stopping)
        if stopping.is_set():
            break
        print(f"{child.name:<9} | ended with exit code {code}", flush=True)
        if not child.restart:
            stopping.set()
            return code or 1
        wait = 1.0 if time.monotonic() - began > STEADY else min(wait * 2, LONGEST_WAIT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait)
    return 0


async def _run_once(child: Child, stopping: asyncio.Event) -> int:
    """One life of a child. Its output goes through a pipe of ours: with asyncio's own, `wait()` would also
    wait for grandchildren that hold the pipe, and a crash would go unnoticed."""
    ours, theirs = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *child.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        process_group=0,
        preexec_fn=_end_with_parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **child.env},
    )
    os.close(theirs)
    pump = asyncio.create_task(_pump(child.name, ours))
    ended = asyncio.create_task(process.wait())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    _signal_group(process.pid, signal.SIGTERM)
    await asyncio.wait({ended}, timeout=GRACE)
    _signal_group(process.pid, signal.SIGKILL)
    code = await ended
    await asyncio.wait({pump}, timeout=0.5)
    return code


async def _pump(name: str, descriptor: int) -> None:
    """Print a child's lines with its name before them."""
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    pipe = os.fdopen(descriptor, "rb")
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # a line over the limit; unread, the pipe would fill and the child would block
            line = b"(a line of more than 1 MiB was cut)\n"
        if not line:
            return
        print(f"{name:<9} | {line.decode(errors='replace').rstrip()}", flush=True)


def _signal_group(group: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signum)


_PRCTL = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
_PARENT = os.getpid()
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Runs in the child before it becomes its program: Linux ends it when the supervisor is killed outright."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != _PARENT:
            os._exit(1)
