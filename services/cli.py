"""The command line: run, sync, check, show, rebuild, backup, restore."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from services import places, redaction
from services.check import Checked, check, unread_parts
from services.config_file import ConfigError, Loaded, load
from services.queries import discover as discover_views
from services.queries.filters import MOST_ROWS, BadFilter, parse_filters
from services.run import NotTheDemos, PortTaken, RunOptions, run, wait_for
from services.store.database import Store, StoreUnreachable, open_store
from services.timestamps import utc_now

FINE, NO, BAD_INPUT, NO_STORE = 0, 1, 2, 3
"""Exit codes: fine; the answer is no; bad input or configuration; the store is unreachable."""


class BadInput(Exception):
    """What was asked for cannot be done as it was asked; the text says why and how to mend it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments, argparse.Namespace(config=None, store=None))
    try:
        return int(options.act(options))
    except (ConfigError, BadInput, BadFilter, PortTaken, NotTheDemos) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except StoreUnreachable as error:
        print(error, file=sys.stderr)
        return NO_STORE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument("--config", metavar="FILE", help=f"the configuration (or {places.CONFIG_VARIABLE})")
    everywhere.add_argument(
        "--store", metavar="URL", help=f"SQLite file or postgresql://… (or {places.STORE_VARIABLE})"
    )
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__, parents=[everywhere])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[everywhere])
        sub.set_defaults(act=act)
        return sub

    runs = command("run", _run, "start the collector and the web server (and, with --demo, the local upstreams)")
    runs.add_argument("--demo", action="store_true", help="with the demo team; no credentials needed")
    runs.add_argument("--only", choices=("web", "collector"), help="start only this part")
    runs.add_argument("--address", default="127.0.0.1", help="where the web server listens (default: %(default)s)")
    runs.add_argument("--port", type=int, default=8501, help="port of the web server (default: %(default)s)")
    runs.add_argument("--gitlab-port", type=int, default=8511, help="demo only (default: %(default)s)")
    runs.add_argument("--google-port", type=int, default=8512, help="demo only (default: %(default)s)")
    runs.add_argument("--speed", type=float, default=1.0, help="demo only: the rate of events (default: %(default)s)")
    runs.add_argument("--seed", type=int, help="demo only: another story")
    syncs = command("sync", _sync, "collect from the upstreams into the store")
    syncs.add_argument("--once", action="store_true", help="one sweep of everything, then end")
    syncs.add_argument("--source", metavar="NAME", help="only this source")
    syncs.add_argument("--wait-for-config", type=float, metavar="SECONDS", default=0.0, help=argparse.SUPPRESS)
    checks = command("check", _check, "try every stream of every source; says what is missing, and how to get it")
    checks.add_argument("--source", metavar="NAME", help="only this source")
    checks.add_argument("--json", action="store_true", help="as JSON")
    _show_parser(command("show", _show, "print a view"))
    rebuilds = command("rebuild", _rebuild, "make derived rows anew from what was collected")
    rebuilds.add_argument("what", choices=("links", "products", "problems", "rollups"))
    command("backup", _backup, "write everything into one file").add_argument("file", type=Path)
    command("restore", _restore, "fill an empty store from a backup").add_argument("file", type=Path)
    return parser


def _show_parser(shows: argparse.ArgumentParser) -> None:
    shows.add_argument(
        "view", choices=sorted(discover_views()), metavar="VIEW", help=", ".join(sorted(discover_views()))
    )
    shows.add_argument("--product", metavar="P")
    shows.add_argument("--env", metavar="E")
    shows.add_argument("--since", metavar="T", help="ISO 8601 date or time, or an age such as 24h or 14d")
    shows.add_argument("--until", metavar="T")
    shows.add_argument("--text", metavar="WORDS", help="only rows that hold these words")
    shows.add_argument("--state", metavar="STATE", help="only rows in this state")
    form = shows.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON (the default)")
    form.add_argument("--md", action="store_true", help="as Markdown")


