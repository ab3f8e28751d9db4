"""Figure `stages`: where the time of `end_to_end` goes. The three stages of a worker one after another, without Kafka.

Method: the simulated day as the channels send it goes through `ingest`, `link` and `detect` as a worker composes them,
two thousand records at a time, each stage's records feeding the next until nothing is left. The clock counts each
stage's `process` and `tick` alone; tables are dictionaries. Given are microseconds of the processor for each record of
a channel, and how many records and rows each stage took and made of it. What end_to_end takes beyond that is the
client's: reading, sending, compressing, transactions; and RocksDB.

    python -m tests.bench.stages [records] [customers]
"""

import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from agents.detect import Detect
from agents.ingest import Ingest
from agents.runtime import Origin, Out, partition_for
from agents.runtime.task import Header, Task
from agents.worker import ingest_stage, linkers
from app.compose import detector
from app.config import Settings, load_settings
from app.core.counts import Counts, LinkCounts
from app.core.links import with_links
from app.memory import settle
from app.rules import RULES
from app.simulate import tables
from app.simulate.day import END
from schemas.topics import EVENTS, LINKS
from tests.bench.results import record, table
from tests.bench.workload import PARTITIONS, channel_records

RECORDS = 40_000
CUSTOMERS = 4_000
_BATCH = 2_000
_ROUNDS_FOR_A_TICK = 2
Place = tuple[str, int]


class Kept(NamedTuple):
    """A record of a log in memory."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    timestamp: int = 0


class Logs:
    """Topics in memory, and how far each partition has been read."""

    def __init__(self) -> None:
        self._records: dict[Place, list[Kept]] = defaultdict(list)
        self._read: Counter[Place] = Counter()
        self._spread = count()

    def write(self, outputs: Iterable[Out]) -> int:
        """Returns how many there were."""
        written = 0
        for out in outputs:
            written += 1
            number = out.partition
            if number is None:
                number = next(self._spread) % PARTITIONS if out.key is None else partition_for(out.key, PARTITIONS)
            log = self._records[out.topic, number]
            log.append(Kept(out.topic, number, len(log), out.key, out.value, out.headers))
        return written

    def take(self, place: Place, most: int = _BATCH) -> list[Any]:
        """The next records of a partition."""
        first = self._read[place]
        found = self._records[place][first : first + most]
        self._read[place] += len(found)
        return found

    def at_end(self, topics: Iterable[str]) -> dict[Origin, int]:
        """Their partitions that have been read to the end."""
        places = ((topic, number) for topic in topics for number in range(PARTITIONS))
        return {Origin(*place): END for place in places if self._read[place] == len(self._records[place])}


class Stages:
    """A worker's stages over logs in memory."""

    def __init__(self, settings: Settings) -> None:
        shop = tables()
        self.logs = Logs()
        self.topics = list(shop.topics)
        self.seconds: dict[str, float] = defaultdict(float)
        self.taken: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self._ingest: Ingest = ingest_stage(settings, shop, lambda: END)
        detecting = detector(RULES, with_links(shop.feeds()), settings.rule_settings(), settings.core_limits())
        linker = linkers(settings, shop, LinkCounts())
        self._tables: dict[Place, dict[bytes, bytes]] = defaultdict(dict)
        self._tasks: dict[Place, Task] = {}
        self._turn = deque((topic, number) for topic in self.topics for number in range(PARTITIONS))
        for number in range(PARTITIONS):
            self._tasks[LINKS.name, number] = linker(number, self._tables[LINKS.name, number].get)
            self._tasks[EVENTS.name, number] = Detect(
                number, self._tables[EVENTS.name, number].get, detecting, Counts()
            )
        for task in self._tasks.values():
            task.restore(())

    def run(self) -> None:
        """Until nothing is left."""
        rounds, busy = 0, True
        while busy:
            rounds += 1
            busy = self._round_of_ingest()
            if not busy or rounds % _ROUNDS_FOR_A_TICK == 0:
                self._tick()
            for place in self._tasks:
                busy = self._round_of(place) or busy

    def _round_of_ingest(self) -> bool:
        """As a worker's: a batch of all partitions together, each in its turn."""
        left = _BATCH
        for _ in range(len(self._turn)):
            records = self.logs.take(self._turn[0], left)
            self._turn.rotate(-1)
            left -= len(records)
            began = time.process_time()
            outputs = self._ingest.process(records)
            self._count("ingest", time.process_time() - began, len(records), outputs, 0)
            if not left:
                break
        return left < _BATCH

    def _tick(self) -> None:
        began = time.process_time()
        outputs = self._ingest.tick(self.logs.at_end(self.topics), dict.fromkeys(self.topics, PARTITIONS))
        self._count("ingest", time.process_time() - began, 0, outputs, 0)

    def _round_of(self, place: Place) -> bool:
        records = self.logs.take(place)
        if not records:
            return False
        began = time.process_time()
        work = self._tasks[place].process(records)
        took = time.process_time() - began
        self._count("link" if place[0] == LINKS.name else "detect", took, len(records), work.outputs, len(work.writes))
        for key, row in work.writes.items():
            if row is None:
                self._tables[place].pop(key, None)
            else:
                self._tables[place][key] = row
        return True

    def _count(self, stage: str, took: float, taken: int, outputs: Iterable[Out], rows: int) -> None:
        self.seconds[stage] += took
        self.taken[stage] += taken
        self.made[stage] += self.logs.write(outputs)
        self.rows[stage] += rows


def main(records: int, customers: int) -> None:
    """Measures, prints and records the figure."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "handoff.toml"
        file.write_text(f"[worker]\npartitions = {PARTITIONS}\n")
        stages = Stages(load_settings(file, {}))
    sent = stages.logs.write(Out(*message) for message in channel_records(records, customers))
    settle()
    stages.run()
    figures = {
        stage: {
            "us": round(stages.seconds[stage] / sent * 1e6, 1),
            "records_in": round(stages.taken[stage] / sent, 2),
            "records_out": round(stages.made[stage] / sent, 2),
            "rows": round(stages.rows[stage] / sent, 2),
        }
        for stage in ("ingest", "link", "detect")
    }
    head = ("stage", "µs", "records in", "records out", "rows")
    print(f"of each of {sent:,} records of the channels:")
    print(table(head, [(stage, *map(str, of.values())) for stage, of in figures.items()]))
    record("stages", {"events": sent, "customers": customers, **figures})


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(*given, *(RECORDS, CUSTOMERS)[len(given) :])
