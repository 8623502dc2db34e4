"""Reads the configuration file; says everything that is wrong with it at once, with the mend of each."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import holidays
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.config import (
    Api,
    BigQuerySource,
    Config,
    Environment,
    GitLabSource,
    Metric,
    Product,
    SecretRef,
    Section,
    Standup,
    Team,
    TerraformSource,
    VertexSource,
)
from services.secrets import Secrets

SOURCES: dict[str, type[Section]] = {
    "gitlab": GitLabSource,
    "terraform": TerraformSource,
    "vertex": VertexSource,
    "bigquery": BigQuerySource,
}
SECTIONS: dict[str, type[Section]] = {
    "api": Api,
    "team": Team,
    "standup": Standup,
    "environment": Environment,
    "product": Product,
    "metric": Metric,
}


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one sentence for each fault."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        super().__init__(f"{path}: {count} in the configuration\n{listed}")
        self.path = path
        self.problems = problems


@dataclass(frozen=True)
class Loaded:
    """A configuration that passed every check, and the way to its secrets."""

    config: Config
    path: Path
    secrets: Secrets


def load(path: Path) -> Loaded:
    """Read and check the file. Raises ConfigError with every fault, never just the first."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(path, [_missing(path)]) from None
    except IsADirectoryError:
        raise ConfigError(path, ["this is a folder; give the path of the TOML file in it"]) from None
    except PermissionError:
        raise ConfigError(path, ["the file may not be read; grant read access to the user that runs this"]) from None
    except UnicodeDecodeError:
        raise ConfigError(path, ["the file is not UTF-8 text; save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [f"not valid TOML: {error}; strings need quotes, tables need [brackets]"]) from None
    config = _placed(parse(raw, path), path.parent.absolute())
    return Loaded(config, path, Secrets(path.parent))


def parse(raw: dict[str, Any], path: Path = Path("throughline.toml")) -> Config:
    """Check a file's content that was read already. Raises ConfigError."""
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        faults = [_sentence(fault, raw) for fault in error.errors(include_url=False)]
        raise ConfigError(path, list(dict.fromkeys(faults))) from None
    problems = [*_across(config), *_values(config, path.parent)]
    if problems:
        raise ConfigError(path, problems)
    return config


def _placed(config: Config, base: Path) -> Config:
    """Files that the configuration names stand beside it, wherever the program was started."""
    found = []
    for source in config.source:
        named = {key: getattr(source, key, None) for key in ("ca_file", "directory")}
        found.append(source.model_copy(update={key: base / value for key, value in named.items() if value is not None}))
    return config.model_copy(update={"source": tuple(found)})


def _missing(path: Path) -> str:
    return f"the file does not exist; write {path}, or name another by --config or THROUGHLINE_CONFIG"


def _sentence(fault: ErrorDetails, raw: dict[str, Any]) -> str:
    """One fault as: key, what is wrong, how to mend it."""
    where = _key([part for part in fault["loc"] if part not in SOURCES], raw)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{where}: unknown key{_meant(fault['loc'])}"
    if kind == "missing":
        return f"{where}: missing; it is required"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{where}.kind: must be one of {', '.join(SOURCES)}"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind == "literal_error":
        return f"{where}: {_shown(fault['input'])} is not allowed; use {context['expected']}"
    if kind == "enum":
        return f"{where}: {_shown(fault['input'])} is not allowed; use one of {context['expected']}"
    if kind in ("tuple_type", "list_type"):
        return f'{where}: must be a list, for example ["one", "two"], not {_shown(fault["input"])}'
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where}: must be a table with keys, not {_shown(fault['input'])}"
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {_shown(fault['input'])}"


def _shown(value: Any) -> str:
    """The value as written, cut short; where it may be a secret that strayed here, only its type."""
    if isinstance(value, str) and len(value) > 12:
        return f"a text of {len(value)} characters"
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def _key(location: Iterable[Any], raw: dict[str, Any]) -> str:
    """`source[2] (vertex)` reads better than source.1."""
    words: list[str] = []
    value: Any = raw
    for part in location:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
            name = value.get("name") if isinstance(value, dict) else None
            words[-1:] = [f"{words[-1] if words else ''}[{part + 1}]" + (f" ({name})" if isinstance(name, str) else "")]
        else:
            value = value.get(part) if isinstance(value, dict) else None
            words.append(str(part))
    return ".".join(words) or "the file"


def _meant(location: tuple[int | str, ...]) -> str:
    """The known key that is spelled most like an unknown one."""
    *above, last = location
    model: type[Section] = Config
    for part in above:
        if isinstance(part, str):
            model = (
                SOURCES.get(part)
                or SECTIONS.get(part)
                or (SecretRef if part in ("token", "webhook", "credentials") else model)
            )
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(last), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(known)}"


