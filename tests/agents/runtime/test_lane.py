"""Records wait for their batch without a gap, without a repetition, and in their order; and no event waits long."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import IllegalOperation, ProducerFenced
from faust.types import TP

from agents.runtime.lane import InDoubtError, Intake, Lane
from agents.runtime.metrics import AgentCounters
from agents.runtime.outlet import TransactionalOutlet
from agents.runtime.settings import RuntimeSettings
from agents.runtime.task import Work
from agents.runtime.transport import Fetched
from tests.agents.runtime.records import Fake

AT = TP("events", 3)


def batch(first: int, last: int, follows: int | None = None) -> Any:
    records: Any = [Fake("events", 3, offset) for offset in range(first, last + 1)]
    return Fetched(AT, records, first if follows is None else follows, 1).batch()


def offsets(records: Any) -> list[int]:
    return [record.offset for record in records]


def test_batches_that_follow_each_other_are_taken_together() -> None:
    intake = Intake(AT, 10)
    intake.put(batch(10, 12))
    intake.put(batch(13, 14))
    assert offsets(intake.take(100, 100)) == [10, 11, 12, 13, 14]
    assert intake.size == 0


def test_no_more_is_taken_than_asked_for_and_the_rest_stays_in_order() -> None:
    intake = Intake(AT, 0)
    intake.put(batch(0, 4))
    intake.put(batch(5, 6))
    assert offsets(intake.take(3, 100)) == [0, 1, 2]
    assert offsets(intake.take(10, 100)) == [3, 4, 5, 6]


def large(first: int, last: int, size: int) -> Any:
    records: Any = [Fake("events", 3, offset, value=b"v" * size) for offset in range(first, last + 1)]
    return Fetched(AT, records, first, 1).batch()


def test_no_more_bytes_are_taken_than_asked_for_but_one_record_always() -> None:
    intake = Intake(AT, 0)
    intake.put(large(0, 4, 100))
    intake.put(large(5, 6, 1_000))
    intake.put(large(7, 8, 10))
    taken = [offsets(intake.take(100, 300)) for _ in range(5)]
    assert taken == [[0, 1, 2], [3, 4], [5], [6], [7, 8]]
    assert (intake.size, intake.bytes) == (0, 0)


def test_keys_and_headers_weigh_too() -> None:
    intake = Intake(AT, 0)
    headers = (("h", b"v" * 59), ("n", None))
    records: Any = [Fake("events", 3, offset, key=b"k" * 40, headers=headers) for offset in (0, 1)]
    intake.put(Fetched(AT, records, 0, 1).batch())
    assert intake.bytes == 2 * 101
    assert offsets(intake.take(100, 200)) == [0]
    assert intake.bytes == 101


def test_records_that_were_taken_before_are_dropped() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(0, 7))
    intake.put(batch(2, 6))
    assert offsets(intake.take(10, 100)) == [5, 6, 7]
    assert intake.size == 0


def test_offsets_that_only_transaction_markers_hold_are_no_gap() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(7, 8, follows=5))
    assert offsets(intake.take(10, 100)) == [7, 8]


def test_records_that_were_given_to_nobody_are_noticed() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(5, 9))
    with pytest.raises(InDoubtError, match="from 10 to 20 were never handed over"):
        intake.put(batch(20, 21))


class Acknowledged:
    """A producer batch that has arrived."""

    def __init__(self) -> None:
        self.ack: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ack.set_result(None)

    def next_offset(self) -> int:
        return 1


class Nowhere:
    """An outlet, its dispatch and a store in one: takes everything, and keeps nothing."""

    atomic = True
    lineage = b""

    @property
    def dispatch(self) -> "Nowhere":
        return self

    async def send(self, _outputs: object) -> list[Acknowledged]:
        return []

    async def send_rows(self, *_: object) -> list[Acknowledged]:
        return [Acknowledged()]

    async def begin(self) -> None: ...

    async def add_offset(self, _offset: int) -> None: ...

    async def commit(self, _offset: int) -> None: ...

    def failure(self) -> Exception | None:
        return None

    async def abort(self) -> None: ...

    def take_oversize(self) -> int:
        return 0

    def write(self, *_: object) -> None: ...


class Noting:
    """A task that notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.worked = asyncio.Event()

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None: ...

    def process(self, records: Sequence[Any]) -> Work:
        self.batches.append(offsets(records))
        self.worked.set()
        return Work()


@asynccontextmanager
async def lane_at_work(task: Noting, batch_max_ms: int) -> AsyncIterator[Lane]:
    settings = RuntimeSettings(
        app_id="a", bootstrap_servers="b:1", data_dir=Path("d"), batch_max_ms=batch_max_ms, batch_max_records=100
    )
    nowhere: Any = Nowhere()
    lane = Lane(AT, settings, changelog="c", counters=AgentCounters(), consumer=nowhere, outlet=nowhere, store=nowhere,
                task=task, start=0)  # fmt: skip
    running = asyncio.ensure_future(lane.run())
    yield lane
    lane.stop()
    await running


