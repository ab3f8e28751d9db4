"""A simulated day: who lives through what and when, and in which order its records are sent.

Everything follows from the seed. Records are drawn lazily, in the order in which they are sent, so that a day of a
million customers needs no more memory than the journeys that are under way.
"""

from collections.abc import Iterator
from heapq import heappop, heappush, merge
from math import pi, sin
from random import Random

import msgspec

from app.core.clocks import Feed
from app.core.rule import HOUR, MINUTE, SECOND
from app.simulate.background import SILENT, fits, heartbeat
from app.simulate.catalogue import CATALOGUE
from app.simulate.contacts import CONTACTS, WISHES
from app.simulate.faults import live
from app.simulate.journeys import MIX, START
from app.simulate.noise import LIVE, Style
from app.simulate.story import Step, Steps, Story, Teller
from app.simulate.truth import Label, Truth
from app.simulate.wire import TOPICS, key, tables
from schemas.events import Channel, ProfileSynced

SPAN = 14 * HOUR + 30 * MINUTE
"""From the first customer of the day to the last."""
END = START + 34 * HOUR
"""By then every deadline of the day has passed, on every channel's clock."""
BEAT = 20 * MINUTE
_TELLERS: tuple[Teller, ...] = (*(tell for tell, share in MIX for _ in range(share)), *WISHES)
_WITH_CONTACT, _TWICE = 0.3, 0.01
_INTRODUCED_BEFORE = 2 * MINUTE
_INTRODUCED_LATE = 0.06


class Sent(msgspec.Struct, order=True, frozen=True, gc=False):
    """One record, as it is sent to the topic of its channel. Records order by the moment of sending."""

    sent_ms: int
    number: int
    topic: str
    key: bytes
    value: bytes
    at_ms: int
    """Event time."""


class Day:
    """The day of so many customers. `records` can be drawn once; `truth` is complete when it is drawn to the end.

    From two customers for each line of the catalogue on, every fault occurs.
    """

    def __init__(self, customers: int, seed: int = 1, style: Style = LIVE) -> None:
        self.start_ms, self.end_ms = START, END
        self.feeds: tuple[Feed, ...] = tables().feeds()
        self.truth = Truth()
        self._customers = customers
        self._rng = Random(seed)  # noqa: S311 - a day to be had again, not a secret
        self._style = style
        self._slack = {feed.channel: feed.lateness_ms for feed in self.feeds}
        self._told = [0] * len(CATALOGUE)
        self._every = max(2, min(10, customers // len(CATALOGUE)))
        self._number = 0
        self._heap: list[Sent] = []

    def records(self) -> Iterator[Sent]:
        """Every record of the day, in the order of sending."""
        heap = self._heap
        for at, index in merge(self._beats(), self._starts()):
            while heap and heap[0].sent_ms < at:
                yield heappop(heap)
            self._begin(at, index)
        while heap:
            yield heappop(heap)
        self.truth.labels.append(Label("H501", "channel", SILENT, "", "late"))

    def _beats(self) -> Iterator[tuple[int, int]]:
        return ((at, -1 - n) for n, at in enumerate(range(START, END - BEAT, BEAT)))

    def _starts(self) -> Iterator[tuple[int, int]]:
        """When each customer's story begins: the day is quiet in the morning and in the evening."""
        for index in range(self._customers):
            share = (index + 0.5) / self._customers
            yield START + int(SPAN * (share + 0.6 * sin(2 * pi * share) / (2 * pi))), index

    def _begin(self, at: int, index: int) -> None:
        customer = f"c{index + 1:06}" if index >= 0 else f"b{-index:06}"
        steps = self._lived(customer, at + _INTRODUCED_BEFORE, index)
        self._send(customer, [*steps, self._introduction(at, steps)])
        if index % 20 == 7:
            self._litter(at, customer, index // 20)

    def _lived(self, customer: str, at: int, index: int) -> Steps:
        if index < 0:
            story = Story(customer, at, self._rng)
            heartbeat(story)
            return list(filter(fits, story.steps))
        return self._broken(customer, at) if index % self._every == 0 else self._healthy(customer, at)

    def _introduction(self, at: int, steps: Steps) -> Step:
        """The CRM tells by which identifiers its customer goes: as a rule before anybody else has said a word, and now
        and then some seconds after.
        """
        first = min((step.at for step in steps), default=at)
        late = self._rng.random() < _INTRODUCED_LATE
        moment = first + int(self._rng.random() * 20 * SECOND) if late else at
        return Step(moment, "crm", ProfileSynced("contact", 1))

    def _healthy(self, customer: str, at: int) -> Steps:
        while True:
            steps = self._told_well(Story(customer, at, self._rng))
            if all(map(fits, steps)):
                return steps

    def _told_well(self, story: Story) -> Steps:
        began = story.at
        story.among(_TELLERS)(story)
        if not any(getattr(step.data, "case_id", None) for step in story.steps) and story.chance(_WITH_CONTACT):
            story.at = began
            story.wait(0, 2 * HOUR)
            story.among(CONTACTS)(story)
        return story.steps

    def _broken(self, customer: str, at: int) -> Steps:
        """The least told of the faults that may still begin; of several, one that may soon no longer."""
        may = ((told, CATALOGUE[i].before, i) for i, told in enumerate(self._told) if at < START + CATALOGUE[i].before)
        for _, _, index in sorted(may):
            steps, labels = live(CATALOGUE[index], customer, at, self._rng)
            if all(map(fits, steps)):
                self._told[index] += 1
                self.truth.labels += labels
                return steps
        raise AssertionError("every fault takes too long, or happens on the silent feed")

    def _send(self, customer: str, steps: Steps) -> None:
        for number, step in enumerate(steps):
            self._send_step(customer, f"{customer}.{number}", step)

    def _send_step(self, customer: str, event_id: str, step: Step) -> None:
        """Sends one step, and now and then a second time. At most half the channel's lateness is used up on the way."""
        chance = self._rng.random()
        lateness = self._slack[step.channel]
        sent = step.at + int(chance * lateness / 2) + step.held
        value = self._style.encoders[step.channel](customer, event_id, step)
        self.truth.events += 1
        self.truth.late += step.held > lateness
        self._push(step.channel, key(customer, step), value, step.at, sent)
        if chance < _TWICE:
            self.truth.repeated += 1
            self._push(step.channel, key(customer, step), value, step.at, sent + int(chance / _TWICE * 10 * MINUTE))

    def _push(self, channel: Channel, key: bytes, value: bytes, at: int, sent: int) -> None:
        self._number += 1
        heappush(self._heap, Sent(sent, self._number, TOPICS[channel], key, value, at))

    def _litter(self, at: int, name: str, number: int) -> None:
        """A record that cannot be read, and one that nobody needs, turn about."""
        unreadable, unknown = self._style.unreadable, self._style.unknown
        junk = unreadable[number % len(unreadable)](at, f"x-{name}")
        other = unknown[number % len(unknown)](at, f"y-{name}")
        _count(self.truth.rejects, TOPICS[junk.channel])
        _count(self.truth.skipped, TOPICS[other.channel])
        for record in (junk, other):
            self._push(record.channel, name.encode(), record.value, at, at)


def _count(counts: dict[str, int], topic: str) -> None:
    counts[topic] = counts.get(topic, 0) + 1
