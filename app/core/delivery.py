"""What the facts of an order say of its delivery: the last word on each parcel, and the windows they name."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.codec import to_ms
from schemas.events import (
    Data,
    DeliveryCancelled,
    DeliveryRescheduled,
    DeliveryScheduled,
    FulfilmentCompleted,
    OfParcel,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
)
from schemas.state import Fact

_ORDERED = (OrderPlaced, OrderChanged)
_CALLED_OFF = (OrderCancelled, DeliveryCancelled)
_LABELLED = (FulfilmentCompleted, OfParcel)
_PLANNED = (*_CALLED_OFF, DeliveryScheduled, DeliveryRescheduled)
_TURNS: dict[type[Data], int] = {
    OrderPlaced: 0,
    OrderChanged: 0,
    DeliveryCancelled: 1,
    DeliveryScheduled: 2,
    DeliveryRescheduled: 3,
}
_LAST = 4
Labels = tuple[str | None, str | None]
"""The package and the tracking id of a parcel, where they are known."""
WHOLE = ""
"""The parcel of an event that names none: whatever the order still has to get."""


class Span(NamedTuple):
    """A delivery window as an event names it. Either end may be missing, not both."""

    start: datetime | None
    end: datetime | None

    def agrees(self, other: "Span") -> bool:
        """Whether no end that both name differs."""
        return all(a is None or b is None or a == b for a, b in zip(self, other, strict=True))

    def same(self, other: "Span") -> bool:
        """Whether they agree, and on an end that both name."""
        return self.agrees(other) and any(a is not None and a == b for a, b in zip(self, other, strict=True))

    def begins(self) -> int:
        """The earliest moment that it names, ms."""
        return _ms(self.start or self.end)

    def ends(self) -> int:
        """The latest moment that it names, ms."""
        return _ms(self.end or self.start)

    def __str__(self) -> str:
        start, end = (f"{t.astimezone(UTC):%Y-%m-%d %H:%M}" if t else "" for t in self)
        return f"{start} to {end} UTC" if start and end else f"{'from' if start else 'by'} {start or end} UTC"


def _ms(moment: datetime | None) -> int:
    assert moment is not None
    return to_ms(moment)


def span(fact: Fact) -> Span | None:
    """The window that an event names, or none."""
    start, end = getattr(fact.data, "window_from", None), getattr(fact.data, "window_to", None)
    return Span(start, end) if start or end else None


def parcel(fact: Fact) -> str:
    """The parcel that an event of a carrier is about."""
    package, tracking = _labels(fact)
    return package or tracking or WHOLE


def _labels(fact: Fact) -> Labels:
    data = fact.data
    return (data.package_id, data.tracking_id) if isinstance(data, _LABELLED) else (None, None)


def labels(facts: Iterable[Fact]) -> Callable[[Fact], Labels]:
    """Tells the labels of an event's parcel: those it names, and what these events name together with one of them."""
    both = [(package, tracking) for package, tracking in map(_labels, facts) if package and tracking]
    if not both:
        return _labels
    tracking_of, package_of = dict(both), {tracking: package for package, tracking in both}

    def known(fact: Fact) -> Labels:
        package, tracking = _labels(fact)
        return package or package_of.get(tracking or WHOLE), tracking or tracking_of.get(package or WHOLE)

    return known


def parcels(facts: Sequence[Fact]) -> Callable[[Fact], str]:
    """Tells the parcel of each of these events, by whichever of its labels it is named.

    A package and a tracking id are one parcel where an event names both, or where there is but one of each.
    """
    if sum([isinstance(fact.data, _LABELLED) for fact in facts]) < 2:
        return parcel
    known = labels(facts)
    packages, trackings = ({named[i] for named in map(_labels, facts) if named[i]} for i in (0, 1))
    only = next(iter(packages)) if len(packages) == len(trackings) == 1 else None

    def which(fact: Fact) -> str:
        package, tracking = known(fact)
        return package or (only if tracking else None) or tracking or WHOLE

    return which


def by_word(fact: Fact) -> tuple[int, int, str, str]:
    """The order of what is said of a delivery.

    Feeds that are stamped by the second tell a whole change of plan at one moment: there, what is called off makes room
    for what is confirmed, and what is moved was confirmed before.
    """
    return fact.at, _TURNS.get(type(fact.data), _LAST), fact.id, fact.source


def called_off(plan: Fact) -> bool:
    """Whether the last word on a parcel is that it does not come."""
    return isinstance(plan.data, _CALLED_OFF)


def schedule(facts: Sequence[Fact], parcel_of: Callable[[Fact], str] | None = None) -> dict[str, Fact]:
    """Parcel → the last fact that planned, moved or called off its delivery.

    What names no parcel speaks for all of them. An order placed or changed after it was cancelled is planned anew.
    """
    last: dict[str, Fact] = {}
    planned = [fact for fact in facts if isinstance(fact.data, _PLANNED)]
    if not planned:
        return last
    parcel_of = parcel_of or parcels(facts)
    if len(planned) == 1 and not isinstance(planned[0].data, OrderCancelled):  # as of most orders: nothing to be sorted
        return {parcel_of(planned[0]): planned[0]}
    for fact in sorted(facts, key=by_word):
        if isinstance(fact.data, _ORDERED):
            if any([isinstance(plan.data, OrderCancelled) for plan in last.values()]):
                last = {}
        elif isinstance(fact.data, _PLANNED):
            which = parcel_of(fact)
            if which == WHOLE:
                last = {}
            elif WHOLE in last:
                del last[WHOLE]
            last[which] = fact
    return last
