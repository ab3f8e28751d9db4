"""A dialect, compiled: a row → the events it gives, not yet in canonical form."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from app.channels.columns import unknown
from app.channels.conditions import Holds, all_or_any
from app.channels.lines import lines
from app.channels.outcome import Unfit
from app.channels.paths import BadPath, Find, as_text, constant, elements, finder, of_row
from app.channels.values import Field, fields_of, fits, placed, raw, source, time_cast, value
from app.config.channels import DialectTable, EventTable
from app.config.errors import ConfigError
from schemas.events import TYPES, Channel, Customer


class Draft(msgspec.Struct, frozen=True):
    """One event of a row."""

    type: str
    channel: Channel | None
    at: int
    id: str | None
    source: str | None
    customer: dict[str, str]
    data: dict[str, Any]


class Nothing(Exception):
    """The row gives no event; the message says why."""


_LONGEST = 60
"""Characters shown of what a row says."""
_Field = tuple[str, Find, str]
"""Its name, its source, and what to call it where it is absent and must not be; empty where it may be."""


class _Event(msgspec.Struct, frozen=True):
    """One entry of `events`, compiled."""

    holds: Holds
    each: Sequence[Find]
    type: Find
    says: Find
    """What the row says of its type, before it is looked up in a table."""
    time: Find
    untimed: str
    """What to say where the time is absent."""
    id: Find | None
    source: Find | None
    channel: Find
    customer: Sequence[tuple[str, Find]]
    data: dict[str, Sequence[_Field]]
    """Event type → its fields."""

    def drafts(self, row: Any, missed: list[str]) -> Iterator[Draft]:
        for element in elements(row, self.each):
            if self.holds(element, row):
                draft = self._draft(element, row, missed)
                if draft is not None:
                    yield draft

    def _draft(self, element: Any, row: Any, missed: list[str]) -> Draft | None:
        kind = self.type(element, row)
        if kind not in self.data:
            missed.append(f"the type {kind!r} is not in the vocabulary" if kind else self._untyped(element, row))
            return None
        at = self.time(element, row)
        if at is None:
            missed.append(self.untimed)
            return None
        name = self.id(element, row) if self.id else None
        return Draft(
            kind,
            self.channel(element, row),
            at,
            None if name is None else f"{kind}/{as_text(name)}",
            as_text(found) if self.source and (found := self.source(element, row)) is not None else None,
            {field: text for field, find in self.customer if (text := find(element, row)) is not None},
            self._data(kind, element, row),
        )

    def _untyped(self, element: Any, row: Any) -> str:
        said = self.says(element, row)
        return "its type is absent" if said is None else f"its type, {as_text(said)[:_LONGEST]!r}, is in no table"

    def _data(self, kind: str, element: Any, row: Any) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for field, find, needed in self.data[kind]:
            found = find(element, row)
            if found is not None:
                data[field] = found
            elif needed:
                raise Unfit(f"{needed}: missing, and {kind} needs it")
        return data


class Dialect:
    """Compiled from its table once, at start. Raises ConfigError, naming the key."""

    def __init__(self, name: str, table: DialectTable) -> None:
        self.table = table
        self.rows = _rows(table, f"dialects.{name}.rows")
        where = f"dialects.{name}.events"
        self._events = [_compiled(of, table, f"{where}.{number}") for number, of in enumerate(table.events)]
        if table.columns is not None and (wrong := unknown(table, table.columns)):
            raise ConfigError(f"dialects.{name}.{wrong[0]} (its `columns`)")
        self._untimed = {event.untimed for event in self._events}

    def drafts(self, row: Any) -> list[Draft]:
        """The events of a row, in the order of the dialect. Raises Nothing where it gives none, and Unfit where a value
        does not fit. An event whose time is absent has not happened; a row in which nothing has is unfit.
        """
        missed: list[str] = []
        drafts = [draft for event in self._events for draft in event.drafts(row, missed)]
        if drafts:
            return drafts
        for reason in missed:
            if reason in self._untimed:
                raise Unfit(reason)
        raise Nothing(missed[0] if missed else "the dialect makes no event of such a row")


def _rows(table: DialectTable, where: str) -> Find | None:
    try:
        return None if table.rows is None else finder(table.rows, flat=False, absent=table.absent)
    except BadPath as error:
        raise ConfigError(f"{where}: {error}") from None


def _compiled(of: EventTable, dialect: DialectTable, where: str) -> _Event:
    try:
        return _event(of, dialect, where)
    except BadPath as error:
        raise ConfigError(f"{where}: {error}") from None


def _event(of: EventTable, dialect: DialectTable, where: str) -> _Event:
    flat = dialect.format == "csv"
    if of.each and flat:
        raise ConfigError(f"{where}.each is {of.each[0]!r}: rows of a CSV have no lists; one row is one element")
    shared = [(name, of_row(_identifier(name, spec, dialect, where))) for name, spec in dialect.customer.items()]
    own = [(name, _identifier(name, spec, dialect, where)) for name, spec in (of.customer or {}).items()]
    return _Event(
        holds=all_or_any(of.when, dialect, f"{where}.when"),
        each=[finder(path, flat=flat, absent=dialect.absent) for path in of.each],
        type=_type(of, dialect, f"{where}.type"),
        says=_type(of, dialect, f"{where}.type", looked_up=False),
        time=_time(of.time, dialect, f"{where}.time"),
        untimed=f"{placed('time', of.time)}: missing",
        id=finder(of.id, flat=flat, absent=dialect.absent) if of.id is not None else None,
        source=_source(of.source, dialect),
        channel=_channel(of, dialect, f"{where}.channel"),
        customer=[*shared, *own],
        data=_data(of, dialect, where),
    )


def _source(text: str | None, dialect: DialectTable) -> Find | None:
    """A constant, unless it has holes to fill."""
    if text is None or "{" not in text:
        return None if text is None else constant(text)
    return finder(text, flat=dialect.format == "csv", absent=dialect.absent)


def _type(of: EventTable, dialect: DialectTable, where: str, *, looked_up: bool = True) -> Find:
    if isinstance(of.type, str):
        return constant(of.type)
    found = source(of.type, where)
    return raw(found if looked_up else found.model_copy(update={"table": None}), dialect, where)


def _channel(of: EventTable, dialect: DialectTable, where: str) -> Find:
    return raw(source(of.channel, where), dialect, where) if isinstance(of.channel, dict) else constant(of.channel)


def _types(of: EventTable, where: str) -> list[str]:
    """The event types that an entry can give."""
    if isinstance(of.type, str):
        named = [of.type]
    else:
        table = source(of.type, f"{where}.type").table
        named = [str(one) for one in table.values()] if table is not None else list(TYPES)
    for name in named:
        if name not in TYPES:
            raise ConfigError(f"{where}.type is {name!r}: allowed are {', '.join(TYPES)}")
    return list(dict.fromkeys(named))


def _time(spec: Any, dialect: DialectTable, where: str) -> Find:
    of = source(spec, where)
    find, cast = raw(of, dialect, where), time_cast(of, dialect, where, lambda ms: ms)
    fits(of, cast, where)

    def time(element: Any, row: Any) -> Any:
        found = find(element, row)
        try:
            return None if found is None else cast(found)
        except Unfit as error:
            raise Unfit(f"{placed('time', spec)}: {error}") from None

    return time


def _identifier(name: str, spec: Any, dialect: DialectTable, where: str) -> Find:
    if name not in Customer.__struct_fields__:
        allowed = ", ".join(Customer.__struct_fields__)
        raise ConfigError(f"{where}.customer.{name} is not known; allowed here: {allowed}")
    return value(spec, Field("text"), dialect, f"{where}.customer.{name}")


def _data(of: EventTable, dialect: DialectTable, where: str) -> dict[str, Sequence[_Field]]:
    kinds = _types(of, where)
    known = {field for kind in kinds for field in fields_of(TYPES[kind])}
    if unknown := sorted(of.data.keys() - known):
        raise ConfigError(f"{where}.data.{unknown[0]} is not known; allowed here: {', '.join(sorted(known))}")
    return {kind: _fields(kind, of, dialect, where) for kind in kinds}


def _fields(kind: str, of: EventTable, dialect: DialectTable, where: str) -> list[_Field]:
    cls = TYPES[kind]
    found: list[_Field] = []
    for field, required in fields_of(cls).items():
        if field in of.data:
            find = _field(of.data[field], Field.of(cls, field), dialect, f"{where}.data.{field}")
            found.append((field, find, placed(field, of.data[field]) if required else ""))
        elif required and isinstance(of.type, str):
            raise ConfigError(f"{where}.data.{field} is missing: {kind} needs it")
        elif required:
            found.append((field, constant(None), field))
    return found


def _field(spec: Any, field: Field, dialect: DialectTable, where: str) -> Find:
    return lines(spec, dialect, where) if field.wants == "lines" else value(spec, field, dialect, where)
