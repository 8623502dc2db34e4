"""A resource instance as any state format tells it, and how Terraform writes its address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Outputs = Mapping[str, tuple[Any, bool]]
"""Name -> (value, sensitive)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Held in memory only: `attributes` still has everything in it."""

    address: str
    resource: tuple[str | None, str, str, str]
    """(module, mode, type, name): what the configuration declares once."""
    module: str | None
    mode: str
    type: str
    provider: str | None
    indexed: bool
    tainted: bool
    deposed: str | None
    attributes: Mapping[str, Any]
    marked: tuple[Any, ...] = ()
    """Paths that are marked as sensitive."""


def address_of(module: str | None, mode: str, type_: str, name: str, index: Any = None) -> str:
    """module.a["x"].data.type.name[0], as the command line shows it."""
    own = f"{'data.' if mode == 'data' else ''}{type_}.{name}"
    if index is not None:
        own += f"[{index}]" if isinstance(index, int) else f"[{json.dumps(str(index), ensure_ascii=False)}]"
    return f"{module}.{own}" if module else own
