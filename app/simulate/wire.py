"""What goes over the wire: each channel's steps in its own dialect, on its own topic, under its own key.

`channels.toml` beside this tells the detector how to read them.
"""

import tomllib
from collections.abc import Callable, Mapping
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
    **dict.fromkeys(CHANNELS, ("id",)),
    "web": ("id", "email", "device_id"),
    "app": ("id", "device_id"),
    "store": ("id", "loyalty_id"),
    "phone": ("id", "phone"),
    "email": ("id", "email"),
}
"""The identifiers of a customer that each channel knows and sends."""

_IDENTITY = {
    "id": "{0}",
    "email": "{0}@example.com",
    "phone": "+49 30 {1}",
    "loyalty_id": "L{1}",
    "device_id": "dev-{0}",
}
"""Each identifier of a customer, by the customer's id and the number in it."""
_KNOWN = {channel: ",".join(f'"{name}":"{_IDENTITY[name]}"' for name in names) for channel, names in KNOWS.items()}
_KEYS: dict[Channel, str] = {
    "pickup": "order_id",
    "warehouse": "order_id",
    "carrier": "order_id",
    **dict.fromkeys(("phone", "chat", "email", "social"), "case_id"),
}
"""What a channel parts its topic by; the others by customer."""

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
    field = _KEYS.get(step.channel)
    return ((field and getattr(step.data, field, None)) or customer).encode()


def cloudevent(customer: str, event_id: str, step: Step) -> bytes:
    """CloudEvents 1.0, structured mode. Put together from parts that need no escaping, since speed counts here."""
    kind = type_of(type(step.data))
    data = _json.encode(step.data)[len(kind) + 10 :]  # all that follows `{"type":"…"`
    known = _KNOWN[step.channel].format(customer, customer[1:])
    head = (
        f'{{"specversion":"1.0","id":"{event_id}","source":"/{step.channel}","type":"{kind}",'
        f'"time":"{to_time(step.at).isoformat(timespec="milliseconds")}","channel":"{step.channel}",'
        f'"data":{{"customer":{{{known}}}'
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


def scan(customer: str, event_id: str, step: Step) -> bytes:
    """The carrier: scans, with times as milliseconds since the epoch."""
    data: Any = step.data
    row: dict[str, Any] = {"event": event_id, "scan": SCANS[type(data)], "ts": step.at, "account": customer}
    row |= {"order": data.order_id, "parcel": data.package_id, "label": data.tracking_id}
    if isinstance(data, DeliveryScheduled | DeliveryRescheduled) and data.window_to is not None:
        row["slot"] = {"from": _ms(data.window_from), "to": _ms(data.window_to)}
    if isinstance(data, DeliveryRescheduled | DeliveryCancelled):
        row["by"] = "shipper" if data.by == "us" else "recipient"
    return _json.encode(row)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def desk_entry(customer: str, event_id: str, step: Step) -> bytes:
    """The pickup desk: entries in its own words, in the local time of the house."""
    data: Any = step.data
    when = f"{to_time(step.at).astimezone(_BERLIN):%d.%m.%Y %H:%M:%S}.{step.at % 1000:03}"
    row = {"no": event_id, "what": DESK[type(data)], "when": when, "order": data.order_id, "member": customer}
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


CANONICAL: Mapping[Channel, Encoder] = dict.fromkeys(CHANNELS, cloudevent)
DIALECTS: Mapping[Channel, Encoder] = {**CANONICAL, "carrier": scan, "pickup": desk_entry, "warehouse": document}
"""How each channel writes: most speak CloudEvents, three have a dialect of their own."""
