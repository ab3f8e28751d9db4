"""Figure `latency`: from the moment a channel's record is sent to the moment its alert is read, `read_committed`.

Method: one worker, exactly-once, all rules, wall clock. A background of healthy orders comes at a steady rate, seven
events each over six seconds. Ten times a second a cart is resumed with other contents than were handed off (H402),
dated so that every clock the verdict needs has passed long ago: the alert waits for nothing but the way. The time is
taken in this process at both ends and so includes the client's own sending and reading.
"""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from confluent_kafka import Consumer, Producer, TopicPartition

from app.simulate.story import Step
from app.simulate.wire import TOPICS, key
from schemas import events as e
from schemas.codec import encode_event, to_time
from schemas.events import Channel
from schemas.state import Fact
from tests.bench.system import ALERTS, Setup, started, topics_of
from tests.bench.workload import PARTITIONS, canonical_tables
from tests.brokers import Broker

_WARM_S, _MEASURED_S = 8.0, 30.0
_SLICE_S, _PROBE_S = 0.01, 0.1
_READY_S = 60.0
_PAST_MS = 60_000


class _Listener(threading.Thread):
    """Notes when the alert of each cart was read."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(daemon=True)
        self._consumer = Consumer({
            "bootstrap.servers": broker.bootstrap, "group.id": "latency", "enable.auto.commit": False,
            "isolation.level": "read_committed", "fetch.wait.max.ms": 10,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(ALERTS.name, partition, 0) for partition in range(PARTITIONS)])
        self._done = threading.Event()
        self.heard: dict[str, float] = {}

    def run(self) -> None:
        while not self._done.is_set():
            for message in self._consumer.consume(1_000, 0.005):
                alert = json.loads(message.value() or b"{}") if not message.error() else {}
                if alert.get("rule") == "H402":
                    self.heard.setdefault(alert["subject"]["id"], time.perf_counter())
        self._consumer.close()

    def stop(self) -> None:
        self._done.set()
        self.join()


class _Channels:
    """Sends events as the channels do, in CloudEvents."""

    def __init__(self, broker: Broker) -> None:
        settings = {"linger.ms": 0, "acks": "all", "partitioner": "murmur2_random", "compression.type": "lz4"}
        self._producer = Producer({"bootstrap.servers": broker.bootstrap, **settings})
        self.sent = 0

    def send(self, customer: str, channel: Channel, at_ms: int, data: e.Data) -> None:
        self.sent += 1
        fact = Fact(at_ms, f"{customer}.{self.sent}", f"/{channel}", channel, data)
        step = Step(at_ms, channel, data)
        self._producer.produce(TOPICS[channel], encode_event(fact, {"id": customer}), key(customer, step))
        self._producer.poll(0)

    def close(self) -> None:
        assert self._producer.flush(30) == 0


def _healthy(order: str, now_ms: int) -> Iterator[tuple[Channel, e.Data]]:
    """One a second."""
    lines = (e.Line("1", f"sku-{order}", 1.0),)
    yield "app", e.OrderPlaced(order, "pickup", "s1", promised_to=to_time(now_ms + 7_200_000), lines=lines)
    yield "notification", e.NotificationSent("confirmation", order)
    yield "pickup", e.OrderVisible(order, "s1")
    yield "pickup", e.OrderReady(order, "s1")
    yield "app", e.CustomerArrived(order, "s1")
    yield "pickup", e.BayAssigned(order, "s1", "4")
    yield "pickup", e.OrderCollected(order, "s1")


class _Load:
    """The background, and the carts."""

    def __init__(self, channels: _Channels, rate: float) -> None:
        self._channels = channels
        self._starts_per_s = rate / 7
        self._due: deque[tuple[float, str, Iterator[tuple[Channel, e.Data]]]] = deque()
        self._begun = 0
        self._carts: deque[str] = deque()
        self.resumed: dict[str, float] = {}

    def run(self, seconds: float) -> None:
        began = time.perf_counter()
        before, probes = self._begun, 0
        while (passed := time.perf_counter() - began) < seconds:
            while self._begun - before < passed * self._starts_per_s:
                self._begin()
            self._go_on()
            if passed > probes * _PROBE_S:
                probes += 1
                self._probe()
            time.sleep(max(0.0, _SLICE_S - (time.perf_counter() - began - passed)))

    def _begin(self) -> None:
        self._begun += 1
        customer = f"c{self._begun:08}"
        self._due.append((time.perf_counter(), customer, _healthy(f"o-{customer}", _now())))

    def _go_on(self) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            _, customer, steps = self._due.popleft()
            step = next(steps, None)
            if step is not None:
                self._channels.send(customer, step[0], _now(), step[1])
                self._due.append((now + 1.0, customer, steps))

    def _probe(self) -> None:
        """Hands one cart off, and resumes the one that was handed off a second ago."""
        cart = f"p{len(self.resumed) + len(self._carts):08}"
        self._carts.append(cart)
        self._channels.send(cart, "web", _now() - _PAST_MS, e.SessionHandedOff(cart, "app", "whole"))
        if len(self._carts) > 1 / _PROBE_S:
            cart = self._carts.popleft()
            self.resumed[cart] = time.perf_counter()
            self._channels.send(cart, "app", _now() - _PAST_MS // 2, e.SessionResumed(cart, "other"))


def _now() -> int:
    return time.time_ns() // 1_000_000


def measure(broker: Broker, folder: Path, rate: float) -> dict[str, object]:
    """p50, p99 and the greatest, ms, at about `rate` channel events a second."""
    setup = Setup(broker, folder, canonical_tables(), 0)
    command = [sys.executable, "-m", "tests.bench.worker", str(folder), "wall"]
    with topics_of(setup), started(command, folder / "worker.log"):
        channels, listener = _Channels(broker), _Listener(broker)
        load = _Load(channels, rate)
        listener.start()
        _warm_up(load, listener)
        warm, sent, began = set(load.resumed), channels.sent, time.perf_counter()
        load.run(_MEASURED_S)
        rate = (channels.sent - sent) / (time.perf_counter() - began)
        channels.close()
        time.sleep(2)
        listener.stop()
    times = {cart: at for cart, at in load.resumed.items() if cart not in warm}
    lost = times.keys() - listener.heard.keys()
    assert not lost, f"{len(lost)} of {len(times)} carts raised no alert"
    return _figures([(listener.heard[cart] - at) * 1000 for cart, at in times.items()], rate)


def _warm_up(load: _Load, listener: _Listener) -> None:
    """Until the worker has its partitions and all clocks are heard, and then a while more."""
    until = time.perf_counter() + _READY_S
    while not listener.heard.keys() & load.resumed.keys():
        assert time.perf_counter() < until, "the worker raises no alerts"
        load.run(1.0)
    load.run(_WARM_S)


def _figures(times_ms: list[float], rate: float) -> dict[str, object]:
    cuts = quantiles(times_ms, n=100)
    return {
        "events_per_s": round(rate),
        "alerts": len(times_ms),
        "p50_ms": round(cuts[49]),
        "p99_ms": round(cuts[98]),
        "max_ms": round(max(times_ms)),
    }
