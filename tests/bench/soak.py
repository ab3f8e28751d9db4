"""Figure `soak`: the memory of one worker over many minutes at full load.

Method: one worker, exactly-once, all rules, works through `handoff.events` while this process writes a retailer's days
as fast as it can make them up: a million events each, of 200,000 customers in turn. Cases are closed an hour after
their last event or deadline, so what is kept grows towards the noon of each day, and falls towards its night: it is the
noons that must not grow. Resident memory is read every five seconds; told are its greatest values in each third of the
time, and how many days were worked through.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.timeline import START
from tests.bench.system import EVENTS, Group, Setup, Watch, topics_of, write
from tests.bench.workload import Message, canonical_tables, keyed_days
from tests.brokers import Broker

_EVENTS_A_DAY = 1_000_000
_LOOK_EVERY_S = 5.0


class _Writer(threading.Thread):
    """Writes the day until it is told to stop."""

    def __init__(self, broker: Broker, customers: int) -> None:
        super().__init__(daemon=True)
        self._broker, self._customers = broker, customers
        self._told_to_stop = threading.Event()
        self.written = 0

    def run(self) -> None:
        write(self._broker, self._until_told())

    def _until_told(self) -> Iterator[Message]:
        for message in keyed_days(_EVENTS_A_DAY, self._customers):
            if self._told_to_stop.is_set():
                return
            self.written += message.key is not None
            yield message

    def stop(self) -> None:
        self._told_to_stop.set()
        self.join()


def measure(broker: Broker, folder: Path, minutes: float, customers: int) -> dict[str, object]:
    """Soaks one worker for so long; gives what it came to, memory in MB."""
    setup = Setup(broker, folder, canonical_tables(), START, limits={"retention": "1h"})
    group = Group(broker, setup.settings.worker.app_id)
    writer = _Writer(broker, customers)
    with topics_of(setup), setup.running() as process:
        writer.start()
        watch = Watch(group, [process], setup.folder / "worker.log", broker)
        began, resident = time.perf_counter(), []
        while (passed := time.perf_counter() - began) < minutes * 60:
            watch.rss_mb = 0.0
            done = watch.sample(EVENTS.name).done
            resident.append(watch.rss_mb)
            time.sleep(_LOOK_EVERY_S)
        writer.stop()
    group.close()
    third = len(resident) // 3
    thirds = [round(max(part)) for part in (resident[:third], resident[third : 2 * third], resident[2 * third :])]
    return {
        "minutes": round(passed / 60, 1), "customers": customers, "records": done, "written": writer.written,
        "days": round(done / _EVENTS_A_DAY, 1), "rss_max_mb_by_thirds": thirds,
    }  # fmt: skip
