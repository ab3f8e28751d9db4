"""A small world whose channels know only what such channels know, and links partitions in memory to play it through.

Everybody's truth is known: whose each event is, and which order it is about. Nothing else is asked of the links.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from agents.runtime import partition_for
from app.compose import all_feeds
from app.core.counts import LinkCounts
from app.core.identity import Identities, lacks_order, places
from app.core.link_limits import LinkLimits
from app.core.links import LinksPartition, Passed, Ticked
from app.core.room import Room
from app.core.routing import Noted, Router
from app.core.rule import DAY, MINUTE
from app.timeline import START
from schemas.codec import Event, TickData, decode_record, encode_event
from schemas.events import (
    ContactAnswered,
    ContactOpened,
    Customer,
    Data,
    DeliveryCompleted,
    DeliveryScheduled,
    Fulfilment,
    FulfilmentCompleted,
    Line,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
    ProfileUpdated,
)
from schemas.links import LinkRecord, Unlinked, linked
from schemas.state import Fact, Progress
from schemas.topics import EVENTS, LINKS

IDENTITIES = Identities(b"secret", "US")
WAIT = 15 * MINUTE
END = START + 20 * DAY
"""Later than every deadline, sooner than anything is forgotten."""


class Telling(NamedTuple):
    """One event as its channel knows it, and the truth about it."""

    at: int
    channel: str
    data: Data
    knows: Customer | None
    customer: str
    order: str | None


class Passage(NamedTuple):
    """An event as it reached its customer."""

    id: str
    customer: str
    order: str | None


def sure(name: str, number: int, phone: str) -> Iterator[tuple[str, Data, Customer | None, str | None]]:
    """What every customer's channels say at least, so that all else can be linked. `number` parts the customers."""
    order, parcel, case = f"{name}-o", f"{name}-t", f"{name}-c"
    how: Fulfilment = "pickup" if number else "delivery"
    yield "web", OrderPlaced(order, how, "s1", lines=(Line("1"),)), Customer(id=name, email=f"{name}@x.test"), order
    yield "warehouse", FulfilmentCompleted(order, f"{name}-p", parcel, "w", (Line("1"),)), None, order
    yield "crm", ProfileUpdated("phone", number), Customer(id=name, phone=phone), None
    yield "phone", ContactOpened(case), Customer(phone=phone), None


def chance(name: str, phone: str) -> Sequence[tuple[str, Data, Customer | None, str | None]]:
    """What may be said besides, mostly without the customer and often without the order."""
    order, parcel, case = f"{name}-o", f"{name}-t", f"{name}-c"
    return (
        ("pickup", OrderVisible(order, "s1"), None, order),
        ("pickup", OrderReady(order, "s1"), None, order),
        ("carrier", ParcelAccepted(tracking_id=parcel), None, order),
        ("carrier", ParcelAccepted(None, f"{name}-p"), None, order),
        ("carrier", DeliveryCompleted(None, f"{name}-p", parcel), None, order),
        ("carrier", DeliveryScheduled(tracking_id=parcel), Customer(id=name), order),
        ("carrier", ParcelAccepted(tracking_id=parcel), Customer(phone=phone), order),
        ("phone", ContactAnswered(case), None, None),
        ("chat", ContactOpened(f"{name}-d"), Customer(email=f"{name.upper()}@x.test"), None),
        ("chat", ContactAnswered(f"{name}-d"), Customer(id=name), None),
    )


def fact_of(number: int, telling: Telling) -> Fact:
    return Fact(telling.at, f"e{number}", f"/{telling.channel}", telling.channel, telling.data, ("t", 0, number))


def tick_of(heard: int, channels: Iterable[str]) -> TickData:
    return TickData(tuple(Progress(channel, channel, 0, 1, heard) for channel in channels))


def write(table: dict[bytes, bytes], rows: Mapping[bytes, bytes | None]) -> None:
    """Writes rows to a table; a row of None is deleted."""
    for key, row in rows.items():
        table.pop(key, None) if row is None else table.update({key: row})


