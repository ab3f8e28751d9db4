# ruff: noqa: SLF001  # Neither Faust nor aiokafka means its fetching to be changed from outside.
"""A Faust transport that moves batches: all records of one partition from one fetch are one message.

Faust keeps the consumer group, the rebalances and the agents. What it would do for every event (a task group, four
futures, an event, a sensor) happens once for every batch, and offsets are committed by whoever processed them, never by
Faust's own commit loop.

Where a partition is read from is decided in one place: nothing of it is given out before its owner has released it at
an offset, and every batch says which offset it follows, so that whoever takes it notices when records went missing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import aiokafka
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.runtime.fatal import end_process, in_words
from agents.runtime.heard import Heard
from agents.runtime.lenient import be_lenient
from agents.runtime.membership import name_member, watch_sizes
from agents.runtime.settings import RuntimeSettings
from agents.runtime.task import Record

if TYPE_CHECKING:
    from agents.runtime.app import RuntimeApp

T = TypeVar("T")
Committed = Literal["done", "postponed", "lost"]

_NOWHERE: Final = TP("", 0)
"""Keeps the set of open partitions from ever being empty: the client takes an empty set for all partitions."""


class Batch(ConsumerMessage):
    """Consecutive records of one partition, as Faust's message."""

    __slots__ = ("follows", "records")

    records: Sequence[Record]
    follows: int
    """The offset before which everything was given out earlier."""


class Fetched(NamedTuple):
    """Records of one partition as the client gave them out."""

    tp: TP
    records: Sequence[Record]
    follows: int
    generation: int
    """The group's generation in which they were fetched."""

    def batch(self) -> Batch:
        tp, last = self.tp, self.records[-1]
        batch = Batch(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, 0, None, None, b"", None, 0, 0, tp,
            generation_id=self.generation,
        )  # fmt: skip
        batch.records = self.records
        batch.follows = self.follows
        return batch


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The Kafka client, in a thread and event loop of its own. What begins with an underscore runs in there."""

    consumer: "Consumer"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._positions: dict[TP, int] = {}
        """Where each partition released since the assignment goes on."""
        self._named = False

    @property
    def client(self) -> aiokafka.AIOKafkaConsumer:
        return self._ensure_consumer()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:  # noqa: ARG002
        settings = cast("RuntimeApp", self.app).settings
        self._assignor = self.app.assignor
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=settings.servers,
            client_id=settings.client_id,
            group_id=settings.app_id,
            group_instance_id=settings.instance_id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # owners say where to begin; from there on nothing may be passed over
            isolation_level="read_committed",
            max_poll_records=settings.batch_max_records,
            max_poll_interval_ms=24 * 3600 * 1000,
            max_partition_fetch_bytes=settings.fetch_max_bytes,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            request_timeout_ms=settings.request_timeout_ms,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            metadata_max_age_ms=60_000,
            **settings.security,
        )

    async def on_start(self) -> None:
        await super().on_start()
        client = self.client._client
        client.send = self.consumer.heard.listening(client.send)

    async def subscribe(self, topics: Iterable[str]) -> None:
        topics, instance_id = set(topics), self.consumer.settings.instance_id
        if instance_id is not None and not self._named:
            self._named = True
            await self.call(name_member, instance_id, topics)
        await super().subscribe(topics)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._forget()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._forget()
        # Changelogs are read by the recovery's own client; without the pause they would be fetched into a buffer.
        changelogs = [tp for tp in assigned if tp.topic in self.app.tables.changelog_topics]
        self.client.pause(*(TopicPartition(*tp) for tp in changelogs))
        if self.consumer.settings.instance_id is not None:
            watch_sizes(self.client)
        await super().on_partitions_assigned(assigned, generation_id)

    def _forget(self) -> None:
        self.consumer.heard.forget()
        self._positions.clear()

    async def _fetch_records(self, consumer: Any, active_partitions: Any, **limits: Any) -> Any:  # type: ignore[override]
        try:
            given = await super()._fetch_records(consumer, active_partitions, **limits)
        except OffsetOutOfRangeError as error:
            end_process(_out_of_range(error))
        except UnicodeDecodeError as error:
            if not be_lenient(error):
                raise
            # Again from where records were given out last: with the error, those of other partitions are gone as well.
            for tp, after in self._positions.items():
                consumer.seek(TopicPartition(*tp), after)
            return []
        except Exception as error:
            if stuck := undecodable(consumer):
                end_process(f"{stuck} cannot be decoded: {in_words(error)}", error)
            raise
        generation = consumer._coordinator.generation
        fetched = []
        for at, records in given.items():
            tp = TP(at.topic, at.partition)
            follows = self._positions.get(tp)
            if follows is None:
                continue  # Not released: its owner will say where to begin.
            self._positions[tp] = after = records[-1].offset + 1
            self.consumer.heard.gave_out(tp, after)
            fetched.append(Fetched(tp, records, follows, generation))
        return fetched

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """The result of `function(client, *arguments)`, awaited where the client lives, within the step timeout."""
        async with asyncio.timeout(self.consumer.settings.step_timeout_s):
            return cast("T", await self.call_thread(function, self.client, *arguments))

    async def seek_released(self, client: aiokafka.AIOKafkaConsumer, tp: TP, offset: int) -> bool:
        """For `call`: reads on from `offset`; False where the partition is not this worker's any more."""
        try:
            client.seek(TopicPartition(*tp), offset)
        except IllegalStateError:
            return False
        self._positions[tp] = offset
        return True

    def wake(self) -> None:
        """Makes a fetch that waits look at the open partitions again."""
        self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        fetcher = self.client._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)


