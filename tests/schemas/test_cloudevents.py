"""Our events and ticks, read by the CloudEvents SDK: what we send is what others know."""

import json

from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from schemas.codec import TICK, Event, decode_record, encode_event, encode_tick, event_type, to_time
from schemas.links import Kin, Link, encode_link
from schemas.state import Progress
from tests.schemas.stories import facts

AT = 1_772_442_000_123


def read(value: bytes) -> CloudEvent:
    message = KafkaMessage(headers={"content-type": b"application/cloudevents+json"}, key=b"c1", value=value)
    event = from_structured_event(message, JSONFormat())
    assert isinstance(event, CloudEvent)
    return event


def test_the_sdk_reads_every_event_of_the_pages() -> None:
    for customer, fact in facts():
        event = read(encode_event(fact, {"id": customer}))
        assert (event.get_specversion(), event.get_id(), event.get_source()) == ("1.0", fact.id, fact.source)
        assert (event.get_type(), event.get_time()) == (event_type(fact), to_time(fact.at))
        assert event.get_extension("channel") == fact.channel
        data = event.get_data()
        assert isinstance(data, dict)
        assert data["customer"] == {"id": customer}


def test_what_the_sdk_writes_again_is_the_same_event_to_us() -> None:
    for customer, fact in facts():
        value = encode_event(fact, {"id": customer})
        again = decode_record(JSONFormat().write(read(value)))
        assert isinstance(again, Event)
        assert again.fact == fact


def test_the_sdk_reads_a_tick() -> None:
    event = read(encode_tick("/handoff/ticker/0", AT, (Progress("web", "shop", 0, 1, AT, AT),)))
    assert (event.get_type(), event.get_time()) == (TICK, to_time(AT))


def test_the_sdk_reads_links() -> None:
    for record in (Link(AT, "c1", "o1"), Kin(AT, "order:o1")):
        event = read(encode_link("phone:12", record))
        assert event.get_time() == to_time(AT)
        assert json.dumps(event.get_data())
