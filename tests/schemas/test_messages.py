"""What is really sent, held against the JSON schemas that others read."""

import json
from typing import Any

import jsonschema
import pytest

from app.rules import RULES
from schemas.codec import UnknownType, Unreadable, decode_alert, decode_record, encode_alert, encode_event, encode_tick
from schemas.events import TYPES
from schemas.generate import ROOT
from schemas.links import Kin, Link, decode_link_record, encode_link
from schemas.rejects import Reject
from tests.schemas.stories import alerts, facts, ticks

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/shop",
    "type": "order.placed",
    "time": "2026-03-02T09:00:00Z",
    "channel": "web",
    "data": {"customer": {"id": "c1"}, "order_id": "o1", "lines": [{"line_id": "1", "sku": "tea", "quantity": 2}]},
}


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / f"schemas/json/{name}.json").read_text())
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def test_every_event_of_the_pages_is_valid_and_they_are_of_every_type() -> None:
    event, types = validator("event"), set()
    for customer, fact in facts():
        sent = json.loads(encode_event(fact, {"id": customer}))
        event.validate(sent)
        types.add(sent["type"])
    assert types == set(TYPES)


def test_every_alert_that_is_said_of_the_pages_is_valid() -> None:
    alert, seen = validator("alert"), set()
    for said in alerts():
        sent = json.loads(encode_alert(said))
        alert.validate(sent)
        seen.add((sent["rule"], sent["status"]))
    assert {rule for rule, _ in seen} == {rule.id for rule in RULES}


def test_every_alert_is_read_as_it_was_written() -> None:
    assert all(decode_alert(encode_alert(alert)) == alert for alert in alerts())


def test_every_tick_of_the_pages_is_valid() -> None:
    tick = validator("tick")
    for data in ticks():
        tick.validate(json.loads(encode_tick("/handoff/ticker/0", data.progress[0].heard, data.progress)))


LONG = "x" * 200
"""As long as an id may be."""


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("link", Link(7, customer="c1")),
        ("link", Link(7, customer=LONG, order=LONG, told=True, weak=True)),
        ("kin", Kin(7, "order:o1")),
        ("kin", Kin(7, f"tracking:{LONG}")),
    ],
)
def test_links_and_kin_are_valid_and_read_as_they_were_written(name: str, record: Link | Kin) -> None:
    sent = encode_link(f"tracking:{LONG}", record)
    validator(name).validate(json.loads(sent))
    assert decode_link_record(sent) == record


def test_the_headers_of_a_reject_are_valid() -> None:
    headers = Reject("shop.orders", 3, 17, "schema", "Unreadable", "order_id is missing").to_headers()
    validator("reject").validate({name: value.decode() for name, value in headers})


def changed(**given: Any) -> dict[str, Any]:
    return {**EVENT, **given}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in EVENT.items() if key != name}


def with_data(**given: Any) -> dict[str, Any]:
    return changed(data={**EVENT["data"], **given})


@pytest.mark.parametrize(
    ("event", "named"),
    [
        *[(without(name), name) for name in ("id", "source", "type", "time", "channel", "data")],
        (changed(id=""), "id"),
        (changed(id=7), "id"),
        (changed(channel="fax"), "channel"),
        (changed(data={"customer": {"id": "c1"}}), "order_id"),
        (changed(data=[]), "data"),
        (with_data(order_id="x" * 201), "order_id"),
        (with_data(fulfilment="pikup"), "fulfilment"),
        (with_data(lines=[{"line_id": "1", "quantity": -1}]), "quantity"),
        (with_data(lines=[{"sku": "tea"}]), "line_id"),
        (with_data(lines="tea"), "lines"),
    ],
)
def test_schema_and_codec_refuse_the_same_and_the_codec_names_the_field(event: dict[str, Any], named: str) -> None:
    assert not validator("event").is_valid(event)
    with pytest.raises(Unreadable) as refused:
        decode_record(json.dumps(event).encode())
    assert named in str(refused.value)


def test_schema_and_codec_take_the_same() -> None:
    for event in (EVENT, changed(traceparent="00-1", subject="o1"), with_data(colour="red")):
        validator("event").validate(event)
        decode_record(json.dumps(event).encode())


def test_a_type_outside_the_vocabulary_is_none_of_the_schema_and_is_to_be_skipped() -> None:
    event = changed(type="page.viewed")
    assert not validator("event").is_valid(event)
    with pytest.raises(UnknownType, match=r"'page\.viewed' is not in the vocabulary"):
        decode_record(json.dumps(event).encode())
