"""The sources of values in a mapping, compiled: path, alternatives, constant or table → the value a field wants."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from app.channels.outcome import Unfit, short
from app.channels.paths import Find, as_text, constant, finder, first_of
from app.channels.times import ALLOWED, check_format, time_parser
from app.config.channels import DialectTable
from app.config.durations import parse_offset
from app.config.errors import ConfigError, explained
from schemas.codec import to_time
from schemas.events import Line

Wants = Literal["text", "number", "integer", "time", "lines"]
Cast = Callable[[Any], Any]
_NOTHING = object()
_PARTING = {".": re.compile(r"[,'\u2019\s]"), ",": re.compile(r"[.'\u2019\s]")}
"""Decimal mark → what may part thousands."""
_GROUPED = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:{of.pattern}\d{{2,3}})*{of.pattern}\d{{3}}(?:\{mark}\d*)?")
    for mark, of in _PARTING.items()
}
_KINDS: Mapping[type, Wants] = {datetime: "time", float: "number", int: "integer"}


class Source(BaseModel):
    """Where a value comes from, spelled out."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str | tuple[str, ...] | None = None
    value: Any = _NOTHING
    table: dict[str, Any] | None = None
    match: str | None = None
    default: Any = None
    format: str | tuple[str, ...] | None = None
    zone: str | None = None
    offset: str | None = None
    day: Literal["start", "end"] | None = None


class Field(msgspec.Struct, frozen=True):
    """What a field of an event holds."""

    wants: Wants
    choices: tuple[str, ...] = ()
    """The only texts that it may be, where these are told."""

    @classmethod
    def of(cls, struct: type, name: str) -> "Field":
        """That field of this struct."""
        hint = get_type_hints(struct)[name]
        kinds = {hint, *get_args(hint)}
        if any(Line in get_args(kind) or kind is Line for kind in kinds):
            return cls("lines")
        for kind, wanted in _KINDS.items():
            if kind in kinds:
                return cls(wanted)
        choices = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())
        return cls("text", choices)


def source(spec: Any, where: str) -> Source:
    """A source from its short or long form. Raises ConfigError."""
    if isinstance(spec, str):
        return Source(path=spec)
    if isinstance(spec, list) and spec and all(isinstance(path, str) for path in spec):
        return Source(path=tuple(spec))
    if not isinstance(spec, dict):
        raise ConfigError(f"{where} is {spec!r}: allowed is a path, a list of paths, or a table such as {{value = 1}}")
    try:
        made = Source.model_validate(spec)
    except ValidationError as error:
        raise explained(error, Source, where) from None
    if (made.path is None) == (made.value is _NOTHING):
        raise ConfigError(f"{where} is {spec!r}: exactly one of path and value is needed")
    return made


def raw(of: Source, dialect: DialectTable, where: str) -> Find:
    """The value as it stands in the row, after `match`, `table` and `default`."""
    if of.value is not _NOTHING:
        return constant(of.value)
    paths = (of.path,) if isinstance(of.path, str) else of.path or ()
    find = first_of([finder(path, flat=dialect.format == "csv", absent=dialect.absent) for path in paths])
    if of.match is not None:
        find = _matching(find, _pattern(of.match, where))
    if of.table is not None:
        find = _looked_up(find, of.table)
    return find if of.default is None else _defaulting(find, of.default)


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"{where}.match is {text!r}: no regular expression: {error}") from None


def _matching(find: Find, pattern: re.Pattern[str]) -> Find:
    def matching(element: Any, row: Any) -> Any:
        value = find(element, row)
        found = pattern.search(as_text(value)) if value is not None else None
        return None if found is None else found.group(1 if pattern.groups else 0) or None

    return matching


def _looked_up(find: Find, table: Mapping[str, Any]) -> Find:
    other = table.get("*")

    def looked_up(element: Any, row: Any) -> Any:
        value = find(element, row)
        return None if value is None else table.get(as_text(value), other)

    return looked_up


def _defaulting(find: Find, default: Any) -> Find:
    def defaulting(element: Any, row: Any) -> Any:
        value = find(element, row)
        return default if value is None else value

    return defaulting


