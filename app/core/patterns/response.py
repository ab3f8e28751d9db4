"""Response: whoever hears the trigger owes an answer by a deadline. (Declare: response, with a time condition.)

Three shapes of it are one class. An answer is owed for each trigger; or, `again`, for each trigger that does not find
the same still owed; or, `raises`, for what the facts together come to: a promise that later ones replace, one
obligation for each of several channels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from app.core.claim import Claim, first_moment
from app.core.facts import Facts, bits
from app.core.rule import (
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
    earliest,
    iso,
    select,
    types,
)
from schemas.alerts import Severity
from schemas.events import Data
from schemas.state import Due, Fact

Deadline = Callable[[Fact, int], int | None]
"""Trigger and window (ms) → the deadline (ms); none where this trigger asks for nothing."""


def after_trigger(trigger: Fact, within: int) -> int | None:
    """The usual deadline: the window counts from the trigger."""
    return trigger.at + within


class Obligation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is owed because of one trigger. What it leaves out is as the pattern says for all."""

    trigger: Fact
    at: int
    """The deadline, ms."""
    asks: str = ""
    """What it asks for, in words of an episode; the same is not asked for twice at a time."""
    warn_at: int | None = None
    savable_until: int | None = None
    owed_by: OwedBy | None = None
    answered_by: Callable[[Fact], bool] | None = None
    """Whether a fact answers (or excuses) it, in place of the pattern's `answers` and order in time."""
    ended: Fact | None = None
    """What took it back: a newer promise in its place."""
    location: str | None = None
    cause: str | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """`trigger` is to be answered by `target` unless `unless`; each of the three is a choice of events."""

    trigger: tuple[On, ...]
    target: tuple[On, ...]
    owed_by: OwedBy
    unless: tuple[On, ...] = ()
    context: tuple[On, ...] = ()
    """What else `raises`, `cause` and `location` look at."""
    deadline: Deadline = after_trigger
    warn: Deadline | None = None
    """Trigger and deadline (ms) → the moment of jeopardy (ms)."""
    answers: Callable[[Fact, Fact], bool] | None = None
    """Whether the second fact answers (or excuses) the first."""
    in_order: bool = True
    """An answer timed before its trigger is none. Where an answer can only mean this trigger, clocks that are a little
    apart must not matter, and this is false."""
    episode: Callable[[Fact], str] | None = None
    """Triggers of the same episode ask for the same thing once. By default each moment is an episode of its own, and in
    it each choice of channels that owe."""
    again: bool = False
    """Whether the same may be asked for again. A trigger that finds it still owed adds nothing; one that comes after it
    was answered begins a new episode. Without `episode`, all triggers of a subject ask for the same."""
    raises: Callable[[Sequence[Fact], View], Iterable[Obligation]] | None = None
    """Facts → obligations in order of time, where a trigger alone does not tell what it asks for. They follow from the
    triggers and the context alone."""
    cause: Callable[[Fact, Sequence[Fact]], str | None] | None = None
    """Trigger and the facts heard of up to the deadline → why nothing came."""
    savable: Callable[[Fact, int], int | None] | None = None
    """Trigger and deadline (ms) → the last moment (ms) at which the customer can still be served as promised."""
    severity: Callable[[Claim, Sequence[Claim]], Severity | None] | None = None
    """A claim, and all claims of the subject → a severity other than the rule's."""
    location: Callable[[Fact, Sequence[Fact]], str | None] | None = None
    """Trigger and all facts → where it is owed, if the trigger does not say."""
    to_channel: Callable[[Fact], str | None] | None = None
    words: Callable[[Fact], dict[str, str]] | None = None
    """Trigger → words for the sentences of the alert."""

    @property
    def listens(self) -> frozenset[type[Data]]:
        return types(self.trigger, self.target, self.unless, self.context)

    @property
    def needs(self) -> tuple[frozenset[type[Data]], ...]:
        return (types(self.trigger),)

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:
        owing = Owing(self, view)
        return {kind: owing.shortcut(kind) for kind in self.listens}

    def claims(self, facts: Facts, view: View) -> Iterable[Claim]:
        worse = self.severity
        if worse is None:
            return self._claims(facts, view)
        claims = list(self._claims(facts, view))
        return [_graded(claim, worse(claim, claims)) for claim in claims]

    def _claims(self, facts: Facts, view: View) -> Iterator[Claim]:
        over: dict[str, int | None] = {}
        for owed in self.obligations(facts, view):
            asks, judged_by = owed.asks, self.clock(owed, view)
            if judged_by is None or (asks in over and not self.anew(over[asks], owed)):
                continue
            claim = self._claim(owed, judged_by, _episode(owed, again=asks in over), facts)
            end = claim.end
            over[asks] = None if end is None else over_at(owed, end.at)
            yield claim

    def obligations(self, facts: Facts, view: View) -> Iterable[Obligation]:
        """All that was ever owed, in order of time. Answers have no part in it."""
        if self.raises:
            return self.raises(facts, view)
        raised = (self.raised(trigger, view) for trigger in select(facts, self.trigger))
        found = (owed for owed in raised if owed is not None)
        return found if self.again or self.episode or isinstance(self.owed_by, tuple) else _apart(found, self.owed_by)

    def raised(self, trigger: Fact, view: View) -> Obligation | None:
        """What is owed because of a trigger, where a trigger alone tells it."""
        at = self.deadline(trigger, view.within.of(trigger))
        if at is None:
            return None
        each = "" if self.again else iso(trigger.at)
        return Obligation(trigger=trigger, at=at, asks=self.episode(trigger) if self.episode else each)

    def clock(self, owed: Obligation, view: View) -> str | None:
        """The clock on which it is judged; none where no channel that owes it has a feed."""
        return clock(owed.owed_by or self.owed_by, owed.trigger, view.feeds)

    def anew(self, over: int | None, owed: Obligation) -> bool:
        """Whether it asks anew for what was asked for before, and is over since then (ms; none: it is not)."""
        return self.again and over is not None and over <= owed.trigger.at

    def warn_at(self, owed: Obligation) -> int | None:
        """The moment (ms) of jeopardy."""
        return self.warn(owed.trigger, owed.at) if self.warn else owed.warn_at

    def answered(self, owed: Obligation, fact: Fact) -> bool:
        """Whether a fact that may answer (or excuse) does."""
        if owed.answered_by is not None:
            return owed.answered_by(fact)
        trigger = owed.trigger
        if self.in_order and (fact.at < trigger.at or fact is trigger):
            return False
        return self.answers is None or self.answers(trigger, fact)

    def _claim(self, owed: Obligation, judged_by: str, episode: str, facts: Facts) -> Claim:
        trigger, at = owed.trigger, owed.at
        answers = partial(self.answered, owed)
        return Claim(
            episode=episode,
            trigger=trigger,
            at=at,
            clock=judged_by,
            warn_at=self.warn_at(owed),
            met=earliest(facts, self.target, answers),
            excused=earlier(earliest(facts, self.unless, answers), owed.ended),
            cause=self.cause(trigger, [f for f in facts if f.at <= at]) if self.cause else owed.cause,
            to_channel=self.to_channel(trigger) if self.to_channel else judged_by.partition("@")[0],
            location=owed.location or (self.location(trigger, facts) if self.location else None),
            savable_until=self.savable(trigger, at) if self.savable else owed.savable_until,
            words=self.words(trigger) if self.words else {},
        )


