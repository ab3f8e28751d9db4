"""A worker of the runtime does its work on whatever broker there is, stops in order, and goes on where it was."""

import asyncio
import json
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Consumer

from agents.runtime import EXIT_FAILED
from tests.agents.runtime.records import Latin
from tests.brokers import Broker
from tests.kafka.runtime_bench import PARTITIONS, Toy, free_port
from tests.kafka.runtime_toy import TICK

pytestmark = pytest.mark.kafka


@pytest.fixture
def counter(broker: Broker, tmp_path: Path) -> Iterator[Toy]:
    toy = Toy(broker, tmp_path, "counter")
    yield toy
    toy.kill_all()


@pytest.fixture
def passer(broker: Broker, tmp_path: Path) -> Iterator[Toy]:
    toy = Toy(broker, tmp_path, "passer")
    yield toy
    toy.kill_all()


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_every_record_is_counted_once_over_an_orderly_restart(counter: Toy) -> None:
    counter.produce(2_000)
    counter.start()
    counter.wait(counter.drained)
    assert counter.stop() == 0
    counter.produce(2_000)
    counter.start()
    counter.wait(counter.drained)
    verdict = counter.verdict()
    assert (verdict.distinct, verdict.repeated, verdict.wrong_keys) == (4_000, 0, 0)


def test_state_on_a_lost_disk_is_read_back_from_the_changelog(counter: Toy) -> None:
    counter.produce(2_000)
    counter.start()
    counter.wait(counter.drained)
    assert counter.stop() == 0
    shutil.rmtree(counter.data_dir())
    counter.produce(1_000)
    counter.start()
    counter.wait(counter.drained)
    assert counter.verdict().wrong_keys == 0


def test_state_that_cannot_be_opened_is_put_aside_and_read_back(counter: Toy) -> None:
    counter.produce(2_000)
    counter.start()
    counter.wait(counter.drained)
    assert counter.stop() == 0
    for current in counter.data_dir().glob("counts-*/CURRENT"):
        current.write_bytes(b"no manifest has this name")
    counter.produce(1_000)
    counter.start()
    counter.wait(counter.drained)
    assert counter.verdict().wrong_keys == 0
    assert counter.log().count("is put aside") == 4


def test_a_lone_record_is_not_held_back(counter: Toy) -> None:
    counter.start()
    counter.produce(1)
    counter.wait(counter.drained)
    counter.produce(1)
    counter.wait(counter.drained, seconds=3)


def test_a_stopped_worker_ends_in_less_than_five_seconds_with_work_left(counter: Toy) -> None:
    counter.start()
    counter.produce(100)
    counter.wait(counter.drained)
    counter.produce(20_000)
    process = counter.workers[0]
    process.terminate()
    assert process.wait(5) == 0


def test_health_tells_of_work_and_metrics_of_what_was_done(counter: Toy) -> None:
    port = free_port()
    counter.produce(500)
    counter.start(port=port)
    counter.wait(counter.drained)
    status, body = get(port, "/readyz")
    assert status == 200
    assert json.loads(body) == {"ready": True, "partitions": {"counter": 4}}
    assert get(port, "/livez") == (200, "ok\n")
    metrics = get(port, "/metrics")[1]
    assert 'handoff_records_total{agent="counter"} 500.0' in metrics
    assert f'handoff_lag_records{{topic="in-{counter.run_id}"}} 0.0' in metrics
    assert 'handoff_recovery_left_records{table="counts"} 0.0' in metrics


def passed(toy: Toy) -> list[tuple[int, int, int]]:
    """What a passer sent: the partition it went to, the one it came from, and its offset there."""
    records = [(p, value.split(b":")) for p, _, key, value in toy.read("out") if key != TICK]
    return [(partition, int(origin), int(offset)) for partition, (origin, offset, _) in records]


def test_a_stage_passes_everything_on_in_the_order_of_its_origin(passer: Toy) -> None:
    passer.produce(3_000)
    passer.start()
    passer.wait(lambda: len(passed(passer)) >= 3_000)
    offsets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for partition, origin, offset in passed(passer):
        offsets[partition, origin].append(offset)
    assert all(told == sorted(told) for told in offsets.values())
    assert sum(len(set(told)) for told in offsets.values()) == 3_000


