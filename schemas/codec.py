"""Bytes ⇄ values, for every boundary: canonical events and ticks (JSON), alerts (JSON), table rows (msgpack).

`decode_record` reads a value of `handoff.events`; whatever breaks the schema raises `Unreadable`, which names the
field and the reason. CloudEvents 1.0, JSON structured mode; the extensions are `channel` and the origin of the record.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec

from schemas.alerts import Alert
from schemas.events import CHANNELS, TYPES, AnyData, Channel, Id, Time, times_of, type_of
from schemas.state import Case, Closings, Fact, Journal, Journey, Progress

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
TICK = "handoff.tick"
_FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MS
_LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MS
"""The first and the last moment, ms, that a UTC datetime can hold; offsets from UTC lead beyond."""
_EDGES = (MINYEAR, MAXYEAR)
_BEYOND = f"beyond the years {_EDGES[0]} to {_EDGES[1]} in UTC"


class Unreadable(ValueError):
    """A record that breaks its schema. The message names the field and the reason."""


class UnknownType(Unreadable):
    """An event type that is not in the vocabulary: counted and skipped, never an error."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The CloudEvents attributes that the detector reads; others are allowed and ignored."""

    id: Id
    source: Id
    type: Id
    time: Time
    channel: Channel
    data: msgspec.Raw
    origintopic: str | None = None
    originpartition: int = 0
    originoffset: int = 0
    originindex: int = 0
    specversion: str = "1.0"
    linked: bool = False
    """Came by way of `handoff.links`, whose own transactions keep it from coming twice."""


class TickData(msgspec.Struct, frozen=True):
    progress: tuple[Progress, ...]


class Event(msgspec.Struct, frozen=True, gc=False):
    """A decoded event record: the fact, and its place in its origin partition."""

    fact: Fact
    position: tuple[int, int]
    """Offset in the origin partition, and index among the events of that one record."""
    linked: bool = False
    size: int = 0
    """Bytes of the record."""


Record = Event | TickData
T = TypeVar("T")

