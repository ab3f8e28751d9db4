"""What travels on `handoff.links`, and the rows in which a links partition keeps what it has learned.

Records are keyed by an identifier as text (`order:o1`, `phone:<hash>`): events that lack their customer or their order,
links (`handoff.link`: the identifier leads to a customer), kin (`handoff.kin`: two identifiers of one event), ticks.
Row keys: NUL and a name for what belongs to the partition; `i` and the identifier; `p` and a number for a parked event;
`q` and a number for a piece of the queue in which identifiers wait to be forgotten.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from schemas.codec import Envelope, TickData, UnknownType, Unreadable, decode_record, to_ms, to_time
from schemas.events import TYPES, Customer, Id, OfParcel
from schemas.state import VERSION, Progress, Reached

LINK = "handoff.link"
KIN = "handoff.kin"
NEVER = -1
_LONGEST = 220
"""Characters of an identifier as text: an id, behind the name of its kind."""


class Link(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The identifier that keys this leads to a customer, or is of a parcel that holds an order, or both."""

    at: int
    """When an event said so, event time in ms."""
    customer: Id | None = None
    order: Id | None = None
    told: bool = False
    """Whether it was learned from a kin, and not from an event that names its customer."""
    weak: bool = False
    """Whether the way here led through anything but orders and parcels: a person may ask about another's order."""


