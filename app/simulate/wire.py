"""What goes over the wire: each channel's steps in its own dialect, on its own topic, under its own key.

`channels.toml` beside this tells the detector how to read them.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.config.channels import ChannelTables, parse_channels
from app.simulate.story import Step
from schemas.codec import to_ms, to_time
from schemas.events import (
    CHANNELS,
    ActionAcknowledged,
    BayAssigned,
    BayFull,
    Channel,
    CustomerArrived,
    Data,
    DeliveryAttempted,
    DeliveryCancelled,
    DeliveryCompleted,
    DeliveryRescheduled,
    DeliveryScheduled,
    FulfilmentCompleted,
    OrderCancelled,
    OrderCollected,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
    type_of,
)

TOPICS: dict[Channel, str] = {channel: f"{channel}.events" for channel in CHANNELS}

KNOWS: dict[Channel, tuple[str, ...]] = {
    "web": ("id", "email", "device_id"),
    "app": ("id", "device_id"),
    "store": ("loyalty_id",),
    "pickup": (),
    "warehouse": ("id",),
    "carrier": (),
    "phone": ("phone",),
    "chat": ("device_id",),
    "email": ("email",),
    "social": ("id",),
    "notification": ("email",),
    "crm": ("id", "email", "phone", "loyalty_id", "device_id"),
}
"""What each channel knows of a customer and sends: the till a loyalty card, the call centre a phone number. The pickup
desk knows orders alone; the carrier takes bookings for orders, and then knows parcels by their labels. The CRM knows
everybody, and says so (`app.simulate.day`)."""

_IDENTITY = {
    "id": "{0}",
    "email": "{0}@example.com",
    "phone": "+49 {2} {1}",
    "loyalty_id": "L-{0}",
    "device_id": "dev-{0}",
}
"""Each identifier of a customer, by the customer's id, the number in it, and the area of its letter."""
_AREAS = {"c": "30", "b": "40"}
_KNOWN = {channel: [(name, _IDENTITY[name]) for name in names] for channel, names in KNOWS.items()}
_WITH_ID = {channel: [("id", "{0}"), *(n for n in known if n[0] != "id")] for channel, known in _KNOWN.items()}
_KEYS: dict[Channel, str] = {
    "pickup": "order_id",
    "warehouse": "order_id",
    "carrier": "tracking_id",
    **dict.fromkeys(("phone", "chat", "email", "social"), "case_id"),
}
"""What a channel parts its topic by, else by the order; the others by customer."""

_json = msgspec.json.Encoder()
_BERLIN = ZoneInfo("Europe/Berlin")
Encoder = Callable[[str, str, Step], bytes]
"""Customer, event id and step → the value of a record."""


def tables() -> ChannelTables:
    """How the topics of a simulated day are to be read."""
    text = files("app.simulate").joinpath("channels.toml").read_text()
    return parse_channels(tomllib.loads(text), "app/simulate/channels.toml")


def key(customer: str, step: Step) -> bytes:
    """The record's key."""
    fields = (_KEYS[step.channel], "order_id") if step.channel in _KEYS else ()
    known = (getattr(step.data, field, None) for field in fields)
    return str(next(filter(None, known), customer)).encode()


def cloudevent(customer: str, event_id: str, step: Step) -> bytes:
    """CloudEvents 1.0, structured mode, of a channel that tells no more of its customer than it knows."""
    return _cloudevent(customer, event_id, step, _KNOWN[step.channel])


def canonical(customer: str, event_id: str, step: Step) -> bytes:
    """The same once its customer has been found out."""
    return _cloudevent(customer, event_id, step, _WITH_ID[step.channel])