def came(offset: int, key: bytes | None) -> Any:
    records: Any = [Fake("events", 3, offset, key=key)]
    return Fetched(AT, records, offset, 1).batch()


class Reading(Nowhere):
    """Notes whether the partition is read."""

    reads = True

    def block(self, *_: TP) -> None:
        self.reads = False

    def open(self, *_: TP) -> None:
        self.reads = True


async def test_few_large_records_stop_the_reading_as_many_small_ones_do() -> None:
    reading: Any = Reading()
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"), batch_max_bytes=1_000)
    lane = Lane(AT, settings, changelog="c", counters=AgentCounters(), consumer=reading, outlet=reading, store=reading,
                task=(task := Noting()), start=0)  # fmt: skip
    lane.put(large(0, 2, 900))
    said = [reading.reads]
    lane.put(large(3, 3, 900))
    said.append(reading.reads)
    running = asyncio.ensure_future(lane.run())
    while len(task.batches) < 4:
        await asyncio.wait_for(task.worked.wait(), 30)
        task.worked.clear()
    lane.stop()
    await running
    assert [*said, reading.reads] == [True, False, True]
    assert task.batches == [[0], [1], [2], [3]]


async def test_a_lone_event_is_not_held_back() -> None:
    task = Noting()
    async with lane_at_work(task, batch_max_ms=3_600_000) as lane:
        lane.put(came(0, b"ann"))
        await asyncio.wait_for(task.worked.wait(), 30)
    assert task.batches == [[0]]


async def test_ticks_wait_for_company_and_an_event_takes_them_along_at_once() -> None:
    task = Noting()
    async with lane_at_work(task, batch_max_ms=3_600_000) as lane:
        for tick in range(3):
            lane.put(came(tick, None))
            await asyncio.sleep(0.02)
        assert task.batches == []
        lane.put(came(3, b"ann"))
        await asyncio.wait_for(task.worked.wait(), 30)
    assert task.batches == [[0, 1, 2, 3]]


async def test_ticks_to_which_nothing_comes_wait_no_longer_than_a_batch_may() -> None:
    task = Noting()
    async with lane_at_work(task, batch_max_ms=10) as lane:
        lane.put(came(0, None))
        await asyncio.wait_for(task.worked.wait(), 30)
    assert task.batches == [[0]]


class Unanswered(Nowhere):
    """Takes outputs and never acknowledges them, and notes whether rows came."""

    atomic = False
    rows = False

    async def send(self, _outputs: object) -> list[Acknowledged]:
        never = Acknowledged()
        never.ack = asyncio.get_running_loop().create_future()
        return [never]

    async def send_rows(self, *_: object) -> list[Acknowledged]:
        self.rows = True
        return [Acknowledged()]


async def test_without_a_transaction_no_row_says_that_a_batch_is_done_before_its_outputs_have_arrived() -> None:
    outlet: Any = Unanswered()
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"), step_timeout_s=0.1)
    lane = Lane(AT, settings, changelog="c", counters=AgentCounters(), consumer=outlet, outlet=outlet, store=outlet,
                task=Noting(), start=0)  # fmt: skip
    lane.put(came(0, b"ann"))
    with pytest.raises(TimeoutError):
        await lane.run()
    assert not outlet.rows


class Fenced(Nowhere):
    """The client of one whose partition was taken over while it sent."""

    async def send_rows(self, *_: object) -> list[Acknowledged]:
        raise IllegalOperation("not in a transaction")

    def failure(self) -> Exception | None:
        return ProducerFenced()


async def test_a_batch_that_was_ended_by_the_broker_fails_for_the_brokers_reason() -> None:
    outlet: Any = Fenced()
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"))
    lane = Lane(AT, settings, changelog="c", counters=AgentCounters(), consumer=outlet, outlet=outlet, store=outlet,
                task=Noting(), start=0)  # fmt: skip
    lane.put(came(0, b"ann"))
    with pytest.raises(ProducerFenced):
        await lane.run()


async def test_a_transaction_tells_what_ended_it_and_of_nothing_while_it_lasts() -> None:
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"))
    outlet = TransactionalOutlet(settings, "count", AT, None)
    told = [outlet.failure()]
    transaction = outlet._producer._txn_manager
    transaction.set_pid_and_epoch(1, 0)
    transaction.begin_transaction()
    told.append(outlet.failure())
    fenced = ProducerFenced()
    transaction.fatal_error(fenced)
    assert [*told, outlet.failure()] == [None, None, fenced]
