"""The way out of one input partition: what it sends, and how sending and the input offset become one fact.

With transactions they are one transaction of a producer that only this partition's owner has. Without, the offset is
committed once everything is acknowledged, and a crash in between repeats the outputs of one batch.
"""

import asyncio
from contextlib import suppress
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition
from faust.types import TP

from agents.runtime.sending import Dispatch, OnOversize
from agents.runtime.settings import RuntimeSettings
from agents.runtime.transport import Consumer


class Outlet(Protocol):
    """How one input partition's batches leave."""

    dispatch: Dispatch
    atomic: bool
    """Whether all that a batch sends becomes visible together, or nothing of it."""

    async def begin(self) -> None:
        """Starts a batch."""

    async def add_offset(self, offset: int) -> None:
        """Makes the input offset part of the batch."""

    async def commit(self, offset: int) -> None:
        """Makes the batch final. Everything it sent is acknowledged. Raises where that is refused or in doubt."""

    def failure(self) -> BaseException | None:
        """What the broker has ended the batch for, if it has."""

    async def abort(self) -> None:
        """Undoes the batch under way, as far as that is possible; never raises."""

    async def close(self) -> None:
        """Releases connections; never raises."""


class TransactionalOutlet:
    """One transactional producer. Starting it fences whoever had the same id, and ends what it left open."""

    atomic = True

    def __init__(self, settings: RuntimeSettings, agent: str, tp: TP, on_oversize: OnOversize | None) -> None:
        compression = None if settings.compression == "none" else settings.compression
        self._settings = settings
        self._input = TopicPartition(tp.topic, tp.partition)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.servers,
            client_id=f"{settings.client_id}-{agent}-{tp.partition}",
            transactional_id=f"{settings.app_id}-{agent}-{tp.partition}",
            transaction_timeout_ms=settings.transaction_timeout_ms,
            compression_type=compression,
            max_batch_size=settings.produce_max_bytes,
            max_request_size=settings.produce_max_bytes,
            request_timeout_ms=settings.request_timeout_ms,
            metadata_max_age_ms=60_000,
            **settings.security,
        )
        self.dispatch = Dispatch(self._producer, settings.produce_max_bytes, on_oversize)

    async def start(self) -> None:
        """Takes the partition over from any former owner. Raises KafkaError or TimeoutError."""
        async with asyncio.timeout(self._settings.step_timeout_s):
            await self._producer.start()

    async def begin(self) -> None:
        await self._producer.begin_transaction()

    async def add_offset(self, offset: int) -> None:
        await self._producer.send_offsets_to_transaction({self._input: offset}, self._settings.app_id)

    async def commit(self, offset: int) -> None:  # noqa: ARG002  # it is in the transaction
        await self._producer.commit_transaction()

    def failure(self) -> BaseException | None:
        # Whatever is asked of the client afterwards, it says only that there is no transaction.
        ended = self._producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001  # it shows this to nobody
        return ended.exception() if ended is not None and ended.done() else None

    async def abort(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(2):
                await self._producer.abort_transaction()

    async def close(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(2):
                await self._producer.stop()


class OffsetLostError(Exception):
    """The group has given the partition to somebody else."""


class PlainOutlet:
    """The worker's shared idempotent producer; the offset is committed by the consumer."""

    atomic = False

    def __init__(self, consumer: Consumer, dispatch: Dispatch, tp: TP) -> None:
        self._consumer = consumer
        self._tp = tp
        self.dispatch = dispatch

    async def start(self) -> None:
        """Nothing to take over: nobody can be fenced."""

    async def begin(self) -> None:
        """There is nothing to begin."""

    async def add_offset(self, offset: int) -> None:
        """The offset follows at the end."""

    async def commit(self, offset: int) -> None:
        # Where it is postponed the changelog knows the position: whoever is next begins there.
        if await self._consumer.commit_offsets({self._tp: offset}) == "lost":
            raise OffsetLostError(f"{self._tp.topic}-{self._tp.partition} has been taken away")

    def failure(self) -> None:
        """Whatever fails says so itself."""

    async def abort(self) -> None:
        """What was sent stays sent."""

    async def close(self) -> None:
        """The producer is the worker's."""
