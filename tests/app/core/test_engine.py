"""The engine: dispatch, what it keeps of a case, and what it says of a claim whose facts come late."""

from collections.abc import Sequence

import msgspec

from app.core.engine import Limits
from app.core.patterns.response import Response
from app.core.rows import JOURNAL
from app.core.rule import DAY, MINUTE, On, Rule
from app.timeline import START
from schemas.alerts import Alert
from schemas.codec import Event
from schemas.events import (
    ContactAnswered,
    ContactOpened,
    Data,
    Line,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    OrderReady,
    OrderVisible,
)
from schemas.state import Fact
from tests.recordings import Player, tick

SHOWN = Rule(
    id="H199",
    name="order-not-shown",
    severity="warning",
    about="order",
    within=10 * MINUTE,
    audience="pickup desk",
    pattern=Response(
        trigger=(On(OrderPlaced),),
        target=(On(OrderVisible),),
        unless=(On(OrderCancelled),),
        warn=lambda _, at: at - MINUTE,
        owed_by=("pickup",),
        episode=lambda _: "once",
    ),
    expected="{order_id} is shown by {due}",
    summary="{order_id} is not shown",
    action="Show {order_id}",
)


def event(minute: float, data: Data, channel: str = "pickup", name: str = "") -> Event:
    at = START + int(minute * MINUTE)
    return Event(Fact(at, name or f"{type(data).__name__}@{minute}", f"/{channel}", channel, data), (0, 0))


def playing(*records: Event | float, rules: Sequence[Rule] = (SHOWN,), limits: Limits | None = None) -> Player:
    """What happens; a number is a tick at that minute."""
    player = Player(rules, limits=limits)
    for record in records:
        if isinstance(record, Event):
            player.feed("ann", record)
        else:
            player.feed("", tick(START + int(record * MINUTE)))
    return player


def story(alerts: Sequence[Alert]) -> list[str]:
    return [alert.resolution or alert.phase for alert in alerts]


PLACED = event(0, OrderPlaced("o1"), "web")


def test_jeopardy_comes_before_the_breach_and_both_are_one_alert() -> None:
    alerts = playing(PLACED, 9.5, 10.5, event(12, OrderVisible("o1"))).alerts
    assert story(alerts) == ["jeopardy", "breach", "late"]
    assert [alert.revision for alert in alerts] == [1, 2, 3]
    assert len({alert.id for alert in alerts}) == 1
    assert alerts[-1].late_seconds == 120


def test_what_comes_in_jeopardy_and_still_in_time_averts_the_breach() -> None:
    assert story(playing(PLACED, 9.5, event(10, OrderVisible("o1")), 11).alerts) == ["jeopardy", "averted"]


def test_evidence_of_an_earlier_end_corrects_what_was_said_of_the_end() -> None:
    alerts = playing(PLACED, 11, event(15, OrderVisible("o1")), event(12, OrderVisible("o1"))).alerts
    assert story(alerts) == ["jeopardy", "breach", "late", "late"]
    assert [alert.late_seconds for alert in alerts[2:]] == [300, 120]
    assert [cited.event_id for cited in alerts[-1].evidence] == ["OrderPlaced@0", "OrderVisible@12"]


def test_evidence_timed_before_the_deadline_takes_the_alert_back_for_good() -> None:
    late = playing(PLACED, 11, event(5, OrderVisible("o1")), event(15, OrderVisible("o1")), 20)
    assert story(late.alerts) == ["jeopardy", "breach", "retracted"]


def test_what_was_taken_back_fires_again_where_it_turns_out_to_be_right() -> None:
    """An alert taken back for want of its trigger: the trigger it had was another one's."""

    def still_placed(facts: Sequence[Fact]) -> bool:
        return not any(isinstance(f.data, OrderChanged) and f.data.fulfilment == "delivery" for f in facts[-1:])

    pattern = msgspec.structs.replace(
        SHOWN.pattern,  # type: ignore[type-var]
        warn=None,
        context=(On(OrderChanged),),
        raises=lambda facts, view: (
            msgspec.structs.replace(SHOWN.pattern, raises=None).obligations(facts, view)  # type: ignore[type-var, attr-defined]
            if still_placed(facts)
            else ()
        ),
    )
    alerts = playing(
        PLACED,
        11,
        event(12, OrderChanged("o1", fulfilment="delivery")),
        event(13, OrderChanged("o1", fulfilment="pickup")),
        rules=[msgspec.structs.replace(SHOWN, pattern=pattern)],
    ).alerts
    assert story(alerts) == ["breach", "retracted", "breach"]
    assert [(alert.revision, alert.status) for alert in alerts] == [(1, "firing"), (2, "resolved"), (3, "firing")]


def test_an_event_opens_no_case_of_a_kind_that_no_rule_is_about() -> None:
    assert playing(event(0, ContactOpened("k1")), event(1, ContactAnswered("k1"))).cases() == {}


