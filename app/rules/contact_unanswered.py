"""H105: a customer has contacted us, and nobody has answered."""

from collections.abc import Iterator, Sequence

from app.core.patterns.response import Obligation, Response
from app.core.rule import HOUR, MINUTE, On, Rule, View, select
from schemas.events import ContactAccepted, ContactAnswered, ContactOpened, ContactResolved, ContactTransferred
from schemas.state import Fact

_OPENED, _TRANSFERRED = (On(ContactOpened),), (On(ContactTransferred),)


def _for_each_contact(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    """To be transferred is not to be answered; but then the channel it went to may be the one that has answered."""
    for opened in select(facts, _OPENED):
        at = opened.at + view.within.of(opened)
        handed = [f.data.to_channel for f in select(facts, _TRANSFERRED) if opened.at <= f.at <= at]
        others = sorted({channel for channel in handed if channel not in (None, opened.channel)})
        to = f" to {' and '.join(others)}" if others else ""
        yield Obligation(
            trigger=opened,
            at=at,
            owed_by=(opened.channel, *others),
            cause=f"transferred{to} before anybody answered" if handed else None,
        )


RULE = Rule(
    id="H105",
    name="contact-unanswered",
    severity="warning",
    about="contact",
    within=1 * HOUR,
    by_channel={"chat": 2 * MINUTE, "phone": 5 * MINUTE, "social": 1 * HOUR, "email": 4 * HOUR},
    audience="contact centre",
    pattern=Response(
        trigger=_OPENED,
        target=(On(ContactAnswered), On(ContactAccepted), On(ContactResolved)),
        context=_TRANSFERRED,
        owed_by=lambda opened: (opened.channel,),
        raises=_for_each_contact,
        again=True,
        to_channel=lambda opened: opened.channel,
    ),
    expected="{channel} answers contact {case_id} by {due}",
    summary="Nobody has answered contact {case_id} on {channel}",
    action="Answer contact {case_id} now, or call the customer back",
)
