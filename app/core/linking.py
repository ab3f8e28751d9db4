"""All of the linking in one place: the router and one links partition, with what it tells itself. What replay runs."""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from app.core.clocks import ALL, Feed
from app.core.counts import LinkCounts
from app.core.identity import Identifier
from app.core.link_limits import LinkLimits
from app.core.links import LinksPartition, Passed
from app.core.routing import Noted, Router
from schemas.codec import TickData
from schemas.links import LinkRecord, Unlinked
from schemas.state import Progress
from schemas.topics import LINKS

_STREAM = "recording"
_END = 1 << 62
_BATCH = 2000


class Item(msgspec.Struct, frozen=True):
    """An event on its way to a customer. It names the customer, or has an identifier at least."""

    at: int
    """Event time, ms."""
    channel: str
    customer: str | None
    identifiers: tuple[Identifier, ...]
    """Strongest first."""
    lacks_order: bool
    """Whether it is about an order that it knows only by a parcel."""
    places: bool
    """Whether it places its order."""
    payload: Any


class Linked(NamedTuple):
    """An event that may go on: under which customer, and about which order where it did not say so itself."""

    item: Item
    customer: str
    order_id: str | None


class Linking:
    """Takes events in, gives those that may go on. Event time is the greatest that was taken in."""

    def __init__(self, limits: LinkLimits | None = None, tick_ms: int = 1000) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._router = Router()
        feeds = (Feed(_STREAM, (_STREAM,)),)
        self._partition = LinksPartition(0, 1, feeds, self._rows.get, limits=limits)
        self._tick_ms = tick_ms
        self._heard = -1
        self._items: dict[int, Item] = {}
        self._number = 0
        self._many = _BATCH
        """Of so many items those are dropped that have gone on for good."""

    @property
    def counts(self) -> LinkCounts:
        """What became of the events."""
        return self._partition.counts

    def take(self, item: Item) -> list[Linked]:
        """Learns from an event and gives what may go on now: whoever waited too long or for this one, and itself.

        Raises ValueError for an item that names neither a customer nor an identifier.
        """
        gone = self._come_to(item.at) if item.at >= self._heard + self._tick_ms else []
        route = self._router.route(
            item.customer, item.identifiers, item.at, lacks_order=item.lacks_order, places=item.places
        )
        if route is None:
            raise ValueError("the event names neither a customer nor an identifier")
        gone += self._feed(route.notes)
        if route.via is None:
            assert route.customer is not None, "a route leads to a customer or by way of the links"
            gone.append(Linked(item, route.customer, None))
        else:
            gone += self._feed([(route.via, self._unlinked(item))])
        return gone

    def end(self) -> list[Linked]:
        """Nothing more will come: all that still wait go on."""
        return self._come_to(_END)

    def held(self, channel: str, heard: int) -> int:
        """How far (ms) a channel that was heard so far may be said to have been heard, for the sake of what waits."""
        return self._partition.held(channel, heard)

    def _unlinked(self, item: Item) -> Unlinked:
        self._number += 1
        if self._number % _BATCH == 0:
            self._flush()
        if len(self._items) >= self._many:
            self._sweep()
        self._items[self._number] = item
        return Unlinked(b"%d" % self._number, item.at, item.channel, item.customer, item.lacks_order)

    def _sweep(self) -> None:
        self._items = {number: self._items[number] for number in (int(one.value) for one in self._partition.kept())}
        self._many = max(_BATCH, 2 * len(self._items))

    def _feed(self, records: Iterable[Noted | tuple[str, LinkRecord]]) -> list[Linked]:
        """Feeds records and whatever the partition tells itself of them."""
        gone: list[Linked] = []
        waiting: deque[Noted | tuple[str, LinkRecord]] = deque(records)
        while waiting:
            self._partition.feed(*waiting.popleft())
            for output in self._partition.drain():
                if isinstance(output, Noted):
                    waiting.append(output)
                elif isinstance(output, Passed):
                    gone.append(Linked(self._items[int(output.value)], output.customer, output.order))
        return gone

    def _come_to(self, now: int) -> list[Linked]:
        """Time comes to a moment, ms: heard by the partition, which is all there are and has told itself everything."""
        self._heard = now
        progress = Progress(_STREAM, _STREAM, 0, 1, now)
        echo = msgspec.structs.replace(progress, topic=LINKS.name)
        answer = msgspec.structs.replace(echo, channel=ALL)
        return self._feed([("", TickData((progress, echo, answer)))])

    def _flush(self) -> None:
        for key, row in self._partition.flush().rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
