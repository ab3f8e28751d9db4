"""H303: an order was cancelled, and somebody went on with it."""

from collections.abc import Sequence

from app.core.patterns.precedence import Ban, NotAfter
from app.core.rule import On, Rule, iso
from schemas.events import (
    Data,
    DeliveryCompleted,
    FulfilmentCompleted,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
    ParcelAccepted,
)
from schemas.state import Fact

DONE: dict[type[Data], str] = {
    FulfilmentCompleted: "packed and handed over",
    ParcelAccepted: "taken by the carrier",
    DeliveryCompleted: "delivered",
    OrderCollected: "collected",
}


def _cancelled(act: Fact, before: Sequence[Fact], within: int) -> Ban | None:
    """The cancellation in force. One that a later order or change took back does not count, nor one repeated."""
    cancelled, revived = None, None
    for fact in before:
        if isinstance(fact.data, OrderCancelled):
            cancelled = cancelled or fact
        elif cancelled is not None and fact.at > cancelled.at:
            cancelled, revived = None, fact
    if cancelled is None or act.at <= cancelled.at + within:
        return None
    return Ban(by=cancelled, episode=iso(revived.at) if revived else "placed", words={"done": DONE[type(act.data)]})


RULE = Rule(
    id="H303",
    name="fulfilled-after-cancel",
    severity="critical",
    about="order",
    within=0,
    audience="warehouse",
    pattern=NotAfter(
        first=(On(OrderCancelled),),
        context=(On(OrderPlaced), On(OrderChanged)),
        then=tuple(On(kind) for kind in DONE),
        forbids=_cancelled,
    ),
    expected="nobody goes on with {subject} once it is cancelled",
    summary="Order {order_id} was {done} ({channel}) after {from_channel} had cancelled it",
    action="Stop or call back what is on its way, see that no money is taken, and tell the customer",
)
