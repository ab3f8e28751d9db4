"""What is read: only what its owner has released since it was assigned."""

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.runtime.transport import Consumer

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
