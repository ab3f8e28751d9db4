"""H107: the confirmed delivery window is over, and nobody came or said why."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from app.core.claim import Claim
from app.core.delivery import Labels, by_word, labels, parcel
from app.core.order import in_one_life, lives, location_of, within
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
    FulfilmentCompleted,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
)
from schemas.state import Fact

_CARRIER = ("carrier",)
_WINDOWS = (On(DeliveryScheduled), On(DeliveryRescheduled))
_CALLED_OFF = (On(DeliveryCancelled),)
_LABELLED = (*_WINDOWS, *_CALLED_OFF, On(FulfilmentCompleted))
_PLANS = (DeliveryScheduled, DeliveryRescheduled, DeliveryCancelled)


class _Window(NamedTuple):
    """A window as one parcel's, or as that of all parcels of the order."""

    end: int
    """ms"""
    told: Fact
    since: Fact
    """The first to tell of it. It may have named no parcel, where later ones do."""
    labels_of: Callable[[Fact], Labels]
    lives: Sequence[int]
    """When the order was placed again after it had been cancelled, ms."""

    def is_for(self, fact: Fact) -> bool:
        """Whether the fact may be about its parcel. What names no parcel is about all parcels of the order; two names
        of different kinds may be the same parcel, unless the one is named together with another of its kind.
        """
        pairs = zip(self.labels_of(self.told), self.labels_of(fact), strict=True)
        both = [ours == theirs for ours, theirs in pairs if ours and theirs]
        return any(both) or not both


def _end(fact: Fact) -> int | None:
    """When the window that it names ends, ms."""
    end = getattr(fact.data, "window_to", None)
    return None if end is None else to_ms(end)


def _takes_the_place(window: _Window, fact: Fact) -> bool:
    """Whether a plan for the same parcel, told after the window, leaves it standing no more."""
    if isinstance(fact.data, DeliveryCancelled):
        return True
    end = _end(fact)
    if end is None:  # put off; a confirmation without an end says nothing
        return isinstance(fact.data, DeliveryRescheduled)
    return end != window.end and end > fact.at


def _windows(facts: Sequence[Fact]) -> Iterator[_Window]:
    """Each window once, however often it is told while it stands. One that was over when it was told binds nobody."""
    standing: list[_Window] = []
    labels_of, begun = labels(select(facts, _LABELLED)), lives(facts)
    for fact in sorted(select(facts, _WINDOWS + _CALLED_OFF), key=by_word):
        standing = standing and [old for old in standing if in_one_life(old.since.at, fact.at, begun)]
        standing = standing and [old for old in standing if not (old.is_for(fact) and _takes_the_place(old, fact))]
        end = _end(fact)
        if end is None or end <= fact.at:
            continue
        same = standing and [old for old in standing if old.is_for(fact)]
        if not same or (parcel(fact) and not any(parcel(old.told) for old in same)):
            window = _Window(end, fact, same[0].since if same else fact, labels_of, begun)
            standing.append(window)
            yield window


def _for_each_window(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """A window told for no parcel is the one told for the parcels, where any is."""
    windows = list(_windows(facts))
    of_parcels = {id(window.since) for window in windows if window.told is not window.since}
    asked: set[str] = set()
    for window in windows:
        fact = window.told
        if id(fact) in of_parcels:
            continue
        asks = f"{iso(window.end)} {parcel(fact)}".strip()
        yield Obligation(
            trigger=fact,
            at=window.end + within(view.within, fact, facts),
            asks=f"{asks} {iso(fact.at)}" if asks in asked else asks,
            warn_at=window.end,
            savable_until=window.end,
            owed_by=_CARRIER if "carrier" in view.feeds else (fact.channel,),
            answered_by=partial(_answers, window),
        )
        asked.add(asks)


def _answers(window: _Window, fact: Fact) -> bool:
    """Whether it came, or was put off or called off, since the window was first told."""
    if isinstance(fact.data, OrderCancelled):
        return in_one_life(window.since.at, fact.at, window.lives)
    if by_word(fact) <= by_word(window.since) or not window.is_for(fact):
        return False
    if isinstance(fact.data, _PLANS):
        return _takes_the_place(window, fact)
    if isinstance(fact.data, DeliveryAttempted) and window.told.data.window_from is not None:
        return fact.at >= to_ms(window.told.data.window_from)  # who rings before the window has not kept it
    return True


def _second_miss(claim: Claim, claims: Sequence[Claim]) -> Severity | None:
    missed = (other for other in claims if other.at < claim.at and (other.end is None or other.end.at > other.at))
    return "critical" if any(missed) else None


def _parcel(window: Fact) -> dict[str, str]:
    name = parcel(window)
    return {"parcel": f"parcel {name} of " if name else ""}


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
        context=(*_CALLED_OFF, On(FulfilmentCompleted), On(OrderPlaced), On(OrderChanged), On(OrderCancelled)),
        raises=_for_each_window,
        location=location_of,
        severity=_second_miss,
        words=_parcel,
    ),
    expected="{to_channel} delivers {parcel}order {order_id}, or says that it cannot, by {due}",
    summary="The delivery window of {parcel}order {order_id} is over, and nobody came or called it off",
    action="Find the driver, call the customer before they call us, and agree on a new window "
    "for {parcel}order {order_id}",
)
