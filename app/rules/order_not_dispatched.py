"""H111: an order to be delivered is still in our hands when it should have left them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from typing import NamedTuple

from app.core.order import Plan, Stay, in_life, location_of, stays
from app.core.patterns.response import Obligation, Response, earlier
from app.core.rule import DAY, HOUR, On, Rule, View, iso, select
from schemas.codec import to_ms
from schemas.events import (
    DeliveryAttempted,
    DeliveryCompleted,
    FulfilmentCompleted,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
    ParcelAccepted,
)
from schemas.state import Fact

_PLACED = (On(OrderPlaced),)
_ORDERED = (*_PLACED, On(OrderChanged))
_FIRST_WITH_A_FEED = (("warehouse", "store"), ("carrier",))
"""Whoever hands it over owes it; where we do not hear them, the carrier shows whether it was handed over."""


class _Limit(NamedTuple):
    """A limit, and since when it holds."""

    said: int
    at: int
    """Both ms."""
    fact: Fact
    asks: str


def _to_deliver(plan: Plan) -> str | None:
    return "delivery" if plan.fulfilment in (None, "delivery") else None


def _stated(facts: Sequence[Fact], placed: Fact) -> list[_Limit]:
    """In the order in which they were said. A feed that knows no other time than the limit itself dates what it says by
    that: it counts as said from the start.
    """
    said = [(fact, to_ms(fact.data.ship_by)) for fact in select(facts, _ORDERED) if fact.data.ship_by is not None]
    limits = [_Limit(f.at if f.at < at else min(f.at, placed.at), at, f, iso(at)) for f, at in said]
    return sorted(limits, key=lambda limit: (limit.said, limit.at))


def _owed(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """What is owed in each of the times for which the order is to be delivered. A time that another record of the same
    placing ends was none: what an order is placed with counts from the start.
    """
    placed = next(select(facts, _PLACED), None)
    if placed is None:
        return
    stated = _stated(facts, placed)
    for stay in stays(facts, _to_deliver):
        if stay.until is None or isinstance(stay.until.data, OrderChanged) or stay.until.at == stay.life_until:
            yield from _owed_in(stay, stated, placed, location_of(placed, facts), view)


def _owed_in(
    stay: Stay, stated: Sequence[_Limit], placed: Fact, placed_at: str | None, view: View
) -> Iterator[Obligation]:
    """One obligation for each limit that was in force, or else one for the window."""
    later = stay.plan.fact.at > placed.at
    begun = stay.plan.fact if later else placed
    since, where = begun.at, stay.plan.location or placed_at
    limits = [(limit, after) for limit, after in _in_force(stay, since, stated) if not later or limit.at > since]
    if not limits:
        limits = [(_Limit(since, since + view.within.of(placed, where), begun, "no limit stated"), None)]
    for limit, after in limits:
        yield Obligation(
            trigger=limit.fact,
            at=limit.at,
            asks=limit.asks if stay.first else f"{limit.asks} {iso(since)}",
            warn_at=max(limit.at - min(max(0, limit.at - since) // 10, 4 * HOUR), limit.said, since),
            savable_until=limit.at,
            owed_by=_owed_by(view.feeds),
            ended=earlier(after, stay.until),
            answered_by=partial(_in_its_life, stay),
            location=where,
        )


def _in_its_life(stay: Stay, fact: Fact) -> bool:
    return in_life(stay, fact.at)


def _in_force(stay: Stay, since: int, stated: Sequence[_Limit]) -> Iterator[tuple[_Limit, Fact | None]]:
    """The limits that were in force in that time, or had passed before they were moved, each with what replaced it."""
    known = _known([limit for limit in stated if stay.until is None or limit.said < stay.until.at])
    been: set[int] = set()
    for limit, after in zip_longest(known, known[1:]):
        if after is None or after.said > min(limit.at, since):
            asks = f"{limit.asks} {iso(limit.said)}" if limit.at in been else limit.asks
            been.add(limit.at)
            yield limit._replace(asks=asks), after and after.fact


def _known(stated: list[_Limit]) -> list[_Limit]:
    """What is stated at one moment is one, the latest limit; and the same limit stated again is no other."""
    if len(stated) < 2:
        return stated
    last = list({limit.said: limit for limit in stated}.values())
    return [limit for before, limit in zip([None, *last], last, strict=False) if not before or before.at != limit.at]


@lru_cache
def _owed_by(feeds: frozenset[str]) -> tuple[str, ...]:
    heard = (group for group in _FIRST_WITH_A_FEED if feeds.intersection(group))
    return next(heard, _FIRST_WITH_A_FEED[0])


RULE = Rule(
    id="H111",
    name="order-not-dispatched",
    severity="critical",
    about="order",
    within=3 * DAY,
    audience="warehouse",
    pattern=Response(
        trigger=_ORDERED,
        raises=_owed,
        target=tuple(
            On(left)
            for left in (FulfilmentCompleted, ParcelAccepted, DeliveryAttempted, DeliveryCompleted, OrderCollected)
        ),
        unless=(On(OrderCancelled),),
        context=(On(OrderCancelled),),
        owed_by=_FIRST_WITH_A_FEED[0],
        to_channel=lambda _: "warehouse",
    ),
    expected="Order {order_id} is handed over for delivery by {due}",
    summary="Order {order_id} has not been dispatched; due out by {due}",
    action="Find order {order_id}, pack it and hand it over; if it can't go out today, tell the customer when it will",
)
