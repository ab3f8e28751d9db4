"""Bytes and values: what is written is read again, and what cannot be read says where and why."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import Alert, Evidence, Subject
from schemas.codec import (
    Event,
    TickData,
    Unreadable,
    decode_alert,
    decode_case,
    decode_closings,
    decode_journal,
    decode_journey,
    decode_record,
    encode_alert,
    encode_event,
    encode_row,
    encode_tick,
    event_type,
    to_ms,
    to_time,
)
from schemas.events import TYPES, OrderPlaced, ProfileUpdated, type_of
from schemas.state import Case, Closings, Fact, Journal, Journey, Progress, Reached
from tests.schemas.stories import facts

AT = 1_772_442_000_123
FACT = Fact(AT, "e1", "/web", "web", OrderPlaced("o1", fulfilment="pickup", promised_to=to_time(AT + 1)), None)
ALERT = Alert(
    id="7d1f", revision=2, status="resolved", phase="breach", resolution="late", rule="H101", rule_version=1,
    name="order-not-visible", severity="critical", customer="c1", subject=Subject("order", "o1"), episode="s1 0",
    audience="pickup desk", summary="s", expected="e", due=to_time(AT), action="a", runbook="r",
    starts_at=to_time(AT), ends_at=to_time(AT + 5), late_seconds=0.005,
    evidence=(Evidence("e1", "order.placed", "web", to_time(AT), "shop", 3, 17),),
)  # fmt: skip


@given(st.integers(-(10**12), 10**13))
def test_milliseconds_become_a_time_and_back(ms: int) -> None:
    assert to_ms(to_time(ms)) == ms
    assert to_time(ms).tzinfo is UTC


def test_what_is_below_a_millisecond_is_dropped_and_zones_are_one_time() -> None:
    moment = datetime(2026, 3, 2, 10, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))
    assert to_ms(moment) == to_ms(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


def test_every_event_of_the_pages_is_read_as_it_was_written() -> None:
    types = set()
    for customer, fact in facts():
        record = decode_record(encode_event(fact, {"id": customer}))
        assert isinstance(record, Event)
        assert record.fact == fact
        types.add(event_type(record.fact))
    assert types == set(TYPES)


def test_an_event_that_came_from_a_record_tells_which() -> None:
    event = json.loads(encode_event(FACT, {"id": "c1"}))
    value = json.dumps({**event, "origintopic": "shop", "originpartition": 3, "originoffset": 17, "originindex": 2})

    record = decode_record(value.encode())

    assert isinstance(record, Event)
    assert record.fact.origin == ("shop", 3, 17)
    assert record.position == (17, 2)


def test_customer_identifiers_do_not_reach_the_fact() -> None:
    record = decode_record(encode_event(FACT, {"id": "c1", "email": "ann@example.org"}))
    assert b"example.org" not in msgspec.msgpack.encode(record)


def test_a_tick_is_read_as_it_was_written() -> None:
    progress = (Progress("web", "shop", 3, 4, AT, AT - 1), Progress("pickup", "desk", 0, 1, AT))
    assert decode_record(encode_tick("/handoff/ticker/0", AT, progress)) == TickData(progress)


def test_an_alert_is_read_as_it_was_written_and_what_is_not_said_takes_no_space() -> None:
    assert decode_alert(encode_alert(ALERT)) == ALERT
    assert b"location" not in encode_alert(ALERT)


def test_rows_are_read_as_they_were_written() -> None:
    due = {"H101": [("pickup", AT)]}
    case = Case(due=due, touched=AT, closing=AT + 9, facts=[FACT], alerts={"H101 s1": ALERT}, evicted=2, forgotten=AT)
    closings = Closings(cases=[(AT, b"case"), (AT + 9, b"other")])
    journey = Journey(open=[("order", "o1"), ("cart", "k1")])
    shop = Progress("web", "shop", 3, 4, AT, AT)
    journal = Journal(progress=[shop], taken={"shop/3": (17, 2)}, reached={"web": Reached(AT, AT, AT, AT - 1)})

    assert decode_case(encode_row(case)) == case
    assert decode_closings(encode_row(closings)) == closings
    assert decode_journey(encode_row(journey)) == journey
    assert decode_journal(encode_row(journal)) == journal


@pytest.mark.parametrize("decode", [decode_case, decode_closings, decode_journey, decode_journal, decode_alert])
@pytest.mark.parametrize("damaged", [b"", b"\xff", b"{}", b"\x93\x01", encode_row(Case(facts=[FACT]))[:-3]])
def test_a_damaged_row_is_unreadable_and_nothing_worse(decode: Any, damaged: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(damaged)


def read(**given: Any) -> Event:
    event = {**json.loads(encode_event(FACT, {"id": "c1"})), **given}
    record = decode_record(json.dumps(event).encode())
    assert isinstance(record, Event)
    return record


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"time": "yesterday"}, "`$.time`", "Invalid RFC3339"),
        ({"time": "2026-03-02T09:00:00"}, "`$.time`", "timezone"),
        ({"channel": "fax"}, "`$.channel`", "'fax'"),
        ({"id": ""}, "`$.id`", "length >= 1"),
        ({"source": None}, "`$.source`", "Expected `str`, got `null`"),
        ({"data": {}}, "`$.data`", "missing required field `order_id`"),
        ({"data": {"order_id": 7}}, "`$.data.order_id`", "Expected `str`, got `int`"),
        ({"data": {"order_id": "o1", "promised_to": "9 o'clock"}}, "`$.data.promised_to`", "Invalid RFC3339"),
        ({"data": {"order_id": "o1", "lines": [{"line_id": "1"}, {}]}}, "`$.data.lines[1]`", "`line_id`"),
        ({"data": {"order_id": "o1", "lines": [{"line_id": "1", "quantity": -1}]}}, "$.data.lines[0].quantity", ">= 0"),
        *(
            ({"data": {"order_id": "o1", field: time}}, "`$.data`", f"`{field}` is beyond the years 1 to 9999 in UTC")
            for field, time in (("promised_to", "0001-01-01T00:00:00+01:00"), ("ship_by", "9999-12-31T23:59:59-05:00"))
        ),
        ({"type": "profile.updated", "data": {"field": "email", "version": "two"}}, "`$.data.version`", "got `str`"),
    ],
)  # fmt: skip
def test_an_event_that_breaks_its_schema_names_the_field_and_the_reason(
    given: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read(**given)
    assert field in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"7", b"{", b"\xff\xfe\x00", b'{"data":' * 50_000, b"{}"])
def test_whatever_is_no_event_is_unreadable_and_nothing_worse(value: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_record(value)


@given(st.binary(max_size=200))
def test_bytes_are_read_or_unreadable(value: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(decode_record(value), Event | TickData)


def test_another_type_beside_the_data_makes_it_other_data() -> None:
    assert read(type="profile.updated", data={"field": "email"}).fact.data == ProfileUpdated("email")


def test_every_type_has_one_name() -> None:
    assert [type_of(data) for data in TYPES.values()] == list(TYPES)
    assert len(TYPES) == 31