def configure_logging() -> None:
    """Log to standard error, with every secret taken out; called by the command itself, not by who imports it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(redaction.RedactingFilter())
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for chatty in ("urllib3", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _loaded(options: argparse.Namespace) -> Loaded:
    return load(places.config_path(options.config))


def _store(options: argparse.Namespace, must_exist: bool = False) -> Store:
    store = open_store(places.store_url(options.store))
    if must_exist and not store.schema_is_current():
        raise StoreUnreachable(
            f"the store {store.url_for_people} is empty or of another version; "
            "run `python -m services sync --once` first"
        )
    return store


def _run(options: argparse.Namespace) -> int:
    config = places.config_path(options.config)
    if not options.demo and options.config is None and places.CONFIG_VARIABLE not in os.environ:
        raise BadInput("give the configuration by --config FILE, or try the demo team with --demo")
    return run(
        RunOptions(
            demo=options.demo,
            only=options.only,
            config=config,
            store=places.store_url(options.store),
            address=options.address,
            port=options.port,
            gitlab_port=options.gitlab_port,
            google_port=options.google_port,
            speed=options.speed,
            seed=options.seed,
        )
    )


def _sync(options: argparse.Namespace) -> int:
    from services.sync import Collector

    if options.wait_for_config:
        wait_for(places.config_path(options.config), options.wait_for_config)
    loaded = _loaded(options)
    _must_know(loaded, options.source)
    store = _store(options)
    store.migrate(utc_now())
    collector = Collector(loaded, store, only=options.source)
    if options.once:
        outcomes = collector.once()
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        unreached = collector.unreached()
        for name, why in unreached.items():
            print(f"{name}: {why}", file=sys.stderr)
        print(
            f"{sum(outcome.records for outcome in outcomes)} records, {len(failed)} turns failed, "
            f"{len(unreached)} sources could not be connected to"
        )
        return NO if failed or unreached else FINE
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: stop.set())
    collector.run(stop)
    return FINE


def _check(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    _must_know(loaded, options.source)
    store = _store(options)
    swept = unread_parts(store, loaded, options.source) if store.schema_is_current() else iter(())
    found = []
    for result in chain(check(loaded, options.source), swept):
        found.append(result)
        if not options.json:
            _print_check(result)
    if options.json:
        print(json.dumps([result.as_dict() for result in found], indent=2))
    return NO if any(result.ok is False for result in found) else FINE


def _print_check(result: Checked) -> None:
    word = {True: "ok", False: "LACKS", None: "off"}[result.ok]
    where = " / ".join(part for part in (result.source, result.scope, result.stream) if part)
    print(f"{word:<6} {where}" + (f"\n       {result.reason}" if result.reason else ""))
    if result.mend:
        print(f"       mend: {result.mend}")


def _must_know(loaded: Loaded, name: str | None) -> None:
    names = [entry.name for entry in loaded.config.source]
    if name is not None and name not in names:
        raise BadInput(f"--source {name}: there is no such source; known: {', '.join(names)}")


def _show(options: argparse.Namespace) -> int:
    from services.queries.markdown import as_markdown

    loaded = _loaded(options)
    now = utc_now()
    given = {
        "product": options.product, "environment": options.env, "since": options.since, "until": options.until,
        "text": options.text, "state": options.state, "limit": str(MOST_ROWS),
    }  # fmt: skip
    filters = parse_filters({key: value for key, value in given.items() if value}, loaded.config, now)
    store = _store(options, must_exist=True)
    with store.read() as conn:
        answer = discover_views()[options.view].ask(conn, loaded.config, filters, now)
    envelope = answer.envelope()
    print(as_markdown(envelope) if options.md else json.dumps(envelope, indent=2, ensure_ascii=False))
    return FINE


def _rebuild(options: argparse.Namespace) -> int:
    from services import derive

    loaded, store = _loaded(options), _store(options, must_exist=True)
    with store.write() as conn:
        derive.rebuild(conn, options.what, loaded.config, utc_now())
    print(f"{options.what}: made anew")
    return FINE


def _backup(options: argparse.Namespace) -> int:
    from services.store import backup

    if options.file.exists():
        raise BadInput(f"{options.file} exists; name a new file")
    backup.backup(_store(options, must_exist=True), options.file)
    print(f"written: {options.file}")
    return FINE


def _restore(options: argparse.Namespace) -> int:
    from services.store import backup

    if not options.file.is_file():
        raise BadInput(f"there is no file {options.file}")
    store = _store(options)
    try:
        backup.restore(options.file, places.store_url(options.store))
    except backup.BadBackup as error:
        raise BadInput(str(error)) from None
    print(f"restored into {store.url_for_people}")
    return FINE
