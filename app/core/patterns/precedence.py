"""Precedence: something may happen only after something else did; not after: it may not happen once something else did.
(Declare: precedence, not succession.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from app.core.claim import Claim
from app.core.facts import Facts
from app.core.order import excused, location_of, within
from app.core.rule import (
    ENDING,
    UNCHANGED,
    Matches,
    On,
    OwedBy,
    Shortcut,
    View,
    Waits,
    WaitsAfter,
    by_type,
    clock,
    iso,
    select,
    types,
    witnesses,
)
from schemas.events import Data
from schemas.state import Fact


class Precedence(msgspec.Struct, frozen=True, kw_only=True):
    """Each `then` must have had a `first` that `allows` it, timed at or before it (plus the window, as a grace).

    Judged when the channels that owe the first have been heard that far: a first that is merely slow raises no alarm.
    """

    first: tuple[On, ...]
    then: tuple[On, ...]
    owed_by: OwedBy
    allows: Callable[[Fact, Fact, Sequence[Fact]], bool] | None = None
    """Whether the first fact allows the second, given all facts."""
    unless: tuple[On, ...] = ()
    """What excuses an order, until it is placed again."""
    context: tuple[On, ...] = ()
    """What else tells of that."""
    episode: Callable[[Fact], str] | None = None
    """Of each episode only the earliest `then` counts. By default each moment is an episode of its own."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        return types(self.first, self.then, self.unless, self.context)

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        return (types(self.then),)

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:  # noqa: ARG002
        then, ends = by_type(self.then), types(self.first, self.unless)
        found = dict.fromkeys(self.listens, UNCHANGED) | dict.fromkeys(ends, ENDING)
        found |= {kind: Shortcut(self._allowed(meant)) for kind, meant in then.items()}
        return found if ends.isdisjoint(then) else {}

    def _allowed(self, meant: Matches) -> WaitsAfter:
        """All that was first was so in time: it is enough that one allows what is newest."""

        def allowed(newest: Fact, facts: Facts, waits: Waits) -> Waits | None:
            if meant is not None and not meant(newest):
                return waits
            return None if self._earliest_first(newest, facts) is None else waits

        return allowed

    def claims(self, facts: Facts, view: View) -> Iterator[Claim]:
        seen: set[str] = set()
        for then in select(facts, self.then):
            episode = self.episode(then) if self.episode else iso(then.at)
            judged_by = None if episode in seen else clock(self.owed_by, then, view.feeds)
            if judged_by is None:
                continue
            seen.add(episode)
            yield Claim(
                episode=episode,
                trigger=then,
                at=then.at + view.within.of(then),
                clock=judged_by,
                met=self._earliest_first(then, facts),
                excused=excused(then, select(facts, self.unless), facts),
                from_channel=judged_by.partition("@")[0] or None,
                to_channel=then.channel,
            )

    def _earliest_first(self, then: Fact, facts: Sequence[Fact]) -> Fact | None:
        for first in select(facts, self.first):
            if self.allows is None or self.allows(first, then, facts):
                return first
        return None


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """The fact since which something must not happen, and the words for it."""

    by: Fact
    episode: str
    """Whatever happens against the same ban is one breach."""
    words: dict[str, str] = {}
    evidence: tuple[Fact, ...] = ()


class NotAfter(msgspec.Struct, frozen=True, kw_only=True):
    """No `then` may follow a `first` that `forbids` it."""

    first: tuple[On, ...]
    then: tuple[On, ...]
    forbids: Callable[[Fact, Sequence[Fact], int], Ban | None]
    """The later fact, what was timed before it (at the same moment is not before), and the window (ms)."""
    context: tuple[On, ...] = ()
    """What else, besides each `first`, it looks at."""
    owed_by: tuple[str, ...] = ()
    """Channels that could still tell otherwise, besides the one that forbade it."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        return types(self.first, self.then, self.context)

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        return (types(self.first), types(self.then))

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:
        """A ban counts for what comes after it."""
        then = {kind: Shortcut(self._happens(meant, view)) for kind, meant in by_type(self.then).items()}
        return dict.fromkeys(self.listens, UNCHANGED) | then

    def _happens(self, meant: Matches, view: View) -> WaitsAfter:
        known = self.first + self.context

        def happens(newest: Fact, facts: Facts, waits: Waits) -> Waits | None:
            if meant is not None and not meant(newest):
                return waits
            before = [fact for fact in select(facts, known) if fact is not newest]
            return None if before and self._ban(newest, before, view) is not None else waits

        return happens

    def _ban(self, then: Fact, before: Sequence[Fact], view: View) -> Ban | None:
        return self.forbids(then, before, within(view.within, then, before))

    def claims(self, facts: Facts, view: View) -> Iterator[Claim]:
        known = list(select(facts, self.first + self.context))
        seen: set[str] = set()
        for then in select(facts, self.then):
            before = [fact for fact in known if fact.at < then.at]
            ban = self._ban(then, before, view) if before else None
            if ban is None or ban.episode in seen:
                continue
            seen.add(ban.episode)
            yield Claim(
                episode=ban.episode,
                trigger=then,
                at=then.at,
                clock=witnesses((ban.by.channel, *self.owed_by), then, view.feeds),
                evidence=(ban.by, *ban.evidence),
                from_channel=ban.by.channel,
                to_channel=then.channel,
                location=location_of(then, before),
                words=ban.words,
            )
