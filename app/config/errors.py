"""What is wrong with a configuration, in words: the key, what it was, what is allowed."""

import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

_KIND = re.compile(r"function-.*|(?:dict|tuple|list)\[.*\]|str|\[key\]")
"""How pydantic names the kinds that a value may be of, among the keys that lead to it."""
_WORDS = {
    "string_type": "allowed is a text",
    "dict_type": "allowed is a table",
    "model_type": "allowed is a table",
    "tuple_type": "allowed is a list",
    "path_type": "allowed is a path",
    "too_short": "at least one is needed",
}
"""pydantic's kind of error → the same in words of TOML."""


class ConfigError(ValueError):
    """A configuration that cannot be used. Each line of the message names a key, what it was, and what is allowed."""


class Disagreement(ValueError):
    """Keys of one table that do not go together. The message begins with one of them, as it stands in the table."""


def _nowhere(_path: Sequence[str]) -> None:
    """All is from the one place."""


def explained(
    error: ValidationError, model: type[BaseModel], where: str, at: Callable[[Sequence[str]], str | None] = _nowhere
) -> ConfigError:
    """The same error for people. `where` is the file; `at` says of the path of a key where else its value is from."""
    lines: dict[str, None] = {}
    for problem in error.errors():
        path = [str(part) for part in problem["loc"] if not _KIND.fullmatch(str(part))]
        lines[f"{at(path) or where}: {_line(dict(problem), model, path)}"] = None
    return ConfigError("\n".join(lines))


def _line(problem: Mapping[str, Any], model: type[BaseModel], path: list[str]) -> str:
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"{key} is not known; allowed here: {', '.join(_keys(model, path[:-1])) or 'nothing'}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if isinstance(problem.get("ctx", {}).get("error"), Disagreement):
        return ".".join([*path, str(problem["ctx"]["error"])])
    reason = problem["msg"].removeprefix("Value error, ").replace("Input should be", "allowed is")
    reason = _WORDS.get(problem["type"], reason)
    return f"{key or 'the whole'} is {_shown(problem['input'], path)}: {reason}"


def _shown(value: Any, path: list[str]) -> str:
    """What a value was; of what may hold a secret somewhere inside, only its kind."""
    if isinstance(value, SecretStr) or any(word in (path or [""])[-1] for word in ("password", "secret")):
        return "a secret"
    if isinstance(value, Mapping):
        return "a table"
    nested = isinstance(value, list | tuple) and any(isinstance(one, Mapping | list) for one in value)
    return "a list" if nested else repr(value)


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The fields allowed at a path of the model."""
    found: type[BaseModel] | None = model
    for part in path:
        field = found.model_fields.get(part) if found is not None else None
        models = list(_models(field.annotation)) if field is not None else [found] if found is not None else []
        found = models[0] if models else None
    return [field.alias or name for name, field in found.model_fields.items()] if found is not None else []


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """The models that a type hint mentions."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for inner in typing.get_args(hint):
        yield from _models(inner)
