"""H108: a customer changed their profile in one channel, and others go on with the old one."""

from collections.abc import Iterator, Sequence
from functools import partial

from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, iso, select
from schemas.events import ProfileSynced, ProfileUpdated
from schemas.state import Fact

_UPDATED = (On(ProfileUpdated),)


def _has(updated: Fact, channel: str, fact: Fact) -> bool:
    """Whether the fact shows that the channel has this change or a newer one. Without versions, time tells."""
    if fact.channel != channel:
        return False
    wanted, has = updated.data.version, fact.data.version
    if wanted is not None and has is not None:
        return bool(has >= wanted)
    return fact.at >= updated.at


def _for_each_subscriber(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    for updated in select(facts, _UPDATED):
        version = updated.data.version
        for channel in view.subscribers:
            if channel != updated.channel:
                yield Obligation(
                    trigger=updated,
                    at=updated.at + view.within.of(updated),
                    asks=f"{channel} {iso(updated.at) if version is None else f'v{version}'}",
                    owed_by=(channel,),
                    answered_by=partial(_has, updated, channel),
                )


RULE = Rule(
    id="H108",
    name="profile-not-shared",
    severity="warning",
    about="profile",
    within=5 * MINUTE,
    subscribers=("app", "web", "store", "phone"),
    audience="customer data",
    pattern=Response(
        trigger=_UPDATED,
        target=(On(ProfileSynced), On(ProfileUpdated)),
        owed_by=lambda updated: (updated.channel,),
        raises=_for_each_subscriber,
    ),
    expected="{to_channel} takes over the customer's new {field} by {due}",
    summary="{to_channel} does not have the {field} that the customer changed on {channel}",
    action="Push the customer's {field} to {to_channel} again; until it is there, {to_channel} must ask the customer",
)
