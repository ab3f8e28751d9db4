"""Figure `core`: the pure path of replay, on one core. Bytes of events in, bytes of alerts and rows out.

Method: the simulated day of `workload.py`, canonical and keyed by customer, encoded beforehand. All rules are on. After
every thousand records the batch is flushed into a table in memory, as a worker would. The clock counts the path alone.
Flatness: the day is told of 1,000, 10,000 and 100,000 customers in one process, turn by turn, the best of three turns;
there are never fewer events than it takes for every customer to live through a journey.

python -m tests.bench.core [events]
"""

import sys
import time
from typing import NamedTuple

from app.compose import detector
from app.memory import settle
from app.rules import RULES
from schemas.codec import decode_record, encode_alert
from tests.bench.results import record, table
from tests.bench.workload import canonical_tables, keyed_events

BATCH = 1_000
EVENTS = 100_000
CUSTOMERS = (1_000, 10_000, 100_000)
_EVENTS_OF_A_CUSTOMER = 7.3
_TURNS = 3
Batch = list[tuple[str, bytes]]


class Figure(NamedTuple):
    """What one turn came to."""

    events: int
    alerts: int
    wall_s: float
    cpu_s: float

    def us(self) -> float:
        """Microseconds of the processor for each event."""
        return self.cpu_s / self.events * 1e6


def batches(events: int, customers: int) -> list[Batch]:
    """The records of one events partition: of every event its customer and value, and the ticks between them."""
    told = keyed_events(max(events, int(customers * _EVENTS_OF_A_CUSTOMER)), customers)
    records = [((m.key or b"").decode(), m.value) for m in told if m.partition in (None, 0)]
    return [records[first : first + BATCH] for first in range(0, len(records), BATCH)]


def run(told: list[Batch]) -> Figure:
    """One turn over these batches, from an empty table."""
    rows: dict[bytes, bytes] = {}
    partition = detector(RULES, canonical_tables().feeds()).partition(0, rows.get)
    alerts = 0
    settle()
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in told:
        for customer, value in batch:
            partition.feed(customer, decode_record(value))
        work = partition.flush()
        alerts += sum(1 for alert in work.alerts if encode_alert(alert))
        for key, row in work.rows.items():
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Figure(partition.counts.events.total(), alerts, wall, cpu)


def main(events: int) -> None:
    """Measures, prints and records the figure."""
    told = {customers: batches(events, customers) for customers in CUSTOMERS}
    turns = [{customers: run(told[customers]) for customers in CUSTOMERS} for _ in range(_TURNS)]
    best = {customers: min((turn[customers] for turn in turns), key=Figure.us) for customers in CUSTOMERS}
    first = best[CUSTOMERS[0]].us()
    head = ("customers", "events", "alerts", "events/s", "events/CPU-s", "µs/event", "to the first")
    rows = [
        (n, f.events, f.alerts, f.events / f.wall_s, f.events / f.cpu_s, f"{f.us():.1f}", f"{f.us() / first:.2f}")
        for n, f in best.items()
    ]
    print(table(head, [[cell if isinstance(cell, str) else f"{cell:,.0f}" for cell in row] for row in rows]))
    middle = best[CUSTOMERS[1]]
    record(
        "core",
        {
            "events_per_s": round(middle.events / middle.wall_s),
            "events_per_cpu_s": round(middle.events / middle.cpu_s),
            "us_per_event_by_customers": {str(n): round(f.us(), 1) for n, f in best.items()},
            "rules": len(RULES),
            "events": middle.events,
        },
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
