"""An order as it stands at each time: what was placed, and what changes made of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.core.facts import Facts
from app.core.rule import Window
from schemas.codec import to_ms
from schemas.events import Fulfilment, OrderCancelled, OrderChanged, OrderCollected, OrderPlaced
from schemas.state import Fact

_PLANS = (OrderPlaced, OrderChanged)
_ENDS = (OrderCancelled, OrderCollected)
_OF_LIFE = (*_PLANS, OrderCancelled)


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What an order asks for since one moment."""

    fact: Fact
    """What made it so."""
    fulfilment: Fulfilment | None = None
    location: str | None = None
    promised_from: int | None = None
    promised_to: int | None = None
    """Both ms, as is the promise."""
    promised_at: int = 0
    """When the promise that stands was given, ms."""
    located_at: int = 0
    """Since when it is to be at this location, ms; 0 where it was never moved."""
    life: int = 0
    """When it was placed again after it had been cancelled, ms; 0 where it was not."""

    @property
    def promise(self) -> int | None:
        """The moment by which it is promised: the window's end where that is known, and else its beginning."""
        begin, end = self.promised_from, self.promised_to
        return begin if end is None or (begin is not None and begin > end) else end


def lives(facts: Iterable[Fact]) -> Sequence[int]:
    """The moments (ms) at which the order was placed again after it had been cancelled. Each begins a new life: what is
    cancelled or collected in one is so in that one alone.

    A cancellation timed before all else is of the first life: clocks are a little apart. A change after a cancellation
    may only be cleaning up, and begins none.
    """
    return facts.once(_lives, _OF_LIFE) if isinstance(facts, Facts) else _lives(facts)


def _lives(facts: Iterable[Fact]) -> Sequence[int]:
    begun: list[int] = []
    known, cancelled = False, None
    for fact in facts:
        if isinstance(fact.data, OrderCancelled):
            cancelled = fact if known and cancelled is None else cancelled
        elif isinstance(fact.data, _PLANS):
            known = True
            if cancelled is not None and isinstance(fact.data, OrderPlaced) and fact.at > cancelled.at:
                begun.append(fact.at)
                cancelled = None
    return tuple(begun)


def in_one_life(one: int, other: int, begun: Sequence[int]) -> bool:
    """Whether the order was not placed again between these moments (ms), given when it was."""
    return not any([min(one, other) < at <= max(one, other) for at in begun])


def excused(told: Fact, ends: Iterable[Fact], facts: Iterable[Fact]) -> Fact | None:
    """The first of these that excuses what is told of the order, whenever it was, until the order is placed again."""
    return next((end for end in ends if in_one_life(told.at, end.at, lives(facts))), None)


def plans(facts: Iterable[Fact]) -> Sequence[Plan]:
    """The order after each event that placed or changed it, in order of time.

    A change replaces what it names, and so does what places it again after it was cancelled. Of several events that
    place an order, a later one adds what was not said before.
    """
    return facts.once(_plans, _OF_LIFE) if isinstance(facts, Facts) else _plans(facts)


def _plans(facts: Iterable[Fact]) -> Sequence[Plan]:
    return tuple(_each(facts, lives(facts)))


def _each(facts: Iterable[Fact], begun: Sequence[int]) -> Iterator[Plan]:
    before: Plan | None = None
    for fact in facts:
        if isinstance(fact.data, _PLANS):
            life = max((at for at in begun if at <= fact.at), default=0)
            before = _begun(fact) if before is None else _after(before, fact, life)
            yield before


def _begun(fact: Fact) -> Plan:
    new, at = fact.data, fact.at
    begin, end = _ms(new.promised_from), _ms(new.promised_to)
    return Plan(fact, new.fulfilment, new.location_id, begin, end, promised_at=at)


