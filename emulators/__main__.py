"""Serves the local upstreams until stopped: the demo team, a replay of recorded payloads, or a generated fleet."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from emulators.clock import SystemClock
from emulators.data import Upstreams

SEED = 7
EPOCH_FILE = "epoch.json"
LIVES_ON_EVERY = 5.0
"""Seconds between two looks at whether local files have changed."""


class BadInput(Exception):
    """What was asked for cannot be done; the text says what to change."""


@dataclass(frozen=True)
class Wanted:
    """What to serve, and where."""

    seed: int | None
    speed: float
    epoch: datetime | None
    replay: Path | None
    fleet: tuple[int, int] | None
    host: str
    gitlab_port: int
    google_port: int
    state_dir: Path
    config_out: Path | None


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when stopped by a signal, 2 for input that cannot be used."""
    try:
        wanted = read_arguments(argv)
        return serve_until_stopped(wanted)
    except BadInput as error:
        print(f"python -m emulators: {error}", file=sys.stderr)
        return 2


def read_arguments(argv: list[str] | None) -> Wanted:
    parser = argparse.ArgumentParser("python -m emulators", description=__doc__)
    parser.add_argument("--seed", type=int, help=f"which story is told (default {SEED}, or that of the state folder)")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="how often things happen (1 is a calm day)"
    )
    parser.add_argument("--epoch", metavar="ISO", help="when the watching began, for example 2026-11-24T08:00:00Z")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="serve recorded payloads instead of the demo team")
    parser.add_argument("--fleet", metavar="PROJECTS×PIPELINES", help="serve a generated fleet, for example 200x25")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--gitlab-port", type=int, default=0, metavar="P", help="0 takes a free one")
    parser.add_argument("--google-port", type=int, default=0, metavar="P", help="0 takes a free one")
    parser.add_argument("--state-dir", type=Path, default=Path(".throughline"), metavar="DIR")
    parser.add_argument("--config-out", type=Path, metavar="FILE", help="default: standard output")
    given = parser.parse_args(argv)
    if given.replay and given.fleet:
        raise BadInput("--replay and --fleet exclude each other; give one of them")
    if given.replay and not given.replay.is_dir():
        raise BadInput(f"--replay: there is no folder {given.replay}")
    if not given.speed > 0 or given.speed > 1000:
        raise BadInput(f"--speed: must be above 0 and at most 1000, not {given.speed}")
    for name in ("gitlab_port", "google_port"):
        if not 0 <= getattr(given, name) <= 65535:
            raise BadInput(f"--{name.replace('_', '-')}: must be a port from 0 to 65535")
    return Wanted(
        given.seed,
        given.speed,
        _epoch(given.epoch),
        given.replay,
        _fleet(given.fleet),
        given.host,
        given.gitlab_port,
        given.google_port,
        given.state_dir,
        given.config_out,
    )