class Network:
    """Links partitions and the queues before them. What is done next is drawn, as on many machines."""

    def __init__(self, size: int, random: Random, limits: LinkLimits | None = None) -> None:
        self.random = random
        self.limits = limits or LinkLimits()
        self.feeds = all_feeds()
        self.counts = LinkCounts()
        self.rows: list[dict[bytes, bytes]] = [{} for _ in range(size)]
        self.partitions = [self._make(number) for number in range(size)]
        self.queues: list[deque[tuple[str, LinkRecord]]] = [deque() for _ in range(size)]
        self.router = Router()
        self.sent: list[tuple[str, Event | TickData]] = []
        """What has reached the events partitions, as customer (none: a tick) and record."""

    def _make(self, number: int) -> LinksPartition:
        rows = self.rows[number]
        size = len(self.rows)
        return LinksPartition(number, size, self.feeds, rows.get, limits=self.limits, counts=self.counts, room=Room(2))

    def tell(self, number: int, telling: Telling) -> None:
        """A channel's event is ingested. Its number is its offset."""
        fact = fact_of(number, telling)
        identifiers = IDENTITIES.of_event(telling.data, telling.knows)
        customer = telling.knows.id if telling.knows is not None else None
        lacks, placing = lacks_order(telling.data), places(telling.data)
        route = self.router.route(customer, identifiers, telling.at, lacks_order=lacks, places=placing)
        assert route is not None, "everything of this world can be linked"
        for note in route.notes:
            self._enqueue(note.identifier, note.record)
        if route.via is None:
            self.sent.append((route.customer or "", Event(fact, (number, 0))))
        else:
            value = encode_event(fact, {})
            event = Unlinked(value, telling.at, telling.channel, customer, lacks, ("t", 0), (number, 0))
            self._enqueue(route.via, event)

    def _enqueue(self, identifier: str, record: LinkRecord) -> None:
        self.queues[partition_for(identifier.encode(), len(self.queues))].append((identifier, record))

    def tick(self, heard: int) -> None:
        """Ingest says that all channels have been heard up to this moment, ms."""
        tick = tick_of(heard, (feed.channel for feed in self.feeds))
        self.sent.append(("", tick))
        for queue in self.queues:
            queue.append(("", tick))

    def step(self) -> bool:
        """One partition takes a batch of its queue. Gives whether there was any."""
        ready = [number for number, queue in enumerate(self.queues) if queue]
        if ready:
            number = self.random.choice(ready)
            self.batch(number, self.random.randint(1, len(self.queues[number])))
        return bool(ready)

    def batch(self, number: int, size: int) -> None:
        partition, queue = self.partitions[number], self.queues[number]
        for _ in range(size):
            partition.feed(*queue.popleft())
        work = partition.flush()
        for output in work.outputs:
            if isinstance(output, Noted):
                self._enqueue(output.identifier, output.record)
            elif isinstance(output, Passed):
                record = decode_record(linked(output.value, output.customer, output.order))
                self.sent.append((output.customer, record))
            else:
                self._ticked(output)
        write(self.rows[number], work.rows)

    def _ticked(self, ticked: Ticked) -> None:
        assert ticked.topic in (EVENTS.name, LINKS.name)
        if ticked.topic == EVENTS.name:
            self.sent.append(("", TickData(ticked.progress)))
        else:
            for queue in self.queues:
                queue.append(("", TickData(ticked.progress)))

    def resume(self, number: int) -> None:
        """Another worker takes the partition over."""
        self.partitions[number] = self._make(number)
        self.partitions[number].restore(list(self.rows[number].items()))

    def settle(self) -> None:
        """Works until nothing is left to do."""
        while self.step():
            pass

    def play(self, tellings: Sequence[Telling], *, ticking: bool = False) -> None:
        """Ingests events in this order, works in between more or less eagerly, and comes to the end of time."""
        eagerness = self.random.choice((0.0, 0.1, 0.6))
        for number, telling in enumerate(tellings):
            while self.random.random() < eagerness and self.step():
                pass
            self.tell(number, telling)
            if ticking:
                self.tick(min((later.at for later in tellings[number + 1 :]), default=telling.at + 1) - 1)
        self.settle()
        self.tick(END)
        self.settle()

    def passages(self) -> list[Passage]:
        """Every event that reached a customer, sorted."""
        return sorted(
            Passage(record.fact.id, customer, getattr(record.fact.data, "order_id", None))
            for customer, record in self.sent
            if isinstance(record, Event)
        )


def truth(tellings: Sequence[Telling]) -> list[Passage]:
    """What everybody would say who knew all."""
    return sorted(Passage(f"e{number}", telling.customer, telling.order) for number, telling in enumerate(tellings))
