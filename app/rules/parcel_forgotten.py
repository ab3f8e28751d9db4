"""H112: we handed a parcel over, and the carrier has never scanned it."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from app.core.order import Plan, fulfilment_at, plans
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


def _to_collect(said: Sequence[Plan], since: int) -> Fact | None:
    """What first made it, after this moment (ms), an order to be collected."""
    changed = (plan for plan in said if plan.fact.at > since and plan.fulfilment in ("pickup", "curbside"))
    return next((plan.fact for plan in changed), None)


class _Parcel(NamedTuple):
    """What was handed over, and the labels that are known of it."""

    handed_over: Fact
    package_id: str | None
    tracking_id: str | None


def _parcels(facts: Sequence[Fact]) -> list[_Parcel]:
    """Whatever was handed over, as often as it was reported: what one report says of a label holds for the others."""
    handed_over = list(select(facts, (_HANDED_OVER,)))
    both = [f.data for f in handed_over if f.data.package_id and f.data.tracking_id]
    package = {data.tracking_id: data.package_id for data in both}
    tracking = {data.package_id: data.tracking_id for data in both}
    labels = [(f, f.data.package_id or package.get(f.data.tracking_id)) for f in handed_over]
    return [_Parcel(fact, known, fact.data.tracking_id or tracking.get(known)) for fact, known in labels]


def _owed(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """Whatever bears a label is a parcel, unless the order is to be collected; what bears none is one only where the
    order is known to be delivered.
    """
    said, called = plans(facts), dict[str | None, str]()
    for parcel in _parcels(facts):
        fact, label = parcel.handed_over, parcel.package_id or parcel.tracking_id
        how = fulfilment_at(said, fact.at)
        if how == "delivery" or (label and how is None):
            yield Obligation(
                trigger=fact,
                at=fact.at + view.within.of(fact, fact.data.node),
                asks=called.setdefault(label, fact.data.package_id or fact.data.tracking_id or "unlabelled"),
                answered_by=partial(_shows, parcel),
                ended=_to_collect(said, fact.at),
                location=fact.data.node,
            )


def _shows(parcel: _Parcel, scan: Fact) -> bool:
    """By the first label that both know. Where they share none, a scan of the same order may be of any parcel handed
    over around then: the carrier has the benefit of the doubt.
    """
    theirs = scan.data
    if parcel.package_id and theirs.package_id:
        return bool(parcel.package_id == theirs.package_id)
    if parcel.tracking_id and theirs.tracking_id:
        return bool(parcel.tracking_id == theirs.tracking_id)
    return scan.at >= parcel.handed_over.at - _BOOKED_LATER


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
        words=_label,
    ),
    expected="The carrier scans {parcel} of order {order_id} by {due}",
    summary="Order {order_id}: {parcel} was handed over by the {channel}, and the carrier never scanned it",
    action="Look for {parcel} of order {order_id} on the dock and in the carrier's cage; ask the carrier to trace it",
)
