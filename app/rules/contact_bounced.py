"""H203: a contact is passed around, and nobody resolves it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from app.core.facts import said_once
from app.core.patterns.at_most_once import AtMost, Excess
from app.core.rule import HOUR, On, Rule, Window, iso, select
from schemas.events import ContactAccepted, ContactOpened, ContactResolved, ContactTransferred
from schemas.state import Fact

_COUNTED, _RESOLVED = (On(ContactOpened), On(ContactTransferred), On(ContactAccepted)), (On(ContactResolved),)
_WITHIN_A_MOMENT = (ContactOpened, ContactAccepted, ContactTransferred, ContactResolved)
_TRANSFERS = 3
_CHANNELS = 3
_STOPS = 3
"""No bounce has fewer. A transfer may tell of two, every other event of one."""


class _Stop(msgspec.Struct, frozen=True):
    """Where the contact came to: a channel, and the team or queue in it, where known."""

    channel: str
    queue: str | None
    fact: Fact

    def may_be(self, other: "_Stop") -> bool:
        """Whether nothing speaks against both being the same place."""
        return self.channel == other.channel and (self.queue == other.queue or None in (self.queue, other.queue))

    def __str__(self) -> str:
        return f"{self.channel} ({self.queue})" if self.queue else self.channel


class _Path:
    """The stops of a contact since it was opened, or since it was last resolved."""

    def __init__(self) -> None:
        self.since = "opened"
        self.stops: list[_Stop] = []

    def resolve(self, at: int) -> None:
        """What happens to the contact from this moment (ms) on begins anew."""
        if self.stops:
            self.since, self.stops = iso(at), []

    def take(self, fact: Fact) -> bool:
        """Goes where the fact says the contact is or is sent; whether it came to another place."""
        before = len(self.stops)
        here = _Stop(fact.channel, fact.data.queue, fact)
        if not isinstance(fact.data, ContactTransferred):
            self._visit(here)
        else:
            self._transfer(here, fact.data)
        return len(self.stops) > before

    def is_where(self, fact: Fact) -> bool:
        """Whether the fact tells of something that happened where the contact is, and stays open."""
        here = _Stop(fact.channel, fact.data.queue, fact)
        return bool(self.stops) and self.stops[-1].may_be(here) and not isinstance(fact.data, ContactResolved)

    def _visit(self, stop: _Stop) -> None:
        last = self.stops[-1] if self.stops else None
        if last is None or not last.may_be(stop):
            self.stops.append(stop)
        elif last.queue is None and stop.queue is not None:
            self.stops[-1] = msgspec.structs.replace(last, queue=stop.queue)

    def _transfer(self, here: _Stop, data: ContactTransferred) -> None:
        to_channel = data.to_channel or here.channel
        target = _Stop(to_channel, data.to_queue, here.fact)
        if to_channel == here.channel and data.to_queue is None:
            self._visit(here)
            if here.queue is None:  # to another team, and nothing said of any: each such transfer is one
                self.stops.append(target)
            return
        crossing = to_channel != here.channel
        if not self._is_at(target, crossing):
            self._visit(here)
        if self._is_at(target, crossing):
            self._visit(target)
        else:
            self.stops.append(target)

    def _is_at(self, target: _Stop, crossing: bool) -> bool:
        """Whether the contact is at the target already: it is said twice, or the target's own clock is ahead."""
        if not self.stops:
            return False
        last = self.stops[-1]
        return last.may_be(target) if crossing else last.channel == target.channel and last.queue == target.queue

    def bounced(self, within: int) -> tuple[list[_Stop], str] | None:
        """The stops of a bounce that the last one completes, and why. The first of its transfers begins the window."""
        if len(self.stops) < _STOPS:
            return None
        last = self.stops[-1]
        moves = [i for i in range(1, len(self.stops)) if last.fact.at - self.stops[i].fact.at <= within]
        if not moves:
            return None
        stops = self.stops[moves[0] - 1 :]
        back = any(_is_back(stops, i) for i in range(len(stops) - 2))
        channels = len({stop.channel for stop in stops})
        if back:
            return stops, f"back to {last}"
        if channels >= _CHANNELS:
            return stops, f"{channels} channels"
        transfers = len({(stop.fact.id, stop.fact.source) for stop in stops[1:]})
        return (stops, f"{transfers} transfers") if transfers >= _TRANSFERS else None


def _is_back(stops: Sequence[_Stop], index: int) -> bool:
    """Whether the last stop is that of the index again. Where a team is not known, only if the channel was left."""
    then, now = stops[index], stops[-1]
    if then.queue is not None and then.queue == now.queue:
        return then.channel == now.channel
    return then.may_be(now) and any(stop.channel != now.channel for stop in stops[index:-1])


def _in_order(facts: Iterable[Fact], path: _Path) -> Iterator[Fact]:
    """Logs are stamped by the second or the minute. Of the same moment, what happens where the contact is comes before
    what happens elsewhere.
    """
    for _, same in groupby(facts, key=attrgetter("at")):
        moment = sorted(same, key=lambda fact: _WITHIN_A_MOMENT.index(type(fact.data)))
        while moment:
            yield moment.pop(next((i for i, fact in enumerate(moment) if path.is_where(fact)), 0))


def _excesses(facts: Sequence[Fact], window: Window) -> Iterator[Excess]:
    if sum(2 if isinstance(fact.data, ContactTransferred) else 1 for fact in facts) < _STOPS:
        return
    path = _Path()
    found: Excess | None = None
    for fact in _in_order(said_once(select(facts, _COUNTED + _RESOLVED)), path):
        if isinstance(fact.data, ContactResolved):
            if found is not None:
                yield msgspec.structs.replace(found, met=fact)
                found = None
            path.resolve(fact.at)
        elif path.take(fact) and found is None:
            bounce = path.bounced(window.of(fact))
            found = _excess(fact, path.since, *bounce) if bounce else None
    if found is not None:
        yield found


def _excess(fact: Fact, since: str, stops: Sequence[_Stop], why: str) -> Excess:
    return Excess(
        fact=fact,
        episode=since,
        evidence=tuple(stop.fact for stop in stops),
        from_channel=stops[-2].channel,
        to_channel=stops[-1].channel,
        owed_by=tuple(sorted({stop.channel for stop in stops})),
        cause=why,
        words={"path": " → ".join(map(str, stops)), "why": why},
    )


RULE = Rule(
    id="H203",
    name="contact-bounced",
    severity="warning",
    about="contact",
    within=72 * HOUR,
    audience="contact centre",
    pattern=AtMost(
        counted=_COUNTED,
        ended_by=_RESOLVED,
        excesses=_excesses,
    ),
    expected="Contact {case_id} is resolved where it is, and not passed on again",
    summary="Contact {case_id} is passed around: {path} ({why})",
    action="Let one person take contact {case_id} over, call the customer, and keep it until it is resolved",
)
