"""H110: we cancelled or moved what the customer is waiting for, and said nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.core.delivery import span
from app.core.order import location_of, within
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, iso, select
from schemas.events import (
    Data,
    DeliveryCancelled,
    DeliveryRescheduled,
    NotificationSent,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
)
from schemas.state import Fact

_AHEAD = 5 * MINUTE
"""How long before the change is on record the message about it may have gone out."""

_CHANGES: dict[type[Data], str] = {
    OrderCancelled: "order cancelled",
    DeliveryCancelled: "delivery cancelled",
    DeliveryRescheduled: "delivery moved",
}
_CANCELLED = On(OrderCancelled)
_ORDERED = (On(OrderPlaced), On(OrderChanged))


def _by_us(change: Any) -> bool:
    return bool(change.by == "us")


_TRIGGERS = tuple(On(change, where=_by_us) for change in _CHANGES)


def _turn(fact: Fact) -> tuple[int, bool, bool]:
    """At one moment the order's cancellation comes first, and our own before the customer's."""
    cancelled = isinstance(fact.data, OrderCancelled)
    return fact.at, not cancelled, not (cancelled and _by_us(fact.data))


def _news(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """What is done to an order once it is cancelled, by whomever, is no news, until it is placed or changed anew."""
    cancelled, life = None, ""
    for fact in sorted(select(facts, (*_TRIGGERS, _CANCELLED, *_ORDERED)), key=_turn):
        if isinstance(fact.data, (OrderPlaced, OrderChanged)):
            if cancelled is not None and fact.at > cancelled.at:
                cancelled, life = None, iso(fact.at)
        elif cancelled is None:
            cancels = isinstance(fact.data, OrderCancelled)
            cancelled = fact if cancels else None
            if _by_us(fact.data):
                episode = life if cancels else iso(fact.at)  # a delivery can be moved again and again
                asks = f"{_CHANGES[type(fact.data)]} {episode}".strip()
                yield Obligation(trigger=fact, at=fact.at + within(view.within, fact, facts), asks=asks)


def _names_the_new_window(change: Fact, told: Fact) -> bool:
    moved_to, named = span(change), span(told)
    return moved_to is not None and named is not None and moved_to.same(named)


def _tells(change: Fact, answer: Fact) -> bool:
    """After the change any message of a change or cancellation will do; just before it, only one that says this."""
    if isinstance(answer.data, OrderCancelled):
        return isinstance(change.data, DeliveryRescheduled) and answer.at >= change.at
    if _names_the_new_window(change, answer):
        return answer.at >= change.at - _AHEAD
    if answer.at >= change.at:
        return answer.data.kind in ("change", "cancellation")
    cancels = not isinstance(change.data, DeliveryRescheduled)
    return cancels and answer.data.kind == "cancellation" and answer.at >= change.at - _AHEAD


RULE = Rule(
    id="H110",
    name="customer-not-told",
    severity="critical",
    about="order",
    within=30 * MINUTE,
    audience="customer care",
    pattern=Response(
        trigger=_TRIGGERS,
        raises=_news,
        context=(_CANCELLED, *_ORDERED),
        target=(On(NotificationSent),),
        unless=(On(OrderCancelled, where=lambda cancelled: cancelled.by == "customer"),),
        owed_by=("notification",),
        answers=_tells,
        in_order=False,
        location=location_of,
        words=lambda change: {"what": _CHANGES[type(change.data)]},
    ),
    expected="The customer is told by {due} what has changed with order {order_id}: {what}",
    summary="Order {order_id}: {what} by us ({channel}), and the customer was not told",
    action="Call the customer about order {order_id} now: say what has changed, and agree what happens next",
)
