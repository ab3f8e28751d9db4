"""The simulated day: what is broken in it is found, and nothing else; the same seed gives the same day."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import msgspec
import pytest

import app.simulate
from app.channels import Canonical, Channels, Refused, Skipped
from app.compose import detector
from app.core.linking import Linking
from app.core.partition import Partition
from app.replay import Options, replay
from app.replay.player import gone_on
from app.replay.sources import item_of
from app.rules import RULES
from app.simulate import CANONICAL_LOG, Day, Label, RuleScore, Score, Sent, Truth, check, tables
from app.simulate.command import command
from schemas.alerts import Alert, Subject
from schemas.codec import TickData, to_time
from schemas.events import CHANNELS, TYPES
from schemas.state import Progress

SECOND, MINUTE = 1000, 60_000


class Run:
    """A day as a live worker would see it: every topic is read without delay, and a tick follows every so often."""

    def __init__(self, day: Day, every_ms: int) -> None:
        self.day, self.every_ms = day, every_ms
        self.channels = Channels(tables())
        self.links = Linking()
        self._rows: dict[bytes, bytes] = {}
        self.partition: Partition = detector(RULES, day.feeds).partition(0, self._rows.get)
        self.alerts: list[Alert] = []
        self.types: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._spoke: dict[str, int] = {}
        self._offset = 0

    def play(self) -> "Run":
        tick = self.day.start_ms
        for sent in self.day.records():
            while sent.sent_ms > tick:
                self._tick(tick)
                tick += self.every_ms
            self._take(sent)
        while tick <= self.day.end_ms:
            self._tick(tick)
            tick += self.every_ms
        return self

    def _take(self, sent: Sent) -> None:
        self._offset += 1
        for found in self.channels.translate(sent.topic, sent.value, (), (sent.topic, 0, self._offset), sent.sent_ms):
            if isinstance(found, Refused):
                self.rejects[sent.topic] += 1
            elif isinstance(found, Skipped):
                self.skipped[sent.topic] += 1
            else:
                self._feed(sent.topic, found)

    def _feed(self, topic: str, found: Canonical) -> None:
        self._spoke[topic] = max(self._spoke.get(topic, 0), found.at)
        self.types[type(found.event.fact.data).__struct_config__.tag] += 1
        for customer, event in gone_on(self.links.take, item_of(found)):
            self.partition.feed(customer, event)

    def _tick(self, now: int) -> None:
        self.partition.feed("", TickData(tuple(self._progress(now))))
        work = self.partition.flush()
        self.alerts += work.alerts
        for key, row in work.rows.items():
            self._rows.pop(key, None) if row is None else self._rows.update({key: row})

    def _progress(self, now: int) -> Iterator[Progress]:
        for feed in self.day.feeds:
            for topic in feed.topics:
                heard = self.links.held(feed.channel, now)
                yield Progress(feed.channel, topic, 0, 1, heard, self._spoke.get(topic))

    def score(self) -> Score:
        return check(self.day.truth.labels, self.alerts)


def explained(score: Score) -> str:
    """The difference, so that a failing run says what is missed and what is false."""
    return "\n".join([f"missed {label}" for label in score.missed] + [f"false  {label}" for label in score.false])


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(Day(customers=400, seed=1), every_ms=20 * SECOND).play()


def test_every_breach_is_found_and_nothing_else(run: Run) -> None:
    score = run.score()
    assert score.perfect, explained(score)
    assert score.found == len(run.day.truth.labels)


def test_every_alarm_that_was_wrong_has_been_raised_and_taken_back(run: Run) -> None:
    assert run.score().spared == 0
    assert any(label.outcome == "retracted" for label in run.day.truth.labels)


BROKEN = (
    *(f"H1{number:02}" for number in range(1, 13)),
    *("H201", "H202", "H203"),
    *(f"H30{number}" for number in range(1, 6)),
    *("H401", "H402", "H403"),
    "H501",
)
"""The rules that the day breaks at least; a new one may be broken too, or be proven by its page alone."""


def test_every_rule_is_broken_and_every_end_is_seen(run: Run) -> None:
    broken = {label.rule for label in run.day.truth.labels}
    assert set(BROKEN) <= broken <= {rule.id for rule in RULES}
    assert {label.outcome for label in run.day.truth.labels} == {"firing", "late", "averted", "retracted", "cancelled"}


def test_all_event_types_occur_on_all_channels(run: Run) -> None:
    assert set(run.types) == set(TYPES)
    assert {feed.channel for feed in run.day.feeds} == set(CHANNELS) == set(run.partition.counts.events)


def test_what_cannot_be_read_is_rejected_and_what_nobody_needs_is_skipped(run: Run) -> None:
    truth = run.day.truth
    assert (run.rejects, run.skipped) == (truth.rejects, truth.skipped)
    assert sum(truth.rejects.values()) >= 20
    assert not run.partition.counts.errors


def test_every_event_is_counted_once_however_often_it_is_sent(run: Run) -> None:
    truth = run.day.truth
    assert run.types.total() == truth.events + truth.repeated
    assert truth.repeated > 0
    assert run.partition.counts.late.total() >= truth.late > 0


@pytest.mark.parametrize(("seed", "every_ms"), [(2, MINUTE), (3, 5 * MINUTE), (4, 30 * MINUTE)])
def test_however_far_apart_the_ticks_are_the_same_is_found(seed: int, every_ms: int) -> None:
    run = Run(Day(customers=500, seed=seed), every_ms).play()
    assert run.score().perfect, explained(run.score())
    assert run.score().spared == 0


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    first, second, other = (list(Day(50, seed).records()) for seed in (7, 7, 8))
    assert first == second
    assert [sent.value for sent in first] != [sent.value for sent in other]


def test_records_come_in_the_order_of_sending_and_none_before_it_happened() -> None:
    records = list(Day(200, 5).records())
    assert all(one.sent_ms <= two.sent_ms for one, two in pairwise(records))
    assert all(sent.at_ms <= sent.sent_ms <= Day(1).end_ms for sent in records)


def test_records_are_drawn_lazily() -> None:
    day = Day(1_000_000)
    assert [sent.topic for sent in islice(day.records(), 3)]
    assert day.truth.events < 1000


def test_the_same_truth_lies_behind_every_way_to_write_a_day_down() -> None:
    live, log = Day(300, 6), Day(300, 6, CANONICAL_LOG)
    assert sum(1 for _ in live.records()) == sum(1 for _ in log.records())
    assert live.truth.labels == log.truth.labels
    assert live.truth.events == log.truth.events


def test_the_example_is_what_the_simulator_speaks() -> None:
    own = Path(app.simulate.__file__).parent / "channels.toml"
    assert Path("deploy/examples/retailer/channels.toml").read_bytes() == own.read_bytes()


def test_the_command_writes_a_recording_that_replay_reads(tmp_path: Path) -> None:
    said: list[Alert] = []
    command(out=tmp_path / "day", customers=300, seed=3, labels=tmp_path / "truth.json", form="topics")
    report = replay(Options(paths=(tmp_path / "day",), channels=Channels(tables())), said.append)
    truth = msgspec.json.decode((tmp_path / "truth.json").read_bytes(), type=Truth)
    score = check(truth.labels, said)
    assert score.perfect, explained(score)
    assert report.events["rejected"] == sum(truth.rejects.values())
    assert report.events["skipped"] == sum(truth.skipped.values())


def test_the_command_writes_canonical_events(tmp_path: Path) -> None:
    said: list[Alert] = []
    command(out=tmp_path / "day.jsonl", customers=300, seed=3, labels=tmp_path / "truth.json", form="canonical")
    replay(Options(paths=(tmp_path / "day.jsonl",), order="time"), said.append)
    truth = msgspec.json.decode((tmp_path / "truth.json").read_bytes(), type=Truth)
    # Without channels.toml no feed has a patience, and none is silent.
    score = check([label for label in truth.labels if label.rule != "H501"], said)
    assert score.perfect, explained(score)


def alert(revision: int = 1, **fields: object) -> Alert:
    alert = Alert(
        id="a1",
        revision=revision,
        status="firing",
        phase="breach",
        rule="H101",
        rule_version=1,
        name="order-not-visible",
        severity="critical",
        customer="c1",
        subject=Subject("order", "o1"),
        episode="s1",
        audience="pickup desk",
        summary="",
        expected="",
        due=to_time(0),
        action="",
        runbook="",
        starts_at=to_time(0),
    )
    return msgspec.structs.replace(alert, **fields)


FIRING = Label("H101", "order", "o1", "c1", "firing")
LATE = Label("H101", "order", "o1", "c1", "late")
RETRACTED = Label("H101", "order", "o1", "c1", "retracted")


def test_a_breach_without_an_alert_is_missed_and_an_alert_without_a_breach_is_false() -> None:
    assert check([FIRING], []).missed == (FIRING,)
    assert check([], [alert()]).false == (FIRING,)
    assert check([FIRING], [alert()]).rules == {"H101": RuleScore(found=1)}


def test_only_the_last_revision_counts() -> None:
    late = alert(revision=2, status="resolved", resolution="late")
    assert check([LATE], [late, alert()]).perfect
    assert check([FIRING], [alert(), late]).false == (LATE,)


def test_an_alarm_that_would_have_been_taken_back_may_be_spared_but_not_left_standing() -> None:
    assert (check([RETRACTED], []).found, check([RETRACTED], []).spared) == (1, 1)
    assert check([RETRACTED], [alert()]).false == (FIRING,)
    assert check([], [alert(revision=2, status="resolved", resolution="retracted")]).false == (RETRACTED,)


def test_a_breach_that_is_told_twice_is_false_once() -> None:
    assert check([FIRING], [alert(), alert(id="a2")]).false == (FIRING,)
