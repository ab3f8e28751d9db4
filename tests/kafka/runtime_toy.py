"""The worker that the runtime's tests run, kill and freeze: counts records by key, and passes records through a stage.

python runtime_toy.py RUN ROLE PROCESSING DATA_DIR BOOTSTRAP PORT INSTANCE
   where ROLE is counter or passer, and PORT and INSTANCE may be empty
"""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from agents.runtime import (
    Origin,
    Out,
    Reader,
    Record,
    RuntimeApp,
    RuntimeSettings,
    Work,
    make_app,
    run,
    stateful,
    stateless,
)

TICK = b"tick"


class Counter:
    """Counts records by key; says for each record where it stood and the how-manieth of its key it was."""

    def __init__(self, partition: int, read: Reader, sink: str) -> None:
        self.partition = partition
        self.read = read
        self.sink = sink
        self.restored: dict[bytes, bytes] = {}

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.restored = dict(rows)

    def process(self, records: Sequence[Record]) -> Work:
        rows: dict[bytes, bytes] = {}
        outputs = []
        for record in records:
            assert record.key is not None
            row = rows.get(record.key) or self.read(record.key)
            if record.key not in rows:
                assert row == self.restored.get(record.key), "the restored rows are not the table's"
            count = int(row or 0) + 1
            rows[record.key] = b"%d" % count
            outputs.append(Out(self.sink, record.key, b"%d:%d:%d" % (self.partition, record.offset, count)))
        self.restored.update(rows)
        return Work(outputs, rows)


class Passer:
    """Passes every record on, saying where and when it was; ticks to all partitions say up to when each was heard."""

    def __init__(self, sink: str) -> None:
        self.sink = sink

    def process(self, records: Sequence[Record]) -> list[Out]:
        return [Out(self.sink, r.key, b"%d:%d:%d" % (r.partition, r.offset, r.timestamp)) for r in records]

    def tick(self, caught_up: Mapping[Origin, int], partitions: Mapping[str, int]) -> list[Out]:
        assert set(partitions.values()) == {4}
        told = [b"%d:%d" % (origin.partition, at_ms) for origin, at_ms in caught_up.items()]
        return [Out(self.sink, TICK, one, partition) for one in told for partition in range(4)]


def build(*arguments: str) -> RuntimeApp:
    run_id, role, processing, data_dir, bootstrap, port, instance = arguments
    settings = RuntimeSettings(
        app_id=f"toy-{run_id}",
        bootstrap_servers=bootstrap,
        data_dir=Path(data_dir),
        processing=processing,  # type: ignore[arg-type]
        session_timeout_ms=6_000,
        heartbeat_ms=1_000,
        fetch_max_wait_ms=50,
        tick_ms=200,
        http_port=int(port) if port else None,
        instance_id=instance or None,
    )
    app = make_app(settings)
    if role == "counter":
        stateful(app, "counter", f"in-{run_id}", "counts", lambda p, read: Counter(p, read, f"out-{run_id}"))
    else:
        stateless(app, "passer", [f"in-{run_id}"], Passer(f"out-{run_id}"))
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    sys.exit(run(build(*sys.argv[1:])))
