"""H304: the customer was told a delivery window that is not the plan."""

from collections.abc import Iterator, Sequence

from app.core.delivery import Span, by_word, called_off, schedule, span
from app.core.patterns.agreement import Agreement, Disagreement
from app.core.rule import On, Rule, iso
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


def _promises(sent: NotificationSent) -> bool:
    return sent.kind in ("confirmation", "reminder")


def _fits(sent: Fact, named: Span | None, plan: Fact, known: Sequence[Fact]) -> bool:
    """Whether a message is right by the last word on a parcel. What cannot be compared is not wrong."""
    if called_off(plan):
        return sent.data.kind == "cancellation" or (named is None and sent.data.kind != "reminder")
    planned = span(plan)
    if named is None or planned is not None:
        return named is None or planned is None or planned.agrees(named)
    put_off = isinstance(plan.data, DeliveryRescheduled)
    return not (put_off and any(old.same(named) for fact in known if (old := span(fact))))


def _stale(sent: Fact, known: Sequence[Fact]) -> Iterator[Disagreement]:
    current = list(schedule(known).values())
    named = span(sent)
    if not current or any(_fits(sent, named, plan, known) for plan in current):
        return
    plan = max(current, key=by_word)
    words = {
        "named": str(named) if named else "it will come",
        "planned": "called off" if called_off(plan) else str(span(plan) or "put off, without a new window"),
    }
    yield Disagreement(with_fact=plan, episode=iso(plan.at), words=words)


def _tells(_: Fact, __: Disagreement, later: Fact) -> bool:
    return later.data.kind in ("change", "cancellation") or span(later) is not None


RULE = Rule(
    id="H304",
    name="stale-promise",
    severity="warning",
    about="order",
    audience="customer care",
    pattern=Agreement(
        said=(On(NotificationSent, where=_promises),),
        known=(
            On(DeliveryScheduled),
            On(DeliveryRescheduled),
            On(DeliveryCancelled),
            On(OrderCancelled),
        ),
        context=(On(OrderPlaced), On(OrderChanged)),
        differs=_stale,
        owed_by=("carrier",),
        righted_by=(On(NotificationSent),),
        rights=_tells,
    ),
    expected="a {kind} about {subject} tells the plan as it is at {due}: {planned}",
    summary="The customer got a {kind} for {subject} that says: {named}; the plan of {from_channel} is: {planned}",
    action="Send the customer the right plan, and call them where the window that was named is today",
)
