"""Plays a recording into the detector: the same core as live, with "now" as far as the recording has come."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from app.compose import Detector
from app.core.clocks import Feed
from app.core.link_limits import LinkLimits
from app.core.linking import Item, Linked, Linking
from app.replay.sources import Read
from schemas.alerts import Alert
from schemas.codec import Event, TickData
from schemas.state import Fact, Progress

Play = tuple[int, Iterable[tuple[str, Event]]]
"""As far as time has come (ms); and events, with whose they are: to be drawn once all before them has been heard."""
Held = Callable[[str, int], int]
"""A channel, and how far it was heard (ms) → how far that may be said, for the sake of what waits for its link."""
TICK_MS = 1000
_BATCH = 2000
_FOREVER = 1 << 60
_NOWHERE: Mapping[str, int] = {}


def sorted_plays(reads: Sequence[Read], links: Linking) -> Iterator[Play]:
    """Events sorted by time as if every channel had been on time and every link known from the start."""
    where = {id(read.item): number for number, read in enumerate(reads)}
    linked = [one for read in reads for one in links.take(read.item)] + links.end()
    linked.sort(key=lambda one: where[id(one.item)])
    for one in linked:
        yield one.item.at, ((one.customer, _event(one)),)


def arriving_plays(reads: Iterable[Read], links: Linking) -> Iterator[Play]:
    """Events as they came; one whose customer is unknown waits for its link, as live."""
    now = -1
    for read in reads:
        now = max(now, read.now)
        yield now, gone_on(links.take, read.item)
    yield now, gone_on(links.end)


def gone_on(links: Callable[..., list[Linked]], *item: Item) -> Iterator[tuple[str, Event]]:
    for one in links(*item):
        yield one.customer, _event(one)


def forever() -> Linking:
    """Links for a recording that is known whole: nothing has to be let go early."""
    return Linking(LinkLimits(wait_ms=_FOREVER, parked_each=_FOREVER, parked=_FOREVER, retention_ms=_FOREVER))


def _event(one: Linked) -> Event:
    """An event that was linked does not come in the order of its origin: that makes it no repetition."""
    item: Item = one.item
    event: Event = item.payload
    if one.order_id is not None:
        data = msgspec.structs.replace(event.fact.data, order_id=one.order_id)
        event = msgspec.structs.replace(event, fact=msgspec.structs.replace(event.fact, data=data))
    if item.customer is None or item.lacks_order:
        return msgspec.structs.replace(event, linked=True)
    return event


class Player:
    """One partition that takes it all."""

    def __init__(
        self, detector: Detector, emit: Callable[[Alert], None], held: Held, watch: Callable[[Fact], None]
    ) -> None:
        self._rows: dict[bytes, bytes] = {}
        self.partition = detector.partition(0, self._rows.get)
        self._feeds: tuple[Feed, ...] = detector.feeds
        self._emit = emit
        self._spoke: dict[str, int] = {}
        self._heard = -1
        self._held = held
        self._watch = watch
        self.first: int | None = None
        self.last: int | None = None
        self.played = 0
        self._lateness = {feed.channel: feed.lateness_ms for feed in self._feeds}
        self.late = 0
        """Events that came later than their channel's lateness."""
        self.beyond = 0
        """Events after the end that was asked for."""

    def play(
        self,
        plays: Iterable[Play],
        until: int | None = None,
        watch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Plays everything up to `until` (ms; none: all there is, to the end of its last moment) and judges what is due
        by then.
        """
        limit = _FOREVER if until is None else until
        for now, events in plays:
            if now > self._heard + TICK_MS:
                self._come_to(min(now, limit))
            for customer, event in events:
                if event.fact.at > limit:
                    self.beyond += 1
                    continue
                self._take(now, customer, event)
                if self.played % _BATCH == 0:
                    self._flush()
                    watch(self.played)
        self._end(until)

    def _take(self, now: int, customer: str, event: Event) -> None:
        self.partition.feed(customer, event)
        self._watch(event.fact)
        at, channel = event.fact.at, event.fact.channel
        if at > self._spoke.get(channel, -1):
            self._spoke[channel] = at
        self.late += at < now - self._lateness.get(channel, 0)
        self.played += 1

    def _come_to(self, now: int) -> None:
        """Everything before `now` has been fed: says so, if anything waits for it."""
        if self.first is None:
            self.first = now
            self._tick(now - 1)
        waiting = self.partition.first_wait()
        if waiting is not None and waiting < now - 1:
            self._tick(now - 1)

    def _end(self, until: int | None) -> None:
        last = max(self._spoke.values(), default=None)
        self.last = until if until is not None else last
        if until is not None:
            self._tick(until)
        elif last is not None:  # nothing more will be said of that moment, however late its channels may be
            self._tick(last + 1, self._lateness)
        self._flush()

    def _tick(self, heard: int, beyond: Mapping[str, int] = _NOWHERE) -> None:
        """Every channel has been heard up to this moment (ms), and some have been beyond it (by so many ms)."""
        self._heard = heard
        self.partition.feed("", TickData(tuple(self._progress(heard, beyond))))

    def _progress(self, heard: int, beyond: Mapping[str, int]) -> Iterator[Progress]:
        for feed in self._feeds:
            to = self._held(feed.channel, heard + beyond.get(feed.channel, 0))
            yield Progress(feed.channel, feed.topics[0], 0, 1, to, self._spoke.get(feed.channel))

    def _flush(self) -> None:
        work = self.partition.flush()
        for alert in work.alerts:
            self._emit(alert)
        for key, row in work.rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