def test_a_case_closes_after_its_retention_and_what_still_fires_expires() -> None:
    limits = Limits(retention_ms=DAY)
    player = playing(PLACED, 11, 24 * 60, limits=limits)
    assert player.cases()
    assert story(playing(PLACED, 11, 24 * 60, 24 * 60 + 1, limits=limits).alerts)[-1] == "expired"
    assert playing(PLACED, 11, 24 * 60 + 1, limits=limits).cases() == {}


def test_a_case_in_which_something_happens_stays_open_for_longer() -> None:
    limits = Limits(retention_ms=DAY)
    assert playing(PLACED, event(60, OrderVisible("o1")), 24 * 60 + 30, limits=limits).cases()


def test_a_case_that_was_kept_for_longer_closes_when_that_has_passed_and_not_before() -> None:
    happened = (PLACED, event(60, OrderVisible("o1")), 24 * 60 + 30, 25 * 60)
    assert playing(*happened, limits=Limits(retention_ms=DAY)).cases()
    assert playing(*happened, 25 * 60 + 1, limits=Limits(retention_ms=DAY)).rows.keys() == {JOURNAL}


def test_a_case_stays_open_while_anything_is_to_be_judged_in_it() -> None:
    limits = Limits(retention_ms=MINUTE)
    assert playing(PLACED, 2, 9 + 1, limits=limits).cases()
    alerts = playing(PLACED, 2, 9.5, 10.5, 11.5, limits=limits).alerts
    assert story(alerts) == ["jeopardy", "breach", "expired"]


def test_a_case_opened_again_after_it_was_ended_early_keeps_its_whole_retention() -> None:
    first, second = PLACED, event(30, OrderPlaced("o2"), "web")
    again = event(60, OrderVisible("o1"))
    happened = (first, second, again, 24 * 60 + 30, 25 * 60)
    limits = Limits(retention_ms=DAY, cases=1)
    assert len(playing(*happened, limits=limits).cases()) == 1
    assert playing(*happened, 25 * 60 + 1, limits=limits).rows.keys() == {JOURNAL}


def test_the_oldest_facts_go_first_where_a_case_has_too_many() -> None:
    player = playing(PLACED, *(event(n, OrderVisible("o1")) for n in range(1, 9)), limits=Limits(facts=3))
    (case,) = player.cases().values()
    assert [fact.id for fact in case.facts] == ["OrderVisible@6", "OrderVisible@7", "OrderVisible@8"]
    assert case.evicted == player.partition.counts.evicted["facts"] == 6


def test_a_fact_of_many_lines_counts_as_several() -> None:
    lines = tuple(Line(str(number)) for number in range(100))
    player = playing(
        event(0, OrderPlaced("o1", lines=lines), "web"),
        event(1, OrderVisible("o1")),
        event(2, OrderPlaced("o1", lines=lines), "web"),
        limits=Limits(facts=6),
    )
    (case, *_) = player.cases().values()
    assert [fact.id for fact in case.facts] == ["OrderVisible@1", "OrderPlaced@2"]


def test_the_oldest_cases_are_ended_first_where_a_customer_has_too_many() -> None:
    orders = [event(n, OrderPlaced(f"o{n}"), "web") for n in range(4)]
    player = playing(*orders[:2], 11, *orders[2:], limits=Limits(cases=2))
    assert [case.facts[0].id for case in player.cases().values()] == ["OrderPlaced@2", "OrderPlaced@3"]
    assert [alert.subject.id for alert in player.alerts if alert.resolution == "expired"] == ["o0", "o1"]
    assert player.partition.counts.evicted["cases"] == 2
    assert player.partition.firing.total() == 0


def test_a_rule_that_is_no_more_leaves_its_cases_to_their_retention() -> None:
    before = playing(PLACED, 5)
    after = Player((), limits=Limits(retention_ms=DAY))
    after.rows = before.rows
    after._built = Player((), limits=Limits(retention_ms=DAY))._built
    after.resume()
    for minute in (11, 60 * 24 * 40):
        after.feed("", tick(START + minute * MINUTE))
    assert after.alerts == []
    assert after.cases() == {}


def test_a_rule_is_asked_only_where_an_event_can_mean_anything_to_it() -> None:
    asked: list[str] = []

    def raises(facts: Sequence[Fact], view: object) -> tuple[()]:
        asked.append(facts[-1].id)
        return ()

    pattern = msgspec.structs.replace(SHOWN.pattern, raises=raises, target=(On(OrderVisible), On(OrderReady)))  # type: ignore[type-var]
    playing(
        event(0, OrderVisible("o1")),
        event(1, OrderPlaced("o1"), "web"),
        event(2, OrderReady("o1")),
        event(3, OrderPlaced("o1"), "web"),
        rules=[msgspec.structs.replace(SHOWN, pattern=pattern)],
    )
    assert asked == ["OrderPlaced@1", "OrderPlaced@3"]