def _after(before: Plan, fact: Fact, life: int) -> Plan:
    new, revived = _begun(fact), life > before.life
    replaces = revived or isinstance(fact.data, OrderChanged)

    def stands(old: Any, value: Any) -> Any:
        return value if value is not None and (old is None or replaces) else old

    plan = Plan(
        fact,
        stands(before.fulfilment, new.fulfilment),
        stands(before.location, new.location),
        stands(before.promised_from, new.promised_from),
        stands(before.promised_to, new.promised_to),
    )
    moved = isinstance(fact.data, OrderChanged) and plan.location != before.location
    return msgspec.structs.replace(
        plan,
        promised_at=before.promised_at if plan.promise == before.promise and not revived else fact.at,
        located_at=fact.at if moved or revived else before.located_at,
        life=life,
    )


def fulfilment_at(known: Sequence[Plan], moment: int) -> Fulfilment | None:
    """How the customer is to get the order, as it stood at a moment (ms). What it is placed with counts from the start,
    whatever its time; a change, from then on.
    """
    by_then = [plan.fulfilment for plan in known if plan.fact.at <= moment]
    if by_then and by_then[-1] is not None:
        return by_then[-1]
    placed = (plan.fact.data.fulfilment for plan in known if isinstance(plan.fact.data, OrderPlaced))
    return next((how for how in placed if how is not None), None)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


class Stay(msgspec.Struct, frozen=True, gc=False):
    """A time for which an order asked for the same thing."""

    plan: Plan
    """The plan that began it."""
    key: str
    until: Fact | None
    """What ended it."""
    life_until: int | None
    """When (ms) a new life of the order began, and what happens is of this one no more."""
    first: bool
    """Whether the order asked for nothing of the kind before."""
    back: bool
    """Whether the order was at this location in an earlier stay."""


def stays(facts: Iterable[Fact], key: Callable[[Plan], str | None]) -> Iterator[Stay]:
    """The stays of an order, each for as long as the key of its plan is the same; none where the key is none."""
    begun = lives(facts)
    runs: list[tuple[str | None, Plan]] = []
    for plan in plans(facts):
        name = key(plan)
        if not runs or runs[-1][0] != name or runs[-1][1].life != plan.life:
            runs.append((name, plan))
    been: set[str | None] = set()
    for index, (name, plan) in enumerate(runs, 1):
        if name is not None:
            until = runs[index][1].fact if index < len(runs) else None
            ended = next((at for at in begun if at > plan.life), None)
            yield Stay(plan, name, until, ended, first=not been, back=plan.location in been)
            been.add(plan.location)


def concerns(stay: Stay, since: int, fact: Fact) -> bool:
    """Whether what is told of the order (it is shown, it is ready) is told of this stay, which holds since then (ms).

    What is cancelled or collected is so wherever the order was to be; what is of another life of it is not. What names
    another location is not; what names none can only be of an earlier stay if it is timed before this one. Clocks of
    channels are a little apart: what can only be of this stay is, though it be timed before it.
    """
    if not in_life(stay, fact.at):
        return False
    if isinstance(fact.data, _ENDS):
        return True
    named = getattr(fact.data, "location_id", None)
    if None not in (named, stay.plan.location) and named != stay.plan.location:
        return False
    return fact.at >= since or stay.first or (named is not None and not stay.back)


def in_life(stay: Stay, moment: int) -> bool:
    """Whether a moment (ms) is in the same life of the order as the stay."""
    return stay.plan.life <= moment and (stay.life_until is None or moment < stay.life_until)


def location_of(trigger: Fact, facts: Iterable[Fact]) -> str | None:
    """Where the thing told of the order happened, or else where the order was to be then."""
    named: str | None = getattr(trigger.data, "location_id", None)
    return named or next((p.location for p in reversed(plans(facts)) if p.fact.at <= trigger.at), None)


def within(window: Window, trigger: Fact, facts: Iterable[Fact]) -> int:
    """How long (ms) is waited for what is owed of an order, which may be told by where the order was to be then."""
    return window.of(trigger, location_of(trigger, facts) if window.locations else None)
