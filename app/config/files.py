"""Reading TOML files, with errors that say which file and where."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from app.config.errors import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ConfigError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark in front
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def write_toml(tables: dict[str, Any]) -> str:
    """TOML of nested tables, in their order; values of None are left out."""
    return tomli_w.dumps(_present(tables))


def _present(table: dict[str, Any]) -> dict[str, Any]:
    return {k: _present(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}
