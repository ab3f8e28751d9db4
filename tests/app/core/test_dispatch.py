"""Dispatch: an event meets the rules that listen to its type; the newest of a case, those for which it can change
anything.
"""

import msgspec

from app.compose import all_feeds, detector
from app.core.facts import Facts
from app.rules import RULES
from app.timeline import START
from schemas.codec import decode_case
from schemas.events import ContactOpened, Data, OrderCancelled, OrderCollected, OrderPlaced, OrderReady, SessionResumed
from schemas.state import Case, Fact
from tests.app.core.test_engine import event, playing

IDS = ("H101", "H102", "H303", "H403")
ENGINE = detector([rule for rule in RULES if rule.id in IDS], all_feeds()).engine
PLACED, CANCELLED, READY, COLLECTED = OrderPlaced("o1"), OrderCancelled("o1"), OrderReady("o1"), OrderCollected("o1")


def met(*told: Data, case: Case | None = None) -> list[str]:
    """Whom the last of these meets as the newest of the case."""
    facts = Facts(Fact(START + at, f"e{at}", "/pickup", "pickup", data) for at, data in enumerate(told))
    (listeners,) = ENGINE.listening(type(told[-1]))
    return [one.rule for one in listeners.met_by_newest(case or Case(), facts) if case or not one.only_ends]


def test_nobody_listens_to_what_no_rule_is_about() -> None:
    assert not ENGINE.listening(ContactOpened)
    assert not ENGINE.listening(SessionResumed)


def test_the_newest_fact_meets_no_rule_whose_claims_need_what_the_case_does_not_hold() -> None:
    assert met(READY) == []
    assert met(PLACED, READY) == ["H403"]
    assert met(PLACED, COLLECTED) == []
    assert met(PLACED, CANCELLED, COLLECTED) == ["H303"]


def test_what_can_only_end_something_is_met_where_something_is_waited_for() -> None:
    waiting = Case(due={"H102": [("pickup", START)]})
    assert met(PLACED, READY, case=waiting) == ["H101", "H102", "H403"]


def test_where_anything_was_said_all_who_listen_are_met_and_who_said_it_is_asked_for_its_claims() -> None:
    late = playing(event(0, OrderPlaced("o1", "pickup", "s1"), "web"), 11, rules=[RULES[0]])
    (row,) = [row for key, row in late.rows.items() if not key.startswith(b"\0")]
    said = decode_case(row)
    assert [alert.rule for alert in said.alerts.values()] == ["H101"]
    (listeners,) = ENGINE.listening(OrderCollected)
    facts = Facts([*said.facts, msgspec.structs.replace(said.facts[0], id="e2", data=COLLECTED)])
    concerns = {one.rule: one for one in listeners.met_by_newest(said, facts)}
    assert list(concerns) == ["H101", "H102", "H303", "H403"]
    assert concerns["H101"].shortcut(facts[-1], facts, []) is None
