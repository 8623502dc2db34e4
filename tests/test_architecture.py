"""The structure that the documentation promises, as tests that fail when it is left."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services import queries, records, sources
from services.reference import TARGET, reference
from services.sources.base import Stream
from services.vocabulary import RunState
from services.web import Web, routes
from ui.navigation import PAGES

ROOT = Path(__file__).resolve().parents[1]
CODE = [path for folder in ("services", "ui", "pages", "emulators", "bench") for path in (ROOT / folder).rglob("*.py")]
STREAMS = [
    pytest.param(source, stream, id=f"{source.family}.{stream.name}")
    for source in sources.discover().values()
    for stream in source.streams
]
ONE_THING = {"services/records.py"}
"""A list of declarations, longer than other modules: cut apart it would be harder to read."""


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_in_its_first_line_what_it_is_for(path):
    text = path.read_text()
    limit = 80 if path.parent.name == "pages" else 300
    assert str(path.relative_to(ROOT)) in ONE_THING or text.count("\n") <= limit
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no first line that says what it answers"


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.stem)
def test_a_page_only_asks_and_draws(path):
    tree = ast.parse(path.read_text())
    forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try)
    assert [type(node).__name__ for node in ast.walk(tree) if isinstance(node, forbidden)] == []
    assert "sqlalchemy" not in path.read_text()


def test_every_page_is_in_the_navigation_and_every_entry_has_its_page():
    assert {entry.file for entry in PAGES} == {path.stem for path in (ROOT / "pages").glob("*.py")}


def test_no_page_has_the_path_of_a_route():
    """A click would show the page, and a reload the route's answer."""
    taken = {route.path.strip("/").split("/")[0] for route in routes(Web(lambda: False))}
    assert not taken & {entry.path for entry in PAGES}


def test_every_view_has_its_page():
    paths = {entry.path or "today" for entry in PAGES}
    assert set(queries.discover()) <= paths


@pytest.mark.parametrize(("source", "stream"), STREAMS)
def test_a_stream_is_described_for_people(source, stream: Stream):
    assert stream.title
    assert stream.title[0].isupper()
    assert len(stream.needs) > 3
    assert len(stream.grant) > 10, "how to grant it, as one step a person can take"
    assert stream.stale_after > stream.every, "a promise shorter than the rhythm is broken all the time"
    assert all(isinstance(state, RunState) for state in stream.states.values())
    assert all(hasattr(records, kind.__name__) for kind in stream.yields)


@pytest.mark.parametrize(("source", "stream"), STREAMS)
def test_what_is_shown_rests_on_streams_that_exist(source, stream: Stream):
    known = {f"{family}.{one.name}" for family, each in sources.discover().items() for one in each.streams}
    needed = {need for view in queries.discover().values() for need in view.needs}
    assert needed <= known


def test_the_entry_script_does_not_stand_beside_the_pages():
    """Beside them, a deep link on a fresh server would run a page without frame and sign-in."""
    text = (ROOT / "app.py").read_text()
    assert '"ui" / "shell.py"' in text
    assert not (ROOT / "ui" / "pages").exists()


def test_the_documented_commands_exist():
    help_text = subprocess.run(
        [sys.executable, "-m", "services", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for command in ("run", "sync", "check", "show", "rebuild", "backup", "restore"):
        assert re.search(rf"^\s+{command}\b", help_text, re.MULTILINE), command
    makefile = (ROOT / "Makefile").read_text()
    for text in (ROOT / "README.md").read_text(), (ROOT / "CONTRIBUTING.md").read_text():
        for target in re.findall(r"`make ([a-z-]+)`", text):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name
)
def test_a_document_names_only_files_that_exist(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_reference_is_what_the_declarations_say():
    assert TARGET.read_text() == reference(), "run `make docs`"


def test_every_pinned_package_is_pinned_exactly():
    for file in ROOT.glob("requirements*.txt"):
        for line in file.read_text().splitlines():
            name = line.split(";")[0].split("#")[0].strip()
            assert not name or name.startswith("-r") or re.fullmatch(r"[\w.\-\[\]]+==[\w.]+", name), (
                f"{file.name}: {line}"
            )


def test_the_repository_speaks_of_the_product_alone():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = {"tests/test_architecture.py"}
    words = re.compile(r"/work/|\.library/|\b(?:TO" + r"DO|FIX" + r"ME|XXX)\b")
    found = [
        name
        for name in tracked.split("\0")
        if name.endswith((".py", ".md", ".toml", ".yml", ".sh", ".css")) and name not in own
        and words.search((ROOT / name).read_text())
    ]  # fmt: skip
    assert found == [], json.dumps(found)