def _out_of_range(error: OffsetOutOfRangeError) -> str:
    at = ", ".join(f"{tp.topic}-{tp.partition} at offset {offset}" for tp, offset in error.args[0].items())
    return f"{at} is out of range: records were deleted before they were read, or the topic was made anew"


def undecodable(client: aiokafka.AIOKafkaConsumer) -> str:
    """Where the client could not go on decoding what it had fetched; empty where it could."""
    fetched = [(tp, kept._partition_records) for tp, kept in client._fetcher._records.items() if _is_cut_short(kept)]
    return ", ".join(f"{tp.topic}-{tp.partition} from offset {records.next_fetch_offset} on" for tp, records in fetched)


def _is_cut_short(kept: Any) -> bool:
    """Whether what is kept of a fetch was being read when an error ended that."""
    iterator = getattr(getattr(kept, "_partition_records", None), "_records_iterator", None)
    return iterator is not None and iterator.gi_frame is None


class Consumer(driver.Consumer):
    """Hands batches to agents, partition by partition, and says how far each partition has been heard."""

    _thread: ConsumerThread
    app: "RuntimeApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings: RuntimeSettings = self.app.settings
        self.heard = Heard(self.app.now)
        self._open: set[TP] = {_NOWHERE}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # ---- which partitions are open: the client's thread looks into this very set while it waits for records

    async def release(self, tp: TP, offset: int) -> None:
        """Gives out the partition's records from `offset` on. Until then nothing of it is given out."""
        if await self._thread.call(self._thread.seek_released, tp, offset):
            self.open(tp)

    def block(self, *tps: TP) -> None:
        """Stops reading partitions whose owner has enough to do."""
        self._open.difference_update(tps)

    def open(self, *tps: TP) -> None:
        """Reads them again."""
        self._open.update(tps)
        self._thread.wake()

    # ---- reading

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow.wait())
                await self._drain_once()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        given: Any = await self._getmany(self._open, timeout=1.0)
        for fetched in given:
            # What a rebalance has overtaken is void: its owner, old or new, begins where it was committed.
            if fetched.generation == self.app.consumer_generation_id:
                await self.callback(fetched.batch())
        await asyncio.sleep(0)

    # ---- rebalances

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._open.intersection_update({_NOWHERE})
        await super().on_partitions_revoked(revoked)
        # Meanwhile owners, who were at work until then, may have opened theirs again: and whoever reads what nobody has
        # released comes to an end, and is taken to have caught up.
        self._open.intersection_update({_NOWHERE})

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.app.on_assigned(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Nothing: each partition's owner seeks when it releases it."""

    async def wait_empty(self) -> None:
        """Faust asks this when partitions are revoked and when the worker stops."""
        await self.app.quiesce()

    # ---- offsets

    async def start_offsets(self, positions: Mapping[TP, int]) -> dict[TP, int]:
        """Where to begin: at the position its owner knows (0 for none) or the group's, whichever is further on."""
        return await self._thread.call(_start_offsets, self.log, positions)

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> Committed:
        """Commits input offsets for the group. Where that is `postponed`, a rebalance has begun, and until it asks for
        them the partitions are still this worker's; `lost`, they have been taken away.
        """
        payload = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await self._thread.call(aiokafka.AIOKafkaConsumer.commit, payload)
        except CommitFailedError as error:
            return "postponed" if isinstance(error.__cause__, RebalanceInProgressError) else "lost"
        except IllegalStateError:
            return "lost"
        return "done"

    def refusal(self) -> Exception | None:
        """Why the group does not take this worker. The client tells whoever asks it for records, and before there are
        partitions nobody does.
        """
        client = self._thread._consumer
        coordinator = client._coordinator if client is not None else None
        return coordinator._pending_exception if coordinator is not None else None

    def unread(self, tp: TP) -> int:
        """Records of the partition known to exist and not yet given out; 0 while nothing is known of it."""
        assignment = self._assignment()
        if assignment is None or tp not in assignment.tps:
            return 0
        state = assignment.state_value(TopicPartition(*tp))
        if state.highwater is None or not state.has_valid_position:
            return 0
        stable = state.lso if state.lso is not None and state.lso >= 0 else state.highwater
        return max(0, int(min(stable, state.highwater) - state.position))

    def _assignment(self) -> Any:
        client = self._thread._consumer
        subscription = client._subscription.subscription if client is not None else None
        return subscription.assignment if subscription is not None else None

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """How many partitions each of these topics has, of those the cluster has told of."""
        cluster = self._thread.client._client.cluster
        counts = ((topic, cluster.partitions_for_topic(topic)) for topic in topics)
        return {topic: len(partitions) for topic, partitions in counts if partitions}

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would complain of offsets that it did not see committed."""


async def _start_offsets(client: aiokafka.AIOKafkaConsumer, log: Any, positions: Mapping[TP, int]) -> dict[TP, int]:
    at = [TopicPartition(*tp) for tp in positions]
    committed = await client._coordinator.fetch_committed_offsets(at)
    begins, ends = await asyncio.gather(client.beginning_offsets(at), client.end_offsets(at))
    starts = {}
    for tp, position in positions.items():
        wanted = max(position, committed[tp].offset if tp in committed else 0)
        if wanted > ends[tp]:
            log.error("%s ends at %d, before offset %d at which processing stood: was it made anew?",
                      tp, ends[tp], wanted)  # fmt: skip
            wanted = 0
        elif position and tp not in committed:
            log.error("%s goes on at %d, but the group has no offset of it any more: if it was made anew, what it holds"
                      " up to there is passed over", tp, position)  # fmt: skip
        elif 0 < wanted < begins[tp]:
            log.error("%s begins at %d: records from offset %d on were deleted before they were read",
                      tp, begins[tp], wanted)  # fmt: skip
        starts[tp] = max(wanted, begins[tp])
    return starts


class Producer(driver.Producer):
    """The worker's idempotent producer: every stage sends through it."""

    def _settings_auth(self) -> Mapping[str, Any]:
        return cast("RuntimeApp", self.app).settings.security

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"enable_idempotence": True}

    @property
    def client(self) -> aiokafka.AIOKafkaProducer:
        return self._ensure_producer()

    async def on_start(self) -> None:
        try:
            async with asyncio.timeout(cast("RuntimeApp", self.app).settings.step_timeout_s):
                await super().on_start()
        except TimeoutError as error:
            end_process("the broker did not answer in time when the producer started", error)
        except KafkaError as error:  # Faust would end with the status 1, as if something were broken here
            end_process(f"the producer cannot start: {in_words(error)}", error)


class Transport(driver.Transport):
    """Faust's aiokafka transport with batches."""

    Consumer = Consumer
    Producer = Producer
