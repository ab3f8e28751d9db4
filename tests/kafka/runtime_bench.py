"""Runs toy workers against the broker of the run, and tells what came out of them."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from tests.brokers import Broker

TOY = Path(__file__).with_name("runtime_toy.py")
PARTITIONS = 4


def free_port(neighbours: int = 3) -> int:
    """A port that is free, with so many after it: below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with ExitStack() as stack, suppress(OSError):
            for number in range(neighbours + 1):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            return port


@dataclass
class Toy:
    """One toy application: its topics, its workers, and what is read of it."""

    broker: Broker
    home: Path
    role: str = "counter"
    run_id: str = field(default_factory=lambda: f"{random.getrandbits(40):x}")
    produced: int = 0
    workers: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Timed by the broker, so that being timed before a moment means having been there to be read.
        self.broker.create_topics({self.source: PARTITIONS}, {"message.timestamp.type": "LogAppendTime"})
        self.broker.create_topics({f"out-{self.run_id}": PARTITIONS})
        self.broker.create_topics({self.changelog: PARTITIONS}, {"cleanup.policy": "compact"})

    @property
    def changelog(self) -> str:
        return f"toy-{self.run_id}-counts-changelog"

    @property
    def source(self) -> str:
        return f"in-{self.run_id}"

    def data_dir(self, worker: int = 0) -> Path:
        return self.home / f"worker-{worker}"

    def log(self, worker: int = 0) -> str:
        return (self.home / f"worker-{worker}.log").read_text()

    def start(
        self, worker: int = 0, crash_at: str = "", port: int | None = None, instance: str = ""
    ) -> "subprocess.Popen[bytes]":
        processing = "exactly-once" if self.broker.transactions else "at-least-once"
        arguments = [self.run_id, self.role, processing, str(self.data_dir(worker)), self.broker.bootstrap]
        with (self.home / f"worker-{worker}.log").open("ab") as log:
            self.workers[worker] = subprocess.Popen(
                [sys.executable, str(TOY), *arguments, "" if port is None else str(port), instance],
                env=os.environ | {"HANDOFF_CRASH_AT": crash_at},
                stdout=log,
                stderr=log,
            )
        return self.workers[worker]

    def stop(self, worker: int = 0) -> int:
        self.workers[worker].send_signal(signal.SIGTERM)
        return self.workers[worker].wait(10)

    def kill_all(self) -> None:
        for process in self.workers.values():
            process.kill()
            process.wait()

    def remake(self, topic: str) -> None:
        """Deletes a topic and makes it anew, empty."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        admin.delete_topics([topic])[topic].result(30)
        until = time.monotonic() + 30
        while True:
            try:
                return self.broker.create_topics({topic: PARTITIONS}, {"cleanup.policy": "compact"})
            except KafkaException:  # the old one is not gone yet
                assert time.monotonic() < until
                time.sleep(0.2)

    def grow(self, partitions: int) -> None:
        """Gives the input and the changelog so many partitions."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        wanted = [NewPartitions(topic, partitions) for topic in (self.source, self.changelog)]
        for grown in admin.create_partitions(wanted).values():
            grown.result(30)

    def delete_records(self) -> None:
        """Deletes everything of the input that there is."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        everything = [TopicPartition(self.source, p, OFFSET_END) for p in range(PARTITIONS)]
        for deleted in admin.delete_records(everything).values():
            deleted.result(30)

    def produce(self, count: int, keys: int = 500) -> None:
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 20, "acks": "all"})
        for n in range(self.produced, self.produced + count):
            producer.produce(self.source, b"v", key=b"k%d" % (n * 7919 % keys))
            producer.poll(0)
        assert producer.flush(30) == 0
        self.produced += count

    def read(self, topic: str) -> list[tuple[int, int, bytes, bytes]]:
        """Every committed record of a topic, as partition, offset, key, value."""
        consumer = Consumer({
            "bootstrap.servers": self.broker.bootstrap, "group.id": "reader", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest",
        })  # fmt: skip
        wanted = [TopicPartition(f"{topic}-{self.run_id}", p, 0) for p in range(PARTITIONS)]
        ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in wanted}
        consumer.assign(wanted)
        records, ended = [], {partition for partition, end in ends.items() if end == 0}
        until = time.monotonic() + 30
        while len(ended) < PARTITIONS and time.monotonic() < until:
            for message in consumer.consume(5_000, 0.2):
                if message.error() or message.offset() + 1 >= ends[message.partition()]:
                    ended.add(message.partition())
                if not message.error():
                    records.append((message.partition(), message.offset(), message.key(), message.value()))
        consumer.close()
        assert len(ended) == PARTITIONS
        return records

    def wait(self, until: Callable[[], bool], seconds: float = 60.0, keep: bool = False) -> None:
        """Waits for a condition; with `keep`, starts workers anew that have ended."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"not within {seconds} s; worker 0 said:\n{self.log()[-3000:]}"
            if keep:
                self.restart_ended()
            time.sleep(0.2)

    def restart_ended(self) -> None:
        """Starts workers anew that have ended."""
        for worker, process in list(self.workers.items()):
            if process.poll() is not None:
                self.start(worker)

    def verdict(self) -> "Verdict":
        """What the counter's outputs say."""
        seen: Counter[tuple[bytes, bytes]] = Counter()
        counts: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for _, _, key, value in self.read("out"):
            partition, offset, count = value.split(b":")
            seen[partition, offset] += 1
            counts[key].append((int(offset), int(count)))
        wrong = {k for k, told in counts.items() if {n for _, n in told} != set(range(1, len(set(told)) + 1))}
        return Verdict(len(seen), sum(n - 1 for n in seen.values()), len(wrong))

    def drained(self) -> bool:
        return self.verdict().distinct >= self.produced


@dataclass(frozen=True)
class Verdict:
    """Input records that had an output, outputs that were repeated, and keys whose counts are not 1, 2, 3, …"""

    distinct: int
    repeated: int
    wrong_keys: int
