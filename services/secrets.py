"""Where secrets are kept, and the only way to one: by a reference, at the moment it is needed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services import redaction
from services.config import SecretRef


class SecretMissing(Exception):
    """A secret that the configuration refers to is not there; says where it was looked for and how to put it there."""


class Secrets:
    """Reads secrets by reference; keeps none, and its repr shows none.

    Whatever is read is made known to the redaction, so that it is replaced wherever it might turn up.
    """

    def __init__(self, base: Path, environ: Mapping[str, str] | None = None, toml: Path | None = None) -> None:
        self._base = base
        self._environ = os.environ if environ is None else environ
        self._toml = toml or Path(".streamlit/secrets.toml")

    def get(self, ref: SecretRef) -> str:
        """The secret itself, without surrounding white space. Raises SecretMissing."""
        if ref.env is not None:
            value = self._environ.get(ref.env, "")
            where, mend = f"environment variable {ref.env}", f"export {ref.env}=… before the start"
        elif ref.file is not None:
            path = self._base / ref.file
            value = self._read(path)
            where, mend = f"file {path}", f"write the secret, and nothing else, into {path}"
        else:
            value = self._from_toml(str(ref.secret))
            where, mend = f"key {ref.secret} of {self._toml}", f"add {ref.secret} to {self._toml}"
        value = value.strip()
        if not value:
            raise SecretMissing(f"no secret in {where}; {mend}")
        redaction.register_secret(value)
        return value

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissing(
                f"the secret file {path} cannot be read ({type(error).__name__}); check its rights"
            ) from None

    def _from_toml(self, key: str) -> str:
        try:
            found: Any = tomllib.loads(self._toml.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ""
        except tomllib.TOMLDecodeError as error:
            raise SecretMissing(f"{self._toml} is no valid TOML: {error}") from None
        for part in key.split("."):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        return found if isinstance(found, str) else ""
