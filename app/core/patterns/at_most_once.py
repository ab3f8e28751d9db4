"""At most once: something may happen once, or so many times, or up to so much. (Declare: absence of one more.)"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from app.core.claim import Claim
from app.core.clocks import NOW
from app.core.facts import Facts
from app.core.rule import ENDING, On, Shortcut, View, Waits, Window, clock, types
from schemas.events import Data
from schemas.state import Fact


class Excess(msgspec.Struct, frozen=True, kw_only=True):
    """The fact that made it too often or too much, and what shows it."""

    fact: Fact
    episode: str
    at: int | None = None
    """Since when (ms) it is too much, where that is later than the fact: by what was said of the limit only then."""
    evidence: tuple[Fact, ...] = ()
    from_channel: str | None = None
    to_channel: str | None = None
    location: str | None = None
    words: dict[str, str] = {}
    cause: str | None = None
    owed_by: tuple[str, ...] = ()
    """The channels that could still tell otherwise; none where the facts alone decide."""
    met: Fact | None = None
    """What put it right afterwards."""
    excused: Fact | None = None
    """What made it no excess, whenever it happened."""


class AtMost(msgspec.Struct, frozen=True, kw_only=True):
    """`excesses` counts, and gives each excess once, in order of time."""

    counted: tuple[On, ...]
    context: tuple[On, ...] = ()
    """What else `excesses` looks at."""
    ended_by: tuple[On, ...] = ()
    """What it looks at as well, and can only end an excess."""
    excesses: Callable[[Sequence[Fact], Window], Iterator[Excess]]
    """All facts of the subject in order of time, and the rule's window → what is too much."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        return types(self.counted, self.context, self.ended_by)

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        return (types(self.counted),)

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:
        def counted(_: Fact, facts: Facts, waits: Waits) -> Waits | None:
            for _excess in self.excesses(facts, view.within):
                return None
            return [] if waits else waits

        counts = types(self.counted, self.context)
        return dict.fromkeys(counts, Shortcut(counted)) | dict.fromkeys(types(self.ended_by) - counts, ENDING)

    def claims(self, facts: Facts, view: View) -> Iterator[Claim]:
        for excess in self.excesses(facts, view.within):
            yield Claim(
                episode=excess.episode,
                trigger=excess.fact,
                at=excess.fact.at if excess.at is None else excess.at,
                clock=clock(excess.owed_by, excess.fact, view.feeds) or NOW,
                met=excess.met,
                excused=excess.excused,
                evidence=excess.evidence,
                cause=excess.cause,
                from_channel=excess.from_channel,
                to_channel=excess.to_channel,
                location=excess.location,
                words=excess.words,
            )
