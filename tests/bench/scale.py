"""Figure `scale`: what an event costs the core when there are many customers, and when one customer has a long history.

Method: the core alone, rows in a dictionary, all rules on. Beforehand every customer has orders that are still in the
state (past ones lie within 25 days, so that retention has closed none); then new events come, mixed over the customers:
of an order known before (for many customers) or of new ones (for a long history), and of contacts, in batches of 1,000
with a tick after each. Only the new events are timed.

python -m tests.bench.scale
"""

import gc
import random
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import psutil

from app.compose import all_feeds, detector
from app.core.partition import Partition
from app.core.rule import DAY, SECOND
from app.rules import RULES
from app.timeline import START
from schemas import events as e
from schemas.codec import Event, TickData, to_time
from schemas.state import Fact, Progress
from tests.bench.results import record, table

CUSTOMERS = (10_000, 100_000, 1_000_000)
HISTORIES = (1, 100, 200, 10_000)
_BATCH, _SAMPLE = 1_000, 10_000
_PAST_MS = 25 * DAY
_LINES = (e.Line("1", "sku-1", 1.0),)
Told = tuple[str, Event]


class _Detector:
    """A core with its table in memory, and a clock that moves on by `step_ms` with every event."""

    def __init__(self, step_ms: int) -> None:
        self.step_ms = step_ms
        self._rows: dict[bytes, bytes] = {}
        self.partition: Partition = detector(RULES, all_feeds()).partition(0, self._rows.get)
        self._count, self._at = 0, START

    def event(self, customer: str, channel: e.Channel, data: e.Data) -> Told:
        """An event after the last one."""
        self._count += 1
        self._at += self.step_ms
        return customer, Event(Fact(self._at, str(self._count), f"/{channel}", channel, data), (0, 0))

    def feed(self, told: Iterable[Told]) -> None:
        """Takes events in, in batches, and hears all channels up to the last of each."""
        rest = iter(told)
        while batch := list(islice(rest, _BATCH)):
            for customer, event in batch:
                self.partition.feed(customer, event)
            heard = batch[-1][1].fact.at
            progress = tuple(Progress(feed.channel, feed.channel, 0, 1, heard, heard) for feed in all_feeds())
            self.partition.feed("", TickData(progress))
            self._write()

    def _write(self) -> None:
        for key, row in self.partition.flush().rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row

    def placed(self, customer: str, order: str) -> Told:
        promised = to_time(self._at + 20 * DAY)
        data = e.OrderPlaced(order, "delivery", promised_to=promised, ship_by=promised, lines=_LINES)
        return self.event(customer, "web", data)

    def delivered(self, customer: str, order: str) -> Iterator[Told]:
        yield self.event(customer, "warehouse", e.FulfilmentCompleted(order, f"{order}-p", None, "dc1", _LINES))
        yield self.event(customer, "carrier", e.ParcelAccepted(order, f"{order}-p"))
        yield self.event(customer, "carrier", e.DeliveryCompleted(order))

    def helped(self, customer: str, case: str) -> Iterator[Told]:
        yield self.event(customer, "chat", e.ContactOpened(case))
        yield self.event(customer, "chat", e.ContactAnswered(case))
        yield self.event(customer, "chat", e.ContactResolved(case))


def _timed(of: _Detector, told: list[Told]) -> float:
    """Microseconds of the processor for each event."""
    gc.collect()
    began = time.process_time()
    of.feed(told)
    return (time.process_time() - began) / len(told) * 1e6


def many_customers(customers: int) -> tuple[float, float]:
    """Microseconds for each event, and the resident memory (MB), where so many customers have an order under way."""
    of = _Detector(1)
    of.feed(of.placed(f"c{n}", f"o{n}") for n in range(customers))
    told: list[Told] = []
    for number in random.Random(7).sample(range(customers), _SAMPLE):
        told += [*of.helped(f"c{number}", f"k{number}"), *of.delivered(f"c{number}", f"o{number}")]
    return _timed(of, told), psutil.Process().memory_info().rss / 1e6


def long_history(orders: int) -> float:
    """Microseconds for each event of customers who have had so many orders."""
    customers = max(4, min(200, 40_000 // orders))
    of = _Detector(_PAST_MS // (4 * orders * customers))
    of.feed(_bought(of, "o", orders, customers))
    of.step_ms = 2 * SECOND
    new = max(20, 2_000 // customers)
    helped = (told for n in range(new) for c in range(customers) for told in of.helped(f"c{c}", f"k{c}-{n}"))
    return _timed(of, [told for pair in zip(_bought(of, "n", new, customers), helped, strict=False) for told in pair])


def _bought(of: _Detector, name: str, orders: int, customers: int) -> Iterator[Told]:
    """So many orders of each customer, the customers taking turns."""
    for number in range(orders):
        for customer in range(customers):
            order = f"{name}{customer}-{number}"
            yield of.placed(f"c{customer}", order)
            yield from of.delivered(f"c{customer}", order)


def main() -> None:
    """Measures, prints and records the figure."""
    histories = {orders: long_history(orders) for orders in HISTORIES}
    customers = {number: many_customers(number) for number in CUSTOMERS}
    rows = [(f"{n:,}", f"{us:.1f}", f"{mb:,.0f}") for n, (us, mb) in customers.items()]
    print(table(("customers", "µs/event", "RSS MB"), rows))
    print(table(("past orders", "µs/event"), [(f"{n:,}", f"{us:.1f}") for n, us in histories.items()]))
    record(
        "scale",
        {
            "us_per_event_by_customers": {str(n): round(us, 1) for n, (us, _) in customers.items()},
            "us_per_event_by_past_orders": {str(n): round(us, 1) for n, us in histories.items()},
        },
    )


if __name__ == "__main__":
    main()