def _apart(found: Iterable[Obligation], owed_by: Callable[[Fact], tuple[str, ...]]) -> Iterator[Obligation]:
    """The moment names an obligation. Others of the same moment, owed by other channels, are named by those as well."""
    first: dict[str, tuple[str, ...]] = {}
    for owed in found:
        by = owed_by(owed.trigger)
        same = first.setdefault(owed.asks, by) == by
        yield owed if same else msgspec.structs.replace(owed, asks=f"{owed.asks} {'+'.join(by)}")


def over_at(owed: Obligation, end: int) -> int:
    """Since when (ms) the same can be asked for anew: what ended it may do so, but a moment has one episode."""
    return max(end, owed.trigger.at + 1)


def _graded(claim: Claim, severity: Severity | None) -> Claim:
    return claim if severity is None else msgspec.structs.replace(claim, severity=severity)


def earlier(one: Fact | None, other: Fact | None) -> Fact | None:
    """Whichever came first; of the same moment, the one."""
    if one is None or other is None:
        return one or other
    return one if one.at <= other.at else other


def _episode(owed: Obligation, *, again: bool) -> str:
    if owed.asks and not again:
        return owed.asks
    return f"{owed.asks} {iso(owed.trigger.at)}".strip()


class Owing:
    """Tells what a response waits for after a newest fact: what the claims come to, without the claims."""

    def __init__(self, pattern: Response, view: View) -> None:
        self._pattern = pattern
        self._view = view
        self._raised_by = types(pattern.trigger, pattern.context if pattern.raises else ())
        self._ends = by_type(pattern.target, pattern.unless)
        self._end_types = bits(self._ends)
        self._derived_by = self._derive

    def shortcut(self, kind: type[Data]) -> Shortcut:
        """For newest facts of this type."""
        if kind in self._raised_by:
            return Shortcut(self._raised)
        return Shortcut(self._ended(self._ends[kind]), only_ends=True) if kind in self._ends else UNCHANGED

    def _derive(self, facts: Facts) -> Sequence[tuple[Obligation, Due]]:
        """What was ever owed, and the first moment at which there may be something to say of it."""
        pattern, view = self._pattern, self._view
        found = []
        for owed in pattern.obligations(facts, view):
            judged_by = pattern.clock(owed, view)
            if judged_by is not None:
                found.append((owed, (judged_by, first_moment(owed.at, pattern.warn_at(owed)))))
        return found

    def _raised(self, _: Fact, facts: Facts, __: Waits) -> Waits:
        """All that is owed, less what ended before there was anything to say."""
        derived, of = facts.once(self._derived_by, self._raised_by), facts.of
        told: Sequence[tuple[Matches, Sequence[Fact]]] = ()
        if derived and facts.types & self._end_types:
            told = [(matches, of[kind]) for kind, matches in self._ends.items() if kind in of]
        waits: Waits = []
        over: dict[str, int | None] = {}
        for owed, due in derived:
            asks = owed.asks
            if asks in over and not self._pattern.anew(over[asks], owed):
                continue
            end = self._end(owed, told)
            over[asks] = None if end is None else over_at(owed, end)
            if end is None or end > due[1]:
                waits.append(due)
        return waits

    def _end(self, owed: Obligation, told: Sequence[tuple[Matches, Sequence[Fact]]]) -> int | None:
        """When (ms) it was answered, excused or taken back, whichever came first."""
        first = owed.ended.at if owed.ended is not None else None
        for matches, facts in told:
            for fact in facts:
                if first is not None and fact.at >= first:
                    break
                if (matches is None or matches(fact)) and self._pattern.answered(owed, fact):
                    first = fact.at
                    break
        return first

    def _ended(self, meant: Matches) -> WaitsAfter:
        """What a newest fact that is meant answers is waited for no more, if it came in time."""
        answered, derive, raised_by = self._pattern.answered, self._derived_by, self._raised_by

        def ended(newest: Fact, facts: Facts, waits: Waits) -> Waits:
            if meant is not None and not meant(newest):
                return waits
            derived, at = facts.once(derive, raised_by), newest.at
            gone = [due for owed, due in derived if due[1] >= at and answered(owed, newest)]
            if not gone:
                return waits
            if len(gone) == len(derived) or len({due for _, due in derived}) == len(derived):
                return [due for due in waits if due not in gone]
            return self._raised(newest, facts, waits)

        return ended
