"""H301: something changed for the customer, and nobody had told them before."""

from collections.abc import Sequence

from app.core.patterns.precedence import Precedence
from app.core.rule import DAY, On, Rule
from schemas.events import AccountChanged, NotificationSent, OrderCancelled, OrderChanged, OrderPlaced
from schemas.state import Fact

_THE_SAME = DAY
"""Channels tell of one change at times that are so far apart: some work through their lists at night."""


def _by_us(changed: AccountChanged | OrderChanged) -> bool:
    return isinstance(changed, AccountChanged) or changed.by == "us"


def _of_a_change(sent: NotificationSent) -> bool:
    """That an order was confirmed says nothing of what is changed in it later."""
    return sent.kind == "change"


def _not_used_up(told: Fact, change: Fact, facts: Sequence[Fact]) -> bool:
    """A message announces the next change, not the one after it."""
    return not any(told.at <= fact.at < change.at and _is_another(fact, change) for fact in facts)


def _is_another(before: Fact, change: Fact) -> bool:
    """Whether the two are two changes of ours. What another channel reports soon after may be the same one."""
    if type(before.data) is not type(change.data) or not _by_us(before.data):
        return False
    return before.channel == change.channel or change.at - before.at > _THE_SAME


RULE = Rule(
    id="H301",
    name="unannounced-change",
    severity="warning",
    about="account",
    within=0,
    audience="customer care",
    pattern=Precedence(
        first=(On(NotificationSent),),
        then=(On(AccountChanged),),
        owed_by=("notification",),
        allows=_not_used_up,
    ),
    also={
        "order": Precedence(
            first=(On(NotificationSent, where=_of_a_change),),
            then=(On(OrderChanged, where=_by_us),),
            owed_by=("notification",),
            allows=_not_used_up,
            unless=(On(OrderCancelled),),
            context=(On(OrderPlaced),),
        )
    },
    expected="the customer is told before {subject} changes, by {due}",
    summary="Nobody had told the customer before {channel} changed {subject}",
    action="Tell the customer now what changed and why, before they find out by themselves",
)