_envelope = msgspec.json.Decoder(Envelope)
_data: dict[str, tuple[msgspec.json.Decoder[Any], Sequence[str]]] = {
    name: (msgspec.json.Decoder(cls), times_of(cls)) for name, cls in TYPES.items()
}
"""Event type → the decoder of its data, and the fields that hold times."""
_tick = msgspec.json.Decoder(TickData)
_alert = msgspec.json.Decoder(Alert)
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_case = msgspec.msgpack.Decoder(Case)
_closings = msgspec.msgpack.Decoder(Closings)
_journal = msgspec.msgpack.Decoder(Journal)
_journey = msgspec.msgpack.Decoder(Journey)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime; what is below a millisecond is dropped."""
    since = moment - EPOCH
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def to_time(ms: int) -> datetime:
    """The UTC datetime of milliseconds since the epoch."""
    return EPOCH + ms * _MS


def is_in_utc(ms: int) -> bool:
    """Whether a UTC datetime can hold this moment."""
    return _FIRST <= ms <= _LAST


def decode_record(value: bytes) -> Record:
    """An event or a tick. Raises UnknownType for a type outside the vocabulary, Unreadable for all else."""
    envelope: Envelope | None = None
    try:
        envelope = _envelope.decode(value)
        known = _data.get(envelope.type)
        if known is None:
            return _tick_or_unknown(envelope)
        at, topic = to_ms(envelope.time), envelope.origintopic
        if not is_in_utc(at):
            raise OverflowError(f"`time` is {_BEYOND}")
        origin = (topic, envelope.originpartition, envelope.originoffset) if topic else None
        decoder, times = known
        data = decoder.decode(envelope.data)
        if times:
            _check(data, times)
        fact = Fact(at, envelope.id, envelope.source, envelope.channel, data, origin)
    except (msgspec.DecodeError, RecursionError, OverflowError) as error:
        raise Unreadable(_inside(str(error), envelope)) from None
    return Event(fact, (envelope.originoffset, envelope.originindex), envelope.linked, len(value))


def _check(data: Any, times: Iterable[str]) -> None:
    """A row of the table holds times in UTC: what cannot be said there would stop whoever writes it."""
    for field in times:
        moment = getattr(data, field)
        if moment is not None and moment.year in _EDGES and not is_in_utc(to_ms(moment)):
            raise OverflowError(f"`{field}` is {_BEYOND}")


def _tick_or_unknown(envelope: Envelope) -> TickData:
    if envelope.type != TICK:
        raise UnknownType(f"the type {envelope.type!r} is not in the vocabulary")
    return _tick.decode(envelope.data)


def _inside(reason: str, envelope: Envelope | None) -> str:
    """Paths that msgspec gives for `data` begin at `$`; readers expect them to begin at `$.data`."""
    if envelope is None:
        return reason
    return reason.replace("`$", "`$.data") if "`$" in reason else f"{reason} - at `$.data`"


def encode_tick(source: str, at: int, progress: tuple[Progress, ...]) -> bytes:
    """A tick record: `at` is the greatest progress it vouches for, ms."""
    return _json.encode(
        {
            "specversion": "1.0",
            "id": f"{source}@{at}",
            "source": source,
            "type": TICK,
            "time": to_time(at),
            "channel": next((one.channel for one in progress if one.channel in CHANNELS), CHANNELS[0]),
            "data": TickData(progress),
        }
    )


def encode_event(fact: Fact, customer: dict[str, str]) -> bytes:
    """A canonical event of a fact, as CloudEvents JSON."""
    data = cast("dict[str, Any]", msgspec.to_builtins(fact.data))
    kind = data.pop("type")
    return _json.encode(
        {
            "specversion": "1.0",
            "id": fact.id,
            "source": fact.source,
            "type": kind,
            "time": to_time(fact.at),
            "channel": fact.channel,
            "data": {"customer": customer, **data},
        }
    )


def encode_alert(alert: Alert) -> bytes:
    """One line of JSON, without the line's end; fields at their default are left out."""
    return _json.encode(alert)


def decode_alert(value: bytes) -> Alert:
    """Raises Unreadable."""
    return _decoded(_alert.decode, value)


def size_of(part: object) -> int:
    """How many bytes this part of a row takes in it."""
    return len(_msgpack.encode(part))


def encode_row(row: Case | Journey | Journal | Closings) -> bytes:
    """A table row."""
    return _msgpack.encode(row)


def decode_case(row: bytes) -> Case:
    """Raises Unreadable where the row is of another version or damaged."""
    return _decoded(_case.decode, row)


def decode_closings(row: bytes) -> Closings:
    """Raises Unreadable where the row is of another version or damaged."""
    return _decoded(_closings.decode, row)


def decode_journal(row: bytes) -> Journal:
    """Raises Unreadable where the row is of another version or damaged."""
    return _decoded(_journal.decode, row)


def decode_journey(row: bytes) -> Journey:
    """Raises Unreadable where the row is of another version or damaged."""
    return _decoded(_journey.decode, row)


def _decoded(decode: Callable[[bytes], T], value: bytes) -> T:
    try:
        return decode(value)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None


def event_type(fact: Fact) -> str:
    """The event type of a fact: `order.placed`."""
    return type_of(type(fact.data))


__all__ = [
    "TICK",
    "AnyData",
    "Envelope",
    "Event",
    "Record",
    "TickData",
    "UnknownType",
    "Unreadable",
    "decode_alert",
    "decode_case",
    "decode_closings",
    "decode_journal",
    "decode_journey",
    "decode_record",
    "encode_alert",
    "encode_event",
    "encode_row",
    "encode_tick",
    "event_type",
    "is_in_utc",
    "size_of",
    "to_ms",
    "to_time",
]
