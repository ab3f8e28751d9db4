"""H302: we called a delivery off, or moved it, so shortly before its window that the customer has arranged the day."""

from collections.abc import Iterator, Sequence

from app.core.delivery import WHOLE, Span, called_off, parcels, schedule, span
from app.core.patterns.precedence import Ban, NotAfter
from app.core.rule import HOUR, On, Rule, iso
from schemas.events import (
    DeliveryCancelled,
    DeliveryRescheduled,
    DeliveryScheduled,
    NotificationSent,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
)
from schemas.state import Fact


def _by_us(data: OrderCancelled | DeliveryCancelled | DeliveryRescheduled) -> bool:
    return data.by == "us"


def _promises(sent: NotificationSent) -> bool:
    return sent.kind in ("confirmation", "reminder")


def _planned(act: Fact, before: Sequence[Fact]) -> Iterator[Span]:
    """The windows that the act breaks: the plan's, or the one last told where no event of a carrier names any."""
    parcel_of = parcels((*before, act))
    which = parcel_of(act)
    concerned = [plan for name, plan in schedule(before, parcel_of).items() if WHOLE in (which, name) or name == which]
    standing = [plan for plan in concerned if not called_off(plan)]
    named = [window for plan in standing if (window := span(plan))]
    if not named and (standing or not concerned):
        since = max((plan.at for plan in standing), default=0)
        told = [span(f) for f in before if isinstance(f.data, NotificationSent) and f.at >= since]
        named = [window for window in told[-1:] if window]
    moved_to = span(act)
    yield from (window for window in named if moved_to is None or not moved_to.same(window))


def _too_late(act: Fact, before: Sequence[Fact], within: int) -> Ban | None:
    told = next((f for f in reversed(before) if isinstance(f.data, NotificationSent)), None)
    near = [w for w in _planned(act, before) if w.begins() - within <= act.at <= w.ends()]
    if told is None or not near:
        return None
    window = min(near, key=Span.begins)
    done = "moved" if isinstance(act.data, DeliveryRescheduled) else "cancelled"
    words = {"done": done, "window": str(window), "promise": str(told.data.kind)}
    return Ban(by=told, episode=iso(window.begins()), words=words)


RULE = Rule(
    id="H302",
    name="late-cancellation",
    severity="critical",
    about="order",
    within=14 * HOUR,
    audience="customer care",
    pattern=NotAfter(
        first=(
            On(NotificationSent, where=_promises),
            On(DeliveryScheduled),
            On(DeliveryRescheduled),
            On(DeliveryCancelled),
            On(OrderCancelled),
            On(OrderPlaced),
            On(OrderChanged),
        ),
        then=(
            On(DeliveryCancelled, where=_by_us),
            On(DeliveryRescheduled, where=_by_us),
            On(OrderCancelled, where=_by_us),
        ),
        forbids=_too_late,
        owed_by=("carrier",),
    ),
    expected="the delivery of {subject} stands as the {promise} said: {window}",
    summary="The delivery of {subject} ({window}) was {done} by {channel} at short notice, after a {promise}",
    action="Call the customer now, apologise, and agree on a new window that will hold",
)
