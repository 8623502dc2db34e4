"""What the files of a replay hold, and how a faulty one is told about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class BadReplay(ValueError):
    """A replay folder that cannot be served: which file, what is wrong with it, and how to mend that."""

    def __init__(self, path: Path, fault: str, mend: str) -> None:
        super().__init__(f"{path}: {fault}; {mend}")
        self.path, self.fault, self.mend = path, fault, mend


def entries(folder: Path) -> list[Path]:
    """What a folder holds, by name; hidden files are passed over."""
    if not folder.is_dir():
        raise BadReplay(folder, "is a file where a folder is wanted", "make it a folder")
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def read_json(path: Path) -> Any:
    """The parsed file. Raises BadReplay with line and column where it is no JSON."""
    if path.is_dir():
        raise BadReplay(path, "is a folder where a file is wanted", "see emulators/REPLAY.md for the layout")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadReplay(path, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadReplay(path, f"is not JSON ({error.msg} at {where})", "write it as one JSON value") from error


def read_list(path: Path) -> list[Json]:
    """A list of objects. Raises BadReplay with the place of the first that is none."""
    found = read_json(path)
    if not isinstance(found, list):
        raise BadReplay(path, f"holds {_kind(found)}", "it must be a list of objects: [{…}, {…}]")
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            raise BadReplay(path, f"item {index} is {_kind(one)}", "every item must be an object")
    return found


def read_map(path: Path) -> Json:
    """An object. Raises BadReplay for anything else."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise BadReplay(path, f"holds {_kind(found)}", "it must be an object: {key: …}")
    return found


def need(path: Path, index: int, item: Json, key: str, kind: type | tuple[type, ...] = int) -> Any:
    """The value of a key that the object cannot do without. Raises BadReplay when it is missing or of another kind."""
    value: Any = item
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, bool) or not isinstance(value, kind):
        names = kind if isinstance(kind, tuple) else (kind,)
        wanted = {int: "a number", str: "a text"}
        named = " or ".join(wanted.get(one, one.__name__) for one in names)
        fault = f"item {index} has no '{key}'" if value is None else f"'{key}' of item {index} is {_kind(value)}"
        raise BadReplay(path, fault, f"give it {named}")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
