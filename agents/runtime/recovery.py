"""Reads table partitions back from their changelog, in batches, until what is written is the changelog's end.

The end is a position, not a record: the last offsets of a changelog often hold only transaction markers, which no
consumer ever hands over.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.structs import ConsumerRecord, TopicPartition

from agents.runtime.failpoints import IN_RECOVERY, crash_at
from agents.runtime.settings import RuntimeSettings
from agents.runtime.store import POSITION_KEY, PartitionStore, lineage_in

log = logging.getLogger(__name__)

_RECORDS_AT_ONCE = 5_000


@dataclass
class Recovered:
    """What recovering one partition came to."""

    records: int = 0
    """Changelog records applied: none means the local state was complete."""
    wiped: bool = False
    """The local state could not be used and was rebuilt from the first record."""
    left: int = 0
    """Changelog offsets still to be read."""
    begin: int = 0
    """The first changelog offset there is."""
    lineage: bytes = b""
    """Which changelog the local state says it is of; empty once that has been seen to be this one."""

    def is_foreign(self, records: Sequence["ConsumerRecord[bytes, bytes]"]) -> bool:
        """Whether these records show that the local state is of another changelog: of another application, or of one
        that was deleted, and has been made anew and outgrown what is reflected here.
        """
        position = next((record.value for record in records if record.key == POSITION_KEY), None)
        if position is None:
            return False
        known, self.lineage = self.lineage, b""
        return lineage_in(position) != known


class _Patience:
    """Ends when a number has not changed for too long."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._seen = -1
        self._since = time.monotonic()

    def check(self, number: int) -> None:
        """Raises TimeoutError if `number` has been the same for the limit."""
        now = time.monotonic()
        if number != self._seen:
            self._seen, self._since = number, now
        elif now - self._since > self._limit_s:
            raise TimeoutError(f"recovery stands still with {number} records left: is a transaction open there?")


async def _ends(consumer: AIOKafkaConsumer, at: list[TopicPartition]) -> dict[TopicPartition, int]:
    """The ends of these partitions, behind what is committed and what is not.

    The end of what is committed stands still where a transaction was left open, be it by nobody of ours: what was
    committed behind that would be missing, and local state that reflects it be taken for that of another changelog.
    """
    fetcher = consumer._fetcher  # noqa: SLF001  # to its caller the client tells only the end that it is made for
    fetcher._isolation_level = READ_UNCOMMITTED  # noqa: SLF001
    ends: dict[TopicPartition, int] = await consumer.end_offsets(at)
    fetcher._isolation_level = READ_COMMITTED  # noqa: SLF001
    return ends


class Recovery:
    """Recovers the partitions of one table. `progress` holds each partition's state while it runs and after."""

    def __init__(self, settings: RuntimeSettings, changelog: str) -> None:
        self._settings = settings
        self._changelog = changelog
        self.progress: dict[int, Recovered] = {}

    async def run(self, stores: Mapping[int, PartitionStore], on_recovered: Callable[[int], None]) -> None:
        """Brings every store to the end of its changelog partition; calls back for each as it gets there.

        The former owner must have been fenced before. Raises TimeoutError when the broker stops answering.
        """
        settings = self._settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.servers,
            client_id=f"{settings.client_id}-recovery",
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * settings.fetch_max_bytes,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            request_timeout_ms=settings.request_timeout_ms,
            **settings.security,
        )
        self.progress = {partition: Recovered() for partition in stores}
        try:
            async with asyncio.timeout(settings.step_timeout_s):
                await consumer.start()
            await self._read(consumer, stores, on_recovered)
        finally:
            await consumer.stop()

    async def _read(
        self, consumer: AIOKafkaConsumer, stores: Mapping[int, PartitionStore], on_recovered: Callable[[int], None]
    ) -> None:
        at = {partition: TopicPartition(self._changelog, partition) for partition in stores}
        async with asyncio.timeout(self._settings.step_timeout_s):
            begins = await consumer.beginning_offsets(list(at.values()))
            ends = await _ends(consumer, list(at.values()))
        consumer.assign(list(at.values()))
        for partition, tp in at.items():
            consumer.seek(tp, self._first(partition, stores[partition], begins[tp], ends[tp]))
        left = set(stores)
        patience = _Patience(self._settings.step_timeout_s)
        while True:
            for partition in sorted(left):
                if await self._at_end(consumer, at[partition], ends[at[partition]]):
                    left.discard(partition)
                    consumer.pause(at[partition])
                    on_recovered(partition)
            if not left:
                return
            patience.check(sum(one.left for one in self.progress.values()))
            await self._step(consumer, stores)

    def _first(self, partition: int, store: PartitionStore, begin: int, end: int) -> int:
        """The changelog offset to read from; drops local state that can't be trusted."""
        known, recovered = store.changelog_next, self.progress[partition]
        recovered.begin = begin
        if begin > (known or 0):
            log.error("%s-%d begins at %d: rows written before have no other copy than the local one, if there is any",
                      self._changelog, partition, begin)  # fmt: skip
        if known is None:
            return begin
        if known > end:
            store.wipe(f"it reflects changelog offset {known}, but the changelog ends at {end}")
        elif store.age_s > self._settings.local_state_max_age_s:
            store.wipe(f"it was last written {store.age_s:.0f} s ago")
        else:
            recovered.lineage = store.lineage
            return max(known, begin)
        recovered.wiped = True
        return begin

    async def _at_end(self, consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> bool:
        async with asyncio.timeout(self._settings.step_timeout_s):
            position = await consumer.position(tp)
        self.progress[tp.partition].left = max(0, end - position)
        return bool(position >= end)

    async def _step(self, consumer: AIOKafkaConsumer, stores: Mapping[int, PartitionStore]) -> None:
        async with asyncio.timeout(self._settings.step_timeout_s):
            fetched = await consumer.getmany(timeout_ms=200, max_records=_RECORDS_AT_ONCE)
        for tp, records in fetched.items():
            store, recovered = stores[tp.partition], self.progress[tp.partition]
            if recovered.lineage and recovered.is_foreign(records):
                store.wipe("it is of another changelog")
                recovered.wiped = True
                consumer.seek(tp, recovered.begin)
                continue
            rows = [(record.key, record.value) for record in records]
            store.write(rows, records[-1].offset + 1)
            recovered.records += len(records)
            crash_at(IN_RECOVERY)
        await asyncio.sleep(0)
