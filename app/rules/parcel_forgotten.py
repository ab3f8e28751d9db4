"""H112: we handed a parcel over, and the carrier has never scanned it."""

from collections.abc import Iterator, Sequence

from app.core.patterns.response import Obligation, Response
from app.core.rule import HOUR, On, Rule, View, select
from schemas.events import (
    DeliveryAttempted,
    DeliveryCompleted,
    FulfilmentCompleted,
    OrderChanged,
    OrderPlaced,
    ParcelAccepted,
)
from schemas.state import Fact

_BOOKED_LATER = 12 * HOUR
"""A dock may book what it handed over at the end of the shift, long after the driver's scan."""

_HANDED_OVER = On(FulfilmentCompleted, channels=("warehouse", "store"))
_ORDERED = (On(OrderPlaced), On(OrderChanged))


def _owed(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """Whatever bears a label is a parcel, unless the order is to be collected; what bears none is one only where the
    order is known to be delivered.
    """
    said = [fact.data.fulfilment for fact in select(facts, _ORDERED) if fact.data.fulfilment is not None]
    how = said[-1] if said else None
    for fact in select(facts, (_HANDED_OVER,)):
        label = fact.data.package_id or fact.data.tracking_id
        if how == "delivery" or (label and how is None):
            at = fact.at + view.within.of(fact, fact.data.node)
            yield Obligation(trigger=fact, at=at, asks=label or "unlabelled")


def _same_parcel(handed_over: Fact, scan: Fact) -> bool:
    """By the first label that both know. Where they share none, a scan of the same order may be of any parcel handed
    over around then: the carrier has the benefit of the doubt.
    """
    ours, theirs = handed_over.data, scan.data
    if ours.package_id and theirs.package_id:
        return bool(ours.package_id == theirs.package_id)
    if ours.tracking_id and theirs.tracking_id:
        return bool(ours.tracking_id == theirs.tracking_id)
    return scan.at >= handed_over.at - _BOOKED_LATER


def _label(handed_over: Fact) -> dict[str, str]:
    label = handed_over.data.package_id or handed_over.data.tracking_id
    return {"parcel": f"parcel {label}" if label else "the parcel"}


RULE = Rule(
    id="H112",
    name="parcel-forgotten",
    severity="warning",
    about="order",
    within=24 * HOUR,
    audience="dispatch dock",
    pattern=Response(
        trigger=(_HANDED_OVER,),
        raises=_owed,
        context=_ORDERED,
        target=(On(ParcelAccepted), On(DeliveryAttempted), On(DeliveryCompleted)),
        owed_by=("carrier",),
        answers=_same_parcel,
        in_order=False,
        words=_label,
    ),
    expected="The carrier scans {parcel} of order {order_id} by {due}",
    summary="Order {order_id}: {parcel} was handed over by the {channel}, and the carrier never scanned it",
    action="Look for {parcel} of order {order_id} on the dock and in the carrier's cage; ask the carrier to trace it",
)
