"""`when`: whether a row gives an event, compiled."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.channels.outcome import Unfit
from app.channels.paths import Find, as_text, constant, finder
from app.channels.values import number
from app.config.channels import DialectTable
from app.config.errors import ConfigError, explained

Holds = Callable[[Any, Any], bool]


class Condition(BaseModel):
    """On one path, spelled out: all that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    present: bool | None = None
    is_: tuple[Any, ...] | None = Field(default=None, alias="is")
    not_: tuple[Any, ...] | None = Field(default=None, alias="not")
    matches: re.Pattern[str] | None = None
    above: float | None = None
    below: float | None = None

    @field_validator("is_", "not_", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]


def all_or_any(tables: Sequence[dict[str, Any]], dialect: DialectTable, where: str) -> Holds:
    """Several tables: any of them; within one: all its conditions. No table at all: always. Raises ConfigError."""
    alternatives = [_all(table, dialect, where) for table in tables]
    if not alternatives:
        return constant(True)
    if len(alternatives) == 1:
        return alternatives[0]
    return lambda element, row: any(holds(element, row) for holds in alternatives)


def _all(table: dict[str, Any], dialect: DialectTable, where: str) -> Holds:
    flat = dialect.format == "csv"
    tests = [
        (_found(finder(path, flat=flat, absent=dialect.absent), spec), _condition(spec, f"{where}.{path}"))
        for path, spec in table.items()
    ]
    decimal = dialect.decimal
    return lambda element, row: all(_holds(condition, find(element, row), decimal) for find, condition in tests)


def _found(find: Find, spec: Any) -> Find:
    """Whoever asks with a mere `true` or `false` takes JSON's `false` for nothing."""
    if not isinstance(spec, bool):
        return find
    return lambda element, row: None if (value := find(element, row)) is False else value


def _condition(spec: Any, where: str) -> Condition:
    """`true`/`false`: present or absent; a list: one of these; a table: spelled out; else: equal to this."""
    if isinstance(spec, bool):
        return Condition(present=spec)
    if not isinstance(spec, dict):
        return Condition(**{"is": spec})
    try:
        return Condition.model_validate(spec)
    except ValidationError as error:
        raise explained(error, Condition, where) from None
    except re.error as error:
        raise ConfigError(f"{where}.matches: no regular expression: {error}") from None


def _holds(condition: Condition, value: Any, decimal: str | None) -> bool:
    if condition.present is not None and condition.present != (value is not None):
        return False
    text = None if value is None else as_text(value)
    if condition.is_ is not None and text not in {as_text(one) for one in condition.is_}:
        return False
    if condition.not_ is not None and text in {as_text(one) for one in condition.not_}:
        return False
    if condition.matches is not None and (text is None or not condition.matches.search(text)):
        return False
    return _between(condition, value, decimal)


def _between(condition: Condition, value: Any, decimal: str | None) -> bool:
    if condition.above is None and condition.below is None:
        return True
    try:
        found = number(value, decimal)
    except Unfit:
        return False
    low, high = condition.above, condition.below
    return (low is None or found > low) and (high is None or found < high)