class Kin(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An event named this identifier beside the one that keys the record."""

    at: int
    other: Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST)]
    placed: bool = False
    """Whether that event placed the order that is one of the two: whoever goes by the other is its customer."""


class Unlinked(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event that lacks its customer or its order. `value` is the canonical event as it came."""

    value: bytes
    at: int
    channel: str
    customer: str | None = None
    lacks_order: bool = False
    """Whether it is about an order that it knows only by a parcel."""
    origin: tuple[str, int] | None = None
    """Topic and partition of the channel's own record."""
    position: tuple[int, int] = (0, 0)
    """Offset in the origin partition, and index among the events of that one record."""


LinkRecord = Unlinked | Link | Kin | TickData


class Known(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A customer to whom an identifier leads."""

    customer: str
    first: int
    """The earliest event time (ms) at which that was said."""
    last: int = NEVER
    """The latest event time (ms) at which an event that names the customer said so."""
    weak: bool = False


class Identity(msgspec.Struct, array_like=True):
    """All that is known of one identifier."""

    version: int = VERSION
    known: list[Known] = []
    kin: dict[str, int] = {}
    """Identifiers that were named beside it → the earliest event time (ms) of that."""
    orders: dict[str, int] = {}
    """Of a parcel: the orders it holds → the earliest event time (ms) at which that was said."""
    shared: bool = False
    """It led to too many customers or orders, and links nothing any more."""
    waited: bool = False
    """An event of it has waited in vain: later ones do not wait."""
    touched: int = 0
    """Event time (ms) from which its retention counts."""
    placed: list[str] = []
    """The orders that were placed under it."""


class Parked(msgspec.Struct, array_like=True, frozen=True):
    """An event that waits for its link, or one of a parcel that may turn out to hold another order."""

    identifier: str
    deadline: int
    event: Unlinked
    told: tuple[str, ...] = ()
    """The orders to which it has gone on; none: it waits."""


class LinksJournal(msgspec.Struct, array_like=True):
    """What a links partition knows besides identifiers."""

    version: int = VERSION
    taken: dict[str, tuple[int, int]] = {}
    """Origin (`topic/partition`) → offset and index of the last event taken from it."""
    echoed: dict[str, tuple[int, int]] = {}
    """Channel → how far this partition has said to have come, and how far that is to be trusted, ms."""
    said: dict[str, tuple[int, int]] = {}
    """Channel → what was last said of both to the events partitions, ms."""
    parked: int = 0
    """The number of the next parked event."""
    first: int = 0
    last: int = 0
    """The first and the last piece of the queue of what is to be forgotten."""


class LinksClocks(msgspec.Struct, array_like=True):
    """How far the channels have been heard, and how far every links partition has come."""

    version: int = VERSION
    heard: list[Progress] = []
    spoke: dict[str, int] = {}
    """Channel → when it last spoke, ms."""
    echoes: list[Progress] = []
    mark: int = NEVER
    """The moment (ms) up to which all live channels have been heard by all links partitions."""
    reached: dict[str, Reached] = {}
    """Channel → how far it has come here."""
    reached_by_all: dict[str, Reached] = {}
    """Channel → how far it has come in all links partitions."""


class Forget(msgspec.Struct, array_like=True):
    """A piece of the queue: identifiers to look at once all live channels have been heard beyond `due`, ms."""

    due: int = NEVER
    identifiers: list[str] = []


LinkRow = Identity | Parked | LinksJournal | LinksClocks | Forget


class _Type(msgspec.Struct, gc=False):
    type: Id


class _Link(msgspec.Struct, gc=False):
    data: Link


class _Kin(msgspec.Struct, gc=False):
    data: Kin


class _Named(msgspec.Struct, gc=False):
    customer: Customer | None = None
    order_id: Id | None = None


_type = msgspec.json.Decoder(_Type)
_link = msgspec.json.Decoder(_Link)
_kin = msgspec.json.Decoder(_Kin)
_envelope = msgspec.json.Decoder(Envelope)
_named = msgspec.json.Decoder(_Named)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


def decode_link_record(value: bytes) -> LinkRecord:
    """One record of `handoff.links`. Raises UnknownType for a type outside the vocabulary, Unreadable for all else."""
    try:
        kind = _type.decode(value).type
        if kind == LINK:
            return _link.decode(value).data
        if kind == KIN:
            return _kin.decode(value).data
        if kind in TYPES:
            return _unlinked(value)
    except (msgspec.DecodeError, RecursionError, OverflowError) as error:
        raise Unreadable(str(error)) from None
    tick = decode_record(value)
    assert isinstance(tick, TickData), "every other type of the vocabulary was decoded above"
    return tick


def _unlinked(value: bytes) -> Unlinked:
    envelope = _envelope.decode(value)
    named = _named.decode(envelope.data)
    return Unlinked(
        value,
        to_ms(envelope.time),
        envelope.channel,
        named.customer.id if named.customer is not None else None,
        issubclass(TYPES[envelope.type], OfParcel) and named.order_id is None,
        (envelope.origintopic, envelope.originpartition) if envelope.origintopic else None,
        (envelope.originoffset, envelope.originindex),
    )


def encode_link(identifier: str, record: Link | Kin) -> bytes:
    """A link or a kin of this identifier, as CloudEvents JSON."""
    to = record.other if isinstance(record, Kin) else f"{record.customer or ''}/{record.order or ''}"
    return _json.encode(
        {
            "specversion": "1.0",
            "id": f"{identifier}>{to}@{record.at}",
            "source": "/handoff/links",
            "type": KIN if isinstance(record, Kin) else LINK,
            "time": to_time(record.at),
            "data": record,
        }
    )


def impersonal(value: bytes, customer: str | None) -> bytes:
    """The event with nothing of its customer but the id, if there is one: personal identifiers are hashed in keys and
    links, and go nowhere else. `value` is one that could be decoded.
    """
    return _retold(value, {"customer": {"id": customer} if customer is not None else {}})


def renamed(value: bytes, names: Mapping[str, str | None]) -> bytes:
    """The event with other names of what it is about. `value` is one that could be decoded."""
    return _retold(value, names)


def linked(value: bytes, customer: str, order: str | None) -> bytes:
    """The event as it goes on: it names the customer and nothing else of them, and its order where that was found.

    So whoever reads `handoff.events` later finds the same customer without any link. `value` is one that could be
    decoded.
    """
    found = {"customer": {"id": customer}} | ({"order_id": order} if order is not None else {})
    return _retold(value, found, linked=True)


def _retold(value: bytes, data: Mapping[str, Any], **attributes: Any) -> bytes:
    """The event with some of its data and of its attributes replaced."""
    event = _object.decode(value)
    return _json.encode({**event, **attributes, "data": {**_object.decode(event["data"]), **data}})


def encode_link_row(row: LinkRow) -> bytes:
    """A table row."""
    return _msgpack.encode(row)


__all__ = [
    "KIN",
    "LINK",
    "NEVER",
    "Forget",
    "Identity",
    "Kin",
    "Known",
    "Link",
    "LinkRecord",
    "LinkRow",
    "LinksClocks",
    "LinksJournal",
    "Parked",
    "UnknownType",
    "Unlinked",
    "Unreadable",
    "decode_link_record",
    "encode_link",
    "encode_link_row",
    "impersonal",
    "linked",
    "renamed",
]
