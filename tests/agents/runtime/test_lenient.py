"""A header's name in whatever encoding stops nobody, and all else is read as ever."""

from typing import Any

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from agents.runtime.lenient import LenientRecords
from tests.agents.runtime.records import Latin


def records_of(data: bytes, reader: Any) -> list[tuple[Any, ...]]:
    """Everything that is read of a fetch."""
    fetched, found = reader(data), []
    while fetched.has_next():
        batch = fetched.next_batch()
        assert batch.validate_crc()
        found += [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch]
    return found


def batch(name: str, codec: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    builder.append(0, timestamp=1, key=None, value=b"first", headers=[])
    builder.append(1, timestamp=2, key=b"k", value=None, headers=[("a", None), (name, b"1")])
    return bytes(builder.build())


CODECS = pytest.mark.parametrize("codec", range(5), ids=("none", "gzip", "snappy", "lz4", "zstd"))


@CODECS
def test_a_name_that_is_no_utf_8_is_read_with_a_replacement(codec: int) -> None:
    data = batch(Latin("café"), codec)
    with pytest.raises(UnicodeDecodeError):
        records_of(data, MemoryRecords)
    assert records_of(data, LenientRecords) == [
        (0, 1, None, b"first", []),
        (1, 2, b"k", None, [("a", None), ("caf�", b"1")]),
    ]


@CODECS
def test_all_else_is_read_as_ever(codec: int) -> None:
    data = batch("café", codec) + batch("b", 0)
    assert records_of(data, LenientRecords) == records_of(data, MemoryRecords)
