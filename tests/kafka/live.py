"""A whole detector on the broker of the run: topics, real workers with a clock of the test's, records in and out.

The topics' names are the product's own, so no two detectors fit on one broker. The embedded broker is cheap: each
detector gets its own. On a real one the topics are made for each detector and deleted after it, and only by who made
them: where they exist already, the test ends before it has touched anything.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.clock import SharedClock
from agents.demo.worker import CHANNELS, CLOCK, SETTINGS
from agents.topics import partitions_of, policy
from app.config import ChannelTables, Settings, load_settings, read_channels
from app.config.files import write_toml
from app.simulate import Sent
from app.timeline import START
from schemas.topics import ALERTS, own_topics
from tests.brokers import Broker, open_broker
from tests.kafka.runtime_bench import free_port

PARTITIONS = 2
LINKS = {"every": "1ms"}
"""A clock that stands still must be heard of to the last millisecond."""
SECRET = {"HANDOFF_LINKS__SECRET": "a secret of the tests"}
"""What `handoff worker` will not run without."""
SHOP = files("app.simulate").joinpath("channels.toml").read_text()
"""The simulated shop's channels.toml: twelve channels, three of them with a dialect of their own."""
_QUIET = {"log_level": 0}
_SOON_S = 60.0
_BETWEEN_LOOKS_S = 0.05
_BY_KEY = -1
"""The partition of a record that goes to that of its key."""


