"""Whatever becomes of a worker, each record has its effect once: on a broker that keeps transactions."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.runtime import EXIT_FAILED
from agents.runtime.failpoints import IN_RECOVERY, POINTS
from tests.brokers import Broker
from tests.kafka.runtime_bench import PARTITIONS, Toy, Verdict
from tests.kafka.runtime_toy import TICK

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def toy(transactional_broker: Broker, tmp_path: Path) -> Iterator[Toy]:
    toy = Toy(transactional_broker, tmp_path)
    yield toy
    toy.kill_all()


def counted_once(toy: Toy) -> bool:
    return toy.verdict() == Verdict(distinct=toy.produced, repeated=0, wrong_keys=0)


@pytest.mark.parametrize("point", [point for point in POINTS if point != IN_RECOVERY])
def test_a_crash_at_any_step_of_a_batch_loses_and_repeats_nothing(toy: Toy, point: str) -> None:
    crashed = toy.start(crash_at=f"{point}:3")
    while crashed.poll() is None:
        toy.produce(200)
        time.sleep(0.1)
    assert crashed.returncode == 137
    toy.start()
    toy.wait(toy.drained)
    assert counted_once(toy)


def test_a_crash_while_recovering_leaves_state_that_can_be_recovered(toy: Toy) -> None:
    toy.produce(2_000)
    toy.start(0)
    toy.wait(toy.drained)
    assert toy.stop(0) == 0
    assert toy.start(1, crash_at=IN_RECOVERY).wait(30) == 137
    toy.produce(1_000)
    toy.start(1)
    toy.wait(toy.drained)
    assert counted_once(toy)


def test_a_worker_that_was_frozen_past_its_session_does_not_repeat_what_its_heir_did(toy: Toy) -> None:
    frozen = toy.start(0)
    toy.produce(500)
    toy.wait(toy.drained)
    toy.produce(5_000)
    frozen.send_signal(signal.SIGSTOP)
    toy.start(1)
    toy.wait(toy.drained)
    toy.produce(500)
    frozen.send_signal(signal.SIGCONT)
    toy.produce(500)
    toy.wait(toy.drained, keep=True)
    assert counted_once(toy)


def test_a_second_worker_with_the_same_directory_ends_and_says_so(toy: Toy) -> None:
    toy.start(0)
    toy.produce(100)
    toy.wait(toy.drained)
    (toy.home / "worker-1").symlink_to(toy.data_dir(0))
    assert toy.start(1).wait(30) == EXIT_FAILED
    assert "is in use by another process" in toy.log(1)


def test_state_ahead_of_a_changelog_made_anew_is_put_aside(toy: Toy) -> None:
    toy.produce(1_000)
    toy.start()
    toy.wait(toy.drained)
    assert toy.stop() == 0
    toy.remake(toy.changelog)
    toy.produce(100)
    toy.start()
    toy.wait(toy.drained)
    assert "but the changelog ends at 0" in toy.log()


def test_state_of_a_changelog_that_was_made_anew_is_put_aside_though_the_new_one_is_longer(toy: Toy) -> None:
    toy.produce(1_000, keys=1_000)
    toy.start(0)
    toy.wait(toy.drained)
    assert toy.stop(0) == 0
    toy.remake(toy.changelog)
    toy.produce(3_000, keys=10**9)
    toy.start(1)
    toy.wait(toy.drained)
    assert toy.stop(1) == 0
    toy.produce(1_000, keys=1_000)
    toy.start(0)
    toy.wait(toy.drained)
    assert "it is of another changelog" in toy.log(0)
    told = Counter(int(value.split(b":")[2]) for _, _, _, value in toy.read("out"))
    assert told == {1: 5_000}, "rows of the former changelog are still there"


def test_state_is_not_taken_for_whole_while_a_transaction_hangs_open_in_its_changelog(toy: Toy) -> None:
    toy.start()
    toy.produce(500)
    toy.wait(toy.drained)
    hanging = Producer({"bootstrap.servers": toy.broker.bootstrap, "transactional.id": f"another-{toy.run_id}"})
    hanging.init_transactions(30)
    hanging.begin_transaction()
    for partition in range(PARTITIONS):
        hanging.produce(toy.changelog, b"v", b"hanging", partition)
    assert hanging.flush(30) == 0
    toy.produce(500)
    toy.wait(toy.drained)
    assert toy.stop() == 0
    toy.produce(500)
    toy.start()
    time.sleep(5)
    hanging.abort_transaction(30)
    toy.wait(toy.drained)
    assert counted_once(toy)
    assert "is put aside" not in toy.log()


def test_partitions_that_were_added_while_a_static_member_was_away_are_read_when_it_is_back(toy: Toy) -> None:
    toy.start(instance="one")
    toy.produce(500)
    toy.wait(toy.drained)
    assert toy.stop() == 0
    toy.grow(2 * PARTITIONS)
    toy.start(instance="one")
    toy.produce(500)
    toy.wait(toy.drained, seconds=30)


SEEDS = range(int(os.environ.get("HANDOFF_FAULT_SEEDS", "2")))


@pytest.mark.faults
@pytest.mark.parametrize("seed", SEEDS)
def test_kills_stops_and_freezes_at_random_moments_lose_and_repeat_nothing(toy: Toy, seed: int) -> None:
    torment(toy, random.Random(seed))
    toy.wait(toy.drained, seconds=90, keep=True)
    assert counted_once(toy)


@pytest.mark.faults
@pytest.mark.parametrize("seed", SEEDS)
def test_no_tick_ever_vouches_for_what_was_not_passed_on_whatever_happens(
    transactional_broker: Broker, tmp_path: Path, seed: int
) -> None:
    toy = Toy(transactional_broker, tmp_path, "passer")
    try:
        torment(toy, random.Random(seed))
        toy.wait(lambda: len(first_passed(toy)) == toy.produced, seconds=90, keep=True)
        assert false_ticks(toy) == []
    finally:
        toy.kill_all()


def torment(toy: Toy, chance: random.Random) -> None:
    """Two workers under load for 45 s, one of which is killed, stopped or frozen every few seconds."""
    toy.start(0)
    toy.start(1)
    ends = time.monotonic() + 45
    next_fault = time.monotonic() + 6
    while time.monotonic() < ends:
        toy.produce(300)
        time.sleep(0.1)
        toy.restart_ended()
        if time.monotonic() > next_fault:
            fault(toy.workers[chance.randrange(2)], chance)
            next_fault = time.monotonic() + chance.uniform(2, 7)


def fault(process: "subprocess.Popen[bytes]", chance: random.Random) -> None:
    """Kills, stops or freezes a worker; a freeze lasts longer than its session."""
    sign = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
    process.send_signal(sign)
    if sign == signal.SIGSTOP:
        time.sleep(9)
        process.send_signal(signal.SIGCONT)


def first_passed(toy: Toy) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Where each input record first came out: by origin partition and offset, the partition, offset and its time."""
    first: dict[tuple[int, int], tuple[int, int, int]] = {}
    for partition, at, key, value in toy.read("out"):
        if key != TICK:
            origin, offset, moment = map(int, value.split(b":"))
            first.setdefault((origin, offset), (partition, at, moment))
    return first


def false_ticks(toy: Toy) -> list[tuple[int, int]]:
    """Ticks after which, in the same partition, a record came out for the first time that they had vouched for."""
    arrivals = [(partition, at, origin, moment) for (origin, _), (partition, at, moment) in first_passed(toy).items()]
    vouched = [(p, at, *map(int, value.split(b":"))) for p, at, key, value in toy.read("out") if key == TICK]
    latest: dict[tuple[int, int], int] = {}
    wrong = []
    for partition, at, kind, origin, moment in sorted(
        [(p, at, 0, origin, moment) for p, at, origin, moment in vouched]
        + [(p, at, 1, origin, moment) for p, at, origin, moment in arrivals]
    ):
        if kind == 0:
            latest[partition, origin] = max(moment, latest.get((partition, origin), 0))
        elif moment < latest.get((partition, origin), 0):
            wrong.append((partition, at))
    assert len(latest) == 16
    return wrong
