"""Which events wait for a link, and until when: an index in memory; the events themselves are rows.

Moments of events that have gone are left in the heaps and passed over when they come up, or dropped when most are such.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from schemas.links import Parked


class Slot(NamedTuple):
    """One parked event."""

    number: int
    identifier: str
    channel: str
    at: int
    """Event time, ms."""
    deadline: int
    """Until when it waits, ms."""


class Parking:
    """The parked events of one partition, by number."""

    def __init__(self) -> None:
        self._slots: dict[int, Slot] = {}
        self._of: dict[str, list[int]] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._channels: dict[str, list[tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[int]:
        return iter(self._slots)

    def add(self, number: int, parked: Parked) -> None:
        """An event is parked, as its row says."""
        event = parked.event
        slot = self._slots[number] = Slot(number, parked.identifier, event.channel, event.at, parked.deadline)
        self._of.setdefault(slot.identifier, []).append(slot.number)
        self._push(self._deadlines, slot.deadline, slot.number)
        self._push(self._channels.setdefault(slot.channel, []), slot.at, slot.number)

    def _push(self, heap: list[tuple[int, int]], moment: int, number: int) -> None:
        heappush(heap, (moment, number))
        if len(heap) > 64 and len(heap) > 4 * len(self._slots):
            heap[:] = [entry for entry in heap if entry[1] in self._slots]
            heapify(heap)

    def remove(self, number: int) -> Slot:
        """An event goes on."""
        slot = self._slots.pop(number)
        numbers = self._of[slot.identifier]
        numbers.remove(number)
        if not numbers:
            del self._of[slot.identifier]
        return slot

    def of(self, identifier: str) -> list[int]:
        """The events of an identifier, in the order in which they came."""
        return sorted(self._of.get(identifier, ()))

    def oldest(self, channel: str) -> int | None:
        """The least event time (ms) parked of a channel."""
        entry = self._first(self._channels.get(channel, []))
        return None if entry is None else entry[0]

    def next(self) -> int | None:
        """The event that would be let go next."""
        entry = self._first(self._deadlines)
        return None if entry is None else entry[1]

    def is_due(self, mark: int) -> bool:
        """Whether the deadline (ms) of any has passed."""
        entry = self._first(self._deadlines)
        return entry is not None and entry[0] < mark

    def due(self, mark: int) -> Iterator[Slot]:
        """Those whose deadline has passed, in its order; each must have been removed before the next is asked for."""
        while (entry := self._first(self._deadlines)) is not None and entry[0] < mark:
            yield self._slots[entry[1]]

    def _first(self, heap: list[tuple[int, int]]) -> tuple[int, int] | None:
        while heap and heap[0][1] not in self._slots:
            heappop(heap)
        return heap[0] if heap else None
