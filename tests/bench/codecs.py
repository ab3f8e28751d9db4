"""What compressing costs, as the client of the workers does it: why they write zstd unless told otherwise.

Method: canonical events of the simulated day, 500 to a batch, through aiokafka's own encoders and decoders. Given are
microseconds of the processor for each event, and the bytes that are left of a hundred.

    python -m tests.bench.codecs
"""

import time
from collections.abc import Callable

from aiokafka import codec

from tests.bench.results import table
from tests.bench.workload import keyed_events

_EVENTS = 20_000
_BATCH = 500
_CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "snappy": (codec.snappy_encode, codec.snappy_decode),
    "lz4": (codec.lz4_encode, codec.lz4_decode),
    "zstd": (codec.zstd_encode, codec.zstd_decode),
    "gzip": (codec.gzip_encode, codec.gzip_decode),
}


def _timed(work: Callable[[bytes], bytes], batches: list[bytes]) -> tuple[float, list[bytes]]:
    began = time.process_time()
    done = [work(batch) for batch in batches]
    return (time.process_time() - began) / _EVENTS * 1e6, done


def main() -> None:
    values = [(message.key or b"") + message.value for message in keyed_events(_EVENTS, _EVENTS // 10)]
    batches = [b"".join(values[first : first + _BATCH]) for first in range(0, len(values), _BATCH)]
    rows = []
    for name, (encode, decode) in _CODECS.items():
        encoding, packed = _timed(encode, batches)
        decoding, unpacked = _timed(decode, packed)
        assert unpacked == batches
        left = sum(map(len, packed)) / sum(map(len, batches)) * 100
        rows.append((name, f"{encoding:.2f}", f"{decoding:.2f}", f"{left:.1f}"))
    print(table(("codec", "µs to write", "µs to read", "% left"), rows))


if __name__ == "__main__":
    main()
