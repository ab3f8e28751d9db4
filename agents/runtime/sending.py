"""Sends records as whole producer batches, in order for each partition they go to."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from agents.runtime.partition import partition_for
from agents.runtime.task import Header, Out, weight

OnOversize = Callable[[Out], Out | None]
"""Says what is produced in place of a record too large for a batch; None drops it."""


_NO_HEADERS: Final[list[Header]] = []


class OversizeError(Exception):
    """A record is larger than `produce_max_bytes`, and nobody said what to do with it."""


class Sent:
    """One producer batch on its way."""

    __slots__ = ("ack", "records")

    def __init__(self, ack: "asyncio.Future[RecordMetadata]", records: int) -> None:
        self.ack = ack
        self.records = records

    def next_offset(self) -> int:
        """The offset after this batch, once it is acknowledged."""
        return int(self.ack.result().offset) + self.records


class _Lane:
    """The batches for one partition; the last one still takes records."""

    __slots__ = ("batches", "partition", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.batches: list[Any] = []


class Dispatch:
    """Turns records into producer batches of at most `max_bytes`, and sends them."""

    def __init__(self, producer: AIOKafkaProducer, max_bytes: int, on_oversize: OnOversize | None = None) -> None:
        self._producer = producer
        self._max_bytes = max_bytes
        self._on_oversize = on_oversize
        self._partitions: dict[str, int] = {}
        self._spread = count()
        self._oversize = 0

    async def send(self, outputs: Sequence[Out]) -> list[Sent]:
        """Sends outputs in their order; the acknowledgements are awaited by the caller.

        Raises OversizeError, and KafkaError where the cluster refuses.
        """
        for topic in {out.topic for out in outputs} - self._partitions.keys():
            self._partitions[topic] = len(await self._producer.partitions_for(topic))
        lanes: dict[tuple[str, int], _Lane] = {}
        now = int(time.time() * 1000)
        instead = [replaced for out in outputs if (replaced := self._append(lanes, out, now)) is not None]
        sent = await self._send(lanes.values())
        return sent + await self.send(instead) if instead else sent

    async def send_rows(self, topic: str, partition: int, rows: Iterable[tuple[bytes, bytes | None]]) -> list[Sent]:
        """Sends table rows to a changelog partition. Raises OversizeError: a row can't be left out."""
        lane = _Lane(topic, partition)
        now = int(time.time() * 1000)
        for key, value in rows:
            if not self._add(lane, key, value, (), now):
                raise OversizeError(f"a row of {topic} has {len(value or b'')} bytes, more than {self._max_bytes}")
        return await self._send([lane])

    def take_oversize(self) -> int:
        """How many oversize records there were since this was last asked."""
        oversize, self._oversize = self._oversize, 0
        return oversize

    def _append(self, lanes: dict[tuple[str, int], _Lane], out: Out, now: int) -> Out | None:
        """Adds one output to its partition's batches; returns what is to be sent instead if it is too large."""
        topic, key, value, partition, headers = out
        if partition is None:
            partition = self._choose(topic, key)
        lane = lanes.get((topic, partition))
        if lane is None:
            lane = lanes[topic, partition] = _Lane(topic, partition)
        return None if self._add(lane, key, value, headers, now) else self._replace(out)

    def _choose(self, topic: str, key: bytes | None) -> int:
        partitions = self._partitions[topic]
        return next(self._spread) % partitions if key is None else partition_for(key, partitions)

    def _add(self, lane: _Lane, key: bytes | None, value: bytes | None, headers: tuple[Header, ...], now: int) -> bool:
        batches, listed = lane.batches, list(headers) if headers else _NO_HEADERS
        if batches and batches[-1].append(timestamp=now, key=key, value=value, headers=listed) is not None:
            return True
        batch = self._producer.create_batch()
        batch.append(timestamp=now, key=key, value=value, headers=listed)
        if batch.size() > self._max_bytes:
            return False
        batches.append(batch)
        return True

    def _replace(self, out: Out) -> Out | None:
        self._oversize += 1
        if self._on_oversize is None:
            raise OversizeError(f"a record for {out.topic} has {weight(out)} bytes: over {self._max_bytes}")
        instead = self._on_oversize(out)
        if instead is not None and weight(instead) >= weight(out):
            raise OversizeError(f"what replaces an oversize record for {out.topic} is no smaller")
        return instead

    async def _send(self, lanes: Iterable[_Lane]) -> list[Sent]:
        # Several partitions at once, but never two batches of one: the second waits until the first has left.
        sent = await asyncio.gather(*(self._send_lane(lane) for lane in lanes))
        return [one for batches in sent for one in batches]

    async def _send_lane(self, lane: _Lane) -> list[Sent]:
        sent = []
        for batch in lane.batches:
            batch.close()
            ack = await self._producer.send_batch(batch, lane.topic, partition=lane.partition)
            sent.append(Sent(ack, batch.record_count()))
        return sent


async def acknowledged(sent: Sequence[Sent]) -> None:
    """Waits until every batch is acknowledged. Raises KafkaError for the first that is not."""
    if sent:
        await asyncio.gather(*(one.ack for one in sent))
