"""A stateful agent: one task, one lane, one local store and one changelog partition for each input partition.

Taking a partition over: fence the former owner, read the changelog to its end, look up the input position, restore the
task, and only then let records in. All of it happens beside the group's protocol: a long recovery costs no heartbeat.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any

from faust.types import TP
from faust.types.agents import AgentT

from agents.runtime.fatal import end_process, in_words
from agents.runtime.lane import Lane
from agents.runtime.outlet import PlainOutlet, TransactionalOutlet
from agents.runtime.recovery import Recovery
from agents.runtime.sending import Dispatch, OnOversize
from agents.runtime.settings import changelog_topic
from agents.runtime.store import PartitionStore, Stores
from agents.runtime.tables import RuntimeTable, partitions_of
from agents.runtime.task import Task, TaskFactory
from agents.runtime.transport import Batch, Consumer, Producer

if TYPE_CHECKING:
    from agents.runtime.app import RuntimeApp

log = logging.getLogger(__name__)

_STARTING_AT_ONCE = 16


class StatefulShare:
    """The partitions of one stateful agent that this worker owns."""

    def __init__(
        self,
        app: "RuntimeApp",
        *,
        name: str,
        topic: str,
        table: str,
        factory: TaskFactory,
        on_oversize: OnOversize | None,
    ) -> None:
        self.name = name
        self.topics = frozenset((topic,))
        self._table = table
        self._app = app
        self._topic = topic
        self._factory = factory
        self._on_oversize = on_oversize
        self._changelog = changelog_topic(app.settings, table)
        self._recovery = Recovery(app.settings, self._changelog)
        self.stores = Stores(app.settings.data_dir, table, app.budget, app.metrics)
        self._lanes: dict[int, Lane] = {}
        self._working: dict[int, asyncio.Task[None]] = {}
        self._idle_tasks: dict[int, Task] = {}
        self._takeover: asyncio.Task[None] | None = None
        self._owned: set[int] = set()

    # ---- what the application asks of a share

    @property
    def ready(self) -> bool:
        """Whether every owned partition is at work."""
        return self._owned == self._lanes.keys()

    def assign(self, assigned: Iterable[TP]) -> None:
        """Starts to take over what is assigned here, and gives up the rest."""
        if self._lanes:
            end_process(f"{self.name}: partitions were assigned before the former ones were revoked")
        self._owned = partitions_of(self._topic, assigned)
        self._recovery.progress = {}  # what a takeover that was cut short had left is nobody's work here
        for partition in set(self.stores.opened) - self._owned:
            self._idle_tasks.pop(partition, None)
            self.stores.close(partition)
        self._takeover = asyncio.ensure_future(self._guarded(self._take_over(sorted(self._owned)), "taking over"))

    def put(self, batch: Batch) -> None:
        lane = self._lanes.get(batch.partition)
        if lane is not None:
            lane.put(batch)

    async def quiesce(self) -> None:
        """Stops after the batches in flight. The stores stay open: an unchanged partition goes on with its task."""
        if self._takeover is not None:
            self._takeover.cancel()
            await asyncio.wait([self._takeover])
        for lane in self._lanes.values():
            lane.stop()
        if self._working:
            await asyncio.wait(self._working.values())
        await asyncio.gather(*(lane.outlet.close() for lane in self._lanes.values()))
        self._idle_tasks = {partition: lane.task for partition, lane in self._lanes.items()}
        self._lanes.clear()
        self._working.clear()

    def close(self) -> None:
        self.stores.close_all()

    def waiting(self) -> dict[str, int]:
        """Records gathered and not yet processed, by topic."""
        return {self._topic: sum(lane.waiting for lane in self._lanes.values())}

    @property
    def at_work(self) -> int:
        return len(self._lanes)

    def recovery_left(self) -> list[tuple[str, int]]:
        """Changelog offsets not yet read back, by table."""
        return [(self._table, sum(one.left for one in self._recovery.progress.values()))]

    # ---- taking over

    @property
    def _consumer(self) -> Consumer:
        return self._app.batch_consumer

    async def _guarded(self, work: Any, what: str) -> None:
        try:
            await work
        except Exception as error:
            end_process(f"{self.name}: {what} failed: {in_words(error)}", error)

    async def _take_over(self, partitions: list[int]) -> None:
        if not partitions:
            return
        outlets = {partition: self._new_outlet(partition) for partition in partitions}
        try:
            await self._fence(outlets)
            stores = {}
            for partition in partitions:
                stores[partition] = self.stores.open(partition)
                await asyncio.sleep(0)  # a store is read through as it is opened: probes are answered in between
            async with asyncio.TaskGroup() as group:

                def recovered(partition: int) -> None:
                    group.create_task(self._activate(partition, outlets))

                await self._recovery.run(stores, recovered)
        finally:
            await asyncio.gather(*(outlet.close() for outlet in outlets.values()))
        log.info("%s has taken over partitions %s", self.name, partitions)

    def _new_outlet(self, partition: int) -> TransactionalOutlet | PlainOutlet:
        settings, tp = self._app.settings, TP(self._topic, partition)
        if settings.transactional:
            return TransactionalOutlet(settings, self.name, tp, self._on_oversize)
        producer: Producer = self._app.batch_producer
        dispatch = Dispatch(producer.client, settings.produce_max_bytes, self._on_oversize)
        return PlainOutlet(self._consumer, dispatch, tp)

    async def _fence(self, outlets: dict[int, TransactionalOutlet | PlainOutlet]) -> None:
        limit = asyncio.Semaphore(_STARTING_AT_ONCE)

        async def start(outlet: TransactionalOutlet | PlainOutlet) -> None:
            async with limit:
                await outlet.start()

        await asyncio.gather(*(start(outlet) for outlet in outlets.values()))

    async def _activate(self, partition: int, outlets: dict[int, TransactionalOutlet | PlainOutlet]) -> None:
        tp, store = TP(self._topic, partition), self.stores.open(partition)
        start = (await self._consumer.start_offsets({tp: store.input_next or 0}))[tp]
        lane = Lane(
            tp,
            self._app.settings,
            changelog=self._changelog,
            counters=self._app.metrics.agent(self.name),
            consumer=self._consumer,
            outlet=outlets.pop(partition),  # from here on the lane closes it
            store=store,
            task=self._task(partition, store),
            start=start,
        )
        self._lanes[partition] = lane
        self._working[partition] = asyncio.ensure_future(self._guarded(lane.run(), f"partition {partition}"))
        await self._consumer.release(tp, start)

    def _task(self, partition: int, store: PartitionStore) -> Task:
        """The task as it was, if nothing has happened to its rows since; else a new one, restored from them."""
        idle, recovered = self._idle_tasks.pop(partition, None), self._recovery.progress[partition]
        if idle is not None and not recovered.records and not recovered.wiped:
            return idle
        task = self._factory(partition, store.get)
        rows = store.rows()
        try:
            task.restore(rows)
        finally:
            rows.close()
        return task


def stateful(
    app: "RuntimeApp",
    name: str,
    topic: str,
    table: str,
    factory: TaskFactory,
    *,
    oversize: OnOversize | None = None,
) -> AgentT[Any]:
    """Attaches an agent with one task for each partition of `topic`.

    `name` is part of the transactional ids and must stay the same over releases. Rows live in `table`, whose changelog
    (`changelog_topic`) must have as many partitions as `topic`. `oversize` says what is produced instead of an output
    larger than `produce_max_bytes`; without it such an output ends the process.
    """
    share = StatefulShare(app, name=name, topic=topic, table=table, factory=factory, on_oversize=oversize)
    app.tables.add(RuntimeTable(app, table, share.stores))
    return attach(app, share, name, [topic])


def attach(app: "RuntimeApp", share: Any, name: str, topics: list[str]) -> AgentT[Any]:
    """A Faust agent over these topics whose messages, being batches, go to `share`."""
    app.shares.append(share)
    app.metrics.agent(name)
    channel = app.topic(*topics, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes,
                        acks=False)  # fmt: skip

    async def take(stream: AsyncIterable[Any]) -> None:
        try:
            async for event in stream.noack().events():  # type: ignore[attr-defined]
                share.put(event.message)
        except Exception as error:
            end_process(f"{name}: {in_words(error)}", error)

    return app.agent(channel, name=name, concurrency=1)(take)
