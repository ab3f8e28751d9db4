"""Whatever a record holds, it comes to an event, a refusal or a skip: nothing is raised."""

import json
from typing import Any

import orjson
import pytest

from app.channels import Canonical, Channels, Outcome, Refused, Skipped
from app.channels.translate import LONGEST_FIELD
from app.config import parse_channels
from app.simulate.wire import tables
from app.timeline import START
from schemas.codec import to_time
from schemas.events import ContactOpened

CHANNELS = Channels(tables())
NESTED = b"[" * 100_000 + b"]" * 100_000
Headers = list[tuple[str, bytes | None]]


def event(**other: Any) -> bytes:
    data = {"customer": {"id": "c1"}, "case_id": "k1"}
    time = to_time(START).isoformat()
    attributes = {"specversion": "1.0", "id": "e1", "source": "/chat", "type": "contact.opened", "time": time}
    return json.dumps({**attributes, "data": data, **other}).encode()


def scan(**other: Any) -> bytes:
    row = {"event": "e1", "scan": "DELIVERED", "ts": START, "booking": "o1", **other}
    return json.dumps(row).encode()


def outcome(topic: str, value: bytes, headers: Headers | None = None) -> Outcome:
    (one,) = CHANNELS.translate(topic, value, headers or [], (topic, 0, 0), START)
    return one


REFUSED = {
    "nothing": b"",
    "no JSON": b"\xff\x00\xfe",
    "half of an event": event()[:60],
    "two events": event() * 2,
    "a list of events": b"[" + event() + b"]",
    "a number": b"17",
    "nesting": NESTED,
    "nesting in the data": event()[:-2] + b',"x":' + NESTED + b"}}",
    "nesting in an attribute": event()[:-1] + b',"originoffset":' + NESTED + b"}",
    "a lone surrogate": event(id="\ud800"),
    "a customer without end": event(data={"customer": {"id": "c" * 600_000}, "case_id": "k1"}),
    "a number for an id": event(id=5),
    "no data": event(data=None),
    "a time without zone": event(time="2026-03-02T09:00:00"),
    "a time beyond the last year": event(time="9999-12-31T23:59:59-14:00"),
    "a time before the first year": event(time="0001-01-01T00:00:00+14:00"),
    "a time ahead of now": event(time=to_time(START + 301_000).isoformat()),
    "another channel": event(channel="web"),
}
DEEP_AND_ESCAPED = [b"[" * depth + b'"\\u00e9"' + b"]" * depth for depth in (254, 300, 1000, 1030)]
REFUSED_SCANS = {
    "a time beyond the last year": scan(ts=253_402_300_800_000),
    "nesting": scan()[:-1] + b',"x":' + NESTED + b"}",
    "a time like no other": scan(ts=1e300),
    "a number without end": scan()[:-1] + b',"ts":' + b"9" * 400 + b"}",
    "a list for a name": scan(label=["t1", "t2"]),
    "an object for a name": scan(booking={"id": "o1"}),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_an_event_that_cannot_be_read_is_refused_with_a_reason(value: bytes) -> None:
    refused = outcome("chat.events", value)
    assert isinstance(refused, Refused)
    assert 0 < len(refused.reason) < 300


@pytest.mark.parametrize("value", REFUSED_SCANS.values(), ids=REFUSED_SCANS.keys())
def test_a_row_that_cannot_be_read_is_refused_with_a_reason(value: bytes) -> None:
    refused = outcome("carrier.events", value)
    assert isinstance(refused, Refused)
    assert 0 < len(refused.reason) < 300


@pytest.mark.parametrize("nested", DEEP_AND_ESCAPED, ids=len)
def test_an_event_nested_deeper_than_any_library_goes_raises_nothing(nested: bytes) -> None:
    outcome("chat.events", event()[:-2] + b',"x":' + nested + b"}}")


def of_csv(line: bytes) -> Outcome:
    table = {"format": "csv", "delimiter": ";", "columns": ["no", "at", "note"]}
    placed = {"type": "order.placed", "time": "at", "data": {"order_id": "no"}}
    topics = {"t": {"channel": "web", "dialect": "d"}}
    channels = Channels(parse_channels({"topics": topics, "dialects": {"d": {**table, "events": [placed]}}}, "f"))
    (found,) = channels.translate("t", line, (), ("t", 0, 0), START)
    return found


@pytest.mark.parametrize("line", [b"o1;;" + b"o" * (LONGEST_FIELD + 1), b"o\r1;2026-03-02T09:00:00Z;"], ids=len)
def test_a_line_that_is_no_csv_is_refused(line: bytes) -> None:
    refused = of_csv(line)
    assert isinstance(refused, Refused)
    assert refused.stage == "decode"


def test_a_long_field_of_csv_that_nobody_reads_is_read_over() -> None:
    assert isinstance(of_csv(b"o1;2026-03-02T09:00:00Z;" + b"o" * 200_000), Canonical)


@pytest.mark.parametrize("kind", ["handoff.link", "page.viewed", 'contact.opened","x":"'])
def test_a_type_that_is_no_channels_business_is_skipped(kind: str) -> None:
    assert isinstance(outcome("chat.events", event(type=kind)), Skipped)


def test_a_tick_that_a_channel_made_up_is_skipped() -> None:
    ahead = [["web", "web.events", 0, 1, 1 << 50, None]]
    assert isinstance(outcome("chat.events", event(type="handoff.tick", data={"progress": ahead})), Skipped)


@pytest.mark.parametrize("name", ["ce_type", "content-type", "traceparent"])
def test_a_header_without_a_value_is_no_header(name: str) -> None:
    assert isinstance(outcome("chat.events", event(), [(name, None)]), Canonical)


def test_headers_that_are_no_text_are_refused() -> None:
    assert isinstance(outcome("chat.events", b"{}", [("ce_type", b"\xff")]), Refused)


def test_names_of_any_characters_are_names() -> None:
    found = outcome("chat.events", event(id="\0", data={"customer": {"id": "a\0b"}, "case_id": "\0\n"}))
    assert isinstance(found, Canonical)
    assert found.customer == "a\0b"


def test_blanks_around_what_names_a_thing_or_a_customer_name_no_other() -> None:
    data = {"customer": {"id": " c1 "}, "case_id": "k1\t", "order_id": "\u00a0o1"}
    found = outcome("chat.events", event(data=data))
    assert isinstance(found, Canonical)
    assert found.event.fact.data == ContactOpened("k1", order_id="o1")
    assert found.customer == "c1"
    assert orjson.loads(found.value)["data"] == {"customer": {"id": "c1"}, "case_id": "k1", "order_id": "o1"}


def test_blanks_alone_name_nothing_and_nobody() -> None:
    found = outcome("chat.events", event(data={"customer": {"id": " "}, "case_id": "k1", "order_id": "\u3000"}))
    assert isinstance(found, Canonical)
    assert (found.customer, found.event.fact.data) == (None, ContactOpened("k1"))
    refused = outcome("chat.events", event(data={"customer": {"id": "c1"}, "case_id": " "}))
    assert isinstance(refused, Refused)
    assert "case_id" in refused.reason
