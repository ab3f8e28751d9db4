"""H103: the customer has arrived, and nobody gives them a bay or their order."""

from collections.abc import Iterator, Sequence
from functools import partial

from app.core.order import in_one_life, lives, location_of, within
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, select
from schemas.events import (
    BayAssigned,
    BayFull,
    CustomerArrived,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
)
from schemas.state import Fact

_JUST_BEFORE = 5 * MINUTE
"""Phones tell of an arrival late, and several times: a bay given so long before it is the bay for it."""


_ARRIVED = (On(CustomerArrived),)


def _for_each_arrival(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    for arrived in select(facts, _ARRIVED):
        at = arrived.at + within(view.within, arrived, facts)
        yield Obligation(trigger=arrived, at=at, answered_by=partial(_serves, arrived, lives(facts)))


def _serves(arrived: Fact, begun: Sequence[int], fact: Fact) -> bool:
    """What is collected or cancelled is so, whenever the arrival was told, until it is placed again."""
    if isinstance(fact.data, BayAssigned):
        return fact.at >= arrived.at - _JUST_BEFORE
    return in_one_life(arrived.at, fact.at, begun)


def _bays_full(arrived: Fact, facts: Sequence[Fact]) -> str | None:
    full = any(isinstance(fact.data, BayFull) and fact.at >= arrived.at - _JUST_BEFORE for fact in facts)
    return "bays full" if full else None


RULE = Rule(
    id="H103",
    name="curbside-wait",
    severity="critical",
    about="order",
    within=5 * MINUTE,
    audience="pickup desk",
    pattern=Response(
        trigger=_ARRIVED,
        raises=_for_each_arrival,
        target=(On(BayAssigned), On(OrderCollected)),
        unless=(On(OrderCancelled),),
        context=(On(BayFull), On(OrderPlaced), On(OrderChanged), On(OrderCancelled)),
        owed_by=("pickup",),
        again=True,
        cause=_bays_full,
        location=location_of,
    ),
    expected="pickup gives the customer of order {order_id} a bay or the order by {due}",
    summary="The customer of order {order_id} is waiting{at_location}, with no bay and no order",
    action="Take order {order_id} out to the customer now, wherever they are parked",
)
