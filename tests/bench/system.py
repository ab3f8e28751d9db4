"""A system under measurement: its topics, its one worker process, and how far and at what cost that has come.

How far a worker has come is what its consumer group has committed, asked of the broker ten times a second; what it cost
is the CPU time of its process, all threads, as the kernel counts it at the same moments. Both are read from outside:
the worker does nothing for being measured. Rates are taken between the first and the last change of what is committed,
so starting up counts for nothing.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from agents.demo.worker import CHANNELS, CLOCK, SETTINGS
from agents.topics import partitions_of, policy
from app.config import ChannelTables, Settings, load_settings
from app.config.files import write_toml
from schemas.topics import ALERTS, EVENTS, own_topics
from tests.bench.workload import PARTITIONS, Message
from tests.brokers import Broker
from tests.kafka.live import create, delete

_LOOK_EVERY_S = 0.1
_ANY_PARTITION = -1
_SETTLED_S = 15.0
"""The last tick of a backfill judges whatever the day left: seconds in which nothing is committed."""
_LIMIT_S = 900.0


class Sample(NamedTuple):
    """A worker at one moment."""

    at: float
    done: int
    """Records committed of the measured topic."""
    cpu_s: float
    broker_cpu_s: float


class Cost(NamedTuple):
    """What some events took."""

    events: float
    wall_s: float
    cpu_s: float
    broker_cpu_s: float = 0.0
    rss_mb: float = 0.0

    def as_result(self) -> dict[str, object]:
        """As it stands in the results."""
        return {
            "events_per_s": round(self.events / self.wall_s),
            "events_per_cpu_s": round(self.events / self.cpu_s),
            "broker_cpu_share": round(self.broker_cpu_s / self.wall_s, 2),
            "rss_max_mb": round(self.rss_mb),
        }


class Group:
    """What a consumer group has committed, and where topics end."""

    def __init__(self, broker: Broker, name: str) -> None:
        common = {"bootstrap.servers": broker.bootstrap, "enable.auto.commit": False, "log_level": 0}
        self._consumer = Consumer(common | {"group.id": name, "isolation.level": "read_uncommitted"})

    def committed(self, topic: str) -> int:
        """Offsets committed, over all partitions."""
        return sum(max(0, at.offset) for at in self._consumer.committed(_places(topic), timeout=20))

    def ends(self, topic: str) -> int:
        """Where the topic ends, over all partitions."""
        return sum(self._consumer.get_watermark_offsets(at, timeout=20)[1] for at in _places(topic))

    def close(self) -> None:
        self._consumer.close()


def _places(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, partition) for partition in range(PARTITIONS)]


def write(broker: Broker, messages: Iterable[Message]) -> int:
    """Writes records, lz4-compressed; returns how many have a key, as all but ticks do.

    Their timestamps are of the writing: the broker would soon delete records as old as the simulated day.
    """
    settings = {"linger.ms": 50, "compression.type": "lz4", "partitioner": "murmur2_random", "acks": "all"}
    limits = {"queue.buffering.max.messages": 200_000, "batch.num.messages": 10_000}
    producer = Producer({"bootstrap.servers": broker.bootstrap, **settings, **limits})
    failed: list[object] = []
    keyed = 0

    def delivered(error: object, _message: object) -> None:
        failed.extend(() if error is None else (error,))

    for message in messages:
        partition = _ANY_PARTITION if message.partition is None else message.partition
        while True:
            try:
                producer.produce(message.topic, message.value, message.key, partition, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        keyed += message.key is not None
        if keyed % 1_000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    assert not left + len(failed), f"the broker does not take the records: {failed[:1]}"
    return keyed


class Setup:
    """One worker's configuration in a folder of its own."""

    def __init__(
        self,
        broker: Broker,
        folder: Path,
        tables: ChannelTables,
        now_ms: int,
        rules: Mapping[str, object] | None = None,
        *,
        limits: Mapping[str, object] | None = None,
        beside: "Setup | None" = None,
    ) -> None:
        """A worker `beside` another is one of the same group."""
        self.broker, self.folder, self.tables = broker, folder, tables
        folder.mkdir(parents=True)
        app_id = beside.settings.worker.app_id if beside else f"handoff-{uuid.uuid4().hex[:10]}"
        worker = {"app_id": app_id, "partitions": PARTITIONS, "http_port": 0}
        own = {"kafka": {"bootstrap": broker.bootstrap}, "worker": worker | {"data_dir": str(folder / "state")}}
        more = {"rules": dict(rules or {}), "limits": dict(limits or {}), "links": {"every": "1ms"}}
        (folder / SETTINGS).write_text(write_toml(own | more))
        (folder / CHANNELS).write_text(write_toml(tables.model_dump(mode="json", exclude_unset=True)))
        (folder / CLOCK).write_bytes(now_ms.to_bytes(8, "little"))
        self.settings: Settings = load_settings(folder / SETTINGS, {})

    def topics(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Topic → partitions and configuration."""
        own = own_topics(self.settings.worker.app_id).items()
        found = {name: (partitions_of(self.settings, topic), policy(self.settings, topic)) for name, topic in own}
        return found | {name: (PARTITIONS, {}) for name in self.tables.topics}

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[bytes]]":
        """The worker process while the block lasts."""
        with started([sys.executable, "-m", "tests.bench.worker", str(self.folder)], self.folder / "worker.log") as one:
            yield one


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """A child process while the block lasts, told to stop at its end."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | dict(environment or {}))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def topics_of(setup: Setup) -> Iterator[None]:
    """The setup's topics while the block lasts; those that are there already stay."""
    known = Consumer({"bootstrap.servers": setup.broker.bootstrap, "group.id": "none"}).list_topics(timeout=10).topics
    missing = {name: of for name, of in setup.topics().items() if name not in known}
    create(setup.broker, missing)
    try:
        yield
    finally:
        delete(setup.broker, missing)


class Watch:
    """Watches the worker processes of a group work through a topic. Their log is the first one's."""

    def __init__(self, group: Group, processes: "Sequence[subprocess.Popen[bytes]]", log: Path, broker: Broker) -> None:
        self._group, self._processes, self._log = group, [psutil.Process(one.pid) for one in processes], log
        pid = getattr(getattr(broker, "_process", None), "pid", None)
        self._broker = psutil.Process(pid) if pid is not None else None
        self.rss_mb = 0.0

    def sample(self, topic: str) -> Sample:
        """The workers now. Fails where one has ended."""
        alive = all(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in self._processes)
        assert alive, f"a worker ended:\n{self._log.read_text(errors='replace')[-3000:]}"
        self.rss_mb = max(self.rss_mb, *(one.memory_info().rss / 1e6 for one in self._processes))
        broker = _cpu(self._broker) if self._broker is not None else 0.0
        return Sample(time.perf_counter(), self._group.committed(topic), sum(map(_cpu, self._processes)), broker)

    def until(self, topic: str, goal: int, most: float = _LIMIT_S) -> list[Sample]:
        """Samples from the first commit until `goal` is committed, or for so long (s)."""
        return self._until(topic, lambda samples: samples[-1].done >= goal, most)

    def until_all(self, topic: str, sources: Sequence[str]) -> list[Sample]:
        """Samples from the first commit until the sources are committed to their ends and nothing moves any more."""

        def through(samples: Sequence[Sample]) -> bool:
            now = samples[-1]
            moved = next(sample for sample in reversed(samples) if sample.done != now.done or sample is samples[0])
            still = now.at - moved.at > _SETTLED_S
            return still and all(self._group.committed(one) >= self._group.ends(one) for one in sources)

        return self._until(topic, through, _LIMIT_S)

    def _until(self, topic: str, done: Callable[[Sequence[Sample]], bool], most: float) -> list[Sample]:
        samples = [self._first(topic)]
        while samples[-1].at - samples[0].at < most and not done(samples):
            time.sleep(_LOOK_EVERY_S)
            samples.append(self.sample(topic))
        return samples

    def _first(self, topic: str) -> Sample:
        until = time.perf_counter() + _LIMIT_S
        while not (found := self.sample(topic)).done:
            assert found.at < until, "the worker commits nothing"
            time.sleep(_LOOK_EVERY_S)
        return found

    def cost(self, samples: Sequence[Sample], events_per_record: float) -> Cost:
        """What it took from the first commit to the last."""
        first = samples[0]
        last = next(sample for sample in samples if sample.done == samples[-1].done)
        assert last.done > first.done, "too few commits to measure anything: take more events"
        events = (last.done - first.done) * events_per_record
        spent = last.broker_cpu_s - first.broker_cpu_s
        return Cost(events, last.at - first.at, last.cpu_s - first.cpu_s, spent, self.rss_mb)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def alerts_in(broker: Broker) -> int:
    """How many revisions of alerts are committed."""
    consumer = Consumer({
        "bootstrap.servers": broker.bootstrap, "group.id": "bench", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([TopicPartition(ALERTS.name, partition, 0) for partition in range(PARTITIONS)])
    left, found = set(range(PARTITIONS)), 0
    while left:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            found += error is None
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
    consumer.close()
    return found


__all__ = ["ALERTS", "EVENTS", "Cost", "Group", "Setup", "Watch", "alerts_in", "started", "topics_of", "write"]
