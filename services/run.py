"""Runs the whole product on one machine: the collector, the web server and, for the demo, the local upstreams."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services import places
from services.config_file import load
from services.store.database import open_store
from services.supervisor import Child, supervise
from services.timestamps import utc_now

ROOT = Path(__file__).resolve().parent.parent
DEMO_STARTS_WITHIN = 30.0
"""Seconds that the local upstreams may take to be ready."""

DEMO_STORY = "epoch.json"
"""Lies beside a configuration that the demo wrote, and may therefore overwrite."""


class PortTaken(Exception):
    """A port that is needed is in use."""


class NotTheDemos(Exception):
    """The demo writes its own configuration, and would overwrite one that is not its own."""


@dataclass(frozen=True)
class RunOptions:
    """What `run` was asked for."""

    demo: bool
    only: str | None
    config: Path
    store: str
    address: str = "127.0.0.1"
    port: int = 8501
    gitlab_port: int = 8511
    google_port: int = 8512
    speed: float = 1.0
    seed: int | None = None


def run(options: RunOptions) -> int:
    """Start everything, and stop everything on Ctrl-C. Returns the exit code."""
    web = options.only in (None, "web")
    ports = [options.port] if web else []
    if options.demo:
        ports += [options.gitlab_port, options.google_port]
        _make_way(options.config)
    else:
        load(options.config)
    for port in ports:
        _must_be_free(options.address, port)
    store = open_store(options.store)
    store.migrate(utc_now())
    store.close()
    if web:
        print(f"Throughline opens at http://{_host(options.address)}:{options.port}", flush=True)
    return supervise(children(options))


def children(options: RunOptions) -> list[Child]:
    """The processes that belong to what was asked for."""
    env = {places.CONFIG_VARIABLE: str(options.config.absolute()), places.STORE_VARIABLE: _absolute(options.store)}
    python = sys.executable
    found = []
    if options.demo:
        found.append(Child("upstreams", [python, "-m", "emulators", *_demo_arguments(options)], restart=True))
    if options.only in (None, "collector"):
        argv = [python, "-m", "services", "sync"]
        if options.demo:
            argv += ["--wait-for-config", str(DEMO_STARTS_WITHIN)]
        found.append(Child("collector", argv, restart=options.only is None, env=env))
    if options.only in (None, "web"):
        found.append(
            Child("web", [python, "-m", "streamlit", "run", str(ROOT / "app.py"), *_web_arguments(options)], env=env)
        )
    return found


def _make_way(config: Path) -> None:
    """The local upstreams write it anew once they answer; whoever waits for it must not find that of the last run."""
    config.parent.mkdir(parents=True, exist_ok=True)
    if config.exists() and not (config.parent / DEMO_STORY).exists():
        raise NotTheDemos(
            f"{config} was not written by the demo, which would overwrite it; "
            f"leave out --config and {places.CONFIG_VARIABLE}, or name another file"
        )
    config.unlink(missing_ok=True)


def wait_for(path: Path, seconds: float) -> bool:
    """True once the file is there; False where it is not within `seconds`."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _demo_arguments(options: RunOptions) -> Sequence[str]:
    arguments = [
        "--gitlab-port", str(options.gitlab_port), "--google-port", str(options.google_port),
        "--state-dir", str(options.config.parent), "--config-out", str(options.config), "--speed", str(options.speed),
    ]  # fmt: skip
    return arguments if options.seed is None else [*arguments, "--seed", str(options.seed)]


def _web_arguments(options: RunOptions) -> Sequence[str]:
    return ["--server.port", str(options.port), "--server.address", options.address, "--server.headless", "true"]


def _absolute(store: str) -> str:
    return store if "://" in store else str(Path(store).absolute())


def _host(address: str) -> str:
    return "localhost" if address in ("127.0.0.1", "0.0.0.0", "::1", "::") else address


def _must_be_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} is in use ({error.strerror}); stop what uses it (`ss -ltnp 'sport = :{port}'` tells), "
                "or choose another by --port, --gitlab-port or --google-port"
            ) from None
