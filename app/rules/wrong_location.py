"""H403: the order, or the customer, is at another location than it should be."""

from collections.abc import Iterator, Sequence

from app.core.patterns.agreement import Agreement, Disagreement
from app.core.rule import On, Rule
from schemas.events import (
    CHANNELS,
    CustomerArrived,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    OrderVisible,
)
from schemas.state import Fact

FACING = tuple(channel for channel in CHANNELS if channel not in ("warehouse", "carrier"))
"""Warehouses and carriers speak of their own nodes, through which an order passes on its way."""
_TELL_OF = {
    OrderVisible: (OrderVisible, OrderReady),  # who has it ready has seen it
    OrderReady: (OrderReady,),
    CustomerArrived: (CustomerArrived,),
}
"""What was told of the wrong place → what puts it right, told of the right one."""


def _elsewhere(said: Fact, known: Sequence[Fact]) -> Iterator[Disagreement]:
    """An order changed is where it was changed to; one placed in several parts may be wherever a part of it is.

    Where it is collected is never wrong.
    """
    if isinstance(said.data, OrderCollected):
        return
    where: list[Fact] = []
    for fact in known:
        if fact.data.location_id is not None:
            where = [fact] if isinstance(fact.data, OrderChanged) else [*where, fact]
    locations = {fact.data.location_id for fact in where}
    if where and said.data.location_id is not None and said.data.location_id not in locations:
        words = {"right": " or ".join(sorted(locations))}
        yield Disagreement(with_fact=where[-1], episode=said.data.location_id, words=words)


def _brings_together(said: Fact, _: Disagreement, later: Fact) -> bool:
    """The same thing at the right location; the order moved to where it was shown; or the customer has it."""
    if isinstance(later.data, OrderCollected):
        return True
    if isinstance(later.data, OrderChanged):
        return bool(later.data.location_id == said.data.location_id)
    return isinstance(later.data, _TELL_OF[type(said.data)]) and later.data.location_id is not None


RULE = Rule(
    id="H403",
    name="wrong-location",
    severity="critical",
    about="order",
    audience="pickup desk",
    pattern=Agreement(
        said=(On(OrderVisible, channels=FACING), On(OrderReady, channels=FACING), On(CustomerArrived)),
        known=(On(OrderPlaced), On(OrderChanged)),
        differs=_elsewhere,
        righted_by=(
            On(OrderVisible, channels=FACING),
            On(OrderReady, channels=FACING),
            On(CustomerArrived),
            On(OrderChanged),
            On(OrderCollected),
        ),
        rights=_brings_together,
        unless=(On(OrderCancelled),),
    ),
    expected="{subject} and its customer meet at {right}",
    summary="Order {order_id} belongs to {right}, but {channel} has it or its customer at {location}",
    action="Call {right}: move {subject} to where the customer is, or send the customer there",
)
