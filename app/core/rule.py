"""What a rule is: words about a breach, and a pattern that finds it. A rule is a value; nothing in it changes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, Protocol

import msgspec

from app.core.claim import Claim
from app.core.clocks import NOW
from app.core.facts import Facts, by_time
from schemas.alerts import Severity
from schemas.events import Data
from schemas.state import Due, Fact

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


class Window(msgspec.Struct, frozen=True):
    """How long a rule waits, ms: its default, and what configuration says for a channel or a location."""

    default_ms: int
    channels: Mapping[str, int] = {}
    locations: Mapping[str, int] = {}

    def of(self, fact: Fact, location: str | None = None) -> int:
        """For an obligation raised by this fact: its location decides (or this one, where known), then its channel."""
        if self.locations:
            at = self.locations.get(location or getattr(fact.data, "location_id", None) or "")
            if at is not None:
                return at
        return self.channels.get(fact.channel, self.default_ms) if self.channels else self.default_ms


class View(msgspec.Struct, frozen=True):
    """What a pattern may know besides the facts: the rule's window and the channels that have a feed."""

    within: Window
    feeds: frozenset[str]
    subscribers: tuple[str, ...] = ()
    """For rules that owe the same to several channels: those that configuration names."""


Waits = list[Due]
"""The moments that a rule waits for in one case, in the order of its claims."""


WaitsAfter = Callable[[Fact, Facts, Waits], Waits | None]
"""The newest fact of a case; all its facts, that one among them; what the rule waited for before it → what it waits for
now (what was given, where nothing changes), or none where that can't be told without the claims.
"""


class Shortcut(NamedTuple):
    """What a rule makes of the newest fact of a case, later than all others, with its claims unasked.

    Only where the case has no alert of the rule. What it answers must be what would follow from the claims.
    """

    waits: WaitsAfter
    only_ends: bool = False
    """Whether such a fact can only end what is owed: nothing changes for a rule that waits for nothing."""


UNCHANGED = Shortcut(lambda _, __, waits: waits, only_ends=True)
"""Such facts, as the newest, change no claim."""
ENDING = Shortcut(lambda _, __, ___: None, only_ends=True)
"""Such facts, as the newest, can end what is owed, and the claims must tell what."""


class Pattern(Protocol):
    """A reusable shape of a broken handoff."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        """The event types whose facts can change its claims."""

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        """Groups of event types: without a fact of each group there is no claim, and `claims` need not be asked."""

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:
        """Event type → what spares asking for the claims when the newest fact is of that type. Where a shortcut gives
        an answer, it is what would follow from the claims.
        """

    def claims(self, facts: Facts, view: View) -> Iterable[Claim]:
        """All claims that follow from the facts of one subject, in order of time. Pure."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the catalogue. Sentences may use `{order_id}` and every other field of the trigger, `{subject}`,
    `{channel}`, `{location}`, `{at_location}` (" at s1", or nothing where it is not known), `{from_channel}`,
    `{to_channel}`, `{due}`, and the words of the claim.
    """

    id: str
    name: str
    severity: Severity
    about: str
    """The kind of subject: a key of `app.core.subjects.SUBJECTS`."""
    pattern: Pattern
    also: Mapping[str, Pattern] = {}
    """Other kinds of subject in which the same thing can break, and the pattern that finds it there."""
    within: int | None = None
    """The default window, ms; none where the rule has no window."""
    by_channel: Mapping[str, int] = {}
    """Default windows of single channels, ms."""
    audience: str
    """Who should act: `pickup desk`, `warehouse`, `contact centre`, …"""
    expected: str
    summary: str
    action: str
    version: int = 1
    subscribers: tuple[str, ...] = ()

    def patterns(self) -> Mapping[str, Pattern]:
        """Every kind of subject that the rule is about → its pattern."""
        return {self.about: self.pattern, **self.also}


class On(msgspec.Struct, frozen=True, cache_hash=True):
    """Matches facts: of a type, from any or only from some channels, with data that fit."""

    type: type[Data]
    channels: tuple[str, ...] = ()
    where: Callable[[Any], bool] | None = None
    """Asked of the fact's data."""

    def __call__(self, fact: Fact) -> bool:
        if type(fact.data) is not self.type:
            return False
        if self.channels and fact.channel not in self.channels:
            return False
        return self.where is None or self.where(fact.data)

    def among(self, facts: Iterable[Fact]) -> Iterator[Fact]:
        """Those of these facts, all of its type, that it matches."""
        return iter(facts) if self.where is None and not self.channels else filter(self, facts)


