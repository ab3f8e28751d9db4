"""Laws of the detector: what holds for every rule and every recording."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.compose import all_feeds
from app.core import closing
from app.core.clocks import Feed
from app.core.engine import Limits, Step
from app.core.patterns.response import Response
from app.core.rows import JOURNAL, row_key, who_of
from app.core.rule import DAY, HOUR, MINUTE, SECOND, On
from app.core.subjects import subject_of
from app.rules import RULES
from app.timeline import START, Timeline, read_page
from schemas.alerts import Alert
from schemas.codec import Event, TickData, encode_alert
from schemas.events import CHANNELS, TYPES
from schemas.state import Case, Fact
from tests.recordings import HORIZON, LATENESS, Arrival, Player, arrivals, by_id, play, tick, ticks
from tests.test_rules import page

ROOT = Path(__file__).parent.parent
CASES = [rule for rule in RULES if rule.about != "channel"]
"""The rules that judge journeys. H501 judges the clocks themselves, so how fine they tick is its business."""
STORIES = [pytest.param(t, id=f"{rule.id} {t.title}") for rule in RULES for t in read_page(page(rule))]


def retold(timeline: Timeline) -> list[Arrival]:
    """The events of a timeline, each arriving when the one before it has."""
    recording: list[Arrival] = []
    now = 0
    for entry in timeline.entries:
        if isinstance(entry.record, Event):
            now = max(now, entry.record.fact.at)
            recording.append(Arrival(entry.customer, entry.record.fact, now - entry.record.fact.at))
    return recording


def recordings(max_delay: int = 0) -> st.SearchStrategy[list[Arrival]]:
    """Events of all types, or only of those that one rule listens to, where they meet more often."""
    vocabularies = [tuple(TYPES.values()), *(tuple(sorted(r.pattern.listens, key=str)) for r in CASES)]
    return st.sampled_from(vocabularies).flatmap(lambda types: arrivals(types, max_delay))


lawful = settings(
    deadline=None,
    max_examples=int(os.environ.get("LAWS", "75")),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def lines(alerts: Sequence[Alert]) -> list[str]:
    return [encode_alert(alert).decode() for alert in alerts]


@lawful
@given(recordings(LATENESS))
def test_the_same_input_gives_the_same_bytes(recording: list[Arrival]) -> None:
    first, second = play(Player(RULES), recording), play(Player(RULES), recording)
    assert lines(first.alerts) == lines(second.alerts)
    assert first.rows == second.rows
    assert not first.partition.counts.errors, "a rule may never raise"


@lawful
@given(recordings(LATENESS))
def test_every_event_delivered_twice_gives_the_same_alerts(recording: list[Arrival]) -> None:
    def again(player: Player, arrival: Arrival) -> None:
        player.feed(arrival.customer, Event(arrival.fact, (0, 0)))

    once, twice = play(Player(RULES), recording), play(Player(RULES), recording, again)
    assert lines(once.alerts) == lines(twice.alerts)
    assert once.rows == twice.rows


@lawful
@given(recordings())
def test_the_whole_recording_delivered_again_gives_no_more_alerts(recording: list[Arrival]) -> None:
    player = play(Player(RULES), recording)
    said = len(player.alerts)
    for arrival in recording:
        player.feed(arrival.customer, Event(arrival.fact, (0, 0)))
    assert lines(player.alerts[said:]) == []


@lawful
@given(recordings(LATENESS))
def test_state_put_away_and_taken_up_after_any_record_gives_the_same_alerts(recording: list[Arrival]) -> None:
    straight = play(Player(RULES), recording)
    resumed = play(Player(RULES), recording, lambda player, _: player.resume())
    assert lines(straight.alerts) == lines(resumed.alerts)
    assert straight.rows == resumed.rows


@lawful
@given(recordings(LATENESS), st.sampled_from((0, MINUTE, HOUR)), st.integers(1, 3))
def test_cases_close_alike_in_pieces_of_any_size_and_whenever_the_state_was_put_away(
    recording: list[Arrival], retention: int, size: int
) -> None:
    limits = Limits(retention_ms=retention, cases=2)
    straight = play(Player(RULES, limits=limits), recording)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(closing, "PIECE", size)
        small = play(Player(RULES, limits=limits), recording)
        resumed = play(Player(RULES, limits=limits), recording, lambda player, _: player.resume())
    assert lines(straight.alerts) == lines(small.alerts) == lines(resumed.alerts)
    assert straight.cases() == small.cases()
    assert small.rows == resumed.rows


@lawful
@given(st.lists(st.one_of(ticks(), recordings().map(lambda recording: recording[-1])), max_size=40))
def test_state_is_taken_up_whatever_the_feeds_did(records: list[Arrival | TickData]) -> None:
    straight, resumed = (Player(RULES, lateness=MINUTE, patience=HOUR) for _ in range(2))
    for record in records:
        for player in (straight, resumed):
            match record:
                case Arrival(customer, fact):
                    player.feed(customer, Event(fact, (0, 0)))
                case progress:
                    player.feed("", progress)
        resumed.resume()
        assert straight.partition.clocks.marks == resumed.partition.clocks.marks
        assert straight.partition.firing == resumed.partition.firing
    assert lines(straight.alerts) == lines(resumed.alerts)
    assert straight.rows == resumed.rows


@lawful
@given(recordings(LATENESS))
def test_what_a_case_waits_for_and_has_said_is_what_its_facts_come_to(recording: list[Arrival]) -> None:
    """The engine asks only the rules that an event can concern. Asking all of them anew must give the same."""

    def judged_anew(player: Player, _: Arrival) -> None:
        engine = player.partition._engine
        for key, case in player.cases().items():
            anew = Case(facts=case.facts, due={}, alerts={})
            who = who_of(key)
            engine._judge(who, anew, tuple(engine._watches[who.kind].values()), player.partition.clocks, Step())
            assert anew.due == case.due
            assert stands(anew.alerts.values()) == stands(case.alerts.values())

    play(Player(RULES, lateness=LATENESS), recording, judged_anew)


def stands(alerts: Iterable[Alert]) -> dict[str, tuple[object, ...]]:
    return {a.id: (a.phase, a.resolution, a.ends_at) for a in alerts if a.resolution != "retracted"}


@lawful
@given(recordings(LATENESS), st.sampled_from((1, 2, 3, 5, 8, 17)))
def test_what_a_case_waits_for_is_what_the_facts_come_to_that_a_cap_has_left(
    recording: list[Arrival], cap: int
) -> None:
    def judged_anew(player: Player, _: Arrival) -> None:
        for key, case in player.cases().items():
            anew = Case(facts=case.facts, due={}, alerts={})
            engine = player.partition._engine
            watches = engine._watches[who_of(key).kind].values()
            engine._judge(who_of(key), anew, watches, player.partition.clocks, Step())
            assert anew.due == case.due

    play(Player(RULES, lateness=LATENESS, limits=Limits(facts=cap)), recording, judged_anew)


@lawful
@given(recordings(LATENESS))
def test_batches_of_any_size_give_the_same_alerts(recording: list[Arrival]) -> None:
    small, large = play(Player(RULES), recording), Player(RULES)
    for arrival in sorted(recording, key=lambda a: a.fact.at + a.delay):
        large.partition.feed("", tick(arrival.fact.at + arrival.delay))
        large.partition.feed(arrival.customer, Event(arrival.fact, (0, 0)))
    large.feed("", tick(HORIZON))
    assert lines(small.alerts) == lines(large.alerts)
    assert small.rows == large.rows


_RETELL = """
import hashlib
from app.rules import RULES
from tests.recordings import Player, play
from tests.test_laws import STORIES, lines, retold
seen = hashlib.sha256()
for story in STORIES:
    player = play(Player(RULES), retold(story.values[0]))
    seen.update("".join(lines(player.alerts)).encode() + b"".join(k + v for k, v in player.rows.items()))
