"""What the runtime asks of those who use it: values and ports, no Kafka client and no handoffs.

A *task* is the stateful work of one input partition; a *stage* is stateless work over many. Both are plain objects that
turn records into values; the runtime alone reads, writes, commits and recovers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

Header = tuple[str, bytes]


class Record(Protocol):
    """One record of a topic, as the client hands it over."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class Out(NamedTuple):
    """One record to produce. Without a partition, Kafka's default partitioner chooses by the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[Header, ...] = ()


def weight(one: Record | Out) -> int:
    """How many bytes a record has."""
    key, value, headers = one.key, one.value, one.headers
    size = (len(key) if key else 0) + (len(value) if value else 0)
    return size + sum(len(name) + len(text or b"") for name, text in headers) if headers else size


class Work(NamedTuple):
    """What one batch comes to: records to produce, and rows to write (a row of None is deleted)."""

    outputs: Sequence[Out] = ()
    writes: Mapping[bytes, bytes | None] = {}


Reader = Callable[[bytes], bytes | None]
"""Reads one row of the task's own table partition; sees every row written by earlier batches."""


class Task(Protocol):
    """The stateful work of one input partition."""

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Called once after the table partition has been recovered, before the first batch, with every row of it."""

    def process(self, records: Sequence[Record]) -> Work:
        """Folds the records, in their order, into outputs and rows. Must not wait, and must not read a clock."""


TaskFactory = Callable[[int, Reader], Task]
"""Makes the task of one input partition, by its number."""


class Origin(NamedTuple):
    """One partition of one input topic."""

    topic: str
    partition: int


class Stage(Protocol):
    """Stateless work over any number of input partitions."""

    def process(self, records: Sequence[Record]) -> Sequence[Out]:
        """Turns the records of one input partition, in their order, into outputs."""

    def tick(self, caught_up: Mapping[Origin, int], partitions: Mapping[str, int]) -> Sequence[Out]:
        """Called at every tick interval, after all earlier outputs were acknowledged.

        `caught_up` holds, for each input partition owned here whose last fetch found nothing newer than what was
        processed, the moment (ms) at which that fetch was asked for, on the clock the runtime was given;
        `partitions` says how many partitions each input topic has.
        """
