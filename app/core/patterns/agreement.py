"""Agreement: what one channel says must agree with what another said."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from app.core.claim import Claim
from app.core.facts import Facts
from app.core.order import excused, location_of
from app.core.rule import (
    ENDING,
    UNCHANGED,
    Matches,
    On,
    Shortcut,
    View,
    Waits,
    WaitsAfter,
    by_type,
    iso,
    select,
    types,
    witnesses,
)
from schemas.events import Data
from schemas.state import Fact


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """The fact that what is said disagrees with, and the words for both."""

    with_fact: Fact
    episode: str
    """The same difference said again is one breach, until it was put right."""
    words: dict[str, str] = {}


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Each `said` is held against what is `known`; `differs` gives every difference.

    Judged when whoever is contradicted has been heard up to the saying: it may have changed its word before.
    """

    said: tuple[On, ...]
    known: tuple[On, ...]
    context: tuple[On, ...] = ()
    """What `differs` is given beside what is known, and never names as what a saying disagrees with."""
    differs: Callable[[Fact, Sequence[Fact]], Iterable[Disagreement]]
    """The saying, and what was known by then (at the same moment is known), in order of time."""
    owed_by: tuple[str, ...] = ()
    """Channels that could still tell otherwise, besides the one that is contradicted."""
    righted_by: tuple[On, ...] = ()
    """What can put a saying right, so long as it differs from nothing itself …"""
    rights: Callable[[Fact, Disagreement, Fact], bool] | None = None
    """… and this holds of the saying, its difference and the later fact."""
    comparable: Callable[[Fact, Sequence[Fact]], bool] | None = None
    """Whether the later fact can be held against what was known by then; one that cannot puts nothing right."""
    unless: tuple[On, ...] = ()
    """What excuses an order, until it is placed again."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        return types(self.said, self.known, self.context, self.righted_by, self.unless)

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        return (types(self.said), types(self.known))

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:  # noqa: ARG002
        """What is known counts for what is said from then on; so only a saying that differs needs a closer look."""
        ends = types(self.righted_by, self.unless)
        found = dict.fromkeys(self.listens - ends, UNCHANGED) | dict.fromkeys(ends, ENDING)
        says = {kind: self._says(meant, ends=kind in ends) for kind, meant in by_type(self.said).items()}
        return found | {kind: Shortcut(waits) for kind, waits in says.items()}

    def _says(self, meant: Matches, *, ends: bool) -> WaitsAfter:
        against, looked_at, differs = self._looked_at, types(self.known, self.context), self.differs

        def says(newest: Fact, facts: Facts, waits: Waits) -> Waits | None:
            if ends and waits:
                return None
            if meant is not None and not meant(newest):
                return waits
            by_then = facts.once(against, looked_at)
            for _ in differs(newest, by_then) if by_then else ():
                return None
            return waits

        return says

    def claims(self, facts: Facts, view: View) -> Iterator[Claim]:
        known = facts.once(self._looked_at, types(self.known, self.context))
        last: dict[str, Claim] = {}
        for said, found in self._found(facts, known):
            before = last.get(found.episode)
            if before is not None and (before.met is None or before.met.at >= said.at):
                continue
            again = f" {iso(before.met.at)}" if before is not None and before.met is not None else ""
            claim = last[found.episode] = Claim(
                episode=found.episode + again,
                trigger=said,
                at=said.at,
                clock=witnesses((found.with_fact.channel, *self.owed_by), said, view.feeds),
                met=self._righted(said, found, facts, known),
                excused=excused(said, select(facts, self.unless), facts),
                evidence=(found.with_fact,),
                from_channel=found.with_fact.channel,
                to_channel=said.channel,
                location=location_of(said, known),
                words=found.words,
            )
            yield claim

    def _looked_at(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        return list(select(facts, self.known + self.context))

    def _found(self, facts: Sequence[Fact], known: Sequence[Fact]) -> Iterator[tuple[Fact, Disagreement]]:
        for said in select(facts, self.said):
            for found in self._differences(said, known):
                yield said, found

    def _differences(self, said: Fact, known: Sequence[Fact]) -> Iterable[Disagreement]:
        by_then = _by_then(said, known)
        return self.differs(said, by_then) if by_then else ()

    def _agrees(self, later: Fact, known: Sequence[Fact]) -> bool:
        if self.comparable is not None and not self.comparable(later, _by_then(later, known)):
            return False
        return not any(self._differences(later, known))

    def _righted(self, said: Fact, found: Disagreement, facts: Sequence[Fact], known: Sequence[Fact]) -> Fact | None:
        for later in select(facts, self.righted_by):
            holds = later.at > said.at and (self.rights is None or self.rights(said, found, later))
            if holds and self._agrees(later, known):
                return later
        return None


def _by_then(said: Fact, known: Sequence[Fact]) -> Sequence[Fact]:
    return [fact for fact in known if fact.at <= said.at]
