"""The engine: dispatch, what it keeps of a case, and what it says of a claim whose facts come late."""

from collections.abc import Sequence

import msgspec
import pytest

from app.core.alerting import Who
from app.core.engine import Limits
from app.core.patterns.response import Response
from app.core.rows import JOURNAL, who_of
from app.core.rule import DAY, MINUTE, On, Rule
from app.rules import RULES
from app.timeline import START
from schemas.alerts import Alert
from schemas.codec import Event, encode_alert, encode_event, size_of
from schemas.events import (
    ContactActionRequested,
    ContactAnswered,
    ContactOpened,
    Data,
    FulfilmentCompleted,
    Line,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ProfileSynced,
    ProfileUpdated,
)
from schemas.state import Fact
from tests.recordings import Player, by_id, tick

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
    fact = Fact(at, name or f"{type(data).__name__}@{minute}", f"/{channel}", channel, data)
    return Event(fact, (0, 0), size=len(encode_event(fact, {})))


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


def test_evidence_that_it_was_due_at_another_moment_corrects_what_was_said_of_it() -> None:
    first = event(-3, OrderPlaced("o1"), "web")
    for before, after in ((11,), (first,)), ((11, event(12, OrderVisible("o1"))), (first,)):
        alerts = playing(PLACED, *before, *after).alerts
        said, corrected = alerts[-2:]
        assert (corrected.id, corrected.revision, corrected.phase) == (said.id, said.revision + 1, said.phase)
        assert (corrected.status, corrected.resolution) == (said.status, said.resolution)
        assert (said.due - corrected.due).total_seconds() == 180
        assert corrected.late_seconds == (said.late_seconds and said.late_seconds + 180)
        assert corrected.evidence[0].event_id == first.fact.id


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


def test_where_facts_must_go_room_is_made_for_some_more() -> None:
    happened = [event(n, OrderVisible("o1")) for n in range(20)]
    kept = []
    for count in (16, 17, 18, 19, 20):
        (case,) = playing(*happened[:count], limits=Limits(facts=16)).cases().values()
        kept.append(case.facts[0].id)
        assert case.evicted == count - len(case.facts)
    assert kept == [f"OrderVisible@{n}" for n in (0, 3, 3, 3, 6)]


def test_of_a_customers_baskets_no_more_are_kept_than_can_be_the_same_order_placed_again() -> None:
    orders = [event(60 * n, OrderPlaced(f"o{n}", lines=(Line("1", "sku"),)), "web") for n in range(200)]
    again = event(60 * 199 + 1, OrderPlaced("again", lines=(Line("1", "sku"),)), "app")
    player = playing(*orders, again, 60 * 200, rules=RULES)
    cases = {who_of(key): case for key, case in player.cases().items()}
    assert len(cases[Who("ann", "basket", "")].facts) <= 40
    (alert,) = [alert for alert in player.alerts if alert.rule == "H202"]
    assert [cited.event_id for cited in alert.evidence] == [orders[-1].fact.id, again.fact.id]
    cancelled = event(60 * 200 + 1, OrderCancelled("again"), "app")
    player.feed("ann", cancelled)
    assert [alert.resolution for alert in player.alerts if alert.rule == "H202"] == [None, "cancelled"]


def test_the_oldest_facts_go_first_where_those_of_a_case_take_too_much_room() -> None:
    lines = tuple(Line(str(number)) for number in range(100))
    player = playing(
        event(0, OrderPlaced("o1", lines=lines), "web"),
        event(1, OrderVisible("o1")),
        event(2, OrderPlaced("o1", lines=lines), "web"),
        limits=Limits(fact_bytes=2_000),
    )
    (case, *_) = player.cases().values()
    assert [fact.id for fact in case.facts] == ["OrderVisible@1", "OrderPlaced@2"]


