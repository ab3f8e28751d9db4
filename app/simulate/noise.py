"""What a detector must live with: records that nobody can read, and records of types that nobody needs."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from app.core.rule import DAY
from app.simulate.wire import CANONICAL, DIALECTS, Encoder
from schemas.codec import to_time
from schemas.events import Channel


class Junk(NamedTuple):
    """One record that gives no event."""

    channel: Channel
    value: bytes


Maker = Callable[[int, str], Junk]
"""A moment (ms) and a name that is used once → a record."""


def _envelope(at: int, name: str, channel: Channel, **other: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": f"/{channel}",
        "type": "contact.opened",
        "time": to_time(at),
        "channel": channel,
        "data": {"customer": {"id": name}, "case_id": name},
    } | other


def _event(channel: Channel, **other: object) -> Maker:
    return lambda at, name: Junk(channel, orjson.dumps(_envelope(at, name, channel, **other)))


def _timeless(at: int, name: str) -> Junk:
    envelope = _envelope(at, name, "app")
    del envelope["time"]
    return Junk("app", orjson.dumps(envelope))


def _ahead(at: int, name: str) -> Junk:
    return Junk("web", orjson.dumps(_envelope(at + 2 * DAY, name, "web")))


def _halved(at: int, name: str) -> Junk:
    return Junk("phone", orjson.dumps(_envelope(at, name, "phone"))[:90])


def _bytes(channel: Channel, value: bytes) -> Maker:
    return lambda _, name: Junk(channel, value % name.encode())


def _row(channel: Channel, **fields: object) -> Maker:
    return lambda at, name: Junk(channel, orjson.dumps({"event": name, "no": name, "doc": name, "ts": at, **fields}))


BROKEN_EVENTS: tuple[Maker, ...] = (
    _halved,
    _bytes("crm", b'<event id="%b"/>'),
    _bytes("social", b"\xff\xfe\x00%b"),
    _timeless,
    _event("chat", data={"customer": {"id": "c1"}, "case_id": 7}),
    _event("store", type="order.placed", data={"customer": {"id": "c1"}, "fulfilment": "delivery"}),
    _event("app", type="order.placed", data={"order_id": "o-1", "lines": [{"line_id": "1", "quantity": "two"}]}),
    _event("web", type="order.placed", data={"order_id": "o-1", "fulfilment": "teleport"}),
    _event("email", time="2026-03-02T10:00:00"),
    _event("notification", time="this morning"),
)
BROKEN_ROWS: tuple[Maker, ...] = (
    _bytes("carrier", b'{"event":"%b","scan":'),
    _row("carrier", scan="DELIVERED", ts="yesterday", order="o-1"),
    _row("pickup", what="PICKED", when="31.02.2026 10:00:00.000", order="o-1"),
    _row("pickup", what="PICKED", when="02.03.2026 10:00:00.000"),
    _row("warehouse", kind="GOODS ISSUE", booked=1_772_442_000, order="o-1", items=[{"pos": "1", "qty": "many"}]),
)
UNKNOWN_EVENTS: tuple[Maker, ...] = (
    _event("web", type="page.viewed"),
    _event("app", type="push.opened"),
    _event("crm", type="segment.assigned"),
)
UNKNOWN_ROWS: tuple[Maker, ...] = (
    _row("carrier", scan="IN_TRANSIT", order="o-1"),
    _row("pickup", what="SHIFT CHANGE", when="02.03.2026 10:00:00.000"),
)


class Style(NamedTuple):
    """How a day is written down."""

    encoders: Mapping[Channel, Encoder]
    unreadable: tuple[Maker, ...]
    unknown: tuple[Maker, ...]


LIVE = Style(DIALECTS, (*BROKEN_EVENTS, *BROKEN_ROWS, _ahead), (*UNKNOWN_EVENTS, *UNKNOWN_ROWS))
"""As the channels send it."""
RECORDED = Style(DIALECTS, (*BROKEN_EVENTS, *BROKEN_ROWS), (*UNKNOWN_EVENTS, *UNKNOWN_ROWS))
"""As files keep it, which do not tell when a record was sent: nothing shows that a time lay ahead of it."""
CANONICAL_LOG = Style(CANONICAL, BROKEN_EVENTS, UNKNOWN_EVENTS)
"""As one file of canonical events."""
