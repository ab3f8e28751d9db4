"""The rounds of a stage: one after another, whatever was assigned before."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from agents.runtime.heard import Heard
from agents.runtime.metrics import Metrics
from agents.runtime.settings import RuntimeSettings
from agents.runtime.stateless import StatelessShare
from agents.runtime.task import Out
from agents.runtime.transport import Fetched
from tests.agents.runtime.records import Fake

AT = TP("events", 0)


class Copying:
    """A stage that copies: each record's offset is what it sends."""

    def process(self, records: Sequence[Any]) -> Sequence[Out]:
        return [Out("copies", None, b"%d" % record.offset) for record in records]

    def tick(self, *_: Any) -> Sequence[Out]:
        return ()


class Producing:
    """A producer that acknowledges nothing before it is told to."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []
        self.acks: list[asyncio.Future[None]] = []

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Any:
        values: list[bytes] = []

        def append(*, value: bytes, **_: Any) -> int:
            values.append(value)
            return len(values)

        return SimpleNamespace(
            append=append, size=lambda: len(values), close=lambda: None, record_count=lambda: len(values), values=values
        )

    async def send_batch(self, batch: Any, _topic: str, *, partition: int) -> "asyncio.Future[None]":
        self.sent.append(batch.values)
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]


class Consuming:
    """A consumer that begins at the first record and commits nothing."""

    def __init__(self) -> None:
        self.heard = Heard(lambda: 0)
        self.blocked: set[TP] = set()

    async def start_offsets(self, positions: Mapping[TP, int]) -> dict[TP, int]:
        return dict(positions)

    async def release(self, _tp: TP, _offset: int) -> None:
        return

    def block(self, *tps: TP) -> None:
        self.blocked.update(tps)

    def open(self, *tps: TP) -> None:
        self.blocked.difference_update(tps)

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def commit_offsets(self, _offsets: Mapping[TP, int]) -> str:
        return "done"


def batch(first: int, last: int, *, at: TP = AT, size: int = 0) -> Any:
    records: Any = [Fake(*at, offset, value=b"v" * size) for offset in range(first, last + 1)]
    return Fetched(at, records, first, 1).batch()


async def a_moment() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def share_of(producer: Producing, **options: Any) -> StatelessShare:
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"), **options)
    client: Any = SimpleNamespace(client=producer)
    app: Any = SimpleNamespace(
        settings=settings, metrics=Metrics(), batch_producer=client, batch_consumer=Consuming(), rebalancing=False
    )
    return StatelessShare(app, "copy", ["events"], Copying(), None)


async def test_a_round_waits_for_the_one_before_though_the_worker_had_no_partition_at_first() -> None:
    """Faust does not ask a worker that owns nothing to stop before it is given something."""
    producer = Producing()
    share = share_of(producer)
    for assigned in ((), (AT,)):
        share.assign(assigned)
        await a_moment()
        assert share.ready
    share.put(batch(0, 1))
    await a_moment()
    share.put(batch(2, 3))
    await a_moment()
    assert producer.sent == [[b"0", b"1"]]
    producer.acks[0].set_result(None)
    await a_moment()
    assert producer.sent == [[b"0", b"1"], [b"2", b"3"]]
    producer.acks[1].set_result(None)
    await share.quiesce()


async def test_a_round_of_large_records_is_short_and_few_of_them_stop_the_reading() -> None:
    """Thousands of them at once would take the memory of the machine, and longer than a step may."""
    producer, other = Producing(), TP("events", 1)
    share = share_of(producer, batch_max_bytes=1_000)
    share.assign((AT, other))
    await a_moment()
    share.put(batch(0, 4, size=400))
    blocked = share._consumer.blocked  # type: ignore[attr-defined]
    said = [set(blocked)]
    share.put(batch(0, 2, at=other, size=400))
    said.append(set(blocked))
    for _ in range(4):
        await a_moment()
        producer.acks[-1].set_result(None)
    await share.quiesce()
    assert [len(sent) for sent in producer.sent] == [2, 2, 2, 2]
    assert [*said, blocked] == [set(), {AT, other}, set()]


async def test_a_share_is_ready_and_at_work_once_its_partitions_are_released() -> None:
    share = share_of(Producing())
    share.assign((AT,))
    said = [(share.ready, share.at_work)]
    await a_moment()
    said.append((share.ready, share.at_work))
    await share.quiesce()
    said.append((share.ready, share.at_work))
    assert said == [(False, 0), (True, 1), (False, 0)]
