"""H102: the customer was promised a time to collect, and the order is not ready."""

from collections.abc import Iterator, Sequence
from functools import partial

from app.core.order import Plan, Stay, concerns, stays
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, iso
from schemas.events import (
    DeliveryScheduled,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    ParcelAccepted,
)
from schemas.state import Fact


def _promise(plan: Plan) -> str | None:
    """What was promised, and where; none where nothing was, or was over when it was given, or is to be delivered."""
    if plan.fulfilment == "delivery" or plan.promise is None or plan.promise <= plan.promised_at:
        return None
    return f"{iso(plan.promise)} {plan.location or ''}".strip()


_stays = stays(_promise)


def _answers(stay: Stay, fact: Fact) -> bool:
    """A parcel on its way shows that an order without a fulfilment is none to be collected."""
    if isinstance(fact.data, (DeliveryScheduled, ParcelAccepted)):
        return stay.plan.fulfilment is None
    return concerns(stay, stay.plan.located_at, fact)  # what is ready stays ready, however often it is promised anew


def _for_each_promise(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    for stay in _stays(facts):
        plan = stay.plan
        at = plan.promise or 0
        lead = min(view.within.of(plan.fact, plan.location), (at - plan.promised_at) // 3)
        yield Obligation(
            trigger=plan.fact,
            at=at,
            asks=stay.key,
            warn_at=max(at - lead, plan.fact.at),
            savable_until=at,
            answered_by=partial(_answers, stay),
            ended=stay.until,
            location=plan.location,
        )


RULE = Rule(
    id="H102",
    name="order-not-ready",
    severity="warning",
    about="order",
    within=15 * MINUTE,
    audience="pickup desk",
    pattern=Response(
        trigger=(On(OrderPlaced), On(OrderChanged)),
        target=(On(OrderReady), On(OrderCollected)),
        unless=(On(OrderCancelled), On(DeliveryScheduled), On(ParcelAccepted)),
        owed_by=("pickup",),
        raises=_for_each_promise,
        again=True,
    ),
    expected="pickup has order {order_id} ready{at_location} by {due}",
    summary="Order {order_id} is promised for {due} and not ready{at_location}",
    action="Pick order {order_id} first{at_location}; if it cannot be ready, call the customer with a new time",
)