def _epoch(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--epoch: {text!r} is no ISO time; write it like 2026-11-24T08:00:00Z") from None
    if found.tzinfo is None:
        raise BadInput(f"--epoch: {text!r} has no zone; add Z or an offset like +01:00")
    if found > datetime.now(UTC):
        raise BadInput(f"--epoch: {text} is in the future; the story begins in the past or now")
    return found.astimezone(UTC)


def _fleet(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise BadInput(f"--fleet: {text!r} must be two numbers above 0, for example 200x25")
    return int(parts[0]), int(parts[1])


def recorded_epoch(wanted: Wanted, now: datetime) -> tuple[int, datetime]:
    """Seed and epoch of the story in the state folder; written down at the first run.

    Raises BadInput when another story is asked for than the one that is written there.
    """
    path = wanted.state_dir / EPOCH_FILE
    if path.exists():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            seed, epoch = int(told["seed"]), datetime.fromisoformat(told["epoch"])
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{path} cannot be read; delete it to begin a new story") from None
        asked = (wanted.seed in (None, seed)) and (wanted.epoch in (None, epoch))
        if not asked:
            raise BadInput(
                f"{wanted.state_dir} holds the story of seed {seed} from {epoch.isoformat()}; "
                "delete it, or choose another --state-dir, to tell another one"
            )
        return seed, epoch
    seed = SEED if wanted.seed is None else wanted.seed
    epoch = (wanted.epoch or now).replace(microsecond=0)
    path.write_text(json.dumps({"seed": seed, "epoch": epoch.isoformat()}) + "\n", encoding="utf-8")
    return seed, epoch


def upstreams_for(wanted: Wanted, clock: SystemClock) -> Upstreams:
    """The data to serve. Imports only what is needed, since some of it takes a second."""
    if wanted.replay:
        from emulators.replay import BadReplay, load

        try:
            return load(wanted.replay, clock)
        except BadReplay as error:
            raise BadInput(str(error)) from error
    if wanted.fleet:
        from emulators.fleet import generate

        return generate(*wanted.fleet, seed=SEED if wanted.seed is None else wanted.seed, clock=clock)
    from emulators.world import make_world

    seed, epoch = recorded_epoch(wanted, clock.now())
    return make_world(seed, epoch, clock, wanted.speed)


def serve_until_stopped(wanted: Wanted) -> int:
    """Serve, write the configuration once both answer, and end within a moment of SIGTERM or Ctrl-C."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: stopping.set())
    try:
        wanted.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--state-dir: {wanted.state_dir} cannot be made ({error.strerror})") from None
    clock = SystemClock()
    upstreams = upstreams_for(wanted, clock)
    with ExitStack() as stack:
        gitlab, google = _start(stack, wanted, upstreams, clock)
        folder = _write_files(upstreams, wanted.state_dir)
        _write_configuration(wanted, upstreams, gitlab, google, folder)
        print(f"gitlab {gitlab}, google {google}; stop with Ctrl-C", file=sys.stderr, flush=True)
        while not stopping.wait(LIVES_ON_EVERY):
            with upstreams.lock:
                upstreams.refresh()
            _write_files(upstreams, wanted.state_dir)
    return 0


def _start(stack: ExitStack, wanted: Wanted, upstreams: Upstreams, clock: SystemClock) -> tuple[str, str]:
    from emulators.gitlab.app import make_app as gitlab_app
    from emulators.google.app import make_app as google_app
    from emulators.http import Controlled, serve

    found = []
    for name, app, port in (
        ("gitlab", gitlab_app(upstreams), wanted.gitlab_port),
        ("google", google_app(upstreams), wanted.google_port),
    ):
        try:
            server = serve(Controlled(app, name, clock), wanted.host, port)
        except OSError as error:
            raise BadInput(f"--{name}-port: {wanted.host}:{port} cannot be used ({error.strerror})") from None
        found.append(stack.enter_context(server).url)
    return found[0], found[1]


def _write_files(upstreams: Upstreams, state_dir: Path) -> Path | None:
    """The local Terraform states and plans; a file is replaced whole, and only when it has changed."""
    if not upstreams.files:
        return None
    folder = state_dir / "terraform"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in upstreams.files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            _replace(path, data)
    return folder


def _replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    new.replace(path)


def _write_configuration(wanted: Wanted, upstreams: Upstreams, gitlab: str, google: str, folder: Path | None) -> None:
    from emulators.configuration import Places, demo_configuration, found_configuration

    token = wanted.state_dir / "gitlab-token"
    value = next(iter(upstreams.gitlab.tokens), "any-token-will-do")
    _replace(token, f"{value}\n".encode(), 0o600)
    places = Places(gitlab, google, token.absolute(), folder.absolute() if folder else None)
    demo = not wanted.replay and not wanted.fleet
    text = demo_configuration(places) if demo else found_configuration(upstreams, places)
    if wanted.config_out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    wanted.config_out.parent.mkdir(parents=True, exist_ok=True)
    _replace(wanted.config_out, text.encode())


if __name__ == "__main__":
    sys.exit(main())
