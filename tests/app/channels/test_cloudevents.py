"""CloudEvents as channels send them: structured and binary mode, and the place they came from."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from app.channels import FUTURE_MS, Canonical, Channels, Refused, Skipped
from app.config import parse_channels
from schemas.codec import to_time

NOW = 1_772_442_000_000
PLACED = {"customer": {"id": "c1", "email": "ann@example.org"}, "order_id": "o1"}


@pytest.fixture
def channels() -> Channels:
    return Channels(parse_channels({"topics": {"shop": {"channel": "web"}}}, "channels.toml"))


def structured(**given: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "order.placed",
        "time": "2026-03-02T09:00:00Z",
    }
    return json.dumps({**event, "data": PLACED, **given}).encode()


def one(channels: Channels, value: bytes, headers: list[tuple[str, bytes]] | None = None) -> Any:
    found = channels.translate("shop", value, headers or [], ("shop", 3, 17), NOW)
    assert len(found) == 1
    return found[0]


def test_an_event_passes_through_with_its_origin_and_its_channel(channels: Channels) -> None:
    found = one(channels, structured())

    assert isinstance(found, Canonical)
    assert (found.customer, found.channel, found.at) == ("c1", "web", NOW)
    assert found.event.fact.origin == ("shop", 3, 17)
    assert [identifier.kind for identifier in found.identifiers] == ["order", "email"]
    assert json.loads(found.value)["data"]["order_id"] == "o1"


def test_of_the_customer_nothing_but_the_id_goes_into_the_log(channels: Channels) -> None:
    known, unknown = one(channels, structured()), one(channels, structured(data={**PLACED, "customer": {"phone": "1"}}))

    assert json.loads(known.value)["data"]["customer"] == {"id": "c1"}
    assert json.loads(unknown.value)["data"]["customer"] == {}
    assert b"ann@example.org" not in known.value
    assert known.event.fact.origin == ("shop", 3, 17)


def test_an_event_cannot_bring_an_origin_of_its_own(channels: Channels) -> None:
    found = one(channels, structured(origintopic="other", originoffset=99, linked=True))

    assert found.event.fact.origin == ("shop", 3, 17)
    assert found.event.linked is False


def test_nor_by_spelling_it_in_escapes(channels: Channels) -> None:
    value = structured().replace(b'"data"', b'"\\u006frigintopic": "other", "data"')

    assert one(channels, value).event.fact.origin == ("shop", 3, 17)


def test_an_event_of_another_channel_than_its_topics_is_refused(channels: Channels) -> None:
    found = one(channels, structured(channel="phone"))

    assert found == Refused("schema", "channel: the event says 'phone', and shop is 'web''s")


@pytest.mark.parametrize("send", [to_binary_event, to_structured_event])
def test_either_mode_reads_as_the_sdk_sends_it(channels: Channels, send: Callable[[CloudEvent], KafkaMessage]) -> None:
    attributes = {"type": "order.placed", "source": "/shop", "id": "e1", "time": to_time(NOW), "specversion": "1.0"}
    message = send(CloudEvent(attributes, PLACED))

    found = one(channels, message.value, list(message.headers.items()))

    assert (found.customer, found.event.fact.id, found.at) == ("c1", "e1", NOW)


def test_binary_headers_that_are_no_text_are_refused(channels: Channels) -> None:
    assert one(channels, b"{}", [("ce_type", b"\xff")]).stage == "decode"


def test_a_type_outside_the_vocabulary_is_skipped(channels: Channels) -> None:
    assert one(channels, structured(type="page.viewed")) == Skipped("the type 'page.viewed' is not in the vocabulary")


@pytest.mark.parametrize(
    ("value", "stage", "words"),
    [
        (b"", "decode", "no JSON object"),
        (b"[1]", "decode", "no JSON object"),
        (b"{", "decode", "truncated"),
        (b"{}", "schema", "missing required field"),
        (b"\xff\xfe", "decode", "no JSON object"),
        (structured(time="yesterday"), "schema", "$.time"),
        (structured(data={"customer": {"id": "c1"}}), "schema", "order_id"),
        (
            structured(data={**PLACED, "lines": [{"line_id": "1", "quantity": -1}]}),
            "schema",
            "$.data.lines[0].quantity",
        ),
        (structured(data={**PLACED, "customer": {"id": 7}}), "schema", "$.data.customer.id"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_field_and_the_reason(
    channels: Channels, value: bytes, stage: str, words: str
) -> None:
    found = one(channels, value)

    assert isinstance(found, Refused)
    assert found.stage == stage
    assert words in found.reason


def test_an_event_exactly_at_the_future_guard_passes_and_one_beyond_it_is_refused(channels: Channels) -> None:
    at, beyond = (to_time(NOW + FUTURE_MS + ms).isoformat() for ms in (0, 1))

    assert isinstance(one(channels, structured(time=at)), Canonical)
    assert one(channels, structured(time=beyond)).stage == "time"


def test_a_topic_made_anew_is_another_origin() -> None:
    topics = {"shop": {"channel": "web", "incarnation": 2}}
    channels = Channels(parse_channels({"topics": topics}, "f"))

    (found,) = channels.translate("shop", structured(), (), ("shop", 3, 7), NOW)

    assert isinstance(found, Canonical)
    assert found.event.fact.origin == ("shop#2", 3, 7)
