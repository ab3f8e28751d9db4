"""Whatever becomes of the workers of the whole product, nothing is lost and nothing is said twice.

The long form is `make test-faults` (`tests.faults.campaign`).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from agents.runtime.failpoints import AFTER_COMMIT, AFTER_OUTPUTS, IN_RECOVERY, POINTS
from tests.brokers import Broker
from tests.faults.campaign import Round, Setting, finish, percentile, plan, play_round, total
from tests.faults.fleet import Fleet
from tests.faults.kinds import KINDS, damage
from tests.faults.steady import Steady
from tests.faults.verdict import Verdict, compare, judge
from tests.kafka.live import Live, open_live
from tests.kafka.recorded_day import Recording, morning

SHORT = ("kill", "freeze", "moved, disk corrupted", "stop", "join", "moved, disk wiped")
CRASHES = (12, 25)
"""How often a failpoint is passed before the worker's first crash and, after that, before its second."""
LONG_S = 300.0
"""For a morning and the crashes in it, on a machine that has other things to do."""


@pytest.fixture
def live(transactional_broker: Broker, tmp_path: Path) -> Iterator[Live]:
    with open_live(transactional_broker, tmp_path, start_ms=Recording().start_ms) as opened:
        yield opened


def play(fleet: Fleet, recording: Recording, rate: float) -> Verdict:
    """Plays a recording to its end through workers that have been started."""
    steady = Steady(fleet.live, recording, fleet.settled, rate)
    steady.start()
    try:
        fleet.wait(lambda: steady.done, LONG_S)
        finish(fleet, steady)
        return judge(fleet.live, recording)
    finally:
        steady.close()
        fleet.close()


def in_ci(point: str) -> object:
    """Two failpoints are tried with every change, the others with the fault tests."""
    return point if point in {AFTER_OUTPUTS, AFTER_COMMIT} else pytest.param(point, marks=pytest.mark.faults)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("point", [in_ci(point) for point in POINTS if point != IN_RECOVERY])
def test_a_worker_that_crashes_at_any_step_of_a_batch_says_everything_once(live: Live, point: str) -> None:
    fleet = Fleet(live)
    worker = fleet.add()
    worker.crashes.extend(f"{point}:{passes}" for passes in CRASHES)
    worker.start()
    verdict = play(fleet, morning(), rate=60)
    assert fleet.ends == {137: len(CRASHES)}
    assert verdict.alerts > 20
    assert verdict.perfect, verdict


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.faults
def test_a_worker_that_crashes_while_it_reads_its_state_back_says_everything_once(live: Live) -> None:
    fleet, recording = Fleet(live), morning()
    first = fleet.add()
    first.start()
    steady = Steady(live, recording, fleet.settled, rate=60)
    steady.start()
    try:
        fleet.wait(lambda: steady.sent > len(recording.records) / 2)
        first.end(SIGKILL)
        heir = fleet.heir(first, disk=False)
        heir.crashes.extend(f"{IN_RECOVERY}:{passes}" for passes in (1, 2))
        heir.start()
        fleet.wait(lambda: steady.done, LONG_S)
        finish(fleet, steady)
    finally:
        steady.close()
        fleet.close()
    assert fleet.ends == {137: 2}
    verdict = judge(live, recording)
    assert verdict.perfect, verdict


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.faults
def test_two_workers_under_six_faults_say_everything_once(transactional_broker: Broker, tmp_path: Path) -> None:
    faults = [*SHORT[:5], "broker" if transactional_broker.restartable else SHORT[5]]
    one = play_round(transactional_broker, tmp_path, Setting(2, static=False), faults, morning(14), seed=4)
    assert [kind for kind, _ in one.recoveries] == faults
    assert one.verdict.perfect, one.verdict


def alert(name: str, revision: int, status: str = "firing") -> bytes:
    return json.dumps({"id": name, "revision": revision, "status": status}).encode()


def test_what_was_said_as_both_oracles_have_it_is_perfect() -> None:
    lines = [alert("a", 1), alert("a", 2, "resolved"), alert("b", 1)]
    verdict = compare(lines, lines, lines)
    assert verdict.perfect
    assert (verdict.alerts, verdict.revisions, verdict.retold) == (2, 3, 0)


def test_a_revision_said_twice_is_doubled_even_in_the_same_words() -> None:
    lines = [alert("a", 1), alert("b", 1)]
    assert compare([*lines, lines[0]], lines, lines).doubled == ["a revision 1"]


def test_an_alert_or_a_revision_that_nobody_heard_is_missing() -> None:
    lines = [alert("a", 1), alert("a", 2, "resolved"), alert("b", 1)]
    assert compare(lines[1:], lines, lines).missing == ["a revision 1"]
    assert compare(lines[:1], lines, lines).missing == ["a", "a revision 2", "b", "b revision 1"]


def test_what_ingest_lost_is_missing_although_the_log_does_not_know_of_it() -> None:
    assert compare([], [], [alert("a", 1)]).missing == ["a"]


def test_what_neither_replay_nor_log_knows_is_extra() -> None:
    assert compare([alert("a", 1)], [], []).extra == ["a", "a revision 1"]


def test_the_same_end_by_another_way_is_only_told_otherwise() -> None:
    way = [alert("a", 1), alert("a", 2, "resolved")]
    verdict = compare(way, way, [alert("a", 1, "resolved")])
    assert verdict.perfect
    assert verdict.retold == 1


def test_a_plan_has_each_kind_of_fault_as_often_as_any_other() -> None:
    faults = plan(56, random.Random(1))
    assert len(faults) == 56
    assert {faults.count(kind) for kind in KINDS} == {6, 7}
    assert faults == plan(56, random.Random(1)) != plan(56, random.Random(2))


def test_the_total_of_a_campaign_is_one_line() -> None:
    missed = Verdict(alerts=3, revisions=4, missing=["a"], extra=[], doubled=["b revision 1", "c revision 2"], retold=0)
    rounds = [
        Round(Setting(1, static=False), missed, [("kill", 2.0), ("stop", 1.0)]),
        Round(Setting(2, static=True), missed._replace(missing=[], doubled=[]), [("kill", 6.0)]),
    ]
    assert total(rounds) == "faults 3 missing 1 extra 0 doubled 2 recovery median 2.0 s p95 6.0 s"


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([], 0.95) == 0.0


def test_a_damaged_disk_differs_in_a_file_of_each_store(tmp_path: Path) -> None:
    files = [tmp_path / "journeys-0" / "000004.log", tmp_path / "journeys-1" / "MANIFEST-000005"]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(bytes(2_000))
    damage(tmp_path, random.Random(3))
    assert all(file.read_bytes() != bytes(2_000) for file in files)