def select(facts: Sequence[Fact], ons: Sequence[On]) -> Iterator[Fact]:
    """The facts that any of these match, in their order."""
    if isinstance(facts, Facts):
        of = facts.of
        only: On | None = None
        for on in ons:
            if on.type in of:
                if only is not None:
                    return _each(facts, ons)
                only = on
        return iter(()) if only is None else only.among(of[only.type])
    return _each(facts, ons)


def _each(facts: Sequence[Fact], ons: Sequence[On]) -> Iterator[Fact]:
    of = by_type(tuple(ons))
    return (fact for fact in facts if type(fact.data) in of and is_meant(of, fact))


def earliest(facts: Facts, ons: Sequence[On], fits: Callable[[Fact], bool]) -> Fact | None:
    """The first of the facts that any of these match, and that fits."""
    found: Fact | None = None
    of = facts.of
    for on in ons:
        if on.type in of:
            for fact in on.among(of[on.type]):
                if found is not None and by_time(found) <= by_time(fact):
                    break
                if fits(fact):
                    found = fact
                    break
    return found


Matches = Callable[[Fact], bool] | None
"""Whether a fact, of a type that is known, is one of those that are meant; none where all of the type are."""


@lru_cache(1024)
def by_type(*groups: tuple[On, ...]) -> Mapping[type[Data], Matches]:
    """Event type → which of its facts any of these match."""
    found: dict[type[Data], list[On]] = {}
    for on in chain.from_iterable(groups):
        found.setdefault(on.type, []).append(on)
    return {kind: _compiled(ons) for kind, ons in found.items()}


def _compiled(ons: Sequence[On]) -> Matches:
    each = [_matches(on) for on in ons]
    if None in each:
        return None
    return each[0] if len(each) == 1 else lambda fact: any([matches(fact) for matches in each if matches])


def _matches(on: On) -> Matches:
    channels, where = on.channels, on.where
    if where is None:
        return (lambda fact: fact.channel in channels) if channels else None
    return on if channels else lambda fact: where(fact.data)


def is_meant(of: Mapping[type[Data], Matches], fact: Fact) -> bool:
    """Whether the fact is one of these, which have its type."""
    matches = of[type(fact.data)]
    return matches is None or matches(fact)


def types(*groups: Sequence[On]) -> frozenset[type[Data]]:
    """The event types that these match."""
    return frozenset(on.type for group in groups for on in group)


OwedBy = tuple[str, ...] | Callable[[Fact], tuple[str, ...]]
"""The channels that owe: the same for all triggers, or by trigger."""


def clock(owed_by: OwedBy, trigger: Fact, feeds: frozenset[str]) -> str | None:
    """The clock on which an obligation is judged; none where no channel that owes it has a feed.

    It is the owing channels' watermark; and the feed that raised it must have been *heard* that far as well, so that a
    cancellation still to be read behind its order comes in time.
    """
    return _clock(owed_by if isinstance(owed_by, tuple) else owed_by(trigger), trigger.channel, feeds)


@lru_cache(4096)
def _clock(channels: tuple[str, ...], raised_by: str, feeds: frozenset[str]) -> str | None:
    owing = [channel for channel in channels if channel in feeds]
    if not owing:
        return None if channels else NOW
    name = "+".join(owing)
    return name if raised_by in owing else f"{name}@{raised_by}"


def witnesses(channels: Iterable[str], said: Fact, feeds: frozenset[str]) -> str:
    """The clock of a verdict on something said: what these channels have to say up to then must be heard first.

    Who said it has been heard already, and is waited for only where there is no other; without feeds the facts decide.
    """
    others = sorted({channel for channel in channels if channel in feeds and channel != said.channel})
    return clock(tuple(others) or (said.channel,), said, feeds) or NOW


def iso(ms: int) -> str:
    """A moment as a word of an episode: milliseconds since the epoch are exact and sort as they should."""
    return str(ms)
