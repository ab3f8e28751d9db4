"""One input partition at work: gathers what has been read, and takes it through one batch at a time.

A batch is: process, send outputs and rows, add the input offset, commit, write the local state. The next batch begins
when all of that is done. Meanwhile more records gather, so the batches grow with the load.
"""

import asyncio
import math
import time
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice, takewhile

from faust.types import TP

from agents.runtime import failpoints
from agents.runtime.failpoints import crash_at
from agents.runtime.metrics import AgentCounters
from agents.runtime.outlet import Outlet
from agents.runtime.sending import acknowledged
from agents.runtime.settings import RuntimeSettings
from agents.runtime.store import RESERVED_KEYS, PartitionStore, Row, position_row
from agents.runtime.task import Record, Task, Work, weight
from agents.runtime.transport import Batch, Consumer


class InDoubtError(Exception):
    """Records have been skipped, or a task used a reserved key: going on could lose or repeat something."""


class Intake:
    """The records of one partition that wait to be processed, without a gap and without a repetition."""

    def __init__(self, tp: TP, expected: int) -> None:
        self._tp = tp
        self.expected = expected
        self._waiting: deque[Sequence[Record]] = deque()
        self._weights: deque[int] = deque()
        """Bytes of what waits, piece by piece: to weigh records costs as much as to look at them."""
        self.size = 0
        self.bytes = 0

    def put(self, batch: Batch) -> None:
        """Takes in consecutive records but those taken before. Raises InDoubtError where some are missing."""
        if batch.follows > self.expected:
            raise InDoubtError(f"{self._tp}: records from {self.expected} to {batch.follows} were never handed over")
        records = batch.records
        if records[0].offset < self.expected:
            records = [record for record in records if record.offset >= self.expected]
        if records:
            self._waiting.append(records)
            self._weights.append(sum(map(weight, records)))
            self.size += len(records)
            self.bytes += self._weights[-1]
            self.expected = records[-1].offset + 1

    def take(self, most: int, most_bytes: int, least: int = 1) -> Sequence[Record]:
        """Removes and returns up to `most` records, oldest first, of up to `most_bytes` together; of records that are
        larger, `least`.
        """
        if self.bytes > most_bytes:
            most = max(least, self._fitting(most, most_bytes))
        first, size = self._waiting.popleft(), self._weights.popleft()
        if len(first) > most:
            first, rest = first[:most], first[most:]
            self._waiting.appendleft(rest)
            whole, size = size, sum(map(weight, first))
            self._weights.appendleft(whole - size)
        elif self._waiting and len(first) + len(self._waiting[0]) <= most:
            first = list(first)
            while self._waiting and len(first) + len(self._waiting[0]) <= most:
                first.extend(self._waiting.popleft())
                size += self._weights.popleft()
        self.size -= len(first)
        self.bytes -= size
        return first

    def _fitting(self, most: int, most_bytes: int) -> int:
        """How many of the oldest records are of up to so many bytes together."""
        sums = accumulate(map(weight, islice(chain.from_iterable(self._waiting), most)))
        return sum(1 for _ in takewhile(lambda size: size <= most_bytes, sums))

    @property
    def urgent(self) -> bool:
        """Whether any that waits has a key. What has none is for all and nobody, as ticks are."""
        return any(record.key is not None for records in self._waiting for record in records)

    def clear(self) -> None:
        self._waiting.clear()
        self._weights.clear()
        self.size = self.bytes = 0


