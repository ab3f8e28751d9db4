"""H109: the customer was sent on to another channel with the cart, and the cart never opened there."""

from app.core.patterns.response import Response
from app.core.rule import SECOND, On, Rule
from schemas.events import SessionHandedOff, SessionResumed
from schemas.state import Fact


def _where_it_was_sent(handed_off: Fact, resumed: Fact) -> bool:
    return bool(resumed.channel == handed_off.data.to_channel)


RULE = Rule(
    id="H109",
    name="journey-not-resumed",
    severity="warning",
    about="cart",
    within=10 * SECOND,
    audience="digital team",
    pattern=Response(
        trigger=(On(SessionHandedOff),),
        target=(On(SessionResumed),),
        owed_by=lambda handed_off: (handed_off.data.to_channel,),
        answers=_where_it_was_sent,
    ),
    expected="{to_channel} opens cart {cart_id}, handed over by {channel}, by {due}",
    summary="Cart {cart_id} was handed from {channel} to {to_channel} and never opened there",
    action="Check the link from {channel} to {to_channel}; send the customer the cart again",
)
