"""H111: an order to be delivered is still in our hands when it should have left them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from app.core.patterns.response import Obligation, Response
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

_ORDERED = (On(OrderPlaced), On(OrderChanged))
_FIRST_WITH_A_FEED = (("warehouse", "store"), ("carrier",))
"""Whoever hands it over owes it; where we do not hear them, the carrier shows whether it was handed over."""


def _stated(orders: Sequence[Fact], first: Fact) -> list[tuple[int, int, Fact]]:
    """When said (ms), the limit (ms), and by which fact, in that order. A feed that knows no other time than the limit
    itself dates what it says by that: it counts as said from the start.
    """
    limits = [(to_ms(f.data.ship_by), f) for f in orders if f.data.ship_by is not None]
    said = [(f.at if f.at < limit else min(f.at, first.at), limit, f) for limit, f in limits]
    return sorted(said, key=lambda entry: entry[:2])


def _owed(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """One obligation for the limit in force; and one for each that had passed before it was replaced."""
    orders = list(select(facts, _ORDERED))
    placed, how = None, None
    for fact in orders:
        if placed is None and isinstance(fact.data, OrderPlaced):
            placed = fact
        if fact.data.fulfilment is not None:
            how = fact
    to_collect = how if how is not None and how.data.fulfilment != "delivery" else None
    if placed is None or (to_collect is not None and isinstance(to_collect.data, OrderPlaced)):
        return
    stated = _stated(orders, placed)
    if not stated:
        yield _until(placed.at + view.within.of(placed), placed, placed, to_collect, view)
    for index, (_, limit, fact) in enumerate(stated):
        after = stated[index + 1] if index + 1 < len(stated) else None
        if after is None or after[0] > limit:
            ends = [f for f in (after[2] if after else None, to_collect) if f is not None]
            yield _until(limit, fact, placed, min(ends, key=lambda f: f.at, default=None), view)


def _until(limit: int, fact: Fact, placed: Fact, ended: Fact | None, view: View) -> Obligation:
    given = max(0, limit - placed.at)
    return Obligation(
        trigger=fact,
        at=limit,
        asks=iso(limit) if fact.data.ship_by is not None else "no limit stated",
        warn_at=limit - min(given // 10, 4 * HOUR),
        savable_until=limit,
        owed_by=_owed_by(view.feeds),
        ended=ended,
        location=placed.data.location_id,
    )


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
        owed_by=_FIRST_WITH_A_FEED[0],
        in_order=False,
        to_channel=lambda _: "warehouse",
    ),
    expected="Order {order_id} is handed over for delivery by {due}",
    summary="Order {order_id} has not been dispatched; due out by {due}",
    action="Find order {order_id}, pack it and hand it over; if it can't go out today, tell the customer when it will",
)
