"""H104: a contact channel promised a customer that fulfilment would act, and nobody there has taken it on."""

from app.core.patterns.response import Response
from app.core.rule import MINUTE, On, Rule
from schemas.events import ActionAcknowledged, ContactActionRequested
from schemas.state import Fact


def _acknowledges(request: Fact, fact: Fact) -> bool:
    """Order or case must be the same. Where the two name nothing in common, only the same action tells."""
    asked, said = request.data, fact.data
    if said.action not in (None, asked.action):
        return False
    pairs = ((asked.order_id, said.order_id), (asked.case_id, said.case_id))
    comparable = [one == other for one, other in pairs if one and other]
    return any(comparable) if comparable else said.action == asked.action or not (said.order_id or said.case_id)


def _asked(request: Fact) -> str:
    return f"{request.data.order_id or request.data.case_id or ''} {request.data.action}".strip()


def _words(request: Fact) -> dict[str, str]:
    order, case = request.data.order_id, request.data.case_id
    return {"matter": f"order {order}" if order else f"contact {case}" if case else "a customer"}


RULE = Rule(
    id="H104",
    name="request-not-fulfilled",
    severity="critical",
    about="requests",
    within=15 * MINUTE,
    audience="fulfilment",
    pattern=Response(
        trigger=(On(ContactActionRequested),),
        target=(On(ActionAcknowledged),),
        owed_by=("pickup", "store", "warehouse", "carrier"),
        answers=_acknowledges,
        episode=_asked,
        again=True,
        words=_words,
    ),
    expected='fulfilment acknowledges "{action}" for {matter} by {due}',
    summary='{channel} asked for "{action}" for {matter}, and nobody in fulfilment has taken it on',
    action='Do "{action}" for {matter} or refuse it, acknowledge it, and tell {channel}',
)