print(seen.hexdigest())
"""


def test_another_process_gives_the_same_bytes() -> None:
    """Sets of words have another order in each process: none may ever decide."""
    told = {
        subprocess.run(
            [sys.executable, "-c", _RETELL],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def standing(alerts: Sequence[Alert]) -> dict[str, tuple[object, ...]]:
    """What remains said of each breach in the end; a jeopardy that came to nothing, or what was retracted, is none."""
    last = {name: revisions[-1] for name, revisions in by_id(alerts).items()}
    return {
        name: (a.summary, a.subject.id, a.status, a.resolution, a.due, a.ends_at, a.late_seconds)
        for name, a in last.items()
        if a.resolution != "retracted" and a.phase == "breach"
    }


def verdicts(alerts: Sequence[Alert]) -> dict[str, tuple[object, ...]]:
    """What remains said of each breach, less the words."""
    return {name: verdict[1:] for name, verdict in standing(alerts).items()}


@lawful
@given(recordings(LATENESS))
def test_any_order_within_the_lateness_of_the_channels_gives_the_same_standing_alerts(recording: list[Arrival]) -> None:
    in_order = play(Player(RULES, lateness=LATENESS), [a._replace(delay=0) for a in recording])
    disordered = play(Player(RULES, lateness=LATENESS), recording)
    assert standing(in_order.alerts) == standing(disordered.alerts)


@lawful
@given(recordings(DAY))
def test_evidence_that_comes_too_late_corrects_what_was_said_to_what_it_should_have_been(
    recording: list[Arrival],
) -> None:
    in_time = play(Player(CASES), [a._replace(delay=0) for a in recording])
    too_late = play(Player(CASES), recording)
    assert verdicts(in_time.alerts) == verdicts(too_late.alerts)


@lawful
@given(recordings(), st.sampled_from((SECOND, MINUTE, HOUR)))
def test_ticks_of_any_granularity_give_the_same_revisions(recording: list[Arrival], step: int) -> None:
    coarse, fine = play(Player(CASES), recording), Player(CASES)
    heard = START
    for arrival in recording:
        for _ in range(200):  # fine enough to pass every window at its own moment, bounded for long gaps
            if heard >= arrival.fact.at:
                break
            heard = min(heard + step, arrival.fact.at)
            fine.partition.feed("", tick(heard))
        heard = arrival.fact.at
        fine.partition.feed("", tick(heard))
        fine.partition.feed(arrival.customer, Event(arrival.fact, (0, 0)))
    fine.feed("", tick(HORIZON))
    assert by_id(fine.alerts) == by_id(coarse.alerts)


@lawful
@given(recordings(LATENESS))
def test_an_alert_is_one_story_in_rising_revisions(recording: list[Arrival]) -> None:
    for revisions in by_id(play(Player(RULES), recording).alerts).values():
        assert [alert.revision for alert in revisions] == list(range(1, len(revisions) + 1))
        assert revisions[0].status == "firing"
        for alert in revisions:
            assert (alert.status == "resolved") == (alert.resolution is not None) == (alert.ends_at is not None)
            assert alert.evidence
            assert "?" not in f"{alert.summary}{alert.expected}{alert.action}"


@lawful
@given(recordings(2 * HOUR), st.integers(1, 6))
def test_state_is_bounded_and_what_the_cap_takes_is_counted(recording: list[Arrival], cap: int) -> None:
    player = play(Player(RULES, limits=Limits(facts=cap)), recording)
    cases = player.cases()
    assert all(len(case.facts) <= cap for case in cases.values())
    assert player.partition.counts.evicted["facts"] == sum(case.evicted for case in cases.values())


@lawful
@given(recordings(2 * HOUR), st.integers(1, 3))
def test_a_customer_has_no_more_open_cases_than_the_cap_and_what_it_takes_is_counted(
    recording: list[Arrival], cap: int
) -> None:
    player = play(Player(RULES, limits=Limits(cases=cap)), recording)
    free = play(Player(RULES), recording)
    open_cases = Counter(who_of(key).customer for key in player.cases())
    assert all(count <= cap for count in open_cases.values())
    if player.partition.counts.evicted["cases"] == 0:
        assert player.rows == free.rows
    else:
        assert len(free.cases()) > len(player.cases())


@lawful
@given(recordings(2 * HOUR))
def test_everything_closed_leaves_nothing_behind(recording: list[Arrival]) -> None:
    player = play(Player(RULES), recording)
    for days in range(60, 400, 60):
        player.feed("", tick(HORIZON + days * 24 * HOUR))
    assert set(player.rows) <= {JOURNAL, *(row_key("", "channel", channel) for channel in CHANNELS)}
    assert not player.partition.firing.total()


@lawful
@given(st.lists(st.lists(st.integers(START, START + HOUR), min_size=12, max_size=12), min_size=1, max_size=12))
def test_watermarks_never_go_back(heard: list[list[int]]) -> None:
    player = Player(RULES, lateness=MINUTE)
    clocks = player.partition.clocks
    before: dict[str, int] = {}
    for moments in heard:
        player.feed(
            "",
            TickData(
                tuple(msgspec.structs.replace(p, heard=h) for p, h in zip(tick(0).progress, moments, strict=True))
            ),
        )
        assert all(clocks.marks[channel] >= mark for channel, mark in before.items())
        before = dict(clocks.marks)
        player.resume()
        clocks = player.partition.clocks
        assert clocks.marks == before


@lawful
@given(recordings(LATENESS), st.data())
def test_what_was_said_is_not_taken_back_because_a_worker_found_the_feeds_changed(
    recording: list[Arrival], data: st.DataObject
) -> None:
    """Slower ones, or with one more topic that is still to be heard. Only late evidence takes back what was said."""
    moment = data.draw(st.sampled_from(recording))
    change = st.tuples(st.sampled_from(((), ("more",))), st.sampled_from((0, LATENESS, DAY)))
    changed = [Feed(f.channel, (*f.topics, *more), late) for f in all_feeds() for more, late in (data.draw(change),)]

    def restart(player: Player, arrival: Arrival) -> None:
        if arrival is moment:
            before = dict(player.partition.clocks.marks)
            said.update(alert.id for alert in player.alerts)
            player.resume(changed)
            assert player.partition.clocks.marks == before

    said: set[str] = set()
    straight, restarted = play(Player(RULES), recording), play(Player(RULES), recording, restart)
    assert retracted(restarted) & said <= retracted(straight)


def retracted(player: Player) -> set[str]:
    return {alert.id for alert in player.alerts if alert.resolution == "retracted"}


def _raises(fact: Fact) -> bool:
    raise LookupError("a rule of somebody else")


BROKEN = msgspec.structs.replace(
    RULES[0],
    id="H000",
    about="order",
    pattern=Response(trigger=tuple(On(data, where=_raises) for data in TYPES.values()), target=(), owed_by=("pickup",)),
)


@lawful
@given(recordings(LATENESS))
def test_a_rule_that_raises_is_counted_and_the_others_go_on(recording: list[Arrival]) -> None:
    alone, beside = play(Player(RULES), recording), play(Player([BROKEN, *RULES]), recording)
    assert lines(alone.alerts) == lines(beside.alerts)
    of_orders = [a for a in recording if subject_of("order", a.fact.data) is not None]
    assert beside.partition.counts.errors["H000"] == len(of_orders)


@pytest.mark.parametrize("timeline", STORIES)
def test_the_laws_hold_for_the_story_of_any_rule_told_to_all_rules(timeline: Timeline) -> None:
    recording = retold(timeline)
    told = play(Player(RULES), recording)

    def again(player: Player, arrival: Arrival) -> None:
        player.resume()
        player.feed(arrival.customer, Event(arrival.fact, (0, 0)))

    assert lines(told.alerts) == lines(play(Player(RULES), recording).alerts)
    assert lines(told.alerts) == lines(play(Player(RULES), recording, again).alerts)
    assert not told.partition.counts.errors
