"""What is read: only what its owner has released since it was assigned."""

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
