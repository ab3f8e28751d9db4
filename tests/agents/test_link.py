"""link as bytes: from channel records through ingest and the links to what detect takes in, with no broker."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import orjson
import pytest

from agents.ingest import Ingest
from agents.link import NAME, Linker
from agents.runtime import Origin, Out, partition_for
from agents.runtime.task import Header
from agents.ticker import Ticker
from app.channels import Channels
from app.channels.translate import LARGEST
from app.config import parse_channels
from app.core.links import LinksPartition
from app.core.rule import HOUR
from app.timeline import START
from schemas.codec import Event, TickData, Unreadable, decode_record, to_time
from schemas.events import OrderVisible, ParcelAccepted
from schemas.topics import EVENTS, LINKS, REJECTS

NUMBER = 2
"""Of partitions."""
TABLES = parse_channels({"topics": {"web": {"channel": "web"}, "floor": {"channel": "pickup"}}}, "test")


class Rec(NamedTuple):
    """A record as the client hands it over."""

    topic: str
    value: bytes | None
    offset: int = 0
    key: bytes | None = None
    partition: int = 0
    timestamp: int = START
    headers: Sequence[Header] = ()


class Shop:
    """ingest and the links partitions, each with its table, and whatever came out of them by topic."""

    def __init__(self) -> None:
        ticker = Ticker({"web": ("web",), "floor": ("pickup",)}, NUMBER, lambda: START)
        self.ingest = Ingest(Channels(TABLES), ticker, lambda: START)
        self.rows: list[dict[bytes, bytes]] = [{} for _ in range(NUMBER)]
        self.linkers = [self.linker(number) for number in range(NUMBER)]
        self.out: dict[str, list[Out]] = defaultdict(list)
        self.offset = 0

    def linker(self, number: int) -> Linker:
        feeds = TABLES.feeds()
        return Linker(
            number,
            self.rows[number].get,
            lambda partition, read: LinksPartition(partition, NUMBER, feeds, read),
            {EVENTS.name: NUMBER, LINKS.name: NUMBER},
        )

    def say(self, topic: str, kind: str, data: dict[str, object]) -> None:
        self.offset += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self.offset}",
            "source": f"/{topic}",
            "type": kind,
            "time": to_time(START - 1000 + self.offset),
            "data": data,
        }
        self.route(self.ingest.process([Rec(topic, orjson.dumps(event), self.offset)]))

    def tick(self, heard: int) -> None:
        sizes = {"web": 1, "floor": 1}
        self.route(self.ingest.tick({Origin(topic, 0): heard for topic in sizes}, sizes))

    def route(self, outs: Sequence[Out]) -> None:
        for out in outs:
            self.out[out.topic].append(out)
            if out.topic == LINKS.name:
                number = out.partition if out.partition is not None else partition_for(out.key or b"", NUMBER)
                self.give(number, Rec(LINKS.name, out.value, len(self.out[LINKS.name]), out.key, number))

    def give(self, number: int, record: Rec) -> None:
        work = self.linkers[number].process([record])
        for key, row in work.writes.items():
            self.rows[number].pop(key, None) if row is None else self.rows[number].update({key: row})
        self.route(work.outputs)

    def events(self) -> list[tuple[str, Event]]:
        found = [((out.key or b"").decode(), decode_record(out.value or b"")) for out in self.out[EVENTS.name]]
        return [(customer, record) for customer, record in found if isinstance(record, Event)]

    def ticks(self) -> list[tuple[int, TickData]]:
        found = [(out.partition, decode_record(out.value or b"")) for out in self.out[EVENTS.name]]
        return [(number or 0, record) for number, record in found if isinstance(record, TickData)]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_an_event_reaches_its_customer_and_says_who_that_is(shop: Shop) -> None:
    shop.say("floor", "order.visible", {"order_id": "o1", "customer": {"phone": "+1 212 555 0123"}})
    assert shop.events() == []
    shop.say("web", "order.placed", {"order_id": "o1", "customer": {"id": "ann"}})
    (customer, event), (_, direct) = shop.events()
    assert not direct.linked
    assert (customer, event.linked, event.fact.id) == ("ann", True, "e1")
    assert isinstance(event.fact.data, OrderVisible)
    assert event.fact.origin == ("floor", 0, 1)
    value = orjson.loads(shop.out[EVENTS.name][0].value or b"")
    assert value["data"]["customer"] == {"id": "ann"}, "and nothing else of a customer goes on"


def test_a_parcel_is_given_its_order(shop: Shop) -> None:
    shop.say("web", "order.placed", {"order_id": "o1", "customer": {"id": "ann"}})
    shop.say("floor", "parcel.accepted", {"tracking_id": "t1"})
    shop.say("floor", "fulfilment.completed", {"order_id": "o1", "tracking_id": "t1"})
    data = {event.fact.id: event.fact.data for customer, event in shop.events() if customer == "ann"}
    assert data.keys() == {"e1", "e2", "e3"}
    assert data["e2"] == ParcelAccepted("o1", None, "t1")


def test_an_event_that_names_nothing_is_a_reject(shop: Shop) -> None:
    shop.say("web", "profile.updated", {"field": "name"})
    (reject,) = shop.out[REJECTS.name]
    assert dict(reject.headers)["__connect.errors.stage"] == b"link"
    assert not shop.out[EVENTS.name]


def test_an_event_too_large_for_what_is_made_of_it_is_a_reject(shop: Shop) -> None:
    note = {"note": "n" * LARGEST, "order_id": "o1"}
    shop.say("web", "order.placed", {"customer": {"id": "ann"}, **note})
    shop.say("floor", "order.visible", note)
    assert not shop.out[EVENTS.name]
    assert not shop.out[LINKS.name]
    for reject in shop.out[REJECTS.name]:
        headers = dict(reject.headers)
        assert headers["__connect.errors.stage"] == b"size"
        assert b"are sent on at most" in (headers["__connect.errors.exception.message"] or b"")
        assert len(reject.value or b"") > LARGEST, "and nothing is lost"
    assert shop.ingest.rejected == {("web", "size"): 1, ("floor", "size"): 1}


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b'{"type":"handoff.link","data":{}}', b"[" * 100_000])
def test_what_cannot_be_read_is_a_reject_and_nothing_stops(shop: Shop, value: bytes | None) -> None:
    shop.give(0, Rec(LINKS.name, value, 7, b"\xff"))
    (reject,) = shop.out[REJECTS.name]
    headers = dict(reject.headers)
    assert (reject.key, reject.value) == (b"\xff", value)
    assert (headers["__connect.errors.stage"], headers["__connect.errors.offset"]) == (NAME.encode(), b"7")


def test_a_row_that_cannot_be_read_ends_it_and_rejects_no_record(shop: Shop) -> None:
    shop.say("floor", "order.visible", {"order_id": "o1"})
    shop.say("web", "order.placed", {"order_id": "o1", "customer": {"id": "ann"}})
    for number, rows in enumerate(shop.rows):
        rows.update({key: b"?" for key in rows if key.startswith(b"i")})
        shop.linkers[number] = shop.linker(number)
    with pytest.raises(Unreadable):
        shop.say("floor", "order.ready", {"order_id": "o1"})
    assert not shop.out[REJECTS.name]


def test_a_type_outside_the_vocabulary_is_counted_and_skipped(shop: Shop) -> None:
    event = {"id": "1", "source": "/x", "type": "x", "time": "2026-01-01T00:00:00Z", "channel": "web", "data": {}}
    shop.give(0, Rec(LINKS.name, orjson.dumps(event), 1, b"order:1"))
    assert shop.linkers[0].partition.counts.skipped == 1
    assert not shop.out


def test_every_events_partition_hears_every_links_partition_once_all_have_come_that_far(shop: Shop) -> None:
    shop.tick(START)
    by_way = {
        (number, progress.partition, progress.channel, progress.heard)
        for number, tick in shop.ticks()
        for progress in tick.progress
        if progress.topic == LINKS.name
    }
    channels = ("web", "pickup")
    assert by_way == {(n, link, ch, START) for n in range(NUMBER) for link in range(NUMBER) for ch in channels}


def test_an_event_that_nobody_can_link_goes_on_after_the_wait(shop: Shop) -> None:
    shop.say("floor", "order.visible", {"order_id": "o1"})
    shop.tick(START + HOUR)
    assert [customer for customer, _ in shop.events()] == ["provisional:order:o1"]
    assert shop.out[REJECTS.name] == []


def test_an_event_parked_by_one_worker_is_sent_on_by_the_next(shop: Shop) -> None:
    shop.say("floor", "order.visible", {"order_id": "o1"})
    for number in range(NUMBER):
        shop.linkers[number] = shop.linker(number)
        shop.linkers[number].restore(list(shop.rows[number].items()))
    shop.say("web", "order.placed", {"order_id": "o1", "customer": {"id": "ann"}})
    assert [customer for customer, _ in shop.events()] == ["ann", "ann"]
