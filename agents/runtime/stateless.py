"""A stateless agent: one stage over all input partitions owned here, in rounds of records, acknowledgements, ticks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from faust.types import TP
from faust.types.agents import AgentT

from agents.runtime import failpoints
from agents.runtime.failpoints import crash_at
from agents.runtime.fatal import end_process, in_words
from agents.runtime.lane import Intake
from agents.runtime.sending import Dispatch, OnOversize, acknowledged
from agents.runtime.stateful import attach
from agents.runtime.task import Origin, Out, Stage
from agents.runtime.transport import Batch, Consumer

if TYPE_CHECKING:
    from agents.runtime.app import RuntimeApp

log = logging.getLogger(__name__)


class StatelessShare:
    """The partitions of one stateless agent that this worker owns."""

    def __init__(
        self, app: "RuntimeApp", name: str, topics: Iterable[str], stage: Stage, on_oversize: OnOversize | None
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self._app = app
        self._stage = stage
        self._on_oversize = on_oversize
        self._counters = app.metrics.agent(name)
        self._settings = app.settings
        self._owned: set[TP] = set()
        self._intakes: dict[TP, Intake] = {}
        self._blocked = False
        self._processed: dict[TP, int] = {}
        self._untold: dict[TP, int] = {}
        """Offsets of which no tick has told."""
        self._uncommitted: dict[TP, int] = {}
        self._arrived = asyncio.Event()
        self._stopping = False
        self._pump: asyncio.Task[None] | None = None
        self._dispatch: Dispatch | None = None

    # ---- what the application asks of a share

    @property
    def ready(self) -> bool:
        return self.at_work == len(self._owned)

    def assign(self, assigned: Iterable[TP]) -> None:
        """Starts to work on what is assigned here; on nothing, nothing works: nobody is asked to `quiesce` who has
        nothing, and of two pumps one would not wait for what the other has sent.
        """
        if self._pump is not None:
            end_process(f"{self.name}: partitions were assigned before the former ones were revoked")
        self._owned = {tp for tp in assigned if tp.topic in self.topics}
        self._intakes.clear()
        self._blocked = False
        self._processed.clear()
        self._untold.clear()
        self._uncommitted.clear()
        self._stopping = False
        self._dispatch = Dispatch(self._app.batch_producer.client, self._settings.produce_max_bytes, self._on_oversize)
        if self._owned:
            self._pump = asyncio.ensure_future(self._guarded())

    def put(self, batch: Batch) -> None:
        tp = batch.tp
        intake = self._intakes.get(tp)
        if self._stopping or intake is None:
            return
        intake.put(batch)
        # All wait for all: partitions that each had their fill would keep what comes of them from being read.
        if not self._blocked and self._batches() >= 3:
            self._blocked = True
            self._consumer.block(*self._intakes)
        self._arrived.set()

    def _gathered(self) -> int:
        return sum(intake.size for intake in self._intakes.values())

    def _batches(self) -> float:
        """How many full batches wait."""
        return self._settings.batches(self._gathered(), sum(intake.bytes for intake in self._intakes.values()))

    async def quiesce(self) -> None:
        """Stops after the round in flight, with its offsets committed."""
        self._stopping = True
        self._arrived.set()
        if self._pump is not None:
            await asyncio.wait([self._pump])
            self._pump = None

    def close(self) -> None:
        """There is nothing to close."""

    def waiting(self) -> dict[str, int]:
        """Records gathered and not yet processed, by topic."""
        totals = dict.fromkeys(self.topics, 0)
        for tp, intake in self._intakes.items():
            totals[tp.topic] += intake.size
        return totals

    def recovery_left(self) -> list[tuple[str, int]]:
        """Nothing: there are no tables."""
        return []

    @property
    def at_work(self) -> int:
        return len(self._intakes) if self._pump is not None else 0

    # ---- the pump

    @property
    def _consumer(self) -> Consumer:
        return self._app.batch_consumer

    async def _guarded(self) -> None:
        try:
            await self._run()
        except Exception as error:
            end_process(f"{self.name}: {in_words(error)}", error)

    async def _run(self) -> None:
        await self._begin()
        tick_due = time.monotonic()
        # Apart from the ticks, at which every partition downstream has something to commit too.
        commit_due = tick_due + self._settings.tick_ms / 2000
        while not self._stopping:
            await self._wait(tick_due)
            if self._stopping:
                break
            await self._bounded(self._round())
            now = time.monotonic()
            if now >= tick_due:
                tick_due = now + self._settings.tick_ms / 1000
                await self._bounded(self._tick())
            if now >= commit_due:
                commit_due = now + self._settings.commit_ms / 1000
                await self._commit()
        await self._bounded(self._tick())
        await self._commit()

    async def _begin(self) -> None:
        starts = await self._consumer.start_offsets(dict.fromkeys(self._owned, 0))
        self._intakes = {tp: Intake(tp, start) for tp, start in starts.items()}
        for tp, start in starts.items():
            await self._consumer.release(tp, start)

    async def _bounded(self, step: Awaitable[None]) -> None:
        async with asyncio.timeout(self._settings.step_timeout_s):
            await step

    async def _wait(self, until: float) -> None:
        """Waits for records, or until the next tick is due."""
        if self._gathered():
            return
        self._arrived.clear()
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def _round(self) -> None:
        """Processes what has gathered, sends what comes of it, and waits until that is acknowledged."""
        began = time.perf_counter()
        outputs: list[Out] = []
        done: dict[TP, int] = {}
        left, left_bytes = self._settings.batch_max_records, self._settings.batch_max_bytes
        for tp, intake in list(self._intakes.items()):
            if not intake.size:
                continue
            before = intake.bytes
            records = intake.take(left, left_bytes, least=0 if done else 1)
            if not records:
                break  # no room for the first of them: the next round begins here
            # To the back of the queue: no partition may starve the others.
            self._intakes[tp] = self._intakes.pop(tp)
            left_bytes -= before - intake.bytes
            crash_at(failpoints.BEFORE_PROCESS)
            outputs.extend(self._stage.process(records))
            done[tp] = records[-1].offset + 1
            self._counters.records += len(records)
            left -= len(records)
            if left <= 0:
                break
        if self._blocked and self._batches() < 1:
            self._blocked = False
            self._consumer.open(*self._intakes)
        if done:
            crash_at(failpoints.AFTER_PROCESS)
            await self._send(outputs, began)
            self._processed.update(done)
            self._untold.update(done)

    async def _send(self, outputs: list[Out], began: float) -> None:
        assert self._dispatch is not None
        sending = time.perf_counter()
        await acknowledged(await self._dispatch.send(outputs))
        crash_at(failpoints.AFTER_OUTPUTS)
        done = time.perf_counter()
        self._counters.outputs += len(outputs)
        self._counters.oversize += self._dispatch.take_oversize()
        self._counters.commit_seconds.observe(done - sending)
        self._counters.batch_seconds.observe(done - began)

    async def _tick(self) -> None:
        """Asks for the tick. Everything sent earlier has been acknowledged by now.

        Only what a tick has told of is committed: for nobody reads it again, to tell that its feed has spoken.
        """
        if not self._owned or self._app.rebalancing:
            return
        counts = self._consumer.partition_counts(self.topics)
        outputs = self._stage.tick(self._caught_up(), counts)
        assert self._dispatch is not None
        await acknowledged(await self._dispatch.send(outputs))
        self._counters.outputs += len(outputs)
        self._uncommitted |= self._untold
        self._untold.clear()

    def _caught_up(self) -> dict[Origin, int]:
        claims = self._consumer.heard.caught_up
        held = ((tp, claims.get(tp)) for tp in self._owned)
        return {
            Origin(tp.topic, tp.partition): asked.at_ms
            for tp, asked in held
            if asked is not None and self._processed.get(tp, 0) >= asked.after
        }

    async def _commit(self) -> None:
        offsets, self._uncommitted = self._uncommitted, {}
        if not offsets:
            return
        crash_at(failpoints.BEFORE_COMMIT)
        committed = await self._consumer.commit_offsets(offsets)
        if committed == "done":
            self._counters.commits += 1
        elif committed == "postponed":
            self._uncommitted = offsets | self._uncommitted
        else:
            log.warning("%s: partitions were taken away before their offsets were committed", self.name)
        crash_at(failpoints.AFTER_COMMIT)


def stateless(
    app: "RuntimeApp", name: str, topics: Iterable[str], stage: Stage, *, oversize: OnOversize | None = None
) -> AgentT[Any]:
    """Attaches an agent with one stage over all partitions of `topics`; ticks follow the clock given to `make_app`.

    `oversize` says what is produced instead of an output larger than `produce_max_bytes`; without it such an output
    ends the process.
    """
    topics = list(topics)
    return attach(app, StatelessShare(app, name, topics, stage, oversize), name, topics)