async def send_a_strange_header(toy: Toy) -> None:
    """To the end of each partition of the input: a record with a header whose name is no UTF-8."""
    producer = AIOKafkaProducer(bootstrap_servers=toy.broker.bootstrap)
    await producer.start()
    for partition in range(PARTITIONS):
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 16_384)
        batch.append(timestamp=1, key=b"k", value=b"v", headers=[(Latin("café"), b"1")])
        await (await producer.send_batch(batch, toy.source, partition=partition))
    await producer.stop()
    toy.produced += PARTITIONS


def test_a_header_in_another_encoding_stops_nothing(passer: Toy) -> None:
    passer.produce(500)
    asyncio.run(send_a_strange_header(passer))
    passer.produce(500)
    passer.start()
    passer.wait(lambda: len(passed(passer)) >= passer.produced, seconds=30)
    assert len(set(passed(passer))) == passer.produced
    assert "worker ends" not in passer.log()


def test_ticks_vouch_for_every_partition_that_is_read_to_its_end_and_only_rise(passer: Toy) -> None:
    def ticks() -> list[tuple[int, list[bytes]]]:
        return [(p, value.split(b":")) for p, _, key, value in passer.read("out") if key == TICK]

    passer.start()
    passer.produce(100)
    passer.wait(lambda: len({(p, origin) for p, (origin, _) in ticks()}) == 16)
    seen = len(ticks())
    passer.wait(lambda: len(ticks()) > seen + 32)
    told: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for partition, (origin, moment) in ticks():
        told[partition, origin].append(int(moment))
    assert all(moments == sorted(moments) and moments[0] < moments[-1] for moments in told.values())


def test_records_deleted_before_they_are_read_end_the_worker_and_are_told_of(passer: Toy) -> None:
    if not passer.broker.transactions:
        pytest.skip("the embedded broker deletes no records")
    worker = passer.start()
    passer.produce(100)
    passer.wait(lambda: len(passed(passer)) >= 100)
    worker.send_signal(signal.SIGSTOP)
    for _ in range(2):  # what is there first answers the fetch that waits, and so has been read
        passer.produce(200)
        time.sleep(0.5)
    passer.delete_records()
    worker.send_signal(signal.SIGCONT)
    assert worker.wait(30) == EXIT_FAILED
    assert "records were deleted before they were read, or the topic was made anew" in passer.log()
    sent = len(passed(passer))
    passer.start()
    passer.produce(100)
    passer.wait(lambda: len(passed(passer)) >= sent + 100)
    assert "were deleted before they were read" in passer.log().rpartition("worker ends")[2].partition("\n")[2]


def test_two_workers_share_the_partitions_and_lose_nothing_when_one_leaves(counter: Toy) -> None:
    counter.start(0)
    counter.start(1)
    counter.produce(2_000)
    counter.wait(lambda: "has taken over" in counter.log(0) and "has taken over" in counter.log(1))
    counter.produce(2_000)
    counter.wait(counter.drained)
    assert counter.stop(0) == 0
    counter.produce(2_000)
    counter.wait(counter.drained)
    assert counter.verdict().wrong_keys == 0
    assert counter.verdict().repeated == 0


def test_a_worker_whose_port_is_taken_ends_and_says_so(counter: Toy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert counter.start(port=port).wait(30) == EXIT_FAILED
    assert f"worker ends: health and metrics cannot be served on 127.0.0.1:{port}: " in counter.log()


def test_a_worker_that_the_group_refuses_ends_at_once_and_says_so(counter: Toy) -> None:
    if not counter.broker.transactions:
        pytest.skip("the embedded broker takes any member")
    group = f"toy-{counter.run_id}"
    other = Consumer({"bootstrap.servers": counter.broker.bootstrap, "group.id": group})
    other.subscribe([counter.source])
    while not other.assignment():
        other.poll(0.2)
    worker = counter.start()
    until = time.monotonic() + 20
    while worker.poll() is None and time.monotonic() < until:
        other.poll(0.2)
    other.close()
    assert worker.poll() == EXIT_FAILED
    assert f"worker ends: the group {group} refuses this worker: InconsistentGroupProtocolError" in counter.log()


def test_a_worker_told_to_stop_while_it_waits_for_the_group_ends_in_order_or_says_why_not(counter: Toy) -> None:
    counter.start(0)
    counter.produce(100)
    counter.wait(counter.drained)
    counter.kill_all()
    joining = counter.start(1)  # the group waits for the dead one until its session has ended
    while "NoRecovery" not in counter.log(1) and joining.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    joining.terminate()
    why = "worker ends: it was told to stop and had not stopped after 4.5 s"
    assert (joining.wait(30), why in counter.log(1)) in {(0, False), (EXIT_FAILED, True)}
