"""The broker of the run does what the workers rely on, and says truly what it is."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.embedded import PARTITION_BYTES, EmbeddedBroker, EmbeddedBrokerError
from tests.brokers import Broker, BrokerUnavailable, open_broker, wanted_broker

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def producing(broker: Broker, **settings: object) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(broker: Broker, *topics: str, **settings: object) -> AsyncIterator[AIOKafkaConsumer]:
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 50}
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=broker.bootstrap, **(defaults | settings))
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def read(consumer: AIOKafkaConsumer, count: int) -> list[tuple[int, int, bytes]]:
    """``count`` records as (partition, offset, value), those of a partition in the order they came."""
    found: list[tuple[int, int, bytes]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            fetched = await consumer.getmany(timeout_ms=200)
            found += [(tp.partition, r.offset, r.value) for tp, records in fetched.items() for r in records]
    return found


async def send(producer: AIOKafkaProducer, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
    futures = [await producer.send(topic, value, partition=partition) for value in values]
    await asyncio.gather(*futures)


def member_of(group: str) -> dict[str, object]:
    """Settings of a consumer in this group, with a session as short as a rebalance on the embedded broker is to be."""
    return {"group_id": group, "session_timeout_ms": 2000, "heartbeat_interval_ms": 200}


async def test_a_topic_has_the_partitions_it_was_created_with(broker: Broker) -> None:
    three, eight = broker.new_topic("three", 3), broker.new_topic("eight", 8)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    described = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics([three, eight])}
    await admin.close()
    assert described == {three: 3, eight: 8}


async def test_a_partition_keeps_the_order_and_numbers_records_from_zero(broker: Broker) -> None:
    topic = broker.new_topic("order", 2)
    sent = {partition: [f"{partition}-{n}".encode() for n in range(500)] for partition in (0, 1)}
    async with producing(broker, enable_idempotence=True, max_batch_size=1000) as producer:
        for partition, values in sent.items():
            await send(producer, topic, values, partition)
    async with consuming(broker, topic) as consumer:
        found = await read(consumer, 1000)
    for partition, values in sent.items():
        assert [(o, v) for p, o, v in found if p == partition] == list(enumerate(values))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_compressed_batch_reads_back_as_it_was(broker: Broker, codec: str) -> None:
    topic = broker.new_topic(codec, 1)
    values = [b'{"type":"order.placed","n":%d}' % n * 5 for n in range(300)]
    async with producing(broker, compression_type=codec, linger_ms=20) as producer:
        await send(producer, topic, values)
    async with consuming(broker, topic) as consumer:
        assert [value for _, _, value in await read(consumer, 300)] == values


async def test_a_group_goes_on_from_the_offset_it_committed(broker: Broker) -> None:
    topic = broker.new_topic("commit", 1)
    async with producing(broker) as producer:
        await send(producer, topic, [b"%d" % n for n in range(10)])
    async with consuming(broker, topic, **member_of(topic)) as consumer:
        await read(consumer, 10)
        await consumer.commit({TopicPartition(topic, 0): 4})
    async with consuming(broker, topic, **member_of(topic)) as consumer:
        assert [offset for _, offset, _ in await read(consumer, 6)] == [4, 5, 6, 7, 8, 9]


async def test_a_second_member_of_a_group_gets_its_share(broker: Broker) -> None:
    topic = broker.new_topic("share", 4)
    member = member_of(topic)
    async with consuming(broker, topic, **member) as first, consuming(broker, topic, **member) as second:
        async with asyncio.timeout(20):
            while len(first.assignment()) != 2 or len(second.assignment()) != 2:
                await asyncio.gather(first.getmany(timeout_ms=100), second.getmany(timeout_ms=100))
        assert {tp.partition for tp in first.assignment() | second.assignment()} == {0, 1, 2, 3}


async def test_an_aborted_record_is_hidden_from_who_reads_committed(transactional_broker: Broker) -> None:
    topic = transactional_broker.new_topic("aborted", 1)
    async with producing(transactional_broker, transactional_id=topic) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed", partition=0)
    async with consuming(transactional_broker, topic, isolation_level="read_committed") as consumer:
        assert [value for _, _, value in await read(consumer, 1)] == [b"committed"]


async def test_a_new_owner_fences_the_former_one(transactional_broker: Broker) -> None:
    topic = transactional_broker.new_topic("fenced", 1)
    async with producing(transactional_broker, transactional_id=topic) as former:
        await former.begin_transaction()
        await former.send_and_wait(topic, b"from the former owner", partition=0)
        async with producing(transactional_broker, transactional_id=topic) as owner, owner.transaction():
            await owner.send_and_wait(topic, b"from the new owner", partition=0)
        with pytest.raises(KafkaError):
            await former.commit_transaction()
    async with consuming(transactional_broker, topic, isolation_level="read_committed") as consumer:
        assert [value for _, _, value in await read(consumer, 1)] == [b"from the new owner"]


@pytest.mark.slow
async def test_a_killed_broker_comes_back_with_what_it_had_written(broker: Broker) -> None:
    if not broker.restartable:
        pytest.skip(f"the {broker.kind} broker cannot be restarted")
    own = open_broker("kafka")  # not the one that other tests use
    try:
        topic = own.new_topic("kept", 1)
        async with producing(own) as producer:
            await send(producer, topic, [b"before"])
        own.kill()
        own.restart()
        async with consuming(own, topic) as consumer:
            assert [value for _, _, value in await read(consumer, 1)] == [b"before"]
    finally:
        own.close()


async def test_the_embedded_broker_drops_the_oldest_batches_beyond_its_limit() -> None:
    with EmbeddedBroker({"full": 1}) as embedded:
        where = TopicPartition("full", 0)
        kilobyte = os.urandom(1024)
        async with AIOKafkaProducer(bootstrap_servers=embedded.bootstrap) as producer:
            await send(producer, "full", [kilobyte] * 7000)
        async with AIOKafkaConsumer(bootstrap_servers=embedded.bootstrap) as consumer:
            kept = (await consumer.end_offsets([where]))[where] - (await consumer.beginning_offsets([where]))[where]
    assert 0.95 * PARTITION_BYTES < kept * 1024 <= PARTITION_BYTES


def test_the_embedded_broker_says_so_when_a_topic_exists_already() -> None:
    with EmbeddedBroker({"here": 1}) as embedded, pytest.raises(EmbeddedBrokerError, match=r"here .*already exists"):
        embedded.create_topics({"here": 2})


def test_a_broker_that_cannot_be_had_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(BrokerUnavailable, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        open_broker("external")


def test_a_wrong_wish_names_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_TEST_BROKER", "redpanda")
    with pytest.raises(ValueError, match="'redpanda'; allowed are auto, external, docker, kafka, embedded"):
        wanted_broker()