def value(spec: Any, field: Field, dialect: DialectTable, where: str) -> Find:
    """Compiles a source of a field into a closure; it gives None where the value is absent, and raises Unfit.

    Raises ConfigError, also for what a mapping itself gives and the field cannot hold.
    """
    of = source(spec, where)
    find, cast = raw(of, dialect, where), _cast(of, field, dialect, where)
    fits(of, cast, where)
    named = placed(where.rpartition(".")[2], spec)

    def compiled(element: Any, row: Any) -> Any:
        found = find(element, row)
        if found is None:
            return None
        try:
            return cast(found)
        except Unfit as error:
            raise Unfit(f"{named}: {error}") from None

    return compiled


def fits(of: Source, cast: Cast, where: str) -> None:
    """What the mapping itself gives must fit the field. Raises ConfigError."""
    given = {"value": of.value, "default": of.default, **{f"table.{key}": to for key, to in (of.table or {}).items()}}
    for key, constant_value in given.items():
        if constant_value is not None and constant_value is not _NOTHING:
            try:
                cast(constant_value)
            except Unfit as error:
                raise ConfigError(f"{where}.{key}: {error}") from None


def placed(name: str, spec: Any) -> str:
    """A field with where it comes from, for people: `order_id (no)`."""
    path = spec.get("path", spec.get("each")) if isinstance(spec, dict) else spec
    shown = path if isinstance(path, str) else " or ".join(path or ())
    return f"{name} ({shown})" if shown else name


def _cast(of: Source, field: Field, dialect: DialectTable, where: str) -> Cast:
    want = field.wants
    if want == "time":
        return time_cast(of, dialect, where, to_time)
    if of.format or of.zone or of.offset or of.day:
        raise ConfigError(f"{where}: format, zone, offset and day belong to times, and this field is none")
    if want == "text":
        return _choice(field.choices) if field.choices else _text
    decimal = dialect.decimal
    return _integer if want == "integer" else lambda found: number(found, decimal)


def time_cast(of: Source, dialect: DialectTable, where: str, then: Callable[[int], Any]) -> Cast:
    """Reads a time in the source's own format and zone, or the dialect's, shifts it, and hands on its ms."""
    formats = (of.format,) if isinstance(of.format, str) else of.format or dialect.time
    for pattern in formats:
        if not check_format(pattern):
            raise ConfigError(f"{where}: the time format is {pattern!r}: allowed is {ALLOWED}")
    try:
        offset = parse_offset(of.offset) if of.offset is not None else 0
    except ValueError as error:
        raise ConfigError(f"{where}.offset is {of.offset!r}: {error}, with + or - before it") from None
    try:
        parse = time_parser(formats, of.zone or dialect.zone, of.day, offset)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f'{where}.zone is {of.zone!r}: allowed is an IANA time zone such as "Europe/Paris"') from None
    return lambda found: then(parse(found))


def _text(found: Any) -> str:
    if isinstance(found, dict | list):
        raise Unfit(f"{short(found)} is no single value")
    text = as_text(found)
    if not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text):
        raise Unfit(f"{short(text)} is not in the `encoding` of its dialect")
    return text


def _choice(choices: tuple[str, ...]) -> Cast:
    allowed = frozenset(choices)

    def cast(found: Any) -> str:
        text = _text(found)
        if text not in allowed:
            raise Unfit(f"{short(text)} is none of {', '.join(choices)}")
        return text

    return cast


def number(found: Any, decimal: str | None) -> float:
    """A finite number as the dialect writes them; where it does not say, with a point and nothing that parts thousands.
    Raises Unfit.
    """
    try:
        read = float(_pointed(found, decimal) if decimal and isinstance(found, str) else found)
    except (ValueError, TypeError):
        read = math.nan
    if not math.isfinite(read):
        written = f"the `decimal` being {decimal!r}" if decimal else "there being no `decimal` in its dialect"
        raise Unfit(f"{short(found)} is no number, {written}")
    return read


def _pointed(text: str, decimal: str) -> str:
    """The number with a point, and with nothing that parts thousands. Raises ValueError for what parts anything else: a
    point in front of two digits is no comma.
    """
    if _GROUPED[decimal].fullmatch(text):
        text = _PARTING[decimal].sub("", text)
    if decimal == ",":
        if "." in text:
            raise ValueError(text)
        text = text.replace(",", ".")
    return text


def _integer(found: Any) -> int:
    read = number(found, None)
    if not read.is_integer():
        raise Unfit(f"{short(found)} is no whole number")
    return int(read)


def fields_of(cls: type[msgspec.Struct]) -> dict[str, bool]:
    """The fields of a struct → whether each must be given."""
    return {field.name: field.required for field in msgspec.structs.fields(cls)}
