"""What the live figures are measured on: a simulated retailer's day, as the channels send it and as `ingest` writes it.

A customer who lives through several journeys has the events of all of them, so any number of events can be had of any
number of customers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import chain, count
from typing import NamedTuple

import msgspec

from agents.runtime import partition_for
from app.config import ChannelTables, parse_channels
from app.core.rule import HOUR
from app.simulate import RECORDED, Day, Sent, Style, tables
from app.simulate.day import END
from app.simulate.journeys import START
from app.simulate.noise import Junk
from app.simulate.story import Step
from app.simulate.wire import TOPICS, Encoder
from schemas.codec import encode_event, encode_tick
from schemas.events import CHANNELS, TYPES, Channel, Data, times_of
from schemas.state import Fact, Progress
from schemas.topics import EVENTS, LINKS

PARTITIONS = 4
"""Of every topic."""
_EVENTS_OF_A_JOURNEY = 7.2
"""A little less than the simulator makes, so that the wanted number is reached."""
_TICK_EVERY = 5_000
_NUL = b"\0"
_A_DAY_LATER = END - START + 2 * HOUR
"""Whatever a day left is over, and was closed an hour later, before the next begins."""
Origin = tuple[str, int]
_TIMES = {cls: times_of(cls) for cls in TYPES.values()}


class Message(NamedTuple):
    """One record to be written beforehand."""

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None = None


def canonical_tables() -> ChannelTables:
    """The simulated shop's channels, with every topic in CloudEvents."""
    shop = tables().topics.items()
    topics = {name: table.model_dump(mode="json") | {"dialect": "cloudevents"} for name, table in shop}
    return parse_channels({"topics": topics}, "the benchmark's channels")


def channel_records(events: int, customers: int) -> Iterator[Message]:
    """What the channels send, in their own dialects, rejects and all."""
    style = RECORDED._replace(encoders=_of_customers(customers, RECORDED.encoders.__getitem__))
    for sent in _day(events, style):
        yield Message(sent.topic, sent.key, sent.value)


def cloudevents(events: int, customers: int) -> Iterator[Message]:
    """The same day from channels that speak CloudEvents and know every customer by the id."""
    style = Style(_of_customers(customers, lambda _: _cloudevent), (_nothing,), (_nothing,))
    for sent in _day(events, style):
        if sent.value:
            yield Message(sent.topic, sent.key, sent.value)


def keyed_events(events: int, customers: int) -> Iterator[Message]:
    """The same day on `handoff.events`: canonical, keyed by customer, with origins, and with ticks in every partition.

    Ticks follow every 5,000 events, several times oftener than a worker at full load sends them.
    """
    return _Keyed(customers).day(events)


def keyed_days(events: int, customers: int) -> Iterator[Message]:
    """Days of so many events one after another, without end, each of the customers next in turn."""
    keyed = _Keyed(customers)
    return chain.from_iterable(keyed.day(events, number) for number in count())


class _Keyed:
    """What `ingest` writes, and how far it has come."""

    def __init__(self, customers: int) -> None:
        self._customers = customers
        self._offsets: Counter[Origin] = Counter()
        self._spoke: dict[Origin, int] = {}

    def day(self, events: int, number: int = 0) -> Iterator[Message]:
        shift, first = number * _A_DAY_LATER, number * _journeys(events)
        style = Style(_of_customers(self._customers, lambda _: _keyed(shift), first), (_nothing,), (_nothing,))
        taken = 0
        for sent in _day(events, style, beyond=True):
            if not sent.value:
                continue
            yield self._event(sent, shift)
            taken += 1
            if taken % _TICK_EVERY == 0 or taken == events:
                yield from _ticks(sent.sent_ms + shift, self._spoke)
            if taken == events:
                return

    def _event(self, sent: Sent, shift: int) -> Message:
        customer, value = sent.value.split(_NUL)
        origin = sent.topic, partition_for(sent.key, PARTITIONS)
        self._spoke[origin] = max(sent.at_ms + shift, self._spoke.get(origin, 0))
        message = Message(EVENTS.name, customer, _stamped(value, origin, self._offsets[origin]))
        self._offsets[origin] += 1
        return message


def _journeys(events: int) -> int:
    return int(events / _EVENTS_OF_A_JOURNEY) + 50


def _day(events: int, style: Style, *, beyond: bool = False) -> Iterable[Sent]:
    day = Day(_journeys(events), 7, style).records()
    return day if beyond else (sent for _, sent in zip(range(events), day, strict=False))


def _of_customers(customers: int, encoder: Callable[[Channel], Encoder], first: int = 0) -> dict[Channel, Encoder]:
    """The encoders, with journeys given to customers in turn, behind so many of the first."""

    def encoded_by(encode: Encoder) -> Encoder:
        def again(customer: str, event_id: str, step: Step) -> bytes:
            number = int(customer[1:])
            return encode(f"{customer[0]}{(number - 1 + first) % customers + 1:06}", event_id, step)

        return again

    return {channel: encoded_by(encoder(channel)) for channel in CHANNELS}


def _cloudevent(customer: str, event_id: str, step: Step) -> bytes:
    fact = Fact(step.at, event_id, f"/{step.channel}", step.channel, step.data)
    return encode_event(fact, {"id": customer})


def _keyed(shift: int) -> Encoder:
    """A customer and their event, so much (ms) later."""

    def encode(customer: str, event_id: str, step: Step) -> bytes:
        later = msgspec.structs.replace(step, at=step.at + shift, data=_later(step.data, shift))
        return customer.encode() + _NUL + _cloudevent(customer, event_id, later)

    return encode


def _later(data: Data, shift: int) -> Data:
    if not shift:
        return data
    times = {name: moment for name in _TIMES[type(data)] if (moment := getattr(data, name)) is not None}
    later = timedelta(milliseconds=shift)
    return msgspec.structs.replace(data, **{name: moment + later for name, moment in times.items()})


def _nothing(at: int, name: str) -> Junk:
    return Junk("web", b"")


def _stamped(value: bytes, origin: Origin, offset: int) -> bytes:
    stamp = b',"origintopic":"%b","originpartition":%d,"originoffset":%d}' % (origin[0].encode(), origin[1], offset)
    return value[:-1] + stamp


def _ticks(heard: int, spoke: Mapping[Origin, int]) -> Iterator[Message]:
    """What `ingest` says to each partition after so much, and then each links partition."""
    origins = [(channel, TOPICS[channel], number) for channel in CHANNELS for number in range(PARTITIONS)]
    ticks = [tuple(Progress(*origin, PARTITIONS, heard, spoke.get(origin[1:])) for origin in origins)]
    last = {channel: max(spoke.get((topic, n), 0) for n in range(PARTITIONS)) for channel, topic, _ in origins}
    for number in range(PARTITIONS):
        passed = (
            Progress(channel, LINKS.name, number, PARTITIONS, heard, trusted=min(heard, at))
            for channel, at in last.items()
        )
        ticks.append(tuple(passed))
    for progress in ticks:
        value = encode_tick("/handoff/ticker", heard, progress)
        for partition in range(PARTITIONS):
            yield Message(EVENTS.name, None, value, partition)
