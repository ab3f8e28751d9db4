"""H106: a customer was transferred, and nobody at the other end took over."""

from collections.abc import Iterator, Sequence
from functools import partial

from app.core.facts import by_time, said_once
from app.core.patterns.response import Obligation, Response
from app.core.rule import MINUTE, On, Rule, View, select
from schemas.events import ContactAccepted, ContactAnswered, ContactResolved, ContactTransferred
from schemas.state import Fact

_TRANSFERRED, _RESOLVED = (On(ContactTransferred),), (On(ContactResolved),)


def _target(transfer: Fact) -> str:
    return f"{transfer.data.to_channel or transfer.channel} {transfer.data.to_queue or ''}".strip()


def _at_target(transfer: Fact, fact: Fact) -> bool:
    """Queues are often left out: only one that is named, and another, is another."""
    queue = transfer.data.to_queue
    return fact.channel == (transfer.data.to_channel or transfer.channel) and (
        None in (queue, fact.data.queue) or fact.data.queue == queue
    )


def _passed_on(transfer: Fact, fact: Fact) -> bool:
    """Whether a transfer is one from the target. Within one channel only the queue tells the two ends apart."""
    within = transfer.data.to_channel in (None, transfer.channel)
    named = None not in (fact.data.queue, transfer.data.to_queue)
    return _at_target(transfer, fact) and (named or not within)


def _after(transfer: Fact, fact: Fact) -> bool:
    """Logs are stamped by the second or the minute. Of the same moment, a transfer comes after the one it passes on; of
    two others the order of facts decides; and whatever else is said is said of the transfer.
    """
    if fact.at != transfer.at or not isinstance(fact.data, ContactTransferred):
        return fact.at >= transfer.at
    onward, back = _passed_on(transfer, fact), _passed_on(fact, transfer)
    return onward if onward != back else by_time(fact) > by_time(transfer)


def _taken(transfer: Fact, fact: Fact) -> bool:
    """The target accepts it, answers it or resolves it; to transfer it onward from there says the same."""
    taken = _passed_on if isinstance(fact.data, ContactTransferred) else _at_target
    return _after(transfer, fact) and taken(transfer, fact)


def _taken_back(transfer: Fact, fact: Fact) -> bool:
    """It was resolved elsewhere, or transferred elsewhere before the target took it."""
    if not _after(transfer, fact) or _taken(transfer, fact):
        return False
    return isinstance(fact.data, ContactResolved) or _target(fact) != _target(transfer)


def _for_each_transfer(facts: Sequence[Fact], view: View) -> Iterator[Obligation]:
    transfers = list(said_once(select(facts, _TRANSFERRED)))
    ends = sorted((*transfers, *select(facts, _RESOLVED)), key=by_time)
    for transfer in transfers:
        yield Obligation(
            trigger=transfer,
            at=transfer.at + view.within.of(transfer),
            asks=_target(transfer),
            answered_by=partial(_taken, transfer),
            ended=next((fact for fact in ends if _taken_back(transfer, fact)), None),
        )


def _words(transfer: Fact) -> dict[str, str]:
    queue = transfer.data.to_queue
    return {"target": (transfer.data.to_channel or transfer.channel) + (f" (queue {queue})" if queue else "")}


RULE = Rule(
    id="H106",
    name="dropped-transfer",
    severity="critical",
    about="contact",
    within=10 * MINUTE,
    audience="contact centre",
    pattern=Response(
        trigger=_TRANSFERRED,
        target=(On(ContactAccepted), On(ContactAnswered), On(ContactTransferred), On(ContactResolved)),
        context=_RESOLVED,
        owed_by=lambda transfer: (transfer.data.to_channel or transfer.channel,),
        raises=_for_each_transfer,
        again=True,
        words=_words,
    ),
    expected="{target} takes contact {case_id} over by {due}",
    summary="Contact {case_id} was transferred to {target}, and nobody there has taken it",
    action="Find contact {case_id} at {target} and take it, or take it back and call the customer",
)
