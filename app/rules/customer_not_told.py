"""H110: we cancelled or moved what the customer is waiting for, and said nothing."""

from typing import Any

from app.core.patterns.response import Response
from app.core.rule import MINUTE, On, Rule, iso
from schemas.events import Data, DeliveryCancelled, DeliveryRescheduled, NotificationSent, OrderCancelled
from schemas.state import Fact

_AHEAD = 5 * MINUTE
"""How long before the change is on record the message about it may have gone out."""

_CHANGES: dict[type[Data], str] = {
    OrderCancelled: "order cancelled",
    DeliveryCancelled: "delivery cancelled",
    DeliveryRescheduled: "delivery moved",
}


def _by_us(change: Any) -> bool:
    return bool(change.by == "us")


def _names_the_new_window(change: Fact, told: Fact) -> bool:
    if not isinstance(change.data, DeliveryRescheduled):
        return False
    window = change.data.window_from or change.data.window_to
    return window is not None and window in (told.data.window_from, told.data.window_to)


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


def _episode(change: Fact) -> str:
    """Channels repeat to each other that an order is cancelled; a delivery can be moved again and again."""
    what = _CHANGES[type(change.data)]
    return what if isinstance(change.data, OrderCancelled) else f"{what} {iso(change.at)}"


RULE = Rule(
    id="H110",
    name="customer-not-told",
    severity="critical",
    about="order",
    within=30 * MINUTE,
    audience="customer care",
    pattern=Response(
        trigger=tuple(On(change, where=_by_us) for change in _CHANGES),
        target=(On(NotificationSent),),
        unless=(On(OrderCancelled, where=lambda cancelled: cancelled.by == "customer"),),
        owed_by=("notification",),
        answers=_tells,
        in_order=False,
        episode=_episode,
        words=lambda change: {"what": _CHANGES[type(change.data)]},
    ),
    expected="The customer is told by {due} what has changed with order {order_id}: {what}",
    summary="Order {order_id}: {what} by us ({channel}), and the customer was not told",
    action="Call the customer about order {order_id} now: say what has changed, and agree what happens next",
)
