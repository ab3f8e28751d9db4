"""Events of parcels that have gone on, kept while their parcel may still turn out to hold another order.

A parcel's orders become known one after the other: what waited for the first goes on with it, and is told of the others
as they come. Each is kept as long as it would have waited. Rows, as those that wait are; the index is in memory.
"""

from collections.abc import Iterator, Sequence

import msgspec

from app.core.knowledge import orders_of
from app.core.link_limits import LinkLimits
from app.core.link_rows import LinkRows
from app.core.parking import Parking
from schemas.links import Identity, Parked, Unlinked


class Told:
    """Those of one partition. Bounded as those that wait are: whichever would be kept the shortest leaves first."""

    def __init__(self, rows: LinkRows, limits: LinkLimits) -> None:
        self._rows = rows
        self._limits = limits
        self._kept = Parking()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[int]:
        return iter(self._kept)

    def index(self, number: int, parked: Parked) -> None:
        """An event is kept, as its row says."""
        self._kept.add(number, parked)

    def keep(self, number: int, parked: Parked, orders: Sequence[str]) -> None:
        """An event has gone on to these orders."""
        if len(self) >= self._limits.parked and (first := self._kept.next()) is not None:
            self._drop(first)
        told = msgspec.structs.replace(parked, told=tuple(orders))
        self._rows.park(number, told)
        self.index(number, told)

    def news(self, identifier: str, one: Identity) -> Iterator[tuple[Unlinked, str]]:
        """The events of a parcel, each with the orders that it has not been told of and would have waited for."""
        for number in self._kept.of(identifier):
            parked = self._rows.parked(number)
            until = parked.event.at + self._limits.wait_ms
            orders = [order for order in orders_of(one) if order not in parked.told and one.orders[order] <= until]
            if orders:
                self._rows.park(number, msgspec.structs.replace(parked, told=(*parked.told, *orders)))
            for order in orders:
                yield parked.event, order

    def drop_due(self, mark: int) -> None:
        """Those are kept no longer whose deadline has passed."""
        for slot in self._kept.due(mark):
            self._drop(slot.number)

    def _drop(self, number: int) -> None:
        self._kept.remove(number)
        self._rows.park(number, None)