class Row(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


class Live:
    """One detector. `start` and `stop` its worker as often as is wanted; state and offsets stay."""

    def __init__(self, broker: Broker, folder: Path, channels: str, start_ms: int, worker: Mapping[str, Any]) -> None:
        self.broker = broker
        self.folder = folder
        self.worker: subprocess.Popen[bytes] | None = None
        self.others: list[Live] = []
        """The same detector's other workers."""
        self.settings = self._configure(worker)
        self.clock = SharedClock(self.clock_file, start=start_ms)
        self.configure_channels(channels)
        self._channels = channels
        self._producers: dict[str, Producer] = {}

    def _configure(self, worker: Mapping[str, Any]) -> Settings:
        defaults = {
            "app_id": f"handoff-{random.getrandbits(40):x}",
            "partitions": PARTITIONS,
            "processing": "exactly-once" if self.broker.transactions else "at-least-once",
            "data_dir": str(self.folder / "state"),
            "tick_seconds": 0.05,
            "http_port": free_port(),
        }
        tables = {"kafka": {"bootstrap": self.broker.bootstrap}, "worker": {**defaults, **worker}, "links": LINKS}
        (self.folder / SETTINGS).write_text(write_toml(tables))
        return load_settings(self.folder / SETTINGS, {})

    def configure_channels(self, text: str) -> None:
        """Writes channels.toml; a worker reads it when it starts."""
        (self.folder / CHANNELS).write_text(text)

    @property
    def tables(self) -> ChannelTables:
        return read_channels(self.folder / CHANNELS)

    def topics(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Every topic of this detector → partitions and configuration."""
        own = own_topics(self.settings.worker.app_id).items()
        found = {name: (partitions_of(self.settings, topic), policy(self.settings, topic)) for name, topic in own}
        return found | {name: (PARTITIONS, {}) for name in self.tables.topics}

    # ---- the worker

    def start(self, *command: str, crash_at: str = "", ready: bool = True) -> "subprocess.Popen[bytes]":
        """Starts the worker, by a module and its arguments or as the demo does; waits until it has its partitions."""
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", *(command or ("agents.demo.worker", str(self.folder)))],
                env=os.environ | SECRET | {"HANDOFF_CRASH_AT": crash_at},
                stdout=log,
                stderr=log,
            )
        if ready:
            self.wait(lambda: self.get("/readyz")[0] == 200)
        return self.worker

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Ends the worker; returns its exit code."""
        assert self.worker is not None
        self.worker.send_signal(sign)
        return self.worker.wait(20)

    @property
    def running(self) -> bool:
        return self.worker is not None and self.worker.poll() is None

    @property
    def clock_file(self) -> Path:
        return self.folder / CLOCK

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")

    def wait(self, until: Callable[[], Any], seconds: float = _SOON_S) -> None:
        """Waits until the condition holds; a worker that has failed meanwhile is a failure."""
        deadline = time.monotonic() + seconds
        while not until():
            said = "\n".join(one.log[-3000:] for one in (self, *self.others) if one.worker is not None)
            failed = [one.worker.poll() for one in (self, *self.others) if one.worker is not None]
            assert not any(failed), f"a worker ended with {failed}:\n{said}"
            assert time.monotonic() < deadline, f"not within {seconds} s; workers said:\n{said}"
            time.sleep(_BETWEEN_LOOKS_S)

    # ---- health and metrics

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 where nobody answers."""
        url = f"http://127.0.0.1:{self.settings.worker.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, dict[str, float]]:
        """Metric name → labels as they are written → value."""
        found: dict[str, dict[str, float]] = {}
        for line in self.get("/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                stem, _, labels = name.partition("{")
                found.setdefault(stem, {})[labels.rstrip("}")] = float(value)
        return found

    @contextmanager
    def beside(self, folder: Path) -> "Iterator[Live]":
        """Another worker of this detector, not yet started, with its own state and the same clock."""
        settings = self.settings.worker
        of = {"app_id": settings.app_id, "partitions": settings.partitions}
        folder.mkdir()
        other = Live(self.broker, folder, self._channels, self.clock(), of)
        other.clock_file.unlink()
        other.clock_file.symlink_to(self.clock_file)
        self.others.append(other)
        try:
            yield other
        finally:
            other.close()

    def settled(self) -> bool:
        """Whether every worker that runs has heard every channel up to the clock and left nothing to read."""
        running = [one for one in (self, *self.others) if one.running]
        return bool(running) and all(one._settled() for one in running)

    def _settled(self) -> bool:
        metrics = self.metrics()
        behind = metrics.get("handoff_feed_behind_seconds", {}).values()
        lag = metrics.get("handoff_lag_records", {}).values()
        return len(behind) == len(self.tables.feeds()) and max(behind) <= 0 and bool(lag) and not any(lag)

    # ---- records in

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        compression: str = "none",
    ) -> None:
        """Sends one record and waits for its acknowledgement."""
        producer = self._producer(compression)
        producer.produce(topic, value, key=key, headers=list(headers), on_delivery=_delivered)
        assert producer.flush(30) == 0

    def hand_over(self, topic: str, value: bytes, key: bytes, partition: int = _BY_KEY) -> None:
        """Sends one record, which is acknowledged by the time of the next `come_to`."""
        producer = self._producer("lz4")
        producer.produce(topic, value, key=key, partition=partition, on_delivery=_delivered)
        producer.poll(0)

    def _producer(self, compression: str) -> Producer:
        if compression not in self._producers:
            settings = {"acks": "all", "linger.ms": 5, "compression.type": compression, "message.max.bytes": 2_000_000}
            self._producers[compression] = Producer({"bootstrap.servers": self.broker.bootstrap, **settings, **_QUIET})
        return self._producers[compression]

    def play(
        self,
        records: Iterable[Sent],
        until_ms: int,
        *,
        slice_ms: int = 60_000,
        heard_before: Callable[[Sent], bool] = lambda _: False,
        settle: bool = True,
    ) -> None:
        """Sends records as their time comes, a slice of time at once, and moves the clock with them: to a moment only
        after all that was sent up to it. Some records wait until the worker has heard of everything before them, and
        unless it is not to `settle`, so does the end.
        """
        producer = self._producer("lz4")
        for sent in records:
            waits = heard_before(sent)
            if waits or sent.sent_ms > self.clock() + slice_ms:
                self.come_to(sent.sent_ms - 1, settle=waits)
            producer.produce(sent.topic, sent.value, key=sent.key, timestamp=sent.at_ms, on_delivery=_delivered)
            producer.poll(0)
        self.come_to(until_ms, settle=settle)

    def come_to(self, moment: int, *, settle: bool = True) -> None:
        """Moves the clock on once all is sent, and waits until the worker has heard of everything."""
        assert all(producer.flush(30) == 0 for producer in self._producers.values())
        self.clock.set(max(moment, self.clock()))
        if settle:
            self.wait(self.settled)

    # ---- records out

    def read(self, topic: str) -> list[Row]:
        """Every committed record of a topic, those of a partition in their order."""
        consumer = Consumer({
            "bootstrap.servers": self.broker.bootstrap, "group.id": "reader", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 50,
        })  # fmt: skip
        try:
            return list(_read(consumer, topic))
        finally:
            consumer.close()

    def alerts(self) -> list[dict[str, Any]]:
        """Every revision, decoded, those of an alert in their order."""
        return [json.loads(row.value or b"") for row in self.read(ALERTS.name)]

    def handoff(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs `handoff` with these arguments and this detector's configuration."""
        return subprocess.run(
            [sys.executable, "-m", "agents.cli", *arguments, "--config", str(self.folder / SETTINGS)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | SECRET | {"COLUMNS": "300"},
        )

    def close(self) -> None:
        """Ends the worker, whatever it is doing."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()


def _delivered(error: KafkaError | None, message: Any) -> None:
    assert error is None, f"{message.topic()} has not taken a record: {error}"


def _read(consumer: Consumer, topic: str) -> Iterator[Row]:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    left = set(partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    deadline = time.monotonic() + _SOON_S
    while left:
        assert time.monotonic() < deadline, f"{topic} could not be read to its end"
        for message in consumer.consume(5_000, 0.2):
            error = message.error()
            if error is None:
                headers = dict(message.headers() or ())
                yield Row(message.partition(), message.offset(), message.key(), message.value(), headers)
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise KafkaException(error)


@contextmanager
def open_live(
    broker: Broker,
    folder: Path,
    *,
    channels: str = SHOP,
    start_ms: int = START,
    without: Sequence[str] = (),
    **worker: Any,
) -> Iterator[Live]:
    """A detector with its topics, its worker not yet started. `without` names topics that are left out."""
    own = open_broker("embedded") if broker.kind == "embedded" else None
    live = Live(own or broker, folder, channels, start_ms, worker)
    made: list[str] = []
    try:
        for name, of in live.topics().items():
            if name not in without:
                create(live.broker, {name: of})
                made.append(name)
        yield live
    finally:
        live.close()
        if own is not None:
            own.close()
        else:
            delete(live.broker, made)


def create(broker: Broker, topics: Mapping[str, tuple[int, dict[str, str]]]) -> None:
    """Makes topics of so many partitions, with their configuration."""
    for name, (partitions, config) in topics.items():
        broker.create_topics({name: partitions}, config)


def delete(broker: Broker, topics: Iterable[str]) -> None:
    """Deletes topics, and waits until they are gone."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for name, deleted in admin.delete_topics(list(topics), operation_timeout=30).items():
        try:
            deleted.result(30)
        except KafkaException as error:
            sys.stderr.write(f"{name} was not deleted: {error}\n")
    deadline = time.monotonic() + 30
    while set(topics) & set(admin.list_topics(timeout=10).topics):
        assert time.monotonic() < deadline, "deleted topics do not go away"
        time.sleep(0.1)
