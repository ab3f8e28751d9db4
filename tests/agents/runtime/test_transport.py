"""What is read: only what its owner has released since it was assigned."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, MemoryRecords, PartitionRecords
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as DefaultRecordBatchBuilder
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.runtime import RuntimeSettings, transport
from agents.runtime.transport import Consumer, Producer, undecodable
from tests.agents.runtime.records import Latin

AT = TP("events", 0)


async def test_what_an_owner_opens_while_it_is_revoked_is_not_open_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def owners_end(consumer: Consumer, _revoked: set[TP]) -> None:
        assert AT not in consumer._open
        consumer._open.add(AT)

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", owners_end)
    consumer = object.__new__(Consumer)
    consumer._open = {AT}
    await consumer.on_partitions_revoked({AT})
    assert AT not in consumer._open


def test_a_record_that_cannot_be_decoded_is_named_by_its_place() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, name in enumerate(("a", "b", Latin("é"))):
        builder.append(offset, timestamp=1, key=None, value=b"v", headers=[(name, b"1")])
    fetched = PartitionRecords(AT, MemoryRecords(bytes(builder.build())), [], 0, None, None, True, READ_COMMITTED)
    kept: Any = SimpleNamespace(_partition_records=fetched)
    client: Any = SimpleNamespace(_fetcher=SimpleNamespace(_records={AT: kept, TP("other", 0): FetchError}))
    assert next(fetched).offset == 0
    assert not undecodable(client)
    with pytest.raises(UnicodeDecodeError):
        list(fetched)
    assert undecodable(client) == "events-0 from offset 2 on"


class Cluster:
    """A client, its coordinator and the cluster: a partition of a hundred records, and what the group has committed."""

    def __init__(self, committed: int | None) -> None:
        self._committed = committed
        self._coordinator = self

    async def fetch_committed_offsets(self, at: list[Any]) -> dict[Any, Any]:
        return {} if self._committed is None else {tp: SimpleNamespace(offset=self._committed) for tp in at}

    async def beginning_offsets(self, at: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(at, 0)

    async def end_offsets(self, at: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(at, 100)


@pytest.mark.parametrize(
    ("committed", "position", "start", "said"),
    [(None, 0, 0, ""), (40, 40, 40, ""), (40, 0, 40, ""), (None, 40, 40, "the group has no offset of it any more")],
)
async def test_what_a_topic_that_was_made_anew_holds_is_not_passed_over_without_a_word(
    caplog: pytest.LogCaptureFixture, committed: int | None, position: int, start: int, said: str
) -> None:
    """Its new records are taken for those that were processed before it was deleted; its offsets went with it."""
    client: Any = Cluster(committed)
    starts = await transport._start_offsets(client, logging.getLogger("agents"), {AT: position})
    assert starts == {AT: start}
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "the broker did not answer in time when the producer started"),
        (KafkaConnectionError("no b:1"), """the producer cannot start: KafkaConnectionError('no b:1')"""),
    ],
)
async def test_a_broker_that_is_gone_since_the_topics_were_checked_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    async def gone(_: Producer) -> None:
        raise error

    said: list[str] = []
    monkeypatch.setattr(driver.Producer, "on_start", gone)
    monkeypatch.setattr(transport, "end_process", lambda reason, _: said.append(reason))
    producer = object.__new__(Producer)
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=Path("d"))
    producer.app = SimpleNamespace(settings=settings)  # type: ignore[assignment]
    await producer.on_start()
    assert said == [reason]
