"""Headers whose names are no UTF-8. Kafka says they are, and no broker looks: a producer in C writes what it likes.

Java's clients read such a name with a replacement character in it. aiokafka's raises, again and again, and one record
of one channel would stop all. Once one has been met, a batch that cannot be decoded is decoded as Java does.
"""

import logging
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

log = logging.getLogger(__name__)


class _Text(bytearray):
    """Bytes that can be decoded, whatever they are."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Text(found) if isinstance(at, slice) else found

    def decode(self, *_: str) -> str:
        return super().decode(errors="replace")


class _Slow(_DefaultRecordBatchPy):  # type: ignore[misc]  # it is final
    """A batch that is decoded in Python, where the way text is decoded can be changed."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Text(self._buffer)


class _Batch:
    """A batch that is decoded as always, and slowly where that fails."""

    def __init__(self, batch: Any, held: Any) -> None:
        self._batch = batch
        self._held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_Slow(self._held))


class LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]  # it is final
    """What a fetch has brought of one partition, batch by batch."""

    def next_batch(self) -> Any:
        held = self._next_slice
        batch = super().next_batch()
        return _Batch(batch, held) if isinstance(batch, DefaultRecordBatch) else batch  # older ones have no headers


def be_lenient(error: UnicodeDecodeError) -> bool:
    """Lets batches be decoded leniently from now on; False where they are already."""
    if fetcher.MemoryRecords is LenientRecords:
        return False
    fetcher.MemoryRecords = LenientRecords
    log.warning("a record has a header whose name is no UTF-8 (%s): what is not is read as �", error)
    return True
