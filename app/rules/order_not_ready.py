"""H102: the customer was promised a time to collect, and the order is not ready."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import inf

from app.core.facts import by_time
from app.core.order import Plan, Stay, concerns, plans, stays
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


def _answers(stay: Stay, untold_until: float, fact: Fact) -> bool:
    """A parcel on its way shows that an order of which nobody has told the fulfilment is none to be collected."""
    if isinstance(fact.data, (DeliveryScheduled, ParcelAccepted)):
        return fact.at < untold_until
    return concerns(stay, stay.plan.located_at, fact)  # what is ready stays ready, however often it is promised anew


def _for_each_promise(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """A promise still to come is owed anew when it is first told that the order is to be collected: until then a parcel
    may have excused it.
    """
    told = next((plan for plan in plans(facts) if plan.fulfilment is not None), None)
    for stay in stays(facts, _promise):
        untold = stay.plan.fulfilment is None
        yield _owed(stay, stay.plan, (told.fact.at if told else inf) if untold else 0, view)
        if told is not None and untold and _is_within(told, stay) and told.fact.at < (told.promise or 0):
            yield _owed(stay, told, 0, view)


def _is_within(plan: Plan, stay: Stay) -> bool:
    return stay.until is None or by_time(plan.fact) < by_time(stay.until)


def _owed(stay: Stay, plan: Plan, untold_until: float, view: View) -> Obligation:
    at = plan.promise or 0
    lead = min(view.within.of(plan.fact, plan.location), (at - plan.promised_at) // 3)
    return Obligation(
        trigger=plan.fact,
        at=at,
        asks=stay.key,
        warn_at=max(at - lead, plan.fact.at),
        savable_until=at,
        answered_by=partial(_answers, stay, untold_until),
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
        context=(On(OrderCancelled),),
        owed_by=("pickup",),
        raises=_for_each_promise,
        again=True,
    ),
    expected="pickup has order {order_id} ready{at_location} by {due}",
    summary="Order {order_id} is promised for {due} and not ready{at_location}",
    action="Pick order {order_id} first{at_location}; if it cannot be ready, call the customer with a new time",
)
