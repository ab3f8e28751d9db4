"""What is read: only what its owner has released since it was assigned."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, MemoryRecords, PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as DefaultRecordBatchBuilder
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.runtime.transport import Consumer, undecodable
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
