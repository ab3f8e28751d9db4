"""H107: the confirmed delivery window is over, and nobody came or said why."""

from collections.abc import Iterator, Sequence

from app.core.claim import Claim
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, iso, select
from schemas.alerts import Severity
from schemas.codec import to_ms
from schemas.events import (
    DeliveryAttempted,
    DeliveryCancelled,
    DeliveryCompleted,
    DeliveryRescheduled,
    DeliveryScheduled,
    OrderCancelled,
)
from schemas.state import Fact


def _ends(fact: Fact) -> bool:
    return fact.data.window_to is not None


_CARRIER = ("carrier",)
_WINDOWS = (On(DeliveryScheduled), On(DeliveryRescheduled))


def _ids(fact: Fact) -> tuple[str | None, str | None]:
    return fact.data.package_id, fact.data.tracking_id


def _same_parcel(window: Fact, fact: Fact) -> bool:
    """What names no parcel is about all parcels of the order; two names of different kinds may be the same parcel."""
    ours, theirs = window.data, fact.data
    packages = bool(ours.package_id and theirs.package_id)
    trackings = bool(ours.tracking_id and theirs.tracking_id)
    if not packages and not trackings:
        return True
    return (packages and ours.package_id == theirs.package_id) or (trackings and ours.tracking_id == theirs.tracking_id)


def _replaces(window: Fact, fact: Fact) -> bool:
    """Whether a fact plans the parcel anew. To plan the same again is to say it twice."""
    if fact.data.window_to == window.data.window_to:
        return False
    if isinstance(fact.data, DeliveryScheduled):  # a second window may also be a second parcel's
        return _ends(fact) and fact.at > window.at and _ids(fact) == _ids(window)
    return fact.at > window.at or isinstance(window.data, DeliveryScheduled) or fact.id > window.id


def _answers(window: Fact, fact: Fact) -> bool:
    if isinstance(fact.data, OrderCancelled):
        return True
    if fact.at < window.at or not _same_parcel(window, fact):
        return False
    if isinstance(fact.data, (DeliveryScheduled, DeliveryRescheduled)):
        return _replaces(window, fact)
    if isinstance(fact.data, DeliveryAttempted) and window.data.window_from is not None:
        return fact.at >= to_ms(window.data.window_from)  # who rings before the window has not kept it
    return True


def _for_each_window(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """A window told for no parcel is the one told for the parcels; one that was over when it was told binds nobody."""
    windows = [(to_ms(fact.data.window_to), *_ids(fact), fact) for fact in select(facts, _WINDOWS) if _ends(fact)]
    of_parcels = {end for end, package, tracking, _ in windows if package or tracking} if len(windows) > 1 else ()
    for end, package, tracking, fact in windows:
        parcel = package or tracking
        if end > fact.at and (parcel or end not in of_parcels):
            yield Obligation(
                trigger=fact,
                at=end + view.within.of(fact),
                asks=f"{iso(end)} {parcel}" if parcel else iso(end),
                warn_at=end,
                savable_until=end,
                owed_by=_CARRIER if "carrier" in view.feeds else (fact.channel,),
            )


def _second_miss(claim: Claim, claims: Sequence[Claim]) -> Severity | None:
    missed = (other for other in claims if other.at < claim.at and (other.end is None or other.end.at > other.at))
    return "critical" if any(missed) else None


RULE = Rule(
    id="H107",
    name="delivery-no-show",
    severity="warning",
    about="order",
    within=30 * MINUTE,
    audience="delivery",
    pattern=Response(
        trigger=_WINDOWS,
        target=(On(DeliveryCompleted), On(DeliveryAttempted)),
        unless=(On(DeliveryRescheduled), On(DeliveryCancelled), On(OrderCancelled), On(DeliveryScheduled)),
        owed_by=_CARRIER,
        raises=_for_each_window,
        answers=_answers,
        in_order=False,
        again=True,
        severity=_second_miss,
    ),
    expected="{to_channel} delivers order {order_id}, or says that it cannot, by {due}",
    summary="The delivery window of order {order_id} is over, and nobody came or called it off",
    action="Find the driver, call the customer before they call us, and agree on a new window for order {order_id}",
)
