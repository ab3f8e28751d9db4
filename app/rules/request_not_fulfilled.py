"""H104: a contact channel promised a customer that fulfilment would act, and nobody there has taken it on."""

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, select
from schemas.events import ActionAcknowledged, ContactActionRequested
from schemas.state import Fact

_REQUESTED = (On(ContactActionRequested, channels=("chat", "phone", "email", "social")),)


class _Request(msgspec.Struct):
    """What was asked for, perhaps several times: an action, by all names that were given for it."""

    name: str
    action: str
    order: str | None = None
    ordered_at: int = 0
    cases: dict[str, int] = {}
    """Case → since when (ms) it is known by it, as is the order."""

    def is_asked_by(self, data: ContactActionRequested) -> bool:
        """Whether this is what is asked for: for the same order, or in the same case where not both name an order."""
        if self.action != data.action:
            return False
        if data.order_id and self.order:
            return data.order_id == self.order
        if data.order_id or data.case_id:
            return data.case_id in self.cases
        return self.name == data.action

    def learn(self, data: ContactActionRequested, at: int) -> None:
        """Takes in the names that it is given now (ms)."""
        if self.order is None:
            self.order, self.ordered_at = data.order_id, at
        if data.case_id:
            self.cases.setdefault(data.case_id, at)


def _matter(data: ContactActionRequested) -> str:
    """Orders and cases may bear the same numbers."""
    return data.order_id or (f"case {data.case_id}" if data.case_id else "")


def _named(facts: Sequence[Fact]) -> Iterator[tuple[Fact, _Request]]:
    known: list[_Request] = []
    for fact in select(facts, _REQUESTED):
        data = fact.data
        asked = [request for request in known if request.is_asked_by(data)]
        if not asked:
            asked = [_Request(f"{_matter(data)} {data.action}".strip(), data.action)]
            known += asked
        for request in asked:
            request.learn(data, fact.at)
        yield fact, asked[0]


def _for_each_request(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    for asked, request in list(_named(facts)):
        at = asked.at + view.within.of(asked)
        yield Obligation(trigger=asked, at=at, asks=request.name, answered_by=partial(_acknowledges, asked, request))


def _acknowledges(asked: Fact, request: _Request, fact: Fact) -> bool:
    """Order or case must be the same. Where the two name nothing in common, only the same action tells. Names that the
    request is given only later change nothing of what answered it.
    """
    said = fact.data
    if fact.at < asked.at or said.action not in (None, request.action):
        return False
    same = []
    if said.order_id and request.order and request.ordered_at <= fact.at:
        same.append(said.order_id == request.order)
    cases = [case for case, at in request.cases.items() if at <= fact.at]
    if said.case_id and cases:
        same.append(said.case_id in cases)
    return any(same) if same else said.action == request.action or not (said.order_id or said.case_id)


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
        trigger=_REQUESTED,
        target=(On(ActionAcknowledged),),
        owed_by=("pickup", "store", "warehouse", "carrier"),
        raises=_for_each_request,
        again=True,
        words=_words,
    ),
    expected='fulfilment acknowledges "{action}" for {matter} by {due}',
    summary='{channel} asked for "{action}" for {matter}, and nobody in fulfilment has taken it on',
    action='Do "{action}" for {matter} or refuse it, acknowledge it, and tell {channel}',
)