def _across(config: Config) -> Iterable[str]:
    """Faults that only show when parts are held against each other."""
    for section in ("source", "environment", "product"):
        names = [item.name for item in getattr(config, section)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{section}: two have the name {name!r}; a name must be used once"
    yield from _twice(config)
    keys = [metric.key for metric in config.metric]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"metric: {key!r} is there twice; product, model and name together must be used once"
    products = [product.name for product in config.product]
    stores = [source.name for source in config.source if isinstance(source, BigQuerySource)]
    for place, metric in enumerate(config.metric, start=1):
        where = f"metric[{place}] ({metric.name})"
        if metric.product not in products:
            yield f"{where}.product: {metric.product!r} is no [[product]]; known: {', '.join(products) or 'none'}"
        if not stores:
            yield f'{where}: needs a [[source]] of kind "bigquery", and there is none'
        elif metric.source is None and len(stores) > 1:
            yield f"{where}.source: there are several bigquery sources; name one of {', '.join(stores)}"
        elif metric.source is not None and metric.source not in stores:
            yield f"{where}.source: {metric.source!r} is no bigquery source; known: {', '.join(stores)}"


def _twice(config: Config) -> Iterable[str]:
    """Two sources that would each take what the other has read for gone."""
    first: dict[tuple[str, str], str] = {}
    lists = {"gitlab": "groups", "vertex": "regions"}
    for source in config.source:
        if isinstance(source, GitLabSource):
            place = source.url.rstrip("/").lower()
        elif isinstance(source, TerraformSource):
            place = str(source.directory or f"gs://{source.bucket}/{source.prefix}".rstrip("/"))
        else:
            place = source.project
        other = first.setdefault((source.kind, place), source.name)
        if other != source.name:
            mend = f"; write it once, with all its {lists[source.kind]}" if source.kind in lists else "; write it once"
            yield f"source: {other!r} and {source.name!r} both read {place}{mend}"


def _values(config: Config, base: Path) -> Iterable[str]:
    """Faults of single values that need more than their type to be judged."""
    if config.team.holidays and not _knows_holidays(config.team.holidays):
        yield f'team.holidays: {config.team.holidays!r} is unknown; use a country ("DE") or a part of it ("DE-BE")'
    if not config.standup.days:
        yield 'standup.days: the list is empty; name at least one day, for example ["mon"]'
    if config.history != "all" and config.history.total_seconds() <= 0:
        yield 'history: must be longer than nothing, for example "120d"'
    for place, source in enumerate(config.source, start=1):
        where = f"source[{place}] ({source.name})"
        yield from _addresses(where, source)
        if isinstance(source, GitLabSource):
            if not source.groups and not source.projects:
                yield f"{where}.groups: name at least one group, or list projects"
            if source.ca_file is not None and not (base / source.ca_file).is_file():
                yield f"{where}.ca_file: there is no file {base / source.ca_file}"
        if (
            isinstance(source, TerraformSource)
            and source.directory is not None
            and not (base / source.directory).is_dir()
        ):
            yield f"{where}.directory: there is no folder {base / source.directory}"
    for place, metric in enumerate(config.metric, start=1):
        if metric.table is not None and metric.table.count(".") not in (1, 2):
            yield f"metric[{place}] ({metric.name}).table: write dataset.table or project.dataset.table"
        if metric.sql is not None and not metric.sql.lstrip().lower().startswith(("select", "with")):
            yield f"metric[{place}] ({metric.name}).sql: must be one SELECT"


def _addresses(where: str, source: Section) -> Iterable[str]:
    for key in ("url", "api_endpoint", "proxy"):
        value = getattr(source, key, None)
        if value is None:
            continue
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            yield f'{where}.{key}: must be an address like "https://gitlab.example.com"'
        elif parts.username or parts.password:
            yield f"{where}.{key}: holds a user or password; keep secrets out of addresses, use a secret reference"


def _knows_holidays(code: str) -> bool:
    country, _, part = code.partition("-")
    supported = holidays.list_supported_countries()
    return country in supported and (not part or part in supported[country])


assert set(SOURCES) == {get_args(model.model_fields["kind"].annotation)[0] for model in SOURCES.values()}
