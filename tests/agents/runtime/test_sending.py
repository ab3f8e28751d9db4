"""Records leave as batches of their partition, in order, none too large, and what is too large is not lost unseen."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from agents.runtime.partition import partition_for
from agents.runtime.sending import Dispatch, OversizeError, acknowledged
from agents.runtime.task import Out


class FakeProducer:
    """Builds real batches, and acknowledges them at offset 100."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, list[tuple[bytes | None, bytes | None]]]] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1, 2}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1_000, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> Any:
        records = [(r.key, r.value) for r in DefaultRecordBatch(batch._build())]
        self.sent.append((topic, partition, records))
        ack = asyncio.get_running_loop().create_future()
        ack.set_result(SimpleNamespace(offset=100))
        return ack


def dispatch(outputs: Sequence[Out], on_oversize: Any = None) -> FakeProducer:
    producer = FakeProducer()

    async def run() -> None:
        await acknowledged(await Dispatch(producer, 1_000, on_oversize).send(outputs))  # type: ignore[arg-type]

    asyncio.run(run())
    return producer


def test_records_without_a_partition_go_where_kafka_puts_their_key() -> None:
    sent = dispatch([Out("t", b"a", b"1"), Out("t", b"b", b"2"), Out("t", b"a", b"3")]).sent
    at = {key: partition for _, partition, records in sent for key, _ in records}
    assert at == {b"a": partition_for(b"a", 3), b"b": partition_for(b"b", 3)}
    assert [value for _, _, records in sent for key, value in records if key == b"a"] == [b"1", b"3"]


def test_a_partition_that_is_given_is_kept() -> None:
    assert dispatch([Out("t", b"a", b"1", 2)]).sent == [("t", 2, [(b"a", b"1")])]


def test_records_without_a_key_are_spread() -> None:
    assert {partition for _, partition, _ in dispatch([Out("t", None, b"1")] * 3).sent} == {0, 1, 2}


def test_more_than_a_batch_holds_becomes_several_in_order() -> None:
    values = [b"%02d" % n + b"v" * 98 for n in range(30)]
    sent = dispatch([Out("t", b"a", value, 0) for value in values]).sent
    assert len(sent) > 2
    assert [value for _, _, records in sent for _, value in records] == values


def test_an_oversize_record_ends_it_unless_somebody_says_what_to_do() -> None:
    with pytest.raises(OversizeError, match="a record for t has 2001 bytes"):
        dispatch([Out("t", b"a", b"v" * 2_000)])


def test_an_oversize_record_is_replaced_by_what_the_caller_says() -> None:
    large = Out("t", b"a", b"v" * 2_000, 0)
    sent = dispatch([large, Out("t", b"b", b"ok", 0)], lambda out: out._replace(topic="rejects", value=b"gone")).sent
    assert sorted(sent) == [("rejects", 0, [(b"a", b"gone")]), ("t", 0, [(b"b", b"ok")])]


@pytest.mark.parametrize(
    "large", [Out("t", b"k" * 2_000, None, 0), Out("t", None, b"", 0, (("h", b"v" * 1_899), ("n" * 100, None)))]
)
def test_a_record_whose_key_or_headers_are_too_large_is_replaced_by_what_is_smaller(large: Out) -> None:
    sent = dispatch([large], lambda out: Out("rejects", None, None, 0, (("why", b"large"),))).sent
    assert sent == [("rejects", 0, [(None, None)])]
    with pytest.raises(OversizeError, match="a record for t has 2000 bytes"):
        dispatch([large])
    with pytest.raises(OversizeError, match="is no smaller"):
        dispatch([large], lambda out: out)


def test_an_oversize_record_is_dropped_and_counted_when_the_caller_says_so() -> None:
    async def run() -> tuple[list[Any], int, int]:
        sender = Dispatch(FakeProducer(), 1_000, lambda out: None)  # type: ignore[arg-type]
        return await sender.send([Out("t", b"a", b"v" * 2_000, 0)]), sender.take_oversize(), sender.take_oversize()

    assert asyncio.run(run()) == ([], 1, 0)


def test_the_offset_after_rows_is_known_once_they_are_acknowledged() -> None:
    async def run() -> int:
        sent = await Dispatch(FakeProducer(), 1_000).send_rows("log", 1, [(b"a", b"1"), (b"b", None)])  # type: ignore[arg-type]
        await acknowledged(sent)
        return sent[-1].next_offset()

    assert asyncio.run(run()) == 102


def test_a_row_too_large_for_the_changelog_is_refused() -> None:
    async def run() -> None:
        await Dispatch(FakeProducer(), 1_000).send_rows("log", 1, [(b"a", b"v" * 2_000)])  # type: ignore[arg-type]

    with pytest.raises(OversizeError, match="a row of log has 2000 bytes"):
        asyncio.run(run())
