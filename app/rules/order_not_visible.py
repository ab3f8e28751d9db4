"""H101: the pickup desk cannot see an order that the customer is on the way to collect."""

from collections.abc import Iterator, Sequence
from functools import partial

from app.core.order import Plan, concerns, stays
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View
from schemas.events import OrderCancelled, OrderChanged, OrderCollected, OrderPlaced, OrderReady, OrderVisible
from schemas.state import Fact


def _desk(plan: Plan) -> str | None:
    """The desk that must see the order; none where it is for no desk."""
    return (plan.location or "anywhere") if plan.fulfilment in ("pickup", "curbside") else None


def _for_each_desk(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    for stay in stays(facts, _desk):
        fact, location = stay.plan.fact, stay.plan.location
        yield Obligation(
            trigger=fact,
            at=fact.at + view.within.of(fact, location),
            asks=stay.key,
            answered_by=partial(concerns, stay, fact.at),
            ended=stay.until,
            location=location,
        )


RULE = Rule(
    id="H101",
    name="order-not-visible",
    severity="critical",
    about="order",
    within=10 * MINUTE,
    audience="pickup desk",
    pattern=Response(
        trigger=(On(OrderPlaced), On(OrderChanged)),
        target=(
            On(OrderVisible, channels=("pickup",)),
            On(OrderReady, channels=("pickup",)),  # who has it ready has seen it
            On(OrderCollected),
        ),
        unless=(On(OrderCancelled),),
        context=(On(OrderCancelled),),
        owed_by=("pickup",),
        raises=_for_each_desk,
        again=True,
    ),
    expected="pickup shows order {order_id}{at_location} by {due}",
    summary="Order {order_id} is not visible to the pickup desk{at_location}",
    action="Enter the order by hand{at_location}, or have {channel} send it there again",
)
