"""The Faust application with every unsafe default overridden, and what its parts share."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, cast

import faust
from faust.types import TP
from yarl import URL

from agents.runtime.fatal import end_process, in_words
from agents.runtime.membership import Assignor
from agents.runtime.metrics import Metrics
from agents.runtime.settings import RuntimeSettings
from agents.runtime.store import Budget
from agents.runtime.tables import Tables
from agents.runtime.transport import Batch, Consumer, Producer, Transport

log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


class Share(Protocol):
    """What one agent owns on this worker."""

    name: str
    topics: frozenset[str]

    @property
    def ready(self) -> bool:
        """Whether everything owned is at work."""

    @property
    def at_work(self) -> int:
        """Partitions at work."""

    def assign(self, assigned: Iterable[TP]) -> None:
        """Starts on what is assigned to this worker; must not wait."""

    def put(self, batch: Batch) -> None:
        """Takes in a batch from Faust's agent."""

    async def quiesce(self) -> None:
        """Finishes what is in flight, commits it, and stops."""

    def close(self) -> None:
        """Releases what outlives a rebalance."""

    def waiting(self) -> dict[str, int]:
        """Records gathered and not yet processed, by topic."""

    def recovery_left(self) -> list[tuple[str, int]]:
        """Changelog offsets not yet read back, by table."""


class RuntimeApp(faust.App):
    """A Faust application that moves batches. Made by `make_app`."""

    def __init__(self, settings: RuntimeSettings, now: Callable[[], int]) -> None:
        self.settings = settings
        self.now = now
        self.metrics = Metrics()
        self.metrics.gauges = self
        self.budget = Budget(settings)
        self.shares: list[Share] = []
        self.assigned: frozenset[TP] | None = None
        """None until the first assignment."""
        super().__init__(settings.app_id, PartitionAssignor=Assignor, **_faust_options(settings))

    # ---- the transport

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    @property
    def batch_consumer(self) -> Consumer:
        return cast("Consumer", self.consumer)

    @property
    def batch_producer(self) -> Producer:
        return cast("Producer", self.producer)

    # ---- rebalances and the end

    def on_assigned(self, assigned: Iterable[TP]) -> None:
        """The group has given these partitions to this worker."""
        if self.should_stop:
            return
        self.metrics.rebalances += 1
        changelogs = self.tables.changelog_topics
        self.assigned = frozenset(tp for tp in assigned if tp.topic not in changelogs)
        for share in self.shares:
            share.assign(self.assigned)

    async def quiesce(self) -> None:
        """Finishes what is in flight: partitions are being revoked, or the worker stops."""
        try:
            async with asyncio.timeout(self.settings.revoke_timeout_s):
                await asyncio.gather(*(share.quiesce() for share in self.shares))
        except TimeoutError as error:
            end_process(f"batches in flight took more than {self.settings.revoke_timeout_s} s to finish", error)

    async def on_stop(self) -> None:
        await super().on_stop()
        for share in self.shares:
            share.close()

    def _crash(self, reason: BaseException) -> None:
        end_process(f"Faust crashed: {in_words(reason)}", reason)

    # ---- what health and metrics look at

    @property
    def refusal(self) -> Exception | None:
        """Why the group does not take this worker, if it does not."""
        return self.batch_consumer.refusal() if self._consumer is not None else None

    @property
    def ready(self) -> bool:
        """Whether everything assigned here is at work."""
        return self.assigned is not None and not self.rebalancing and all(share.ready for share in self.shares)

    def backlog(self) -> dict[str, int]:
        """Records known to exist and not yet processed, by topic."""
        totals: dict[str, int] = {}
        for share in self.shares:
            for topic, waiting in share.waiting().items():
                totals[topic] = totals.get(topic, 0) + waiting
        for tp in self.assigned or ():
            totals[tp.topic] = totals.get(tp.topic, 0) + self.batch_consumer.unread(tp)
        return totals

    def lag(self) -> Iterable[tuple[str, int]]:
        return sorted(self.backlog().items())

    def recovery_left(self) -> Iterable[tuple[str, int]]:
        return [left for share in self.shares for left in share.recovery_left()]

    def partitions(self) -> Iterable[tuple[str, int]]:
        return [(share.name, share.at_work) for share in self.shares]

    def progress(self) -> tuple[int, ...]:
        """Changes whenever anything gets done."""
        done = (counters.records for counters in self.metrics.agents.values())
        return (self.metrics.rebalances, *done, *(left for _, left in self.recovery_left()))


def _faust_options(settings: RuntimeSettings) -> dict[str, Any]:
    brokers = [URL(f"kafka://{server}") for server in settings.servers]
    return {
        "broker": brokers,
        "broker_client_id": settings.client_id,
        "broker_session_timeout": settings.session_timeout_ms / 1000,
        "broker_heartbeat_interval": settings.heartbeat_ms / 1000,
        "broker_rebalance_timeout": settings.rebalance_timeout_ms / 1000,
        "broker_request_timeout": max(settings.request_timeout_ms, settings.session_timeout_ms) / 1000,
        "broker_max_poll_records": settings.batch_max_records,
        "broker_commit_interval": 60.0,  # Faust's own commit loop: it finds nothing, for no topic is acknowledged
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance_id,
        "producer_acks": -1,
        "producer_request_timeout": settings.request_timeout_ms / 1000,
        "producer_compression_type": None if settings.compression == "none" else settings.compression,
        "producer_max_batch_size": settings.produce_max_bytes,
        "producer_max_request_size": settings.produce_max_bytes,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_replication_factor": settings.replication,
        "table_standby_replicas": 0,
        "stream_wait_empty": True,
        "stream_buffer_maxsize": 64,
        "stream_recovery_delay": 0.0,
        "TableManager": Tables,
        "store": "memory:",
        "datadir": Path(settings.data_dir),
        "web_enabled": False,
        "web_bind": "127.0.0.1",
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "web_graph_enabled": False,
        "web_stats_enabled": False,
        "web_metrics_enabled": False,
        # The group tells its members apart by this; two workers on one host would otherwise be one.
        "canonical_url": URL(f"http://{settings.instance_id or uuid.uuid4().hex}"),
        "autodiscover": False,
        "worker_redirect_stdouts": False,
    }


def make_app(settings: RuntimeSettings, now: Callable[[], int] = wall_clock_ms) -> RuntimeApp:
    """A Faust application as the settings say. `now` is the clock (ms) on which fetches are asked for."""
    return RuntimeApp(settings, now)
