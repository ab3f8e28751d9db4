"""Everything the runtime can be told, with units and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Processing = Literal["exactly-once", "at-least-once"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeSettings:
    """How one worker process runs. Raises ValueError for values that cannot work together."""

    app_id: str
    """The consumer group; prefix of changelog topics and transactional ids. Two systems must not share it."""
    bootstrap_servers: str
    """`host:port`, several separated by commas."""
    data_dir: Path
    """Where RocksDB keeps local state. Two workers must not share it; it may be lost at any time."""
    security: Mapping[str, Any] = field(default_factory=dict)
    """Client arguments handed to aiokafka as they are: `security_protocol`, `ssl_context`, `sasl_mechanism`, …"""
    client_id: str = "handoff"
    instance_id: str | None = None
    """Static membership: a stable name of this worker; its restart within the session moves no partition, unless it
    reads other topics than before, or one that has grown (`membership.py`)."""

    processing: Processing = "exactly-once"
    """`at-least-once` is for brokers without working transactions, such as the embedded one."""
    batch_max_records: int = 2_000
    """The most records processed and committed as one batch."""
    batch_max_bytes: int = 4 << 20
    """The most bytes of them, unpacked; a single record may be larger. Three batches may gather beforehand: it bounds
    what memory large records take, and how long a step of them lasts."""
    batch_max_ms: int = 100
    """While records keep coming, a partition commits this often, or when a batch is full, whichever is first.
    A record that comes after a pause is never held back, unless it has no key: such, as ticks, are for all and nobody,
    and wait so long for company."""
    tick_ms: int = 1_000
    """How often a stage is asked for its tick."""
    commit_ms: int = 1_000
    """How often a stage's input offsets are committed."""

    compression: Literal["none", "snappy", "lz4", "zstd"] = "zstd"
    """aiokafka compresses lz4 at level 9: that takes five times the CPU of zstd, and yields more bytes."""
    produce_max_bytes: int = 900_000
    """Upper bound of one produced batch before compression, and so of one record. Keep it below the topics'
    `max.message.bytes` (1 MiB unless changed)."""
    fetch_max_bytes: int = 1 << 20
    """The most bytes fetched from one partition at once."""
    fetch_max_wait_ms: int = 200
    """How long the broker may hold a fetch that finds nothing. Bounds how old news of being caught up is."""
    replication: int = 1
    """Replication the changelog topics are expected to have; the worker itself creates no topic."""

    session_timeout_ms: int = 15_000
    """A worker not heard from for this long loses its partitions."""
    heartbeat_ms: int = 3_000
    rebalance_timeout_ms: int = 30_000
    request_timeout_ms: int = 20_000
    """Limit of one request to the broker."""
    transaction_timeout_ms: int = 30_000
    """The broker aborts a transaction left open for longer."""
    step_timeout_s: float = 25.0
    """Limit of one step of the protocol: a batch's commit, a producer's start, a read of the recovery. A step that
    takes longer ends the process."""
    revoke_timeout_s: float = 10.0
    """How long revoking partitions waits for batches in flight before the process ends."""
    shutdown_timeout_s: float = 4.5
    """How long an orderly stop may take before the process ends regardless."""
    stall_timeout_s: float = 60.0
    """Without any progress for this long, while there is lag or no answer from the broker, the process ends."""

    cache_bytes: int = 64 << 20
    """RocksDB's block cache, shared by all partitions."""
    write_buffer_bytes: int = 32 << 20
    """RocksDB's memtables, shared by all partitions."""
    max_open_files: int = 256
    """Files RocksDB may hold open for each partition."""
    local_state_max_age_s: float = 12 * 3600.0
    """Local state last written longer ago is rebuilt from the changelog, which may have forgotten deletions by then
    (`delete.retention.ms`, 24 h unless changed)."""

    http_host: str = "127.0.0.1"
    http_port: int | None = None
    """Port of /livez, /readyz and /metrics: 0 takes any free one, None serves nothing."""

    def __post_init__(self) -> None:
        if self.batch_max_records < 1:
            raise ValueError(f"batch_max_records is {self.batch_max_records}, must be at least 1")
        if self.batch_max_bytes < 1:
            raise ValueError(f"batch_max_bytes is {self.batch_max_bytes}, must be at least 1")
        if not self.heartbeat_ms < self.session_timeout_ms:
            raise ValueError(f"heartbeat_ms ({self.heartbeat_ms}) must be below session_timeout_ms")
        if not self.revoke_timeout_s * 1000 < self.rebalance_timeout_ms:
            raise ValueError(f"revoke_timeout_s ({self.revoke_timeout_s}) must be below rebalance_timeout_ms")
        if self.processing not in ("exactly-once", "at-least-once"):
            raise ValueError(f"processing is {self.processing!r}, must be exactly-once or at-least-once")

    def batches(self, records: int, size: int) -> float:
        """How many full batches so many records are that have so many bytes together."""
        return max(records / self.batch_max_records, size / self.batch_max_bytes)

    @property
    def transactional(self) -> bool:
        return self.processing == "exactly-once"

    @property
    def servers(self) -> list[str]:
        return [server.strip() for server in self.bootstrap_servers.split(",")]


def changelog_topic(settings: RuntimeSettings, table: str) -> str:
    """The name of a table's changelog topic; it needs as many partitions as the table's input topic."""
    return f"{settings.app_id}-{table}-changelog"
