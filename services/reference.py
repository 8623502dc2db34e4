"""`python -m services.reference`: writes what every stream reads, needs and promises, from its own declaration."""

from __future__ import annotations

import sys
from pathlib import Path

from services.durations import in_words
from services.queries import discover as discover_views
from services.sources import discover as discover_sources
from services.sources.base import Source, Stream

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "sources.md"
HEAD = """# What is read, with which right, and how old it may grow

Written by `make docs` from the declarations in `services/sources/`; not by hand.
"""


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *(_source(source) for source in discover_sources().values()), _views()])


def _source(source: Source) -> str:
    rows = "\n".join(_stream(stream) for stream in source.streams)
    head = "| stream | gives | read every | promised within | needs | how to grant it |\n|---|---|---|---|---|---|"
    return f'## {source.title} (`kind = "{source.family}"`)\n\n{head}\n{rows}\n'


def _stream(stream: Stream) -> str:
    gives = ", ".join(dict.fromkeys(kind.__name__ for kind in stream.yields))
    every = "when something asks for it" if stream.detail else in_words(stream.every)
    cells = (f"`{stream.name}`", gives, every, in_words(stream.stale_after), stream.needs, stream.grant)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _views() -> str:
    rows = "\n".join(
        f"| `{view.name}` | {', '.join(f'`{need}`' for need in view.needs) or 'every stream'} |"
        for view in discover_views().values()
    )
    return f"## Which views rest on which streams\n\n| view | streams |\n|---|---|\n{rows}\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"written: {TARGET}\n")
