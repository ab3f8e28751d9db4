"""Recordings for laws: random events of few customers and orders, and ways to play them through a partition.

Everything is drawn from small pools, so that events meet: two customers, a few orders and contacts, and gaps between
events that are the windows of the catalogue, or a millisecond to either side.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from app.compose import RuleSettings, all_feeds, detector
from app.core.clocks import Feed
from app.core.engine import Limits
from app.core.partition import Partition
from app.core.rule import DAY, HOUR, MINUTE, SECOND, Rule
from app.rules import RULES
from app.timeline import START
from schemas.alerts import Alert
from schemas.codec import Event, TickData, decode_case, to_time
from schemas.events import CHANNELS, TYPES, Data, Line, type_of
from schemas.state import Case, Fact, Progress

HORIZON = START + 20 * DAY
"""Later than every deadline of a recording, sooner than any case is closed."""
LATENESS = 10 * MINUTE
GAPS = (0, 1, SECOND, 10 * SECOND, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 14 * HOUR, DAY)
POOLS: dict[str, tuple[Any, ...]] = {
    "order_id": ("1", "1", "2"),
    "case_id": ("1", "1", "2"),
    "location_id": ("s1", "s1", "s2"),
    "package_id": ("p1", "p2"),
    "tracking_id": ("t1",),
    "request_id": ("r1", "r2"),
    "product": ("debit", "credit"),
    "field": ("address",),
    "version": (1, 2),
    "what": ("address", "ann-1"),
    "about": ("address", "ann-1"),  # an order of hers too
    "cart_id": ("b1", "b2"),
    "action": ("hold", "resend"),
}
USUAL: dict[str, tuple[str, ...]] = {
    "order.placed": ("web", "app"),
    "order.c": ("web", "crm"),
    "order.": ("pickup",),
    "bay.": ("pickup",),
    "fulfilment.": ("warehouse", "store"),
    "delivery.": ("carrier",),
    "parcel.": ("carrier",),
    "notification.": ("notification",),
    "contact.": ("phone", "chat"),
    "profile.": ("app", "store"),
    "session.": ("web", "app"),
}
"""The channels that mostly say what begins so; of several beginnings, the first."""
_WINDOWS = RuleSettings(channels={"app": 5 * MINUTE}, locations={"s2": 2 * MINUTE})
SETTINGS = {rule.id: _WINDOWS for rule in RULES if rule.within is not None} | {
    "H108": RuleSettings(channels=_WINDOWS.channels, subscribers=("app", "store"))
}
"""Each rule waits its own time, and another at one location and for one channel."""


class Arrival(NamedTuple):
    """An event of a recording, and how long after its own time (ms) it arrives."""

    customer: str
    fact: Fact
    delay: int = 0


def _values(cls: type[Data], name: str) -> st.SearchStrategy[Any]:
    if name == "lines":
        return _lines()
    hint: Any = get_type_hints(cls)[name]
    choices = (hint,) if get_origin(hint) is Literal else get_args(hint)
    optional = type(None) in choices
    choices = tuple(c for c in choices if c is not type(None)) or (hint,)
    literals = [value for c in choices if get_origin(c) is Literal for value in get_args(c)]
    if name in POOLS:
        some: st.SearchStrategy[Any] = st.sampled_from(POOLS[name])
    elif literals:
        some = st.sampled_from(literals)
    elif datetime in choices:
        some = st.sampled_from((0, MINUTE, HOUR, 2 * HOUR, DAY, 2 * DAY)).map(lambda ms: to_time(START + ms))
    else:
        some = st.sampled_from(("a", "b"))
    return st.one_of(some, some, st.none()) if optional else some


def _lines() -> st.SearchStrategy[tuple[Line, ...]]:
    line = st.builds(
        Line, st.sampled_from(("1", "2")), st.sampled_from(("a", "b", None)), st.sampled_from((0.0, 1.0, 2.0))
    )
    return st.lists(line, max_size=2, unique_by=lambda one: one.line_id).map(tuple)


@cache
def data_of(cls: type[Data]) -> st.SearchStrategy[Data]:
    """Any event data of this type."""
    return st.builds(cls, **{name: _values(cls, name) for name in cls.__struct_fields__})


def arrivals(
    types: Sequence[type[Data]] = tuple(TYPES.values()), max_delay: int = 0
) -> st.SearchStrategy[list[Arrival]]:
    """A recording in the order of its event times. Delays are drawn up to the given one."""
    one = st.tuples(
        st.sampled_from(("ann", "ann", "ann", "bob")),
        st.sampled_from((False,) * 9 + (True,)),
        st.sampled_from(types).flatmap(said_by),
        st.sampled_from(GAPS),
        st.sampled_from((0, max_delay // 2, max_delay)),
    )
    few, many = st.lists(one, min_size=1, max_size=12), st.lists(one, min_size=12, max_size=30)
    return st.one_of(few, many).map(lambda drawn: list(_timed(drawn)))


@cache
def said_by(cls: type[Data]) -> st.SearchStrategy[tuple[str, Data]]:
    """Any event data of this type, mostly from the channels that usually say it."""
    name = type_of(cls)
    usual = next((channels for begins, channels in USUAL.items() if name.startswith(begins)), CHANNELS)
    return st.tuples(st.one_of(st.sampled_from(usual), st.sampled_from(usual), st.sampled_from(CHANNELS)), data_of(cls))


def _timed(drawn: Iterable[tuple[str, bool, tuple[str, Data], int, int]]) -> Iterator[Arrival]:
    at = START
    for number, (customer, foreign, (channel, data), gap, delay) in enumerate(drawn):
        at += gap
        owner = "ann" if foreign else customer
        yield Arrival(customer, Fact(at, f"e{number:02}", f"/{channel}", channel, _own(data, owner)), delay)


def _own(data: Data, owner: str) -> Data:
    """Orders and contacts belong to one customer: their ids tell whose they are. Another is named with them now and
    then, as where an event came before its link.
    """
    ids = {
        name: f"{owner}-{getattr(data, name, None)}" for name in ("order_id", "case_id") if getattr(data, name, None)
    }
    return msgspec.structs.replace(data, **ids)


def tick(heard: int, feeds: Iterable[Feed] = all_feeds()) -> TickData:
    """Every channel has been heard up to this moment, ms."""
    return TickData(tuple(Progress(feed.channel, feed.channel, 0, 1, heard) for feed in feeds))


def ticks() -> st.SearchStrategy[TickData]:
    """Any ticks: of some channels, each of up to three partitions, now more and now fewer, heard up to anywhere."""
    moments = st.sampled_from(GAPS).map(lambda gap: START + gap)
    sizes = st.sampled_from((1, 1, 2, 3))
    one = st.tuples(st.sampled_from(CHANNELS), st.integers(0, 2), sizes, moments, st.one_of(moments, st.none()))
    return st.lists(one, min_size=1, max_size=8).map(lambda drawn: TickData(tuple(_progress(*one) for one in drawn)))


def _progress(channel: str, partition: int, partitions: int, heard: int, spoke: int | None) -> Progress:
    return Progress(channel, channel, partition % partitions, partitions, heard, spoke)


class Player:
    """A detector of one partition, with the table behind it."""

    def __init__(
        self, rules: Sequence[Rule], *, lateness: int = 0, patience: int | None = None, limits: Limits | None = None
    ) -> None:
        feeds = [Feed(feed.channel, feed.topics, lateness, patience) for feed in all_feeds()]
        self.rows: dict[bytes, bytes] = {}
        self.alerts: list[Alert] = []
        self._built = detector(rules, feeds, SETTINGS, limits)
        self.partition = self._built.partition(0, self.rows.get)

    def feed(self, customer: str, record: Event | TickData) -> None:
        """One record, as a batch of its own."""
        self.partition.feed(customer, record)
        self.flush()

    def flush(self) -> None:
        """Ends the batch: rows to the table, alerts to the list."""
        work = self.partition.flush()
        self.alerts += work.alerts
        for key, row in work.rows.items():
            self.rows.pop(key, None) if row is None else self.rows.update({key: row})

    def cases(self) -> dict[bytes, Case]:
        """The open cases of customers, as the table has them."""
        return {k: decode_case(row) for k, row in self.rows.items() if not k.startswith((b"\0", b"0:"))}

    def resume(self, feeds: Iterable[Feed] | None = None) -> None:
        """Puts the state away and takes it up again, as another worker would, which may have other feeds."""
        if feeds is not None:
            self._built = msgspec.structs.replace(self._built, feeds=tuple(feeds))
        self.partition: Partition = self._built.partition(0, self.rows.get)
        self.partition.restore(list(self.rows.items()))


def play(
    player: Player, recording: Sequence[Arrival], after_each: Callable[[Player, Arrival], None] | None = None
) -> Player:
    """Plays a recording by arrival; before each event a tick says how far all channels were heard by then."""
    for arrival in sorted(recording, key=lambda a: a.fact.at + a.delay):
        player.feed("", tick(arrival.fact.at + arrival.delay))
        player.feed(arrival.customer, Event(arrival.fact, (0, 0)))
        if after_each is not None:
            after_each(player, arrival)
    player.feed("", tick(HORIZON))
    return player


def by_id(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """The revisions of each alert, in their order."""
    said: dict[str, list[Alert]] = {}
    for alert in alerts:
        said.setdefault(alert.id, []).append(alert)
    return said