def test_facts_are_weighed_after_a_restart_as_before_though_what_comes_is_light() -> None:
    lines = tuple(Line(str(number)) for number in range(100))
    heavy, light = event(0, OrderPlaced("o1", lines=lines), "web"), event(1, OrderVisible("o1"))
    limits = Limits(fact_bytes=size_of(heavy.fact) + size_of(light.fact) // 2)
    for restarted in (False, True):
        player = playing(heavy, limits=limits)
        if restarted:
            player.resume()
        player.feed("ann", light)
        (case, *_) = player.cases().values()
        assert [fact.id for fact in case.facts] == ["OrderVisible@1"]


def test_the_newest_fact_stays_whatever_room_it_takes() -> None:
    lines = tuple(Line(str(number)) for number in range(100))
    player = playing(PLACED, event(1, OrderPlaced("o1", lines=lines), "web"), limits=Limits(fact_bytes=100))
    (case, *_) = player.cases().values()
    assert [fact.id for fact in case.facts] == ["OrderPlaced@1"]


def test_what_was_given_up_is_not_taken_in_again_though_there_is_room() -> None:
    lines = tuple(Line(str(number)) for number in range(100))
    first, second = (event(minute, OrderPlaced("o1", lines=lines), "web") for minute in (1, 2))
    player = playing(PLACED, first, second, PLACED, limits=Limits(fact_bytes=size_of(first.fact) * 3 // 2))
    (case, *_) = player.cases().values()
    assert [fact.id for fact in case.facts] == ["OrderPlaced@2"]
    assert case.evicted == player.partition.counts.evicted["facts"] == 3


def largest_row(player: Player) -> int:
    return max(map(len, player.rows.values()))


def test_many_changes_of_ordinary_orders_stay_within_what_can_be_sent() -> None:
    name = "x" * 30
    lines = tuple(Line(f"{name}{n:06}", f"{name}{n:06}") for n in range(49))
    player = Player(RULES)
    for minute in range(200):
        player.feed("ann", event(minute, OrderChanged("o1", lines=lines), "web"))
    assert largest_row(player) < 650_000
    assert player.partition.counts.evicted["facts"] > 0


def test_a_customer_of_whom_alerts_never_end_stays_within_what_can_be_sent() -> None:
    """Whoever orders as a guest shares the profile with all who do."""
    player, changes, most = Player(RULES, limits=Limits(facts=50, alerts=50)), 120, 0
    for number in range(changes):
        player.feed("guest", event(10 * number, ProfileUpdated("address", number), "app"))
        player.feed("", tick(START + (10 * number + 9) * MINUTE))
        most = max(most, largest_row(player))
    assert most < 50_000
    (case, *_) = player.cases().values()
    assert len(case.alerts) == 50
    last = {name: revisions[-1] for name, revisions in by_id(player.alerts).items()}
    assert len(last) == changes, "each is said once, and none again"
    gone = [alert for alert in last.values() if alert.resolution == "expired"]
    assert len(gone) == player.partition.counts.evicted["alerts"] == changes - 50
    assert max(alert.starts_at for alert in gone) < min(a.starts_at for a in last.values() if a.status == "firing")
    assert player.partition.firing.total() == 50


@pytest.mark.parametrize("again", range(0, 60, 7))
def test_of_alerts_that_were_forgotten_nothing_is_said_again(again: int) -> None:
    limits = Limits(facts=20, alerts=5)
    updates = [event(10 * n, ProfileUpdated("address", n), "app") for n in range(60)]
    player = playing(*(one for n, e in enumerate(updates) for one in (e, 10.0 * n + 9)), rules=RULES, limits=limits)
    said = len(player.alerts)
    player.resume()
    player.feed("ann", updates[again])
    player.feed("", tick(START + 2000 * MINUTE))
    assert player.alerts[said:] == []
    assert all(len(case.alerts) <= 5 for case in player.cases().values())


def test_those_that_are_resolved_are_forgotten_before_those_that_fire() -> None:
    limits = Limits(facts=3, alerts=3)
    happened: list[Event | float] = []
    for n in range(6):
        happened += [event(20 * n, ProfileUpdated("address", n), "app"), 20 * n + 9]
        if n == 2:
            happened += [event(20 * n + 10, ProfileSynced("address", 2), "store")]
    player = playing(*happened, rules=RULES, limits=limits)
    last = {name: revisions[-1] for name, revisions in by_id(player.alerts).items()}
    assert sum(alert.status == "firing" for alert in last.values()) == player.partition.firing.total() == 3


def test_alerts_that_are_long_are_as_many_as_there_is_room_for() -> None:
    player = Player(RULES)
    for number in range(150):
        asked = ContactActionRequested(f"{number} {'x' * 1_900}", case_id="k1")
        player.feed("ann", event(number, asked, "chat", name=f"{number:0200}"))
    player.feed("", tick(START + 500 * MINUTE))
    assert player.partition.counts.evicted["alerts"] > 0
    assert largest_row(player) < 650_000


def test_an_alert_has_a_bound_whatever_its_events_say() -> None:
    lines = tuple(Line(str(n), f"{n:0200}") for n in range(1_000))
    placed = event(0, OrderPlaced("o1", "delivery", lines=lines), "web")
    sent = event(1, FulfilmentCompleted("o1", lines=(Line("1", "wrong"),)), "warehouse")
    (alert, *_) = playing(placed, sent, 60, rules=RULES).alerts
    assert len(encode_alert(alert)) < 5_000
    assert "wrong" in alert.summary


def test_an_order_as_large_as_can_be_is_known_when_more_of_it_comes() -> None:
    lines = tuple(Line(f"{n:036}", f"{n:0100}") for n in range(2_000))
    placed = event(0, OrderPlaced("o1", "delivery", lines=lines), "web")
    assert len(encode_event(placed.fact, {"id": "ann"})) > 300_000, "more than is sent on"
    player = playing(placed, event(1, OrderVisible("o1")), rules=RULES)
    assert player.partition.counts.evicted["facts"] == 0


def test_more_alerts_of_one_event_than_a_case_can_remember_are_not_said() -> None:
    placed = event(0, OrderPlaced("o1", "delivery", lines=(Line("1", "right"),)), "web")
    wrong = tuple(Line(str(n), f"wrong{n}") for n in range(20))
    sent = event(1, FulfilmentCompleted("o1", lines=wrong), "warehouse")
    player = playing(placed, sent, 60, sent, 61, rules=RULES, limits=Limits(alerts=8))
    assert len(by_id(player.alerts)) == 8
    assert player.partition.counts.evicted["alerts"] > 0


def test_a_rule_that_raises_does_not_look_again_at_a_moment_that_has_passed_before_or_after_a_restart() -> None:
    asked: list[str] = []

    def at_deadline(facts: Sequence[Fact], view: object) -> tuple[()]:
        asked.append("asked")
        raise LookupError("a rule of somebody else")

    player = playing(PLACED, 5)
    broken = msgspec.structs.replace(SHOWN.pattern, raises=at_deadline)  # type: ignore[type-var]
    after = Player([msgspec.structs.replace(SHOWN, pattern=broken)])
    after.rows = player.rows
    after.resume()
    after.feed("", tick(START + 9 * MINUTE + 1))
    assert asked == ["asked"]
    after.feed("", tick(START + 11 * MINUTE))
    assert after.partition.counts.errors == {"H199": 1}
    ((rule, fault),) = after.partition.counts.raised
    assert (rule, fault.partition(":")[0]) == ("H199", "LookupError at test_engine.py"), "its words may name a customer"
    after.resume()
    after.feed("", tick(START + 12 * MINUTE))
    assert asked == ["asked"]


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