class Lane:
    """The batches of one partition, one after another."""

    def __init__(
        self,
        tp: TP,
        settings: RuntimeSettings,
        *,
        changelog: str,
        counters: AgentCounters,
        consumer: Consumer,
        outlet: Outlet,
        store: PartitionStore,
        task: Task,
        start: int,
    ) -> None:
        self.tp = tp
        self.task = task
        self.store = store
        self.outlet = outlet
        self._changelog = changelog
        self._lineage = store.lineage or uuid.uuid4().hex.encode()
        self._settings = settings
        self._counters = counters
        self._consumer = consumer
        self._intake = Intake(tp, start)
        self._arrived = asyncio.Event()
        self._stopping = False
        self._blocked = False
        self._last_commit = -math.inf

    @property
    def waiting(self) -> int:
        return self._intake.size

    def put(self, batch: Batch) -> None:
        """Takes in records from the agent. Raises InDoubtError."""
        if self._stopping:
            return
        self._intake.put(batch)
        if self._batches() >= 3 and not self._blocked:
            self._blocked = True
            self._consumer.block(self.tp)
        self._arrived.set()

    def _batches(self) -> float:
        """How many full batches wait."""
        return self._settings.batches(self._intake.size, self._intake.bytes)

    def stop(self) -> None:
        """Ends `run` after the batch in flight; what only waits is left for the next owner."""
        self._stopping = True
        self._intake.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Works until stopped. Raises whatever went wrong, with the batch's transaction aborted."""
        while await self._gather():
            records = self._intake.take(self._settings.batch_max_records, self._settings.batch_max_bytes)
            self._unblock()
            self._last_commit = time.monotonic()
            try:
                async with asyncio.timeout(self._settings.step_timeout_s):
                    await self._batch(records)
            except BaseException as error:
                failure = self.outlet.failure()
                await self.outlet.abort()
                if failure is not None:
                    raise failure from error
                raise

    async def _gather(self) -> bool:
        """Waits for records worth a batch; False when the lane stops."""
        while not self._intake.size and not self._stopping:
            self._arrived.clear()
            await self._arrived.wait()
        found = time.monotonic()
        while not self._stopping and self._batches() < 1:
            patience = self._ready_at(found) - time.monotonic()
            if patience <= 0:
                break
            self._arrived.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._arrived.wait()
            except TimeoutError:
                break
        return not self._stopping

    def _ready_at(self, found: float) -> float:
        """A lone event is not held back. Ticks wait for company: they come from everywhere at once, and a commit for
        each would keep the events waiting that come meanwhile.
        """
        since = self._last_commit if self._intake.urgent else max(self._last_commit, found)
        return since + self._settings.batch_max_ms / 1000

    def _unblock(self) -> None:
        if self._blocked and self._batches() < 1:
            self._blocked = False
            self._consumer.open(self.tp)

    async def _batch(self, records: Sequence[Record]) -> None:
        began = time.perf_counter()
        crash_at(failpoints.BEFORE_PROCESS)
        work = self.task.process(records)
        crash_at(failpoints.AFTER_PROCESS)
        processed = time.perf_counter()
        rows = self._rows(work, records[-1].offset + 1)
        changelog_next = await self._commit(work, rows, records[-1].offset + 1)
        self.store.write(rows, changelog_next)
        crash_at(failpoints.AFTER_STORE)
        done = time.perf_counter()
        counters = self._counters
        counters.records += len(records)
        counters.outputs += len(work.outputs)
        counters.rows += len(work.writes)
        counters.commits += 1
        counters.oversize += self.outlet.dispatch.take_oversize()
        counters.commit_seconds.observe(done - processed)
        counters.batch_seconds.observe(done - began)

    def _rows(self, work: Work, next_offset: int) -> list[Row]:
        if not RESERVED_KEYS.isdisjoint(work.writes):
            raise InDoubtError(f"the task of {self.tp} writes a reserved key")
        position: Iterable[Row] = (position_row(next_offset, self._lineage),)
        return list(chain(work.writes.items(), position))

    async def _commit(self, work: Work, rows: list[Row], next_offset: int) -> int:
        """Sends and commits; returns the changelog offset after the batch's rows."""
        outlet = self.outlet
        await outlet.begin()
        outputs = await outlet.dispatch.send(work.outputs)
        if not outlet.atomic:  # the rows say that the batch is done: not before its outputs have arrived
            await acknowledged(outputs)
        changes = await outlet.dispatch.send_rows(self._changelog, self.tp.partition, rows)
        await acknowledged(outputs)
        crash_at(failpoints.AFTER_OUTPUTS)
        await acknowledged(changes)
        crash_at(failpoints.AFTER_CHANGELOG)
        await outlet.add_offset(next_offset)
        crash_at(failpoints.AFTER_OFFSETS)
        crash_at(failpoints.BEFORE_COMMIT)
        await outlet.commit(next_offset)
        crash_at(failpoints.AFTER_COMMIT)
        return changes[-1].next_offset()
