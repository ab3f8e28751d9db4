"""Everything of one links partition: what identifiers know, which events wait for that, how far time has come.

Pure: records in, outputs and rows out. Live, replay and tests all run this class.

**Learning.** A link says to whom an identifier leads, kin say that two were named together. Whenever an identifier
learns something, it tells its kin, unless it is shared; it tells only what is news to it, and news only ever shrink
(an earlier moment, a stronger reason, at most three customers), so the telling ends.

**Waiting.** An event whose customer (or order) is unknown is parked until the link comes, or all live channels have
been heard beyond its time and the wait. Then it goes on under the best that is known: a claim of a person, else a
provisional customer of its own; and later events of the identifier do not wait for what did not come. What a bound
takes is let go early, in the same way, and counted.

**Time.** Ingest sends each tick to every links partition; but what one partition tells another takes a hop, which a
tick straight to the events partitions would overtake: in a backfill by hours. So a tick takes the same hop: each links
partition *echoes* to all of them how far it has come, behind what it has told, and says to the events partitions only
how far *all* have come. To them the links are one more topic of each channel (`with_links`), whose partitions are
these, and a channel is heard as far as the least of them. (What takes two hops, as from a card to an order to its
parcel, may still be overtaken; then the alert corrects itself.) An event that is parked here keeps its channel's clock
back, lest it be judged missing, until all live channels have been heard `hold_ms` beyond it: a link may come by a
channel that is behind, and one that nobody can link must not stop a channel for the whole wait.

Who goes on under a provisional customer is not moved later, and in a backfill time leaps by hours: so two hops are
waited for. A partition whose wait is over *asks*: it says to all of them how far it knows all to have come, and each
answers with the same, behind what it has told since. Only how far all have answered ends a wait.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from app.core import knowledge
from app.core.clocks import ALL, NEVER, Clocks, Feed
from app.core.counts import LinkCounts
from app.core.identity import PARCELS, kind_of, value_of
from app.core.link_limits import LinkLimits
from app.core.link_rows import Forgetting, LinkRows, Reader, parked_in
from app.core.parking import Parking, Slot
from app.core.room import IDENTITIES, Room
from app.core.routing import Noted
from app.core.taken import take
from app.core.told import Told
from schemas.codec import TickData
from schemas.links import Identity, Kin, Link, LinkRecord, LinksClocks, Parked, Unlinked
from schemas.state import Progress
from schemas.topics import EVENTS, LINKS

PROVISIONAL = "provisional:"
_DAY = 86_400_000
_PIECES = 16
"""How many pieces of the queue of forgetting one tick looks at."""


class Passed(NamedTuple):
    """An event that goes on to its customer, as canonical bytes, with its order where that was found."""

    customer: str
    value: bytes
    order: str | None


class Ticked(NamedTuple):
    """How far the channels have come, for every partition of a topic."""

    topic: str
    progress: tuple[Progress, ...]


Output = Passed | Noted | Ticked


class LinkWork(NamedTuple):
    """What a batch came to: outputs in the order in which they must be sent, and rows to write."""

    outputs: Sequence[Output]
    rows: Mapping[bytes, bytes | None]


def with_links(feeds: Iterable[Feed]) -> tuple[Feed, ...]:
    """The feeds as events partitions hear them: of their own topics, and by way of the links."""
    return tuple(msgspec.structs.replace(feed, topics=(*feed.topics, LINKS.name), detour=LINKS.name) for feed in feeds)


class LinksPartition:
    """The state of links partition `number` of `size`."""

    def __init__(
        self,
        number: int,
        size: int,
        feeds: Iterable[Feed],
        read: Reader,
        *,
        limits: LinkLimits | None = None,
        room: Room | None = None,
        counts: LinkCounts | None = None,
    ) -> None:
        self.counts = counts if counts is not None else LinkCounts()
        self.limits = limits if limits is not None else LinkLimits()
        self.parking = Parking()
        self._number, self._size = number, size
        feeds = tuple(feeds)
        self.heard = Clocks(feeds)
        echoed = (msgspec.structs.replace(feed, topics=(LINKS.name,)) for feed in feeds)
        self.clocks = Clocks((*echoed, Feed(ALL, (LINKS.name,))))
        """How far all links partitions have come; and, as a channel `*`, how far all have answered to know that."""
        self._rows = LinkRows(read, room or Room(IDENTITIES))
        self.told = Told(self._rows, self.limits)
        self._outputs: list[Output] = []
        self._load()

    def _load(self) -> None:
        clocks = self._rows.clocks()
        self.heard.resume(clocks.heard, clocks.spoke, clocks.reached)
        self.clocks.resume(clocks.echoes, {}, clocks.reached_by_all)
        self._mark = clocks.mark
        self._ticked = False
        self._journal = self._rows.journal()
        self._forgetting = Forgetting(self._rows, self._journal)

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Builds the clocks and the index of what is parked from every row of the table partition."""
        self._load()
        for key, row in rows:
            found = parked_in(key, row)
            if found is not None:
                (self.told.index if found[1].told else self.parking.add)(*found)

    def kept(self) -> Iterator[Unlinked]:
        """The events that wait, or have gone on and may go on to another order."""
        return (self._rows.parked(number).event for number in (*self.parking, *self.told))

    def feed(self, identifier: str, record: LinkRecord) -> None:
        """Takes one record in, in the order of the log."""
        if isinstance(record, Unlinked):
            self._event(identifier, record)
        elif isinstance(record, Link):
            self._link(identifier, record)
        elif isinstance(record, Kin):
            self._kin(identifier, record)
        else:
            self._tick(record)

    def drain(self) -> list[Output]:
        """The outputs since the last time."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def flush(self) -> LinkWork:
        """Ends a batch: ticks stand behind everything else that came of it."""
        if self._ticked:
            self._echo()
            self._say()
            self._rows.put_clocks(self._clocks_row())
        self._rows.put_journal(self._journal)
        self._ticked = False
        return LinkWork(self.drain(), self._rows.take_writes())

    def _clocks_row(self) -> LinksClocks:
        heard, spoke, reached = self.heard.snapshot()
        echoes, _, by_all = self.clocks.snapshot()
        return LinksClocks(
            heard=heard, spoke=spoke, echoes=echoes, mark=self._mark, reached=reached, reached_by_all=by_all
        )

    # ---- events

    def _event(self, identifier: str, event: Unlinked) -> None:
        if not take(self._journal.taken, event.origin, event.position):
            self.counts.repeated += 1
            return
        self.counts.events[event.channel] += 1
        one = self._identity(identifier, event.at)
        if not self._goes_on(identifier, one, event, final=one.waited):
            self._park(identifier, event)
        elif self._mark < event.at - self.limits.hold_ms:  # a channel is behind: it may bring another order
            self._keep(self._next(), self._wait(identifier, event), one)

    def _keep(self, number: int, parked: Parked, one: Identity) -> None:
        """An event has gone on; that of a parcel is told of further orders in it."""
        if parked.event.lacks_order and kind_of(parked.identifier) in PARCELS and one.orders:
            self.told.keep(number, parked, knowledge.orders_of(one))

    def _goes_on(self, identifier: str, one: Identity, event: Unlinked, *, final: bool) -> bool:
        """Sends the event on if all is known that it lacks, or if that is not to be waited for any more. What is told
        of a parcel is told of each order in it.
        """
        kind = kind_of(identifier)
        final = final or one.shared
        by_parcel = event.lacks_order and kind in PARCELS
        orders = knowledge.orders_of(one) if by_parcel else []
        customer = event.customer or knowledge.customer_of(one, kind, event.at, final=final)
        if not final and (customer is None or (by_parcel and not orders)):
            return False
        if customer is None:
            self.counts.provisional += 1
        else:
            self.counts.linked += 1
        for order in orders or (None,):
            self._pass(identifier, customer, event, order)
        return True

    def _pass(self, identifier: str, customer: str | None, event: Unlinked, order: str | None) -> None:
        whose = customer or PROVISIONAL + (f"order:{order}" if order is not None else identifier)
        self._outputs.append(Passed(whose, event.value, order))

    def _park(self, identifier: str, event: Unlinked) -> None:
        waiting = self.parking.of(identifier)
        if len(waiting) >= self.limits.parked_each:
            self._let_go(waiting[0], "parked_each")
        elif len(self.parking) >= self.limits.parked and (first := self.parking.next()) is not None:
            self._let_go(first, "parked")
        number, parked = self._next(), self._wait(identifier, event)
        self._rows.park(number, parked)
        self.parking.add(number, parked)
        self.counts.parked += 1

    def _next(self) -> int:
        self._journal.parked += 1
        return self._journal.parked - 1

    def _wait(self, identifier: str, event: Unlinked) -> Parked:
        # An event may be long past when it comes: its link may be as late, and on a channel that is behind.
        now = max(event.at, self._mark, self.heard.heard.get(event.channel, NEVER))
        return Parked(identifier, now + self.limits.wait_ms, event)

    def _let_go(self, number: int, why: str) -> None:
        """An event goes on though not all is known."""
        parked = self._rows.parked(number)
        one = self._identity(parked.identifier, parked.event.at)
        self.counts.let_go[why] += 1
        self._goes_on(parked.identifier, one, parked.event, final=True)
        self._unpark(number)

    def _unpark(self, number: int) -> None:
        self.parking.remove(number)
        self._rows.park(number, None)

    # ---- learning

    def _identity(self, identifier: str, at: int) -> Identity:
        """What is known of an identifier that an event of this moment (ms) uses."""
        used = max(at, self._mark)
        one = self._rows.identity(identifier)
        if one is None:
            one = knowledge.empty(used)
            self._forgetting.append(identifier, used + self.limits.retention_ms)
            self._rows.put(identifier, one)
        elif used > one.touched + _DAY:
            one.touched = used
            self._rows.put(identifier, one)
        return one

    def _link(self, identifier: str, link: Link) -> None:
        one = self._identity(identifier, link.at)
        if one.shared:
            return
        kind, limits = kind_of(identifier), self.limits
        news = link.customer is not None and knowledge.learn_customer(one, kind, link, limits.customers)
        if link.order is not None and not one.shared:
            news = knowledge.learn_order(one, link.order, link.at, limits.orders) or news
        self._learned(identifier, one, one.kin if news else ())

    def _kin(self, identifier: str, kin: Kin) -> None:
        one = self._identity(identifier, kin.at)
        if one.shared or not knowledge.learn_kin(one, kin, self.limits.kin):
            return
        holds = kind_of(identifier) in PARCELS and kind_of(kin.other) == "order"
        news = holds and knowledge.learn_order(one, value_of(kin.other), kin.at, self.limits.orders)
        self._learned(identifier, one, one.kin if news else (kin.other,))

    def _learned(self, identifier: str, one: Identity, hearing: Iterable[str]) -> None:
        """Something has changed: these kin are told, and whoever waited for it goes on."""
        self._rows.put(identifier, one)
        self.counts.shared += one.shared
        if not one.shared:
            self._tell(identifier, one, hearing)
        self._release(identifier, one)

    def _tell(self, identifier: str, one: Identity, hearing: Iterable[str]) -> None:
        kind = kind_of(identifier)
        for other in hearing:
            since, placed = one.kin[other], other in one.placed
            to = kind_of(other)
            said = knowledge.said_of(one.known, kind, since)
            links = [knowledge.told(known, kind, to, since, placed=placed) for known in said]
            if kind in PARCELS and to in PARCELS:
                links += [Link(max(since, at), order=order, told=True) for order, at in one.orders.items()]
            self.counts.told += len(links)
            self._outputs += [Noted(other, link) for link in links]

    def _release(self, identifier: str, one: Identity) -> None:
        kind = kind_of(identifier)
        for event, order in self.told.news(identifier, one):
            customer = event.customer or knowledge.customer_of(one, kind, event.at, final=True)
            self._pass(identifier, customer, event, order)
        for number in self.parking.of(identifier):
            parked = self._rows.parked(number)
            if self._goes_on(identifier, one, parked.event, final=one.waited):
                self._unpark(number)
                if abs(self._mark - parked.event.at) > self.limits.hold_ms:  # or it has waited for a batch of them
                    self._keep(number, parked, one)

    # ---- time

    def _tick(self, tick: TickData) -> None:
        self._ticked = True
        self.heard.hear(p for p in tick.progress if p.topic != LINKS.name)
        self.clocks.hear(p for p in tick.progress if p.topic == LINKS.name)
        self._mark = max(self._mark, self._live())
        for slot in self.parking.due(self.clocks.heard.get(ALL, NEVER)):
            self._give_up(slot)
        self.told.drop_due(self._mark)
        self._forget()

    def _live(self) -> int:
        """How far all channels have come that are not silent beyond their patience; NEVER until each was heard."""
        silent = self.heard.silent()
        return min((self.clocks.heard.get(c, NEVER) for c in self.heard.feeds if c not in silent), default=NEVER)

    def _asked(self) -> bool:
        """Whether a wait would be over here, or another partition has asked or answered more than this one."""
        said, _ = self._journal.echoed.get(ALL, (NEVER, NEVER))
        return self.parking.is_due(self._mark) or self.clocks.spoke.get(ALL, NEVER) > said

    def _give_up(self, slot: Slot) -> None:
        """An event has waited in vain: it goes on, and with it all of its identifier."""
        one = self._identity(slot.identifier, slot.at)
        one.waited = True
        self._rows.put(slot.identifier, one)
        self._let_go(slot.number, "wait")
        self._release(slot.identifier, one)

    def _forget(self) -> None:
        for _ in range(_PIECES):
            identifiers = self._forgetting.due(self._mark)
            for identifier in identifiers:
                self._look_at(identifier)
            if not identifiers:
                break

    def _look_at(self, identifier: str) -> None:
        one = self._rows.identity(identifier)
        due = one.touched + self.limits.retention_ms if one is not None else NEVER
        if due < self._mark and not self.parking.of(identifier):
            self._rows.forget(identifier)
            self.counts.forgotten += 1
        else:
            self._forgetting.append(identifier, max(due, self._mark))

    def _echo(self) -> None:
        """Says to all links partitions how far this one has come, and answers who asks."""
        come = {channel: self._come(self.heard, channel) for channel in self.heard.heard}
        if self._asked():
            come[ALL] = self._mark, self._mark
        self._news(LINKS.name, self._journal.echoed, come)

    def _say(self) -> None:
        """Says to the events partitions how far all links partitions have come, less what is held back here."""
        held: dict[str, tuple[int, int]] = {}
        for channel in self.clocks.heard.keys() - {ALL}:
            heard, trusted = self._come(self.clocks, channel)
            limit = self.held(channel, heard)
            held[channel] = limit, min(trusted, limit)
        self._news(EVENTS.name, self._journal.said, held)

    @staticmethod
    def _come(clocks: Clocks, channel: str) -> tuple[int, int]:
        """How far a channel was heard, and how far that is to be trusted, ms."""
        return clocks.heard[channel], max(0, clocks.trusted[channel])

    def held(self, channel: str, heard: int) -> int:
        """How far (ms) a channel that was heard so far may be said to have been heard, for the sake of what waits."""
        oldest = self.parking.oldest(channel)
        # Whose wait is over goes on once all have answered: where time leaps, the clock must not pass it before that.
        mark = self.clocks.heard.get(ALL, NEVER) if self.parking.is_due(self._mark) else self._mark
        passed = min(heard, mark) - self.limits.hold_ms
        return heard if oldest is None else max(min(heard, oldest - 1), passed)

    def _news(self, topic: str, said: dict[str, tuple[int, int]], come: Mapping[str, tuple[int, int]]) -> None:
        moved = {channel: new for channel, new in come.items() if self._further(said.get(channel), new)}
        if not any(self._further(said.get(channel), new, self.limits.every_ms) for channel, new in moved.items()):
            return
        said.update(moved)
        progress = (
            Progress(channel, LINKS.name, self._number, self._size, heard, heard if channel == ALL else None, trusted)
            for channel, (heard, trusted) in sorted(moved.items())
        )
        self._outputs.append(Ticked(topic, tuple(progress)))

    @staticmethod
    def _further(old: tuple[int, int] | None, new: tuple[int, int], by: int = 1) -> bool:
        return old is None or new[0] >= old[0] + by or new[1] >= old[1] + by