def _cloudevent(customer: str, event_id: str, step: Step, known: Iterable[tuple[str, str]]) -> bytes:
    """Put together from parts that need no escaping, since speed counts here."""
    kind = type_of(type(step.data))
    data = _json.encode(step.data)[len(kind) + 10 :]  # all that follows `{"type":"…"`
    area = _AREAS.get(customer[0], "50")
    named = ",".join(f'"{name}":"{value.format(customer, customer[1:], area)}"' for name, value in known)
    head = (
        f'{{"specversion":"1.0","id":"{event_id}","source":"/{step.channel}","type":"{kind}",'
        f'"time":"{to_time(step.at).isoformat(timespec="milliseconds")}","channel":"{step.channel}",'
        f'"data":{{"customer":{{{named}}}'
    )
    return b"%b%b}" % (head.encode(), data)


SCANS: dict[type[Data], str] = {
    ParcelAccepted: "ACCEPTED",
    DeliveryScheduled: "SLOT_CONFIRMED",
    DeliveryRescheduled: "SLOT_MOVED",
    DeliveryCancelled: "CALLED_OFF",
    DeliveryAttempted: "NOT_AT_HOME",
    DeliveryCompleted: "DELIVERED",
}
DESK: dict[type[Data], str] = {
    OrderVisible: "LISTED",
    OrderReady: "PICKED",
    OrderCollected: "HANDED OUT",
    CustomerArrived: "CUSTOMER HERE",
    BayAssigned: "BAY",
    BayFull: "NO BAY",
}
DOCUMENTS: dict[type[Data], str] = {
    FulfilmentCompleted: "GOODS ISSUE",
    ActionAcknowledged: "TASK TAKEN",
    OrderCancelled: "SOLD OUT",
}


def scan(_customer: str, event_id: str, step: Step) -> bytes:
    """The carrier: scans, with times as milliseconds since the epoch, of bookings and then of labels."""
    data: Any = step.data
    row: dict[str, Any] = {"event": event_id, "scan": SCANS[type(data)], "ts": step.at}
    row |= {"label": data.tracking_id} if data.tracking_id else {"booking": data.order_id}
    if isinstance(data, DeliveryScheduled | DeliveryRescheduled) and data.window_to is not None:
        row["slot"] = {"from": _ms(data.window_from), "to": _ms(data.window_to)}
    if isinstance(data, DeliveryRescheduled | DeliveryCancelled):
        row["by"] = "shipper" if data.by == "us" else "recipient"
    return _json.encode(row)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def desk_entry(_customer: str, event_id: str, step: Step) -> bytes:
    """The pickup desk: entries in its own words, in the local time of the house."""
    data: Any = step.data
    when = f"{to_time(step.at).astimezone(_BERLIN):%d.%m.%Y %H:%M:%S}.{step.at % 1000:03}"
    row = {"no": event_id, "what": DESK[type(data)], "when": when, "order": data.order_id}
    row |= {"house": data.location_id, "bay": getattr(data, "bay", None)}
    return _json.encode(row)


def document(customer: str, event_id: str, step: Step) -> bytes:
    """The warehouse: documents with their items, in seconds since the epoch."""
    data: Any = step.data
    row = {"doc": event_id, "kind": DOCUMENTS[type(data)], "booked": step.at / 1000, "customer": {"no": customer}}
    row |= {"order": data.order_id, "case": getattr(data, "case_id", None), "task": getattr(data, "action", None)}
    if isinstance(data, FulfilmentCompleted):
        row |= {"carton": data.package_id, "label": data.tracking_id, "site": data.node}
        row["items"] = [{"pos": x.line_id, "article": x.sku, "qty": x.quantity} for x in data.lines]
    return _json.encode(row)


CANONICAL: Mapping[Channel, Encoder] = dict.fromkeys(CHANNELS, canonical)
DIALECTS: Mapping[Channel, Encoder] = {
    **dict.fromkeys(CHANNELS, cloudevent),
    "carrier": scan,
    "pickup": desk_entry,
    "warehouse": document,
}
"""How each channel writes: most speak CloudEvents, three have a dialect of their own."""
